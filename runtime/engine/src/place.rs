//! Where the thread of a core leaves the core for the time of a turn, so that another thread may take
//! it over when the turn lasts too long.

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, lock};

/// A place for one core at a time.
pub(crate) struct Place<T> {
    lies: Mutex<Option<T>>,
    turns: AtomicU64,
    closed: AtomicBool,
}

impl<T> Place<T> {
    /// An empty place.
    pub fn new() -> Self {
        Self {
            lies: Mutex::new(None),
            turns: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Leaves the core for a turn.
    pub fn put(&self, core: T) {
        *lock(&self.lies) = Some(core);
        let turn = self.turns.load(Ordering::Relaxed);
        self.turns.store(turn + 1, Ordering::Relaxed);
    }

    /// Takes what lies here after a turn: the same core, or the one that was left for it.
    pub fn take(&self) -> T {
        let core = lock(&self.lies).take();
        core.expect("whoever takes a core over leaves another")
    }

    /// Lends the core that lies here to the thread whose place it is, in the middle of a turn; `None`
    /// when it has none.
    pub fn borrow<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut core = lock(&self.lies).take()?;
        let answer = f(&mut core);
        *lock(&self.lies) = Some(core);
        Some(answer)
    }

    /// Takes over what lies here, if `part` makes another of it to be left for the running turn.
    pub fn exchange(&self, part: impl FnOnce(&mut T) -> Option<T>) -> Option<T> {
        let mut lies = lock(&self.lies);
        let left = part(lies.as_mut()?)?;
        lies.replace(left)
    }

    /// The number of the running turn, if there is one.
    pub fn turn(&self) -> Option<u64> {
        let turn = self.turns.load(Ordering::Relaxed);
        lock(&self.lies).is_some().then_some(turn)
    }

    /// The thread ends.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether its thread has ended.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
