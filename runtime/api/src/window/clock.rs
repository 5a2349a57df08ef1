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
            Clock::Manual(clock) => clock.read(),
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

/// A clock for tests: stands still until it is set, or goes on a step with each look at it. Call the
/// bolt's `woken` after moving it.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<Hands>);

#[derive(Debug, Default)]
struct Hands {
    now_ms: AtomicI64,
    step_ms: AtomicI64,
}

impl ManualClock {
    /// Sets the time, in milliseconds since the epoch.
    pub fn set(&self, ms: i64) {
        self.0.now_ms.store(ms, Ordering::Release);
    }

    /// From now on, goes on by so many milliseconds each time that it is read.
    pub fn step(&self, ms: i64) {
        self.0.step_ms.store(ms, Ordering::Release);
    }

    fn read(&self) -> i64 {
        let step = self.0.step_ms.load(Ordering::Acquire);
        self.0.now_ms.fetch_add(step, Ordering::AcqRel)
    }
}
