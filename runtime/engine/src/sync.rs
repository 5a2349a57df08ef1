//! What the hand-over between threads is built on, in one place: `tests/handover.rs` compiles
//! `bell.rs`, `lanes.rs` and `place.rs` against loom's forms of these and tries every order of events.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
pub(crate) use std::sync::{Mutex, MutexGuard};
pub(crate) use std::thread::{Thread, current, park_timeout};

pub(crate) use rtrb::{Consumer, Producer, PushError, RingBuffer};

/// A lock that a panicking holder does not poison for others: what it guards is always whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
