//! Wakes tasks at a time, so that a bolt can act without an input: one thread for all tasks of a worker.
//!
//! Ticks come in a fixed rhythm and once per component; a window's end is a time of its own. A task has
//! at most one alarm set at a time, so the queue is bounded by the number of tasks.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use crate::context::{TaskContext, Waker};
use crate::error::{Error, Result};

/// Name of the timer among the worker's shared resources.
const SHARED_NAME: &str = "fulmar.timer";

/// The worker's timer.
pub struct Timer {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    alarms: BinaryHeap<Reverse<Alarm>>,
    number: u64,
    ended: bool,
}

struct Alarm {
    at: Instant,
    number: u64,
    waker: Waker,
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Alarm {}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Wakes what is due, sleeps until the next, ends when told.
    fn run(&self) {
        let mut queue = self.lock();
        while !queue.ended {
            let now = Instant::now();
            let mut due = Vec::new();
            while queue.alarms.peek().is_some_and(|a| a.0.at <= now) {
                due.extend(queue.alarms.pop());
            }
            if !due.is_empty() {
                // Wakers take locks of the engine: never under this one.
                drop(queue);
                due.iter().for_each(|a| a.0.waker.wake());
                queue = self.lock();
                continue;
            }
            let next = queue.alarms.peek().map(|a| a.0.at - now);
            queue = match next {
                Some(wait) => {
                    let woken = self.changed.wait_timeout(queue, wait);
                    woken.unwrap_or_else(|poisoned| poisoned.into_inner()).0
                }
                None => {
                    let woken = self.changed.wait(queue);
                    woken.unwrap_or_else(|poisoned| poisoned.into_inner())
                }
            };
        }
    }
}

impl Timer {
    /// The timer of this task's worker, started if it is not there yet.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn of(ctx: &TaskContext) -> Result<Arc<Self>> {
        ctx.shared.get_or_make(SHARED_NAME, || {
            let inner = Arc::new(Inner::default());
            let shared = inner.clone();
            std::thread::Builder::new()
                .name("fulmar-timer".to_owned())
                .spawn(move || shared.run())
                .map_err(|e| Error::msg(format!("the timer's thread cannot be started: {e}")))?;
            Ok(Arc::new(Self { inner }))
        })
    }

    /// Calls the waker at this time, once.
    pub fn wake_at(&self, at: Instant, waker: Waker) {
        let mut queue = self.inner.lock();
        queue.number += 1;
        let number = queue.number;
        queue.alarms.push(Reverse(Alarm { at, number, waker }));
        self.inner.changed.notify_one();
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.inner.lock().ended = true;
        self.inner.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::testing;

    #[test]
    fn alarms_come_in_their_order_and_none_before_its_time() {
        let (ctx, told) = testing::context(&Config::new());
        let timer = Timer::of(&ctx).unwrap();
        let (start, far) = (Instant::now(), Duration::from_secs(3_600));
        timer.wake_at(start + far, ctx.waker());
        timer.wake_at(start + Duration::from_millis(20), ctx.waker());
        timer.wake_at(start, ctx.waker());
        let wakes = || told.lock().unwrap().wakes;
        while wakes() < 2 && start.elapsed() < Duration::from_secs(30) {
            std::thread::yield_now();
        }
        assert_eq!(wakes(), 2);
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}
