//! One line per result, as a table and as JSON (DESIGN 8).

use std::io::Write;
use std::path::Path;

use serde_json::json;

/// A figure measured several times.
pub struct Figure {
    /// For example `engine/null/unacked/1w/rate`.
    pub name: String,
    /// Each run's value.
    pub runs: Vec<f64>,
    /// For example `tuples/s`.
    pub unit: &'static str,
    /// What a reader must know.
    pub note: String,
}

impl Figure {
    fn median(&self) -> f64 {
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
    }

    fn spread(&self) -> (f64, f64) {
        self.runs
            .iter()
            .fold((f64::MAX, f64::MIN), |(low, high), v| {
                (low.min(*v), high.max(*v))
            })
    }
}

/// Whole numbers where they are large; parts keep what tells them apart.
fn short(value: f64) -> String {
    if value.abs() < 100.0 {
        format!("{value:.6}")
    } else {
        format!("{value:.0}")
    }
}

/// Prints a table, and writes one JSON object a line to `file` when it is given.
///
/// # Errors
/// The file cannot be written.
pub fn print(figures: &[Figure], file: Option<&Path>) -> anyhow::Result<()> {
    println!(
        "{:<40} {:>14} {:>14} {:>14}  unit",
        "name", "median", "min", "max"
    );
    for f in figures {
        let (low, high) = f.spread();
        println!(
            "{:<40} {:>14} {:>14} {:>14}  {}",
            f.name,
            short(f.median()),
            short(low),
            short(high),
            f.unit
        );
    }
    let Some(path) = file else { return Ok(()) };
    let mut out = std::fs::File::create(path)?;
    for f in figures {
        let (low, high) = f.spread();
        let line = json!({
            "name": f.name, "value": f.median(), "unit": f.unit, "peer": null, "ratio": null,
            "spread": [low, high], "n": f.runs.len(), "note": f.note,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}
