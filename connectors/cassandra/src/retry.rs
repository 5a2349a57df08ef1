//! When to try again, and when to give up: longer waits each time, up to a limit of patience.
//!
//! Pure: no clock, no I/O, no async.

use std::time::Duration;

/// Waits of one request that is tried again.
#[derive(Clone, Debug)]
pub struct Tries {
    wait: Duration,
    longest: Duration,
    left: Option<Duration>,
}

impl Tries {
    /// First wait, longest wait, and the sum of waits after which it is given up; `None` is never.
    pub fn new(first: Duration, longest: Duration, patience: Option<Duration>) -> Self {
        Self {
            wait: first,
            longest,
            left: patience,
        }
    }

    /// The waits of a client's own retries: 50 ms to 1 s, 10 s in all.
    pub fn of_client() -> Self {
        let secs = Duration::from_secs;
        Self::new(Duration::from_millis(50), secs(1), Some(secs(10)))
    }

    /// How long to wait before the next try; `None`: give up.
    pub fn next_wait(&mut self) -> Option<Duration> {
        let wait = self.wait;
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(wait)?;
        }
        self.wait = (wait * 2).min(self.longest);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_limit_and_end() {
        let ms = Duration::from_millis;
        let mut tries = Tries::new(ms(100), ms(300), Some(ms(1000)));
        let waits: Vec<_> = std::iter::from_fn(|| tries.next_wait()).collect();
        assert_eq!(waits, [100, 200, 300, 300].map(ms));
        let mut endless = Tries::new(ms(1), ms(2), None);
        assert!((0..1000).all(|_| endless.next_wait().is_some()));
    }
}
