//! How far event time has come: Storm's rule, the least over the input streams of the greatest
//! timestamp that each has shown, minus the lag; none before every stream has shown one.
//! Pure: no clock, no I/O, no async.

use crate::tuple::Source;

/// Timestamps of the input streams, and the last watermark.
#[derive(Clone, Debug)]
pub struct Watermarks {
    /// Component, stream and the greatest timestamp seen. A stream is one for all tasks of its component.
    streams: Vec<(String, String, Option<i64>)>,
    lag_ms: i64,
    last: i64,
    moved: bool,
}

impl Watermarks {
    /// Watches these streams (component, stream). Others are watched from their first tuple on.
    pub fn new(inputs: impl IntoIterator<Item = (String, String)>, lag_ms: i64) -> Self {
        let streams = inputs.into_iter().map(|(c, s)| (c, s, None)).collect();
        Self {
            streams,
            lag_ms,
            last: 0,
            moved: false,
        }
    }

    /// Enters a tuple's timestamp, in milliseconds. Answers false when the tuple is late: behind the
    /// last watermark.
    pub fn track(&mut self, source: &Source, ts: i64) -> bool {
        let known = self
            .streams
            .iter_mut()
            .find(|(c, s, _)| *s == source.stream && *c == source.component);
        match known {
            Some((_, _, most)) => {
                if most.is_none_or(|m| ts > m) {
                    *most = Some(ts);
                    self.moved = true;
                }
            }
            None => {
                let (component, stream) = (source.component.clone(), source.stream.clone());
                self.streams.push((component, stream, Some(ts)));
                self.moved = true;
            }
        }
        ts >= self.last
    }

    /// Whether a stream has moved since the watermark was last looked for.
    pub fn has_moved(&self) -> bool {
        self.moved
    }

    /// The next watermark, if event time has come further. It starts at 0.
    pub fn advance(&mut self) -> Option<i64> {
        self.moved = false;
        let most: Option<Vec<i64>> = self.streams.iter().map(|s| s.2).collect();
        let least = most?.into_iter().min()?;
        let mark = least.saturating_sub(self.lag_ms);
        (mark > self.last).then(|| {
            self.last = mark;
            mark
        })
    }

    /// Forgets everything, as a worker's restart does: what comes again is not late.
    pub fn start_again(&mut self) {
        self.streams.iter_mut().for_each(|s| s.2 = None);
        (self.last, self.moved) = (0, false);
    }

    /// The last watermark.
    pub fn last(&self) -> i64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(component: &str, stream: &str) -> Source {
        Source {
            component: component.to_owned(),
            stream: stream.to_owned(),
            fields: Vec::new(),
        }
    }

    fn inputs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter()
            .map(|(c, s)| ((*c).to_owned(), (*s).to_owned()))
            .collect()
    }

    #[test]
    fn the_slowest_stream_decides_and_a_silent_one_holds_back() {
        let (a, b) = (source("a", "default"), source("b", "x"));
        let mut marks = Watermarks::new(inputs(&[("a", "default"), ("b", "x")]), 10);
        assert!(marks.track(&a, 500));
        assert_eq!(marks.advance(), None);
        assert!(marks.track(&b, 300));
        assert_eq!(marks.advance(), Some(290));
        assert!(!marks.has_moved());
        // Late only below the watermark; the greatest timestamp counts, not the last.
        assert!(!marks.track(&a, 289));
        assert!(marks.track(&a, 290));
        assert!(marks.track(&b, 700));
        assert_eq!(marks.advance(), Some(490));
        assert_eq!(marks.advance(), None);
    }

    #[test]
    fn the_mark_starts_at_zero_and_never_goes_back() {
        let a = source("a", "default");
        let mut marks = Watermarks::new(inputs(&[("a", "default")]), 100);
        assert!(!marks.track(&a, -5));
        assert!(marks.track(&a, 50));
        assert_eq!((marks.advance(), marks.last()), (None, 0));
        marks.track(&a, 150);
        assert_eq!(marks.advance(), Some(50));
    }
}
