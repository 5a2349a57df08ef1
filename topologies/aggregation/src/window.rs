//! Event-time windows: tumbling, aligned to the epoch, as long as a table's resolution.
//! Pure: no clock, no I/O, no async.

/// One window of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// First millisecond since the epoch, UTC.
    pub start_ms: i64,
    /// Length in milliseconds.
    pub length_ms: i64,
}

impl Window {
    /// The window of this length (at least 1 ms) that holds a time.
    pub fn of(time_ms: i64, length_ms: i64) -> Self {
        let length_ms = length_ms.max(1);
        Self {
            start_ms: time_ms.div_euclid(length_ms).saturating_mul(length_ms),
            length_ms,
        }
    }

    /// First millisecond after the window.
    pub fn end_ms(self) -> i64 {
        self.start_ms.saturating_add(self.length_ms)
    }

    /// Whether a record that was read at this watermark comes too late for the window.
    ///
    /// The watermark is the record's own (largest event time that its source partition had shown up to it), so every
    /// copy of the record gets the same verdict, whenever and wherever it is read.
    pub fn is_late(self, source_watermark_ms: i64, lateness_ms: i64) -> bool {
        source_watermark_ms > self.end_ms().saturating_add(lateness_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_before_and_after_the_epoch() {
        assert_eq!(Window::of(1_234_567, 600_000).start_ms, 1_200_000);
        assert_eq!(Window::of(-1, 600_000).start_ms, -600_000);
        assert_eq!(Window::of(600_000, 600_000).end_ms(), 1_200_000);
        assert_eq!(Window::of(i64::MAX, 600_000).end_ms(), i64::MAX);
    }

    #[test]
    fn late_is_later_than_end_and_lateness() {
        let w = Window::of(0, 1_000);
        assert!(!w.is_late(1_500, 500));
        assert!(w.is_late(1_501, 500));
        assert!(!w.is_late(i64::MIN, 500));
    }
}
