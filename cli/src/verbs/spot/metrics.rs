//! Answers as a file in Prometheus' text form, for the textfile collector of a node exporter: the planner is no daemon,
//! a timer runs it.

use std::fmt::Write;
use std::path::Path;

use crate::failure::{Done, Failure};

/// One metric with a value for each topology, or for none.
pub struct Metric {
    /// Without `fulmar_spot_`.
    pub name: &'static str,
    /// Topology, and value.
    pub values: Vec<(Option<String>, f64)>,
}

/// Writes them in one step, so that a reader never sees half of them.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, metrics: &[Metric]) -> Done {
    let say = |e: std::io::Error| {
        Failure::Failed(format!(
            "{}: {e}; name a file in a folder that can be written",
            path.display()
        ))
    };
    let beside = path.with_extension("new");
    std::fs::write(&beside, text(metrics)).map_err(say)?;
    std::fs::rename(&beside, path).map_err(say)
}

fn text(metrics: &[Metric]) -> String {
    let mut out = String::new();
    for m in metrics {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# TYPE fulmar_spot_{} gauge", m.name);
        for (topology, value) in &m.values {
            let label = topology.as_ref().map_or(String::new(), |t| {
                let t = t
                    .replace('\\', "\\\\")
                    .replace('"', "\\\"")
                    .replace('\n', "\\n");
                format!("{{topology=\"{t}\"}}")
            });
            let _ = writeln!(out, "fulmar_spot_{}{label} {value}", m.name);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_carry_their_topology() {
        let values = vec![(Some("a\"b".to_owned()), 0.5), (None, 2.0)];
        let found = text(&[Metric {
            name: "served_ratio",
            values,
        }]);
        assert_eq!(
            found,
            "# TYPE fulmar_spot_served_ratio gauge\nfulmar_spot_served_ratio{topology=\"a\\\"b\"} 0.5\nfulmar_spot_served_ratio 2\n"
        );
    }
}
