//! Length and sliding interval of windows: Storm's keys, and its rules about them.
//!
//! Storm checks them when the bolt is prepared, so that a window too long for the message timeout is
//! found in a worker's log; here they are mistakes of the graph, found when it is built.
//! Pure: no clock, no I/O, no async.

use std::time::Duration;

use crate::config::Config;
use crate::error::{Error, Result};

/// Length in tuples.
pub const LENGTH_COUNT: &str = "topology.bolts.window.length.count";
/// Length in milliseconds.
pub const LENGTH_MS: &str = "topology.bolts.window.length.duration.ms";
/// Sliding interval in tuples.
pub const SLIDE_COUNT: &str = "topology.bolts.window.sliding.interval.count";
/// Sliding interval in milliseconds.
pub const SLIDE_MS: &str = "topology.bolts.window.sliding.interval.duration.ms";
/// Stream that late tuples are emitted on.
pub const LATE_STREAM: &str = "topology.bolts.late.tuple.stream";
/// How far out of order timestamps may be, in milliseconds.
pub const LAG_MS: &str = "topology.bolts.tuple.timestamp.max.lag.ms";
/// How often the watermark moves on, in milliseconds.
pub const WATERMARK_MS: &str = "topology.bolts.watermark.event.interval.ms";
/// Watermarks move on each second, as in Storm.
pub const WATERMARK_DEFAULT_MS: i64 = 1_000;

const TIMEOUT: &str = "topology.message.timeout.secs";
const PENDING: &str = "topology.max.spout.pending";

/// A number of tuples, as a window's length or sliding interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64);

/// A length or a sliding interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Tuples.
    Count(u64),
    /// Milliseconds.
    Millis(i64),
}

impl From<Count> for Span {
    fn from(count: Count) -> Self {
        Span::Count(count.0)
    }
}

impl From<Duration> for Span {
    fn from(time: Duration) -> Self {
        Span::Millis(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
    }
}

/// What a window looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How much is in a window.
    pub length: Span,
    /// How much comes between two windows; a tumbling window has the length here.
    pub slide: Span,
}

impl Shape {
    /// Writes the shape's keys.
    pub fn write(&self, conf: &mut Config) {
        write_length(self.length, conf);
        write_slide(self.slide, conf);
    }

    /// Reads the shape. Count goes before time, and without a sliding interval it is one tuple, as in Storm.
    ///
    /// # Errors
    /// There is no length, or a value is not positive.
    pub fn read(conf: &Config) -> Result<Self> {
        let length = match span(conf, LENGTH_COUNT, LENGTH_MS, "window length")? {
            Some(length) => length,
            None => {
                return Err(Error::config(
                    LENGTH_COUNT,
                    format!("window length is not specified; set this key or {LENGTH_MS}"),
                ));
            }
        };
        let slide = span(conf, SLIDE_COUNT, SLIDE_MS, "sliding interval")?;
        Ok(Self {
            length,
            slide: slide.unwrap_or(Span::Count(1)),
        })
    }
}

/// Writes the key of a length.
pub fn write_length(length: Span, conf: &mut Config) {
    match length {
        Span::Count(n) => conf.set(LENGTH_COUNT, as_int(n)),
        Span::Millis(ms) => conf.set(LENGTH_MS, ms),
    };
}

/// Writes the key of a sliding interval.
pub fn write_slide(slide: Span, conf: &mut Config) {
    match slide {
        Span::Count(n) => conf.set(SLIDE_COUNT, as_int(n)),
        Span::Millis(ms) => conf.set(SLIDE_MS, ms),
    };
}

fn as_int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn span(conf: &Config, count: &str, millis: &str, what: &str) -> Result<Option<Span>> {
    let positive = |key: &str, n: i64| {
        if n > 0 {
            return Ok(n);
        }
        let problem = format!("{what} must be positive, it is {n}; the least is 1");
        Err(Error::config(key, problem))
    };
    if let Some(n) = conf.int(count)? {
        return Ok(Some(Span::Count(positive(count, n)? as u64)));
    }
    match conf.int(millis)? {
        Some(ms) => Ok(Some(Span::Millis(positive(millis, ms)?))),
        None => Ok(None),
    }
}

/// Whether a component's own configuration speaks of windows.
pub fn is_windowed(conf: &Config) -> bool {
    [LENGTH_COUNT, LENGTH_MS, SLIDE_COUNT, SLIDE_MS]
        .iter()
        .any(|key| conf.is_set(key))
}

/// Storm's rules, on the component's whole configuration: what a window holds back must fit into the
/// message timeout and into what spouts may have pending, else its tuples time out or never come.
///
/// # Errors
/// A rule is broken; the message names value and limit.
pub fn check(conf: &Config) -> Result<Shape> {
    let shape = Shape::read(conf)?;
    let (mut millis, mut count) = (0_i64, 0_u64);
    for span in [shape.length, shape.slide] {
        match span {
            Span::Millis(ms) => millis = millis.saturating_add(ms),
            Span::Count(n) => count = count.saturating_add(n),
        }
    }
    let timeouts = conf.bool_or("topology.enable.message.timeouts", true)?;
    let limit = conf.secs(TIMEOUT)?.unwrap_or_default().as_millis() as i64;
    if timeouts && millis > limit {
        return Err(Error::config(
            LENGTH_MS,
            format!(
                "window duration (length + sliding interval) value {millis} is more than {TIMEOUT} \
                 value {limit} ms; raise the timeout or shorten the window"
            ),
        ));
    }
    if let Some(pending) = conf.int(PENDING)?
        && count > pending.max(0) as u64
    {
        return Err(Error::config(
            LENGTH_COUNT,
            format!(
                "window count (length + sliding interval) value {count} is more than {PENDING} value \
                 {pending}; raise what may be pending or shorten the window"
            ),
        ));
    }
    for key in [LAG_MS, WATERMARK_MS] {
        if let Some(ms) = conf.int(key)?
            && ms < i64::from(key == WATERMARK_MS)
        {
            let least = i64::from(key == WATERMARK_MS);
            return Err(Error::config(key, format!("{ms} ms: the least is {least}")));
        }
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(pairs: &[(&str, i64)]) -> Config {
        let mut conf = Config::new();
        for (key, value) in pairs {
            conf.set(key, *value);
        }
        conf
    }

    #[test]
    fn count_goes_before_time_and_the_interval_is_one_tuple_by_default() {
        let shape = Shape::read(&conf(&[(LENGTH_COUNT, 7), (LENGTH_MS, 50)])).unwrap();
        assert_eq!(
            (shape.length, shape.slide),
            (Span::Count(7), Span::Count(1))
        );
        let shape = Shape::read(&conf(&[(LENGTH_MS, 50), (SLIDE_MS, 10)])).unwrap();
        assert_eq!(
            (shape.length, shape.slide),
            (Span::Millis(50), Span::Millis(10))
        );
    }

    #[test]
    fn a_shape_is_read_as_it_was_written() {
        for length in [Span::Count(3), Span::Millis(30)] {
            for slide in [Span::Count(2), Span::Millis(20)] {
                let (mut conf, shape) = (Config::new(), Shape { length, slide });
                shape.write(&mut conf);
                assert_eq!(Shape::read(&conf).unwrap(), shape);
            }
        }
    }

    #[test]
    fn storms_rules_are_kept() {
        let wrong = |pairs: &[(&str, i64)]| check(&conf(pairs)).unwrap_err().to_string();
        assert!(wrong(&[(SLIDE_MS, 5)]).contains("window length is not specified"));
        assert!(wrong(&[(LENGTH_COUNT, 0)]).contains("must be positive"));
        assert!(wrong(&[(LENGTH_MS, 20_000), (SLIDE_MS, 10_001)]).contains("value 30001"));
        assert!(check(&conf(&[(LENGTH_MS, 20_000), (SLIDE_MS, 10_000)])).is_ok());
        let pending = [(PENDING, 10), (LENGTH_COUNT, 8), (SLIDE_COUNT, 3)];
        assert!(wrong(&pending).contains("value 11 is more than"));
        assert!(wrong(&[(LENGTH_COUNT, 1), (LAG_MS, -1)]).contains("the least is 0"));
        assert!(wrong(&[(LENGTH_COUNT, 1), (WATERMARK_MS, 0)]).contains("the least is 1"));
        let mut off = conf(&[(LENGTH_MS, 900_000), (SLIDE_MS, 10)]);
        off.set("topology.enable.message.timeouts", false);
        assert!(check(&off).is_ok());
    }
}
