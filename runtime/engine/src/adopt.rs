//! What happens when author code keeps its core: another thread adopts the core's other executors,
//! and the one that blocks keeps its thread (DESIGN 3.3).
//!
//! While a group has its turn, its core lies in a place. The watch takes a core out of a place where
//! the same turn has lasted too long, leaves an empty core there for the group, and has a new thread
//! run what it took. Messages for the group still come to the old core, which passes them on, and the
//! new rings of the group are heard only behind what it had sent through the old ones, so that the
//! order per sender holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::core::Core;
use crate::limits::STUCK_MS;
use crate::place::Place;
use crate::shared::{Shared, lock};

/// Looks at the same turn after which it has lasted too long.
const LOOKS: u32 = 2;

/// One thread that runs cores: the place of its core, and the kernel's account of it.
pub(crate) struct Seat {
    /// Where its core lies during a turn.
    pub place: Place<Box<Core>>,
    stat: Option<PathBuf>,
}

impl Seat {
    /// The seat of the running thread.
    pub fn of_this_thread() -> Self {
        let link = std::fs::read_link("/proc/thread-self").ok();
        Self {
            place: Place::new(),
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
}

/// Looks after the cores until the worker ends.
pub(crate) fn watch(shared: &Arc<Shared>) {
    let look = Duration::from_millis(STUCK_MS / u64::from(LOOKS));
    let mut seen: Vec<Seen> = Vec::new();
    while !shared.is_ending() {
        std::thread::park_timeout(look);
        lock(&shared.seats).retain(|s| !s.place.is_closed());
        let seats = lock(&shared.seats).clone();
        seen.retain(|s| seats.iter().any(|p| Arc::ptr_eq(p, &s.seat)));
        for seat in seats {
            match seen.iter_mut().find(|s| Arc::ptr_eq(&s.seat, &seat)) {
                Some(s) => {
                    if s.is_stuck() {
                        adopt(shared, &seat);
                    }
                }
                None => seen.push(Seen {
                    turn: None,
                    looks: 0,
                    ticks: 0,
                    seat,
                }),
            }
        }
    }
}

/// What the watch knows of one thread.
struct Seen {
    seat: Arc<Seat>,
    /// The turn that it was in at the last look.
    turn: Option<u64>,
    /// Looks at which it was in the same turn.
    looks: u32,
    /// Its CPU time at the first of them.
    ticks: u64,
}

impl Seen {
    /// Whether its turn lasts too long, by its own doing: a thread that the machine gives no CPU is
    /// not helped by another one.
    fn is_stuck(&mut self) -> bool {
        let Some(turn) = self.seat.place.turn() else {
            return false;
        };
        if self.turn != Some(turn) {
            (self.turn, self.looks) = (Some(turn), 0);
            return false;
        }
        self.looks += 1;
        let Some((ticks, waits)) = self.seat.account() else {
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
fn adopt(shared: &Arc<Shared>, seat: &Seat) {
    let Some((index, rx)) = lock(&shared.spare).pop() else {
        return;
    };
    let mut rx = Some(rx);
    let mut ends = Vec::new();
    let adopted = seat.place.exchange(|core| {
        if !core.is_needed() {
            return None;
        }
        let (part, to_send) = core.part(index, rx.take()?);
        ends = to_send;
        Some(Box::new(part))
    });
    let Some(mut core) = adopted else {
        if let Some(rx) = rx {
            lock(&shared.spare).push((index, rx));
        }
        return;
    };
    core.leave_running(index, ends);
    let adopted = std::thread::Builder::new()
        .name(format!("fulmar-core-{}", core.index))
        .spawn(move || core.run());
    match adopted {
        Ok(thread) => lock(&shared.threads).push(thread),
        // Without a thread its tasks are lost to this worker: what they hold times out.
        Err(error) => tracing::error!(%error, "cannot start a thread for a core that blocks"),
    }
}
