//! What is usual for a series: median and spread of past windows of the same hour, as far as there are any.
//!
//! The hour of the week is asked first, since use of a network is weekly, then the hour of the day, then the latest
//! windows. Median and median absolute deviation (scaled by 1.4826, so that it estimates a normal's standard deviation)
//! are not moved by a few bad windows (Hampel 1974). Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, VecDeque};

use crate::series::tail::Tail;

const HOUR_MS: i64 = 3_600_000;
/// Thursday, 1 January 1970 began a week that is as good as any.
const HOURS_OF_WEEK: i64 = 168;
/// Windows kept of each hour of the week: two of them at ten minutes, or a dozen weeks at an hour.
const OF_HOUR: usize = 12;
/// Latest windows kept.
const LATEST: usize = 72;
/// More than one week's worth of an hour of ten-minute windows.
const ENOUGH_OF_WEEK: usize = 7;
/// More than one day's worth.
const ENOUGH_OF_DAY: usize = 13;
/// A normal distribution's standard deviation over its median absolute deviation.
const MAD_TO_SIGMA: f64 = 1.4826;
/// A spread is at least this part of the median: nothing is steadier than that for long.
const LEAST_PART: f64 = 0.05;
/// How much its own tail moves a series' limit, as in [`crate::series::Settings::own`].
const OWN: f64 = 0.25;

/// What is to be expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// In the metric's unit.
    pub value: f64,
    /// Robust standard deviation in the metric's unit, above 0.
    pub scale: f64,
}

/// The past of one series.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    hours: BTreeMap<u8, VecDeque<f32>>,
    latest: VecDeque<f32>,
    /// Windows taken in, ever.
    windows: u64,
    /// Records of a usual window: a slow average.
    count: f64,
    /// How far its windows stray by themselves, in robust standard deviations.
    tail: Tail,
}

impl Baseline {
    /// Takes in how far off a window seemed, in robust standard deviations.
    pub fn strays(&mut self, score: f64) {
        self.tail.learn(score.abs());
    }

    /// Takes in a window that was as it should be.
    pub fn train(&mut self, start_ms: i64, value: f64, count: i64) {
        let hour = hour_of_week(start_ms);
        let values = self.hours.entry(hour).or_default();
        values.push_back(value as f32);
        if values.len() > OF_HOUR {
            values.pop_front();
        }
        self.latest.push_back(value as f32);
        if self.latest.len() > LATEST {
            self.latest.pop_front();
        }
        self.windows += 1;
        let part = 1.0 / (self.windows.min(20) as f64);
        self.count += (count as f64 - self.count) * part;
    }

    /// By how much its limit is above that of all series: 1 or more. One whose windows stray far by themselves is asked
    /// for more, on a scale of logarithms ([`Tail`]); none is asked for less.
    pub fn limit(&self) -> f64 {
        self.tail.limit(OWN).max(1.0)
    }

    /// What a window that begins then and holds so many records should be; `None` before `least` windows are known.
    /// `floor` is the smallest spread, in the metric's unit. A window of fewer records than usual may stray further.
    pub fn expected(
        &self,
        start_ms: i64,
        count: i64,
        least: usize,
        floor: f64,
    ) -> Option<Expected> {
        if self.windows < least as u64 {
            return None;
        }
        let hour = hour_of_week(start_ms);
        let of_week: Vec<f32> = self
            .hours
            .get(&hour)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        let of_day = |day: u8| self.hours.get(&(hour % 24 + 24 * day));
        let mut values = of_week;
        if values.len() < ENOUGH_OF_WEEK {
            values = (0..7).filter_map(of_day).flatten().copied().collect();
            if values.len() < ENOUGH_OF_DAY {
                values = self.latest.iter().copied().collect();
            }
        }
        let value = median(&mut values)?;
        let mut away: Vec<f32> = values.iter().map(|v| (v - value).abs()).collect();
        let mad = f64::from(median(&mut away)?) * MAD_TO_SIGMA;
        let value = f64::from(value);
        let thin = (self.count / count.max(1) as f64).max(1.0).sqrt();
        let scale = mad.max(value.abs() * LEAST_PART).max(floor) * thin;
        Some(Expected { value, scale })
    }
}

fn hour_of_week(start_ms: i64) -> u8 {
    start_ms.div_euclid(HOUR_MS).rem_euclid(HOURS_OF_WEEK) as u8
}

/// The median, the lower one of two; `None` of nothing.
fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: i64 = 600_000;

    #[test]
    fn a_few_bad_windows_move_nothing() {
        let mut b = Baseline::default();
        assert_eq!(b.expected(0, 10, 1, 1.0), None);
        for n in 0..24 {
            let value = if n % 8 == 0 {
                0.0
            } else {
                100.0 + (n % 3) as f64
            };
            b.train(n * WINDOW, value, 10);
        }
        let e = b.expected(24 * WINDOW, 10, 12, 1.0).unwrap();
        assert!((e.value - 101.0).abs() <= 1.0, "{e:?}");
        assert_eq!(e.scale, e.value * LEAST_PART);
        assert!(b.expected(24 * WINDOW, 10, 25, 1.0).is_none());
        assert_eq!(b.expected(24 * WINDOW, 10, 1, 40.0).unwrap().scale, 40.0);
    }

    #[test]
    fn the_hour_of_the_week_is_asked_first_then_the_hour_of_the_day() {
        let mut b = Baseline::default();
        // Three days: nights at 10, noon at 200.
        for n in 0..3 * 144 {
            let hour = n * WINDOW / HOUR_MS % 24;
            let value = if (8..20).contains(&hour) { 200.0 } else { 10.0 };
            b.train(n * WINDOW, value, 10);
        }
        let at = |b: &Baseline, day: i64, hour: i64| {
            let start = (day * 24 + hour) * HOUR_MS;
            b.expected(start, 10, 12, 1.0).unwrap().value
        };
        assert_eq!((at(&b, 3, 12), at(&b, 3, 3)), (200.0, 10.0));
        // A second week in which Thursday noon is quiet.
        for n in 7 * 144..8 * 144 {
            b.train(n * WINDOW, 20.0, 10);
        }
        assert_eq!((at(&b, 14, 12), at(&b, 16, 12)), (20.0, 200.0));
    }

    #[test]
    fn one_that_strays_by_itself_is_asked_for_more_and_none_for_less() {
        let (mut calm, mut wild) = (Baseline::default(), Baseline::default());
        assert_eq!(calm.limit(), 1.0);
        for n in 0..1_000 {
            calm.strays(f64::from(n % 10) / 10.0);
            wild.strays(f64::from(n % 10) * f64::from(n % 7) / 5.0);
        }
        assert_eq!(calm.limit(), 1.0);
        assert!(wild.limit() > 1.2 && wild.limit() < 2.0, "{}", wild.limit());
    }

    #[test]
    fn a_thin_window_may_stray_further() {
        let mut b = Baseline::default();
        (0..20).for_each(|n| b.train(n * WINDOW, 100.0, 400));
        let of = |count| b.expected(0, count, 1, 1.0).unwrap().scale;
        assert!((of(100) / of(400) - 2.0).abs() < 0.01);
        assert_eq!(of(4_000), of(400));
    }
}
