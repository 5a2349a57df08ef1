//! How a thread that sleeps for want of work is woken: whoever sends rings, and pays no more than a
//! fence when nobody sleeps.

use std::time::Duration;

use crate::sync::{AtomicBool, Mutex, Ordering, Thread, current, fence, lock, park_timeout};

/// The bell of one core.
pub(crate) struct Bell {
    thread: Mutex<Option<Thread>>,
    parked: AtomicBool,
}

impl Bell {
    /// A bell that nobody listens to yet.
    pub fn new() -> Self {
        Self {
            thread: Mutex::new(None),
            parked: AtomicBool::new(false),
        }
    }

    /// Called by the thread that listens from now on.
    pub fn enter(&self) {
        *lock(&self.thread) = Some(current());
    }

    /// Called after something was sent: wakes the listener if it sleeps or is about to.
    ///
    /// Sender: send, fence, look at `parked`. Listener: set `parked`, fence, look for what was sent.
    /// Of two sequentially consistent fences one is first, so at least one side sees the other.
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Relaxed)
            && self.parked.swap(false, Ordering::SeqCst)
            && let Some(thread) = &*lock(&self.thread)
        {
            thread.unpark();
        }
    }

    /// Sleeps until somebody rings or the time is over, unless `waiting` says that there is work.
    pub fn park(&self, time: Duration, waiting: impl FnOnce() -> bool) {
        // An exchange, not a store: behind every ring so far in the order of all that is written here.
        self.parked.swap(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if !waiting() {
            park_timeout(time);
        }
        self.parked.store(false, Ordering::SeqCst);
    }
}
