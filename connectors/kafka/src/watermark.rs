//! A partition's watermark: the event time that its records have reached, which one clock that runs ahead cannot push.
//!
//! A record moves the watermark by one leap at most. One that lies further ahead moves nothing by itself; when [`IN_A_ROW`]
//! records in a row do, the partition as a whole is there (after a gap, or at its start), and the watermark follows to the
//! least of them. So the verdict on what is late hangs on the log alone: every reader of the same records comes to the same.
//! Pure: no clock, no I/O, no async.

/// Records in a row that must lie further ahead than a leap before the watermark follows.
const IN_A_ROW: u8 = 8;

/// Where a partition is. It is small and goes with each record, so that a commit can say where to begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// In ms; `i64::MIN` before anything is known.
    ms: i64,
    /// Records in a row that were further ahead than a leap.
    ahead: u8,
    /// The least event time of those.
    least: i64,
}

impl Default for Watermark {
    fn default() -> Self {
        Self::at(i64::MIN)
    }
}

impl Watermark {
    /// A watermark at this time, in ms.
    pub fn at(ms: i64) -> Self {
        Self {
            ms,
            ahead: 0,
            least: i64::MAX,
        }
    }

    /// In ms; `i64::MIN` before anything is known.
    pub fn ms(self) -> i64 {
        self.ms
    }

    /// After a record of this event time. Before the first one nothing is known, so it counts from one leap below.
    #[must_use]
    pub fn after(self, time_ms: i64, leap_ms: i64) -> Self {
        if self.ms == i64::MIN {
            return Self::at(time_ms.saturating_sub(leap_ms));
        }
        if time_ms <= self.ms.saturating_add(leap_ms) {
            return Self::at(self.ms.max(time_ms));
        }
        let (ahead, least) = (self.ahead + 1, self.least.min(time_ms));
        if ahead == IN_A_ROW {
            Self::at(least)
        } else {
            Self {
                ahead,
                least,
                ..self
            }
        }
    }

    /// As it is kept with a commit.
    pub fn text(self) -> String {
        match self.ahead {
            0 => self.ms.to_string(),
            n => format!("{},{n},{}", self.ms, self.least),
        }
    }

    /// What [`text`](Self::text) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let ms = parts.next()?.parse().ok()?;
        let (Some(ahead), Some(least)) = (parts.next(), parts.next()) else {
            return Some(Self::at(ms));
        };
        let ahead = ahead.parse().ok().filter(|n| *n < IN_A_ROW)?;
        let least = least.parse().ok()?;
        Some(Self { ms, ahead, least })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEAP: i64 = 60;

    fn over(times: &[i64]) -> Watermark {
        let start = Watermark::default();
        times.iter().fold(start, |w, t| w.after(*t, LEAP))
    }

    #[test]
    fn it_is_the_largest_time_of_records_that_follow_each_other() {
        assert_eq!(Watermark::default().ms(), i64::MIN);
        assert_eq!(over(&[100]).ms(), 40);
        assert_eq!(over(&[100, 100, 130, 120]).ms(), 130);
    }

    #[test]
    fn a_clock_that_runs_ahead_makes_nobody_late() {
        let mut w = over(&[1_000, 1_000]);
        for t in 1_000..2_000 {
            // Every fourth record comes from a clock far ahead.
            w = w.after(t, LEAP);
            if t % 4 == 0 {
                w = w.after(t + 540, LEAP);
            }
            assert_eq!(w.ms(), t);
        }
        // Also when the very first record is such a one, nobody is late for longer than a few records.
        let mut w = over(&[1_540]);
        for t in 1_000..1_016 {
            w = w.after(t, LEAP);
        }
        assert!(w.ms() <= 1_540 - LEAP);
    }

    #[test]
    fn a_partition_that_moves_on_as_a_whole_is_followed() {
        let mut w = over(&[100, 100]);
        for t in 1_000..1_007 {
            w = w.after(t, LEAP);
            assert_eq!(w.ms(), 100);
        }
        assert_eq!(w.after(1_007, LEAP).ms(), 1_000);
        assert_eq!(over(&[i64::MAX, i64::MIN, i64::MAX]).ms(), i64::MAX);
    }

    proptest! {
        /// Begun again at any record it goes on as if it had never stopped, and it never falls.
        #[test]
        fn what_is_written_is_where_it_was(times in prop::collection::vec(0_i64..600, 0..60), cut in 0_usize..60) {
            let mut w = Watermark::default();
            for (i, t) in times.iter().enumerate() {
                if i == cut && w.ms() != i64::MIN {
                    w = Watermark::parse(&w.text()).expect("it was written");
                }
                let next = w.after(*t, LEAP);
                prop_assert!(next.ms() >= w.ms());
                w = next;
            }
            prop_assert_eq!(w, over(&times));
        }
    }

    #[test]
    fn what_was_not_written_is_not_read() {
        for text in ["", "x", "5,8,1", "5,x,1", "5,1,x"] {
            assert_eq!(Watermark::parse(text), None, "{text:?}");
        }
        assert_eq!(Watermark::parse("5"), Some(Watermark::at(5)));
    }
}
