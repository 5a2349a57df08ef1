//! What a drill found: in words, as one JSON object (docs/drill.schema.json), and as a page with charts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fulmar_proto::nimbus as pb;
use serde::Serialize;

use super::chart;
use super::health::{Look, Nodes, Outcome};
use crate::args::Output;
use crate::failure::{Done, Failure};
use crate::output;

/// A node that was struck.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Struck {
    /// Its id.
    pub node: String,
    /// Its pool.
    pub pool: String,
    /// When it was told, in seconds from the first loss or its notice.
    pub at_s: f64,
    /// When it ended.
    pub ends_s: f64,
    /// From its notice until nothing was left on it; none: not before its end, or no notice.
    pub drained_s: Option<f64>,
}

impl Struck {
    /// A node that has taken its order.
    pub fn new(node: &pb::SupervisorSummary, at_s: f64, ends_s: f64) -> Self {
        Struck {
            node: node.node_id.clone(),
            pool: node.pool.clone(),
            at_s,
            ends_s,
            drained_s: None,
        }
    }
}

/// The report; its fields are a promise to scripts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Why it did not go well; empty when it did.
    pub reasons: Vec<String>,
    /// When it began, in milliseconds since the epoch; 0: nothing was done.
    pub started_ms: u64,
    /// From the first loss or its notice to the end of the drill.
    pub seconds: f64,
    /// Of random choices.
    pub seed: u64,
    /// Notice before an end; none: without notice.
    pub notice_s: Option<f64>,
    /// Nodes that there were.
    pub nodes: usize,
    /// Nodes that were chosen before anything was done; empty for a recording.
    pub planned: Vec<String>,
    /// Topologies that do not bear the loss of those, by the scheduler.
    pub not_borne: Vec<String>,
    /// Nodes that were struck.
    pub struck: Vec<Struck>,
    /// Nodes that a recording takes and that were left, because their loss would not have been borne.
    pub spared: usize,
    /// Looks that Nimbus did not answer.
    pub missed_looks: usize,
    /// What became of each topology.
    pub outcomes: Vec<Outcome>,
    /// Every look at each topology.
    pub topologies: BTreeMap<String, Vec<Look>>,
    /// Every look at the nodes.
    pub looks_at_nodes: Vec<Nodes>,
}

impl Report {
    /// Notes that a node was seen with nothing left on it.
    pub fn drained(&mut self, node: &str, at_s: f64) {
        let struck = self.struck.iter_mut().find(|s| s.node == node);
        if let Some(s) = struck.filter(|s| s.drained_s.is_none() && s.ends_s > s.at_s) {
            s.drained_s = Some(at_s - s.at_s);
        }
    }

    /// Prints it; `written` is the name of the files.
    pub fn print(&self, form: Output, written: Option<&Path>) {
        let json = serde_json::to_value(self).unwrap_or_default();
        if form == Output::Json {
            println!("{json:#}");
            return;
        }
        let Some(name) = written else {
            println!("{}", self.intent());
            return;
        };
        let secs = |s: Option<f64>, or: &str| s.map_or(or.to_owned(), |s| format!("{s:.1} s"));
        let rows = self.outcomes.iter().map(|o| {
            vec![
                o.topology.clone(),
                format!("{:.0}/s", o.usual_rate),
                format!("{:.0}/s", o.lowest_rate),
                format!("{:.1} s", o.dip_s),
                o.failed.to_string(),
                secs(o.recovered_s, "not in time"),
            ]
        });
        let columns = [
            "topology",
            "usual",
            "lowest",
            "longest pause",
            "failed",
            "recovered after",
        ];
        output::print(form, &columns, rows.collect(), &json);
        let drained: Vec<f64> = self.struck.iter().filter_map(|s| s.drained_s).collect();
        let slowest = drained.iter().copied().fold(0.0, f64::max);
        let words = match drained.len() {
            0 => String::new(),
            n => {
                format!(", {n} of them drained before, the slowest {slowest:.1} s after its notice")
            }
        };
        println!(
            "\n{} of {} nodes vanished{words}",
            self.struck.len(),
            self.nodes
        );
        if self.spared > 0 {
            println!(
                "{} more were spared: their loss would not have been borne (--force takes them)",
                self.spared
            );
        }
        let [json, html] = files(name);
        println!("report: {} and {}", json.display(), html.display());
    }

    fn intent(&self) -> String {
        let who = match self.planned.is_empty() {
            true => "whom the recording says".to_owned(),
            false => self.planned.join(", "),
        };
        let borne = match self.not_borne.is_empty() {
            true => "every topology bears it".to_owned(),
            false => format!("NOT borne by {}", self.not_borne.join(", ")),
        };
        format!("would take {who} of {} nodes; {borne}", self.nodes)
    }
}

fn files(name: &Path) -> [PathBuf; 2] {
    ["json", "html"].map(|ending| {
        let mut file = name.as_os_str().to_owned();
        file.push(".");
        file.push(ending);
        file.into()
    })
}

/// Whether the report will find its place, asked before anything is struck.
///
/// # Errors
/// Its folder is not there or cannot be written.
pub fn writable(name: &Path) -> Done {
    for file in files(name) {
        let opened = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file);
        opened.map_err(|e| cannot(&file, &e))?;
    }
    Ok(())
}

fn cannot(file: &Path, e: &std::io::Error) -> Failure {
    Failure::Usage(format!(
        "{}: {e}; name a file that can be written with --report",
        file.display()
    ))
}

/// Writes both files.
///
/// # Errors
/// They cannot be written.
pub fn write(name: &Path, report: &Report) -> Done {
    let json = serde_json::to_string_pretty(report).map_err(Failure::here)?;
    let texts = [json + "\n", chart::page(report)];
    for (file, text) in files(name).iter().zip(texts) {
        std::fs::write(file, text).map_err(|e| cannot(file, &e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// What of a value does not fit a schema, of the few words that ours uses.
    fn misfits(at: &str, schema: &Value, value: &Value, found: &mut Vec<String>) {
        if let Some(names) = schema["enum"].as_array() {
            if !names.contains(value) {
                found.push(format!("{at}: {value}"));
            }
            return;
        }
        let is = |kind: &Value| match kind.as_str() {
            Some("null") => value.is_null(),
            Some("number") => value.is_number(),
            Some("integer") => value.is_u64(),
            Some("string") => value.is_string(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => false,
        };
        let kinds = &schema["type"];
        if !kinds
            .as_array()
            .map_or_else(|| is(kinds), |all| all.iter().any(is))
        {
            found.push(format!("{at}: {value} is not {kinds}"));
            return;
        }
        for (i, item) in value.as_array().into_iter().flatten().enumerate() {
            misfits(&format!("{at}/{i}"), &schema["items"], item, found);
        }
        let fields = schema["properties"].as_object();
        for (name, own) in value.as_object().into_iter().flatten() {
            let of = fields
                .and_then(|f| f.get(name))
                .unwrap_or(&schema["additionalProperties"]);
            match of {
                Value::Bool(false) => found.push(format!("{at}/{name}: is not in the schema")),
                of => misfits(&format!("{at}/{name}"), of, own, found),
            }
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            if value.get(name.as_str().unwrap_or_default()).is_none() {
                found.push(format!("{at}: {name} is missing"));
            }
        }
    }

    #[test]
    fn the_report_is_what_its_schema_says() {
        let schema: Value =
            serde_json::from_str(include_str!("../../../../docs/drill.schema.json")).expect("JSON");
        let mut report = Report {
            outcomes: vec![Outcome::default()],
            struck: vec![Struck::default()],
            looks_at_nodes: vec![Nodes::default()],
            ..Report::default()
        };
        report.topologies.insert("t".into(), vec![Look::default()]);
        let check = |report: &Report| {
            let mut found = Vec::new();
            misfits(
                "",
                &schema,
                &serde_json::to_value(report).expect("writes"),
                &mut found,
            );
            assert_eq!(found, Vec::<String>::new());
        };
        check(&report);
        report.notice_s = Some(15.0);
        report.outcomes[0].recovered_s = Some(1.5);
        check(&report);
        let mut found = Vec::new();
        misfits(
            "",
            &schema,
            &serde_json::json!({"reasons": [1], "other": 2}),
            &mut found,
        );
        assert!(found.len() > 10, "the check bites: {found:?}");
    }

    #[test]
    fn a_drained_node_is_noted_once_and_only_before_its_end() {
        let mut report = Report::default();
        let node = |node: &str, at_s, ends_s| Struck {
            node: node.into(),
            at_s,
            ends_s,
            ..Struck::default()
        };
        report.struck = vec![node("a", 1.0, 16.0), node("b", 1.0, 1.0)];
        for at_s in [3.5, 9.0] {
            report.drained("a", at_s);
            report.drained("b", at_s);
        }
        let drained: Vec<_> = report.struck.iter().map(|s| s.drained_s).collect();
        assert_eq!(drained, [Some(2.5), None]);
    }
}
