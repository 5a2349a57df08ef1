//! The clock of processing time: wall time that never runs back, or one that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where a windowed bolt reads the time of arrival.
#[derive(Clone)]
pub enum Clock {
    /// Wall time at the start plus the time that passed since, so that a step of the system's clock
    /// neither repeats nor skips a window.
    System {
        /// When it was started.
        since: Instant,
        /// Milliseconds since the epoch then.
        wall_ms: i64,
    },
    /// Moved by hand.
    Manual(ManualClock),
}

impl Clock {
    /// Starts from the system's clock.
    pub fn system() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Clock::System {
            since: Instant::now(),
            wall_ms: wall.map_or(0, |d| d.as_millis() as i64),
        }
    }

    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        match self {
            Clock::System { since, wall_ms } => wall_ms + since.elapsed().as_millis() as i64,
            Clock::Manual(clock) => clock.0.load(Ordering::Acquire),
        }
    }

    /// When this time comes; `None` for a clock that is moved by hand.
    pub fn instant_of(&self, ms: i64) -> Option<Instant> {
        match self {
            Clock::System { since, wall_ms } => {
                let after = u64::try_from(ms.saturating_sub(*wall_ms)).unwrap_or(0);
                Some(*since + Duration::from_millis(after))
            }
            Clock::Manual(_) => None,
        }
    }
}

/// A clock for tests: stands still until it is set. Call the bolt's `woken` after moving it.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Sets the time, in milliseconds since the epoch.
    pub fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::Release);
    }
}
