//! What happens when author code keeps its core: another thread adopts the core's other executors,
//! and the one that blocks keeps its thread (DESIGN 3.3).
//!
//! While a group has its turn, its core lies in a place. The watch takes a core out of a place where
//! the same turn has lasted too long, leaves an empty core there for the group, and has a new thread
//! run what it took. Messages for the group still come to the old core, which passes them on, so
//! that the order per sender holds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::core::Core;
use crate::limits::STUCK_MS;
use crate::shared::{Shared, lock};

/// Where one thread leaves its core during a turn.
#[derive(Default)]
pub(crate) struct Place {
    core: Mutex<Option<Box<Core>>>,
    turns: AtomicU64,
    closed: AtomicBool,
}

impl Place {
    /// Leaves the core for a turn.
    pub fn put(&self, core: Box<Core>) {
        *lock(&self.core) = Some(core);
        let turn = self.turns.load(Ordering::Relaxed);
        self.turns.store(turn + 1, Ordering::Relaxed);
    }

    /// Takes what lies here after a turn: the same core, or a new one.
    pub fn take(&self) -> Box<Core> {
        let core = lock(&self.core).take();
        core.expect("whoever adopts a core leaves another")
    }

    /// The thread ends.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// Looks after the cores until the worker ends.
pub(crate) fn watch(shared: &Arc<Shared>) {
    let look = Duration::from_millis(STUCK_MS / 4);
    // Place → its turn, and for how many looks it has lasted.
    let mut seen: Vec<(Arc<Place>, u64, u32)> = Vec::new();
    while !shared.is_ending() {
        std::thread::park_timeout(look);
        lock(&shared.places).retain(|p| !p.closed.load(Ordering::Acquire));
        let places = lock(&shared.places).clone();
        seen.retain(|s| places.iter().any(|p| Arc::ptr_eq(p, &s.0)));
        for place in places {
            let turn = place.turns.load(Ordering::Relaxed);
            match seen.iter_mut().find(|s| Arc::ptr_eq(&s.0, &place)) {
                Some((_, last, looks)) if *last == turn => {
                    *looks += 1;
                    if *looks >= 4 {
                        *looks = 0;
                        adopt(shared, &place);
                    }
                }
                Some(s) => (s.1, s.2) = (turn, 0),
                None => seen.push((place, turn, 0)),
            }
        }
    }
}

/// Adopts the core that lies in a place, if anything but the running group depends on it.
fn adopt(shared: &Arc<Shared>, place: &Place) {
    let mut lies = lock(&place.core);
    let Some(core) = lies.as_mut() else { return };
    // The running group was taken out and left an empty one behind.
    if core.groups.iter().all(|g| g.tasks.is_empty()) {
        return;
    }
    let Some((index, rx)) = lock(&shared.spare).pop() else {
        return;
    };
    let Some(mut core) = lies.replace(Box::new(Core::new(index, shared.clone(), rx))) else {
        return;
    };
    drop(lies);
    core.leave_running(index);
    let adopted = std::thread::Builder::new()
        .name(format!("fulmar-core-{}", core.index))
        .spawn(move || core.run());
    match adopted {
        Ok(thread) => lock(&shared.threads).push(thread),
        // Without a thread its tasks are lost to this worker: what they hold times out.
        Err(error) => tracing::error!(%error, "cannot start a thread for a core that blocks"),
    }
}
