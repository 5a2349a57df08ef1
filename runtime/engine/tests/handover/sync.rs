//! Loom's forms of what `src/sync.rs` names, and a ring that orders memory as rtrb's does.

use std::time::Duration;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use loom::sync::{Mutex, MutexGuard};
pub(crate) use loom::thread::{Thread, current};

use loom::sync::Arc;

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

/// Without a time limit: nobody is saved by it.
pub fn park_timeout(_: Duration) {
    loom::thread::park();
}

struct Ring<T> {
    /// The locks are never contended: head and tail alone say whose a slot is.
    slots: Vec<Mutex<Option<T>>>,
    head: AtomicUsize,
    tail: AtomicUsize,
    ended: AtomicBool,
}

pub struct RingBuffer;
pub struct Producer<T>(Arc<Ring<T>>);
pub struct Consumer<T>(Arc<Ring<T>>);

pub enum PushError<T> {
    Full(T),
}

impl RingBuffer {
    #[allow(clippy::new_ret_no_self, reason = "as rtrb has it")]
    pub fn new<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
        let ring = Arc::new(Ring {
            slots: (0..capacity).map(|_| Mutex::new(None)).collect(),
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        (Producer(ring.clone()), Consumer(ring))
    }
}

impl<T> Producer<T> {
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        let tail = self.0.tail.load(Ordering::Relaxed);
        if tail - self.0.head.load(Ordering::Acquire) == self.0.slots.len() {
            return Err(PushError::Full(value));
        }
        *lock(&self.0.slots[tail % self.0.slots.len()]) = Some(value);
        self.0.tail.store(tail + 1, Ordering::Release);
        Ok(())
    }

    pub fn is_abandoned(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }
}

impl<T> Consumer<T> {
    pub fn pop(&mut self) -> Result<T, ()> {
        let head = self.0.head.load(Ordering::Relaxed);
        if self.is_empty() {
            return Err(());
        }
        let value = lock(&self.0.slots[head % self.0.slots.len()]).take();
        self.0.head.store(head + 1, Ordering::Release);
        value.ok_or(())
    }

    pub fn is_empty(&self) -> bool {
        self.0.tail.load(Ordering::Acquire) == self.0.head.load(Ordering::Relaxed)
    }

    pub fn is_abandoned(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}
