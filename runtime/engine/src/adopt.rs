//! What happens when author code keeps its core: another thread adopts the core's other executors,
//! and the one that blocks keeps its thread (DESIGN 3.3).
//!
//! While a group has its turn, its core lies in a place. The watch takes a core out of a place where
//! the same turn has lasted too long, leaves an empty core there for the group, and has a new thread
//! run what it took. Messages for the group still come to the old core, which passes them on, so
//! that the order per sender holds.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::core::Core;
use crate::limits::STUCK_MS;
use crate::shared::{Shared, lock};

/// Looks at the same turn after which it has lasted too long.
const LOOKS: u32 = 2;

/// Where one thread leaves its core during a turn.
pub(crate) struct Place {
    core: Mutex<Option<Box<Core>>>,
    turns: AtomicU64,
    closed: AtomicBool,
    /// The kernel's account of the thread.
    stat: Option<PathBuf>,
}

impl Place {
    /// The place of the running thread.
    pub fn of_this_thread() -> Self {
        let link = std::fs::read_link("/proc/thread-self").ok();
        Self {
            core: Mutex::default(),
            turns: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            stat: link.map(|l| Path::new("/proc").join(l).join("stat")),
        }
    }

    /// CPU time of the thread in ticks of 10 ms, and whether it waits for something else than a CPU.
    fn account(&self) -> Option<(u64, bool)> {
        let stat = std::fs::read_to_string(self.stat.as_ref()?).ok()?;
        // The name in parentheses may hold blanks; what follows it begins with the state.
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok());
        Some((ticks(11)? + ticks(12)?, *fields.first()? != "R"))
    }

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
    let look = Duration::from_millis(STUCK_MS / u64::from(LOOKS));
    let mut seen: Vec<Seen> = Vec::new();
    while !shared.is_ending() {
        std::thread::park_timeout(look);
        lock(&shared.places).retain(|p| !p.closed.load(Ordering::Acquire));
        let places = lock(&shared.places).clone();
        seen.retain(|s| places.iter().any(|p| Arc::ptr_eq(p, &s.place)));
        for place in places {
            match seen.iter_mut().find(|s| Arc::ptr_eq(&s.place, &place)) {
                Some(s) => {
                    if s.is_stuck() {
                        adopt(shared, &place);
                    }
                }
                None => seen.push(Seen {
                    turn: place.turns.load(Ordering::Relaxed),
                    looks: 0,
                    ticks: 0,
                    place,
                }),
            }
        }
    }
}

/// What the watch knows of one thread.
struct Seen {
    place: Arc<Place>,
    /// The turn that it was in at the last look.
    turn: u64,
    /// Looks at which it was in the same turn.
    looks: u32,
    /// Its CPU time at the first of them.
    ticks: u64,
}

impl Seen {
    /// Whether its turn lasts too long, by its own doing: a thread that the machine gives no CPU is
    /// not helped by another one.
    fn is_stuck(&mut self) -> bool {
        let turn = self.place.turns.load(Ordering::Relaxed);
        if turn != self.turn {
            (self.turn, self.looks) = (turn, 0);
            return false;
        }
        if lock(&self.place.core).is_none() {
            return false;
        }
        self.looks += 1;
        let Some((ticks, waits)) = self.place.account() else {
            return self.looks >= LOOKS;
        };
        if self.looks == 1 {
            self.ticks = ticks;
        }
        let worked_ms = (ticks - self.ticks) * 10;
        self.looks >= LOOKS && (waits || worked_ms * 2 >= STUCK_MS)
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
