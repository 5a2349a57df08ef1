//! One line per result, as a table and as JSON (DESIGN 8, docs/bench.schema.json).

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

#[cfg(test)]
mod tests;

/// A figure measured several times.
#[derive(Default)]
pub struct Figure {
    /// For example `engine/null/unacked/1w/rate`.
    pub name: String,
    /// Each run's value.
    pub runs: Vec<f64>,
    /// For example `tuples/s`.
    pub unit: &'static str,
    /// The other side of a comparison.
    pub against: Option<Against>,
    /// What a reader must know.
    pub note: String,
}

/// The other side's value in the same unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Against {
    /// The figure is ours, this is the peer's.
    Theirs(f64),
    /// The figure is the peer's, this is ours.
    Ours(f64),
}

impl Figure {
    fn median(&self) -> f64 {
        median(self.runs.iter().copied())
    }

    fn spread(&self) -> (f64, f64) {
        self.runs
            .iter()
            .fold((f64::MAX, f64::MIN), |(low, high), v| {
                (low.min(*v), high.max(*v))
            })
    }

    /// Ours by theirs; none where there is nothing to divide by.
    pub fn ratio(&self) -> Option<f64> {
        let (ours, theirs) = match self.against? {
            Against::Theirs(theirs) => (self.median(), theirs),
            Against::Ours(ours) => (ours, self.median()),
        };
        (theirs != 0.0).then(|| ours / theirs)
    }

    /// The object of a line.
    pub fn json(&self) -> Value {
        let (low, high) = self.spread();
        let peer = self.against.map(|a| match a {
            Against::Theirs(value) | Against::Ours(value) => value,
        });
        json!({
            "name": self.name, "value": self.median(), "unit": self.unit, "peer": peer, "ratio": self.ratio(),
            "spread": [low, high], "n": self.runs.len(), "note": self.note,
        })
    }
}

/// The middle one; the upper of two; 0 of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Whole numbers where they are large; parts keep what tells them apart.
fn short(value: f64) -> String {
    if value.abs() < 100.0 {
        format!("{value:.6}")
    } else {
        format!("{value:.0}")
    }
}

/// Figures of a long run: the file is written anew with each, so that nothing is lost when the run ends early.
pub struct Report {
    figures: Vec<Figure>,
    refused: Vec<String>,
    file: Option<PathBuf>,
}

impl Report {
    /// With a file for JSON, or without.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(file: Option<&Path>) -> anyhow::Result<Self> {
        let report = Self {
            figures: Vec::new(),
            refused: Vec::new(),
            file: file.map(Path::to_owned),
        };
        report.write()?;
        Ok(report)
    }

    /// One more figure.
    pub fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
        // What cannot be written now is told at the end.
        drop(self.write());
    }

    /// The other side of a figure that is known already.
    pub fn against(&self, name: &str) -> Option<Against> {
        self.figures.iter().find(|f| f.name == name)?.against
    }

    /// Takes the comparison from all figures that the name begins with: the baseline is no good.
    pub fn refuse(&mut self, begins: &str, why: &str) {
        for figure in &mut self.figures {
            if figure.name.starts_with(begins) {
                figure.against = None;
                figure.note = format!("{why}; {}", figure.note);
            }
        }
        self.refused.push(format!("{begins}: {why}"));
    }

    /// Prints the table and writes the file.
    ///
    /// # Errors
    /// The file cannot be written, or a baseline was refused.
    pub fn finish(self) -> anyhow::Result<()> {
        table(&self.figures);
        self.write()?;
        anyhow::ensure!(self.refused.is_empty(), "{}", self.refused.join("\n"));
        Ok(())
    }

    fn write(&self) -> anyhow::Result<()> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        write(&self.figures, path)
    }
}

fn write(figures: &[Figure], path: &Path) -> anyhow::Result<()> {
    let mut out = std::fs::File::create(path)?;
    for f in figures {
        writeln!(out, "{}", f.json())?;
    }
    Ok(())
}

fn table(figures: &[Figure]) {
    println!(
        "{:<42} {:>14} {:>14} {:>14} {:>14} {:>8}  unit",
        "name", "median", "min", "max", "peer", "ratio"
    );
    for f in figures {
        let (low, high) = f.spread();
        let peer = f.against.map_or(String::new(), |a| match a {
            Against::Theirs(value) | Against::Ours(value) => short(value),
        });
        println!(
            "{:<42} {:>14} {:>14} {:>14} {:>14} {:>8}  {}",
            f.name,
            short(f.median()),
            short(low),
            short(high),
            peer,
            f.ratio().map_or(String::new(), |r| format!("{r:.3}")),
            f.unit
        );
    }
}

/// Prints a table, and writes one JSON object a line to `file` when it is given.
///
/// # Errors
/// The file cannot be written.
pub fn print(figures: &[Figure], file: Option<&Path>) -> anyhow::Result<()> {
    table(figures);
    match file {
        Some(path) => write(figures, path),
        None => Ok(()),
    }
}
