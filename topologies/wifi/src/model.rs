//! The fitted model of the live estimator: how it stands in its file, and the one that is built in.
//! Pure: no clock, no I/O, no async.

use std::fmt::Write;
use std::sync::OnceLock;

use crate::air::{Calibration, FITTED, SETTINGS, Setting, Throughput};
use crate::cause::{CAUSES, Weights, class, prior, set_class};
use crate::lack::LACKS;

/// First line of the file.
const HEAD: &str = "fulmar-air 2";
/// Version of the estimators, part of every estimate; it changes with the committed file.
pub const VERSION: &str = "air-3";

/// Factors of the interval that holds nine of ten truths, below and above, for each of [`SETTINGS`]:
/// times [`Throughput::scale`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intervals(pub [(f64, f64); SETTINGS.len()]);

impl Intervals {
    /// Factors below and above where this decides.
    pub fn ends(&self, setting: Setting) -> (f64, f64) {
        let at = SETTINGS.iter().position(|s| s.0 == setting);
        self.0[at.unwrap_or(0)]
    }

    /// Ends in Mbit/s around an estimate; `doubt` of 1 and more widens them.
    pub fn around(&self, t: &Throughput, doubt: f64) -> (f64, f64) {
        let (low, high) = self.ends(t.setting);
        let scale = t.scale() * doubt.max(1.0);
        ((t.mbps - low * scale).max(0.0), t.mbps + high * scale)
    }
}

/// All that is fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Numbers of the physics.
    pub calibration: Calibration,
    /// Interval where the other clients of the access point are known.
    pub with_mates: Intervals,
    /// Interval where only sums over them are.
    pub alone: Intervals,
    /// How much wider an interval gets for what a record lacks, in the order of [`LACKS`].
    pub doubts: [f64; LACKS.len()],
    /// Weights of the causes.
    pub weights: Weights,
}

impl Model {
    /// The one that is built in.
    pub fn built_in() -> &'static Self {
        static MODEL: OnceLock<Model> = OnceLock::new();
        MODEL.get_or_init(|| {
            Self::read(include_str!("../models/air.model"))
                .expect("a test reads the committed file")
        })
    }

    /// How much wider the interval of a record gets that lacks these; 1 where it lacks nothing.
    pub fn doubt(&self, lacks: [bool; LACKS.len()]) -> f64 {
        let of = self.doubts.iter().zip(lacks);
        of.filter(|(_, lacks)| *lacks).map(|(d, _)| d).product()
    }

    /// The file.
    pub fn write(&self) -> String {
        let mut out = format!("{HEAD}\n");
        // Writing to a string cannot fail.
        for ((name, _, _), value) in FITTED.iter().zip(self.calibration.values()) {
            let _ = writeln!(out, "{name} {value}");
        }
        for (name, i) in [("with_mates", self.with_mates), ("alone", self.alone)] {
            for ((_, setting), (low, high)) in SETTINGS.iter().zip(i.0) {
                let _ = writeln!(out, "{name}_{setting} {low} {high}");
            }
        }
        for ((_, name), doubt) in LACKS.iter().zip(self.doubts) {
            let _ = writeln!(out, "lacks_{name} {doubt}");
        }
        for (k, cause) in CAUSES.iter().enumerate() {
            let (gain, constant) = class(&self.weights, k);
            let _ = writeln!(out, "cause_{} {gain} {constant}", cause.label());
        }
        out
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong in it and where.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return Err(format!("line 1 is not {HEAD:?}"));
        }
        let mut row = |name: &str, count: usize| -> Result<Vec<f64>, String> {
            let line = lines.next().ok_or_else(|| format!("{name} is missing"))?;
            let mut words = line.split(' ');
            if words.next() != Some(name) {
                return Err(format!("{line:?} stands where {name} should"));
            }
            let numbers = words.map(|w| w.parse().ok().filter(|v: &f64| v.is_finite()));
            let numbers: Option<Vec<f64>> = numbers.collect();
            numbers
                .filter(|n| n.len() == count)
                .ok_or_else(|| format!("{line:?} does not hold {count} numbers"))
        };
        let mut values = [0.0; FITTED.len()];
        for (value, (name, _, _)) in values.iter_mut().zip(FITTED) {
            *value = row(name, 1)?[0];
        }
        let mut intervals = |name: &str| {
            let mut all = [(0.0, 0.0); SETTINGS.len()];
            for (slot, (_, setting)) in all.iter_mut().zip(SETTINGS) {
                let ends = row(&format!("{name}_{setting}"), 2)?;
                *slot = (ends[0], ends[1]);
            }
            Ok::<_, String>(Intervals(all))
        };
        let (with_mates, alone) = (intervals("with_mates")?, intervals("alone")?);
        let mut doubts = [1.0; LACKS.len()];
        for (doubt, (_, name)) in doubts.iter_mut().zip(LACKS) {
            *doubt = row(&format!("lacks_{name}"), 1)?[0];
        }
        let mut weights = prior();
        for (k, cause) in CAUSES.iter().enumerate() {
            let pair = row(&format!("cause_{}", cause.label()), 2)?;
            set_class(&mut weights, k, (pair[0], pair[1]));
        }
        Ok(Self {
            calibration: Calibration::of(values),
            with_mates,
            alone,
            doubts,
            weights,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_model_reads_back_as_it_is_written() {
        let model = Model::built_in();
        assert_eq!(Model::read(&model.write()).as_ref(), Ok(model));
    }

    #[test]
    fn a_wrong_file_is_refused_with_what_is_wrong() {
        let good = Model::built_in().write();
        let wire = good.lines().find(|l| l.starts_with("wire ")).unwrap();
        for (bad, part) in [
            (String::new(), "line 1"),
            (good.replace(wire, "wire NaN"), "1 numbers"),
            (good.replace(wire, "wire"), "1 numbers"),
            (good.replace(wire, "foreign 1"), "wire should"),
            (good[..60].to_owned(), ""),
        ] {
            let error = Model::read(&bad).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
