//! What comes too late to be counted: it is refused with its reason here, rather than estimated and then left out of the
//! aggregates.
//!
//! The rule is the aggregation's, at the shortest of its windows: a window waits `aggregation.lateness.ms` behind its end, by the
//! watermark of the record's own partition. Both topologies read the same keys.
//! Pure: no clock, no I/O, no async.

use fulmar::prelude::*;

use crate::decode::Reject;

/// Reason of what comes too late.
pub const TOO_LATE: &str = "too_late";

/// When a record is too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// Length of the shortest window that it is counted in, in ms.
    pub window_ms: i64,
    /// How long a window waits behind its end, in ms.
    pub wait_ms: i64,
}

impl Default for Lateness {
    fn default() -> Self {
        Self {
            window_ms: 600_000,
            wait_ms: 60_000,
        }
    }
}

impl Lateness {
    /// From the keys of the aggregation.
    ///
    /// # Errors
    /// A value is of another kind, or no resolution.
    pub fn from_conf(conf: &Config) -> Result<Self> {
        let default = Self::default();
        let names = conf.strings("aggregation.resolutions")?;
        let lengths: Option<Vec<i64>> = names.iter().map(|n| length_ms(n)).collect();
        let Some(lengths) = lengths else {
            return Err(Error::config(
                "aggregation.resolutions",
                format!("{names:?} holds what is none of 1m, 10m, 1h, 1d"),
            ));
        };
        let wait_ms = conf.int_or("aggregation.lateness.ms", default.wait_ms)?;
        Ok(Self {
            window_ms: lengths.into_iter().min().unwrap_or(default.window_ms),
            wait_ms: wait_ms.max(0),
        })
    }

    /// Refuses a record of which the shortest window is final at its partition's watermark; both in ms.
    ///
    /// # Errors
    /// It is.
    pub fn check(self, time_ms: i64, watermark_ms: i64) -> std::result::Result<(), Reject> {
        let start = time_ms.div_euclid(self.window_ms) * self.window_ms;
        let last = start + self.window_ms + self.wait_ms;
        if watermark_ms <= last {
            return Ok(());
        }
        Err(Reject {
            reason: TOO_LATE,
            error: format!(
                "time_ms {time_ms}: its window of {} s ended {} s before the newest records of its partition; the most is {} s (aggregation.lateness.ms)",
                self.window_ms / 1_000,
                (watermark_ms - start - self.window_ms) / 1_000,
                self.wait_ms / 1_000
            ),
        })
    }
}

fn length_ms(resolution: &str) -> Option<i64> {
    let unit = match resolution.chars().last()? {
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let number = resolution.get(..resolution.len() - 1)?.parse::<i64>();
    number
        .ok()
        .filter(|n| (1..=366).contains(n))
        .map(|n| n * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_taken_as_long_as_its_window_waits_and_refused_with_the_figures_then() {
        let late = Lateness::default();
        let minute = 60_000;
        for time in [20 * minute, 29 * minute, 30 * minute - 1] {
            assert_eq!(late.check(time, 31 * minute), Ok(()));
            let refused = late.check(time, 31 * minute + 1).expect_err("too late");
            assert_eq!(refused.reason, TOO_LATE);
            assert!(
                refused.error.contains("aggregation.lateness.ms"),
                "{}",
                refused.error
            );
        }
        assert_eq!(late.check(1_000, i64::MIN), Ok(()), "nothing is known yet");
        assert!(late.check(1_000, 1_700_000_000_000).is_err());
    }

    #[test]
    fn the_shortest_resolution_counts() {
        let mut conf = Config::new();
        assert_eq!(
            Lateness::from_conf(&conf).expect("defaults"),
            Lateness::default()
        );
        let names = ["1h", "1m", "10m"].map(Value::from);
        conf.set("aggregation.resolutions", names.to_vec())
            .set("aggregation.lateness.ms", 5_000_i64);
        let late = Lateness::from_conf(&conf).expect("right");
        assert_eq!((late.window_ms, late.wait_ms), (60_000, 5_000));
        conf.set("aggregation.resolutions", vec![Value::from("10x")]);
        assert!(Lateness::from_conf(&conf).is_err());
    }
}
