//! Results: a table for people, one JSON object a line for programs.

use std::path::Path;

use serde_json::json;

use crate::failure::Failure;

/// One figure.
#[derive(Debug)]
pub struct Figure {
    /// Path of the result, as `attribution/b0/f1`.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// An interval: 95 % by resampling for qualities, smallest and largest for times.
    pub spread: (f64, f64),
    /// Series or cases that it is of.
    pub n: usize,
    /// What a reader must know.
    pub note: String,
}

/// All figures, and what could not be scored.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of printing.
    pub figures: Vec<Figure>,
    /// Lines for people.
    pub remarks: Vec<String>,
}

impl Report {
    /// Prints the table.
    pub fn print(&self) {
        println!(
            "{:<28} {:>12} {:<9} {:>24} {:>5}  note",
            "name", "value", "unit", "spread", "n"
        );
        for f in &self.figures {
            let digits = if f.value.abs() >= 1_000.0 { 0 } else { 3 };
            let spread = format!("{:.digits$} to {:.digits$}", f.spread.0, f.spread.1);
            println!(
                "{:<28} {:>12.digits$} {:<9} {spread:>24} {:>5}  {}",
                f.name, f.value, f.unit, f.n, f.note
            );
        }
        self.remarks.iter().for_each(|r| println!("{r}"));
    }

    /// Writes one object a line.
    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        let line = |f: &Figure| {
            let object = json!({
                "name": f.name, "value": f.value, "unit": f.unit, "peer": null, "ratio": null,
                "spread": [f.spread.0, f.spread.1], "n": f.n, "note": f.note,
            });
            format!("{object}\n")
        };
        let text: String = self.figures.iter().map(line).collect();
        std::fs::write(file, text).map_err(|e| Failure::File(file.to_owned(), e))
    }
}

/// A 95 % interval of a figure of some groups (series, cases): the groups drawn again with replacement, a thousand times.
pub fn interval(groups: usize, figure: impl Fn(&[usize]) -> f64) -> (f64, f64) {
    if groups == 0 {
        return (f64::NAN, f64::NAN);
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % groups as u64) as usize
    };
    let mut values: Vec<f64> = (0..1_000)
        .map(|_| figure(&(0..groups).map(|_| draw()).collect::<Vec<_>>()))
        .collect();
    values.sort_by(f64::total_cmp);
    (values[25], values[974])
}

/// CPU time of this thread, in seconds; where the system does not tell it, none.
pub fn cpu_seconds() -> Option<f64> {
    // The kernel books time when a thread is switched, else only at its ticks of milliseconds.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}
