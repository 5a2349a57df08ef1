//! The clock against which a record can lie in the future: the wall's, or the demo's, whose event time runs faster.
//!
//! The demo's hour takes a minute. A record with the wall's time would lie up to an hour ahead of all others there, and its window
//! would stay open, with every offset behind it uncommitted, until they arrive.

use std::time::{SystemTime, UNIX_EPOCH};

use fulmar::prelude::*;

/// A clock that showed `event_ms` at `wall_ms` and runs `speed` times as fast as the wall's. All in ms since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    wall_ms: i64,
    event_ms: i64,
    speed: i64,
}

impl Default for Clock {
    /// The wall's.
    fn default() -> Self {
        Self {
            wall_ms: 0,
            event_ms: 0,
            speed: 1,
        }
    }
}

impl Clock {
    /// From `demo.clock.wall.ms`, `demo.clock.event.ms` and `demo.clock.speed`; without them the wall's.
    ///
    /// # Errors
    /// A value is of another kind.
    pub fn from_conf(conf: &Config) -> Result<Self> {
        Ok(Self {
            wall_ms: conf.int_or("demo.clock.wall.ms", 0)?,
            event_ms: conf.int_or("demo.clock.event.ms", 0)?,
            speed: conf.int_or("demo.clock.speed", 1)?,
        })
    }

    /// What it shows now, in ms since the epoch.
    pub fn now_ms(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.at(now.map_or(0, |d| d.as_millis() as i64))
    }

    fn at(&self, wall_ms: i64) -> i64 {
        let passed = wall_ms.saturating_sub(self.wall_ms);
        self.event_ms
            .saturating_add(passed.saturating_mul(self.speed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_walls_but_in_the_demo() {
        let mut conf = Config::new();
        assert_eq!(Clock::from_conf(&conf).expect("defaults").at(1_234), 1_234);
        conf.set("demo.clock.wall.ms", 1_000_i64)
            .set("demo.clock.event.ms", 500_i64)
            .set("demo.clock.speed", 60_i64);
        let clock = Clock::from_conf(&conf).expect("right");
        assert_eq!([1_000, 1_010, 990].map(|t| clock.at(t)), [500, 1_100, -100]);
    }
}
