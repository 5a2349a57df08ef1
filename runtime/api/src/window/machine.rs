//! Which items are in which window: Storm's eviction and trigger policies over one ordered queue.
//!
//! Items lie in order of arrival, or of timestamp when there is one (items of one timestamp by arrival).
//! In that order every window is a range that begins at the front, what was in an earlier window is a
//! shorter range from the front, and what expires leaves there. So a window costs what enters and what
//! leaves, not what it holds; Storm scans the queue each time. Two differences from Storm follow from
//! the order, both for the better: a window by event time lists its tuples by time, and the n-th tuple of
//! a count by event time is the n-th by time.
//! Pure: no clock, no I/O, no async.

use std::collections::VecDeque;

use super::shape::{Shape, Span};

/// Most items kept for [`Machine::take_expired`] that expire between two windows. A count window that
/// slides by time lets go of as many as arrive; 65,536 tuples of 1 KiB are 64 MiB.
pub const MOST_EXPIRED_EARLY: usize = 65_536;

/// A window that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activation {
    /// The window is the first so many items.
    pub len: usize,
    /// Of these, the ones from here on were in no window before.
    pub new_from: usize,
    /// Begin of the window in milliseconds; none when its length is a count.
    pub start: Option<i64>,
    /// Reference time of the window in milliseconds: its end when it slides by time, else the time of
    /// the item that completed it.
    pub end: i64,
}

/// The queue of one task's windows.
#[derive(Clone, Debug)]
pub struct Machine<T> {
    shape: Shape,
    /// Ordered by timestamp, and windows are due by the watermark instead of the clock.
    event_time: bool,
    items: VecDeque<(i64, T)>,
    /// Items at the front that a window was due with.
    fired: usize,
    /// Items that arrived since the last window, for counts by arrival.
    arrived: u64,
    /// End of the next window that slides by time.
    next_end: i64,
    /// End of the last window by event time that slid by time.
    last_end: Option<i64>,
    expired: Vec<T>,
    left: usize,
    not_shown: u64,
}

impl<T> Machine<T> {
    /// An empty queue. `now` is the time of its start in milliseconds: processing-time windows end at
    /// multiples of the sliding interval after it, event-time windows at multiples after 0.
    pub fn new(shape: Shape, event_time: bool, now: i64) -> Self {
        let next_end = match shape.slide {
            Span::Millis(_) if event_time => 0,
            Span::Millis(ms) => now.saturating_add(ms),
            Span::Count(_) => 0,
        };
        Self {
            shape,
            event_time,
            items: VecDeque::new(),
            fired: 0,
            arrived: 0,
            next_end,
            last_end: None,
            expired: Vec::new(),
            left: 0,
            not_shown: 0,
        }
    }

    /// All items: those of the window that is due, then those that wait for a later one.
    pub fn items(&self) -> &VecDeque<(i64, T)> {
        &self.items
    }

    /// Whether an item of this timestamp would be in no window any more, although no watermark has
    /// passed it: it stands on the end of a tumbling window that was due already.
    pub fn is_past(&self, ts: i64) -> bool {
        match (self.shape.length, self.shape.slide) {
            (Span::Millis(length), Span::Millis(slide)) => {
                slide >= length && self.last_end.is_some_and(|end| ts <= end)
            }
            _ => false,
        }
    }

    /// Enters an item and answers its place. By arrival, all windows due at `ts` must have been taken
    /// before; by event time, `ts` must not be behind the last watermark.
    pub fn add(&mut self, ts: i64, item: T) -> usize {
        if self.event_time {
            let after_equals = self.items.partition_point(|(t, _)| *t <= ts);
            let at = after_equals.max(self.fired);
            self.items.insert(at, (ts, item));
            return at;
        }
        // A clock that stands still or runs back must not break the order.
        let ts = self.items.back().map_or(ts, |(last, _)| ts.max(*last));
        self.items.push_back((ts, item));
        self.arrived += 1;
        let gone = self.leaving(self.items.len(), ts);
        self.expire(gone, true);
        self.items.len() - 1
    }

    /// The next window that is due at this time: the clock's, or the watermark in event time. Call it
    /// until there is none; the window must be used before the next call.
    pub fn due(&mut self, time: i64) -> Option<Activation> {
        match (self.shape.slide, self.event_time) {
            (Span::Count(n), false) => self.due_by_arrivals(n),
            (Span::Count(n), true) => self.due_by_count(n, time),
            (Span::Millis(ms), false) => self.due_by_clock(ms, time),
            (Span::Millis(ms), true) => self.due_by_watermark(ms, time),
        }
    }

    /// When a window will be due if nothing more arrives; only by the clock.
    pub fn next_due(&self) -> Option<i64> {
        let timed = matches!(self.shape.slide, Span::Millis(_)) && !self.event_time;
        (timed && !self.items.is_empty()).then_some(self.next_end)
    }

    /// How many items left at the front since this was last asked: they are to be acked.
    pub fn take_left(&mut self) -> usize {
        std::mem::take(&mut self.left)
    }

    /// Items that expired since the last window, to be shown with the next.
    pub fn take_expired(&mut self) -> Vec<T> {
        std::mem::take(&mut self.expired)
    }

    /// How many expired items were let go of unseen since this was last asked
    /// ([`MOST_EXPIRED_EARLY`]).
    pub fn take_not_shown(&mut self) -> u64 {
        std::mem::take(&mut self.not_shown)
    }

    fn due_by_arrivals(&mut self, slide: u64) -> Option<Activation> {
        if self.arrived < slide {
            return None;
        }
        self.arrived = 0;
        let end = self.items.back()?.0;
        self.activate(self.items.len(), end)
    }

    fn due_by_clock(&mut self, slide: i64, now: i64) -> Option<Activation> {
        while self.next_end <= now {
            if self.items.is_empty() {
                let behind = (now - self.next_end) / slide + 1;
                self.next_end = self.next_end.saturating_add(behind * slide);
                return None;
            }
            let end = self.next_end;
            self.next_end = end.saturating_add(slide);
            let gone = self.leaving(self.items.len(), end);
            self.expire(gone, false);
            if !self.items.is_empty() {
                return self.activate(self.items.len(), end);
            }
        }
        None
    }

    fn due_by_watermark(&mut self, slide: i64, mark: i64) -> Option<Activation> {
        while self.next_end <= mark {
            let end = self.next_end;
            let upto = self.items.partition_point(|(ts, _)| *ts <= end);
            let gone = self.leaving(upto, end);
            self.expire(gone, false);
            if upto > gone {
                self.next_end = end.saturating_add(slide);
                self.last_end = Some(end);
                return self.activate(upto - gone, end);
            }
            // An empty window: on to the first end with something before it.
            let next = self.items.front().map(|(ts, _)| *ts)?;
            if next > mark {
                return None;
            }
            self.next_end = match next.rem_euclid(slide) {
                0 => next,
                over => next.saturating_add(slide - over),
            };
        }
        None
    }

    fn due_by_count(&mut self, slide: u64, mark: i64) -> Option<Activation> {
        let upto = self.fired.saturating_add(slide as usize);
        let end = self.items.get(upto.checked_sub(1)?)?.0;
        if end > mark {
            return None;
        }
        let gone = self.leaving(upto, end);
        self.expire(gone, false);
        self.activate(upto - gone, end)
    }

    fn activate(&mut self, len: usize, end: i64) -> Option<Activation> {
        let new_from = self.fired.min(len);
        self.fired = len;
        let start = match self.shape.length {
            Span::Millis(ms) => Some(end.saturating_sub(ms)),
            Span::Count(_) => None,
        };
        Some(Activation {
            len,
            new_from,
            start,
            end,
        })
    }

    /// How many of the `upto` first items no window from this reference time on can hold.
    ///
    /// Windows that end at a time of the clock hold their begin, since what arrives within the
    /// millisecond of an end comes after it; all others hold their end (Storm's rule).
    fn leaving(&self, upto: usize, reference: i64) -> usize {
        match self.shape.length {
            Span::Count(n) => upto.saturating_sub(usize::try_from(n).unwrap_or(usize::MAX)),
            Span::Millis(length) => {
                let begin = reference.saturating_sub(length);
                let by_clock = !self.event_time && matches!(self.shape.slide, Span::Millis(_));
                let old = |ts: i64| if by_clock { ts < begin } else { ts <= begin };
                let old = self.items.partition_point(|(ts, _)| old(*ts));
                old.min(upto)
            }
        }
    }

    fn expire(&mut self, count: usize, early: bool) {
        for (_, item) in self.items.drain(..count) {
            if early && self.expired.len() >= MOST_EXPIRED_EARLY {
                self.not_shown += 1;
            } else {
                self.expired.push(item);
            }
        }
        self.fired = self.fired.saturating_sub(count);
        self.left += count;
    }
}
