//! Figures of predictions against truth, with intervals from resampling whole deployments.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use fulmar_wifi::grow::Dice;
use serde_json::json;

/// Resamplings of an interval.
const RESAMPLES: usize = 300;

/// One prediction with its truth, and the deployment that it comes from.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// Deployment.
    pub group: &'a str,
    /// Predicted.
    pub said: f64,
    /// True.
    pub truth: f64,
}

/// Mean absolute error.
pub fn mae(pairs: &[Pair<'_>]) -> f64 {
    pairs.iter().map(|p| (p.said - p.truth).abs()).sum::<f64>() / pairs.len() as f64
}

/// Part of the variance around the mean of these that is explained.
pub fn r2(pairs: &[Pair<'_>]) -> f64 {
    let mean = pairs.iter().map(|p| p.truth).sum::<f64>() / pairs.len() as f64;
    let missed: f64 = pairs.iter().map(|p| (p.said - p.truth).powi(2)).sum();
    1.0 - missed / pairs.iter().map(|p| (p.truth - mean).powi(2)).sum::<f64>()
}

/// Part of the pairs whose class (a whole number) is right.
pub fn accuracy(pairs: &[Pair<'_>]) -> f64 {
    pairs.iter().filter(|p| p.said == p.truth).count() as f64 / pairs.len() as f64
}

/// Mean over the true classes of 2·right ÷ (said + true).
pub fn macro_f1(pairs: &[Pair<'_>]) -> f64 {
    let mut classes: Vec<f64> = pairs.iter().map(|p| p.truth).collect();
    classes.sort_by(f64::total_cmp);
    classes.dedup();
    let f1 = classes.iter().map(|k| {
        let said = pairs.iter().filter(|p| p.said == *k).count();
        let truth = pairs.iter().filter(|p| p.truth == *k).count();
        let both = pairs
            .iter()
            .filter(|p| p.said == *k && p.truth == *k)
            .count();
        2.0 * both as f64 / (said + truth) as f64
    });
    f1.sum::<f64>() / classes.len() as f64
}

/// A figure, its 90 % interval, and how many rows it rests on.
pub struct Figure {
    /// For example `wifi/ns3/mae`.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// `Mb/s`, `1` or `rows/s`.
    pub unit: &'static str,
    /// Ends of the interval.
    pub spread: [f64; 2],
    /// Rows.
    pub n: usize,
    /// What a reader must know.
    pub note: String,
}

/// A measure of pairs as a figure.
pub fn figure(
    name: String,
    unit: &'static str,
    pairs: &[Pair<'_>],
    measure: fn(&[Pair<'_>]) -> f64,
) -> Figure {
    let mut groups: BTreeMap<&str, Vec<Pair<'_>>> = BTreeMap::new();
    for p in pairs {
        groups.entry(p.group).or_default().push(*p);
    }
    let groups: Vec<_> = groups.into_values().collect();
    let (mut dice, mut runs) = (Dice(7), Vec::with_capacity(RESAMPLES));
    for _ in 0..RESAMPLES {
        let pick = |_| &groups[(dice.roll() % groups.len() as u64) as usize];
        let some: Vec<Pair<'_>> = (0..groups.len()).flat_map(pick).copied().collect();
        runs.push(measure(&some));
    }
    runs.sort_by(f64::total_cmp);
    let note = format!("interval: 90 %, {} deployments resampled", groups.len());
    Figure {
        name,
        value: measure(pairs),
        unit,
        spread: [runs[RESAMPLES / 20], runs[RESAMPLES - 1 - RESAMPLES / 20]],
        n: pairs.len(),
        note,
    }
}

/// Prints a table, and writes one JSON object a line to `file` when it is given.
///
/// # Errors
/// The file cannot be written.
pub fn print(figures: &[Figure], file: Option<&Path>) -> Result<()> {
    println!(
        "{:<30} {:>12} {:>25} {:>8}  unit",
        "name", "value", "interval", "rows"
    );
    for f in figures {
        let digits = if f.value.abs() < 10.0 { 4 } else { 2 };
        let spread = format!("{:.digits$} .. {:.digits$}", f.spread[0], f.spread[1]);
        println!(
            "{:<30} {:>12.digits$} {spread:>25} {:>8}  {}",
            f.name, f.value, f.n, f.unit
        );
    }
    let Some(path) = file else { return Ok(()) };
    let mut out = File::create(path)?;
    for f in figures {
        let line = json!({
            "name": f.name, "value": f.value, "unit": f.unit, "peer": null, "ratio": null,
            "spread": f.spread, "n": f.n, "note": f.note,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(all: &[(f64, f64)]) -> Vec<Pair<'static>> {
        let pair = |(said, truth): &(f64, f64)| Pair {
            group: if *truth > 1.0 { "a" } else { "b" },
            said: *said,
            truth: *truth,
        };
        all.iter().map(pair).collect()
    }

    #[test]
    fn measures_are_what_their_names_say() {
        let p = pairs(&[(1.0, 1.0), (2.0, 4.0), (3.0, 1.0)]);
        assert!((mae(&p) - 4.0 / 3.0).abs() < 1e-12);
        assert!((r2(&p) - (1.0 - 8.0 / 6.0)).abs() < 1e-12);
        assert!((accuracy(&p) - 1.0 / 3.0).abs() < 1e-12);
        // Class 1: right once, said once, true twice; class 4 never right.
        assert!((macro_f1(&p) - (2.0 / 3.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn an_interval_holds_its_figure() {
        let p = pairs(&[(1.0, 1.0), (2.0, 4.0), (3.0, 1.0), (5.0, 5.5)]);
        let f = figure("x".into(), "Mb/s", &p, mae);
        assert!(f.spread[0] <= f.value && f.value <= f.spread[1]);
    }
}
