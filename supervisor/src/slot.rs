//! One slot: Storm's eight states, from an empty one to a running worker and back.
//!
//! The process is left to the shell: it does what the commands say and tells what came of it.
//! Times come from a clock that only goes forward, in milliseconds.
//! Pure: no clock, no I/O, no async.

use serde::{Deserialize, Serialize};

use crate::limits::{KILL_AGAIN_MS, RESTART_FIRST_MS, RESTART_MOST_MS, STALL_MS, STEADY_MS};

/// What Nimbus wants in a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The topology.
    pub topology_id: String,
    /// Its name, for people.
    pub topology_name: String,
    /// SHA-256 of the program.
    pub blob_key: String,
    /// Words after the program.
    pub program_args: Vec<String>,
    /// Hash of the graph, which the program's own must equal.
    pub graph_hash: String,
}

/// One process. A process id alone is given again to others; with its start time it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Process id, and id of its process group.
    pub pid: u32,
    /// Start, in clock ticks since boot, as /proc says.
    pub started: u64,
    /// The name that peers know this life by.
    pub incarnation: u64,
}

/// Storm's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing is wanted, nothing runs.
    Empty,
    /// The program is being fetched.
    WaitingForBlobLocalization,
    /// The process was started and has not answered yet.
    WaitingForWorkerStart,
    /// It answers.
    Running,
    /// It is to end; another topology, or nothing, comes after it.
    Kill,
    /// It is to end, or has died, and is to start again.
    KillAndRelaunch,
    /// It is to end because its program has changed; the new one is being fetched.
    KillBlobUpdate,
    /// It has ended and the new program is not here yet.
    WaitingForBlobUpdate,
}

impl Stage {
    /// All eight.
    pub const ALL: [Stage; 8] = [
        Stage::Empty,
        Stage::WaitingForBlobLocalization,
        Stage::WaitingForWorkerStart,
        Stage::Running,
        Stage::Kill,
        Stage::KillAndRelaunch,
        Stage::KillBlobUpdate,
        Stage::WaitingForBlobUpdate,
    ];

    /// Storm's name of the state.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Empty => "EMPTY",
            Stage::WaitingForBlobLocalization => "WAITING_FOR_BLOB_LOCALIZATION",
            Stage::WaitingForWorkerStart => "WAITING_FOR_WORKER_START",
            Stage::Running => "RUNNING",
            Stage::Kill => "KILL",
            Stage::KillAndRelaunch => "KILL_AND_RELAUNCH",
            Stage::KillBlobUpdate => "KILL_BLOB_UPDATE",
            Stage::WaitingForBlobUpdate => "WAITING_FOR_BLOB_UPDATE",
        }
    }
}

/// What can happen to a slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Nimbus wants this, or nothing.
    Wanted(Option<Wanted>),
    /// A process of an earlier supervisor was found alive; only for an empty slot.
    Adopt(Wanted, Life),
    /// The program with this key is here.
    Localized(String),
    /// The program with this key could not be fetched.
    LocalizeFailed(String),
    /// The answer to [`Command::Launch`].
    Launched(Life),
    /// The other answer to it.
    LaunchFailed,
    /// The worker of this incarnation has answered.
    Heard(u64),
    /// The process of this incarnation has ended; how, in words: `signal 9`, `exit code 1`.
    Exited(u64, String),
    /// Time has passed.
    Tick,
}

/// What the shell is to do. `Launch` is answered before the next event of the slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Fetch the program with this key.
    Localize(String),
    /// Start the program.
    Launch(Wanted),
    /// Ask the process to end (SIGTERM).
    Terminate(Life),
    /// End the process and its children (SIGKILL to the group).
    Kill(Life),
    /// End what the dead process left behind in its group.
    Sweep(Life),
    /// Tell Nimbus that a life has ended, and how.
    Report(Wanted, Life, String),
    /// Remove the worker's folder.
    Clean(Wanted),
}

/// Times of a slot, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// A process that has not answered so long after its start is started again.
    pub start: u64,
    /// A worker silent for so long is started again.
    pub silence: u64,
    /// From SIGTERM to SIGKILL.
    pub stop: u64,
}

/// The machine of one slot.
#[derive(Clone, Debug)]
pub struct Slot {
    stage: Stage,
    times: Times,
    wanted: Option<Wanted>,
    current: Option<Wanted>,
    life: Option<Life>,
    localized: bool,
    failures: u32,
    since: u64,
    heard: u64,
    /// When the process's time is up, or that of its back-off.
    due: Option<u64>,
    /// When the program is fetched again.
    retry: Option<u64>,
    ticked: u64,
}

impl Slot {
    /// An empty slot.
    pub fn new(times: Times) -> Slot {
        Slot {
            stage: Stage::Empty,
            times,
            wanted: None,
            current: None,
            life: None,
            localized: false,
            failures: 0,
            since: 0,
            heard: 0,
            due: None,
            retry: None,
            ticked: 0,
        }
    }

    /// The state.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What the slot holds or is being made ready for.
    pub fn current(&self) -> Option<&Wanted> {
        self.current.as_ref()
    }

    /// The process, while there is one.
    pub fn life(&self) -> Option<Life> {
        self.life
    }

    /// Deaths and failed starts in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes one event.
    pub fn step(&mut self, event: Event, now: u64) -> Vec<Command> {
        let mut out = Vec::new();
        match event {
            Event::Wanted(wanted) => self.want(wanted, now, &mut out),
            Event::Adopt(wanted, life) if self.stage == Stage::Empty => {
                self.wanted = Some(wanted.clone());
                self.current = Some(wanted);
                self.launched(life, now);
            }
            Event::Adopt(..) => {}
            Event::Localized(key) => self.localized(&key, now, &mut out),
            Event::LocalizeFailed(key) => {
                if self.is_fetching(&key) {
                    self.failures += 1;
                    self.retry = Some(now + self.back_off().max(RESTART_FIRST_MS));
                }
            }
            Event::Launched(life) => self.launched(life, now),
            Event::LaunchFailed => {
                self.enter(Stage::WaitingForBlobLocalization, now);
                self.localized = false;
                self.failures += 1;
                self.retry = Some(now + self.back_off().max(RESTART_FIRST_MS));
            }
            Event::Heard(incarnation) => self.heard(incarnation, now),
            Event::Exited(incarnation, how) => {
                if self.life.is_some_and(|l| l.incarnation == incarnation) {
                    self.exited(how, now, &mut out);
                }
            }
            Event::Tick => self.tick(now, &mut out),
        }
        out
    }

    fn enter(&mut self, stage: Stage, now: u64) {
        (self.stage, self.since, self.due) = (stage, now, None);
    }

    /// Nothing the first time, then [`RESTART_FIRST_MS`] and twice as long each time.
    fn back_off(&self) -> u64 {
        match self.failures {
            0 | 1 => 0,
            n => (RESTART_FIRST_MS << (n - 2).min(16)).min(RESTART_MOST_MS),
        }
    }

    fn is_fetching(&self, key: &str) -> bool {
        let waits = matches!(
            self.stage,
            Stage::WaitingForBlobLocalization | Stage::WaitingForBlobUpdate | Stage::KillBlobUpdate
        );
        waits && !self.localized && self.wanted.as_ref().is_some_and(|w| w.blob_key == key)
    }

    fn want(&mut self, wanted: Option<Wanted>, now: u64, out: &mut Vec<Command>) {
        if wanted == self.wanted {
            return;
        }
        self.wanted = wanted;
        let (Some(current), Some(wanted)) = (&self.current, &self.wanted) else {
            return self.leave(now, out);
        };
        if wanted == current {
            // Taken back before the old process was gone: the kill goes on, then it starts again.
            return;
        }
        if wanted.topology_id != current.topology_id {
            return self.leave(now, out);
        }
        match (self.stage, self.life) {
            (Stage::Kill, _) => {}
            (_, None) => self.fetch(self.fetching_stage(), now, out),
            (stage, Some(life)) => {
                let until = self.due;
                self.fetch(Stage::KillBlobUpdate, now, out);
                match stage {
                    // Asked to end already: its deadline stands.
                    Stage::KillAndRelaunch | Stage::KillBlobUpdate => self.due = until,
                    _ => self.terminate(life, now, out),
                }
            }
        }
    }

    /// The wait for a program, by whether a worker has run here before.
    fn fetching_stage(&self) -> Stage {
        match self.stage {
            Stage::Empty | Stage::WaitingForBlobLocalization => Stage::WaitingForBlobLocalization,
            _ => Stage::WaitingForBlobUpdate,
        }
    }

    /// Another topology, or none, is to follow.
    fn leave(&mut self, now: u64, out: &mut Vec<Command>) {
        let Some(life) = self.life else {
            return self.turn(now, out);
        };
        match self.stage {
            Stage::Kill => {}
            Stage::KillAndRelaunch | Stage::KillBlobUpdate => {
                let until = self.due;
                self.enter(Stage::Kill, now);
                self.due = until;
            }
            _ => {
                self.enter(Stage::Kill, now);
                self.terminate(life, now, out);
            }
        }
    }

    /// The slot is free: what was here is cleared away and what is wanted starts.
    fn turn(&mut self, now: u64, out: &mut Vec<Command>) {
        self.failures = 0;
        let same = matches!((&self.current, &self.wanted), (Some(c), Some(w)) if c.topology_id == w.topology_id);
        if let Some(old) = self.current.take()
            && !same
        {
            out.push(Command::Clean(old));
        }
        if self.wanted.is_some() {
            self.fetch(Stage::WaitingForBlobLocalization, now, out);
        } else {
            self.enter(Stage::Empty, now);
        }
    }

    fn fetch(&mut self, stage: Stage, now: u64, out: &mut Vec<Command>) {
        self.enter(stage, now);
        (self.localized, self.retry) = (false, None);
        if let Some(wanted) = &self.wanted {
            out.push(Command::Localize(wanted.blob_key.clone()));
            self.current = Some(wanted.clone());
        }
    }

    fn terminate(&mut self, life: Life, now: u64, out: &mut Vec<Command>) {
        out.push(Command::Terminate(life));
        self.due = Some(now + self.times.stop);
    }

    fn localized(&mut self, key: &str, now: u64, out: &mut Vec<Command>) {
        if !self.is_fetching(key) {
            return;
        }
        self.localized = true;
        if self.stage != Stage::KillBlobUpdate {
            self.launch(now, out);
        }
    }

    fn launch(&mut self, now: u64, out: &mut Vec<Command>) {
        self.enter(Stage::WaitingForWorkerStart, now);
        out.extend(self.current.clone().map(Command::Launch));
    }

    fn launched(&mut self, life: Life, now: u64) {
        self.enter(Stage::WaitingForWorkerStart, now);
        self.life = Some(life);
        self.due = Some(now + self.times.start);
    }

    fn heard(&mut self, incarnation: u64, now: u64) {
        if self.life.is_none_or(|l| l.incarnation != incarnation) {
            return;
        }
        self.heard = now;
        if self.stage == Stage::WaitingForWorkerStart {
            self.enter(Stage::Running, now);
        }
    }

    fn exited(&mut self, how: String, now: u64, out: &mut Vec<Command>) {
        let (Some(life), Some(current)) = (self.life.take(), self.current.clone()) else {
            return;
        };
        out.push(Command::Sweep(life));
        // Every end is told: whether it was a loss or the end of a drain is for Nimbus to say.
        out.push(Command::Report(current, life, how));
        match self.stage {
            Stage::Kill => self.turn(now, out),
            Stage::KillBlobUpdate if self.localized => self.launch(now, out),
            Stage::KillBlobUpdate => self.enter(Stage::WaitingForBlobUpdate, now),
            stage => {
                if stage == Stage::Running && now.saturating_sub(self.since) >= STEADY_MS {
                    self.failures = 0;
                }
                self.failures += 1;
                match self.back_off() {
                    0 => self.launch(now, out),
                    wait => {
                        self.enter(Stage::KillAndRelaunch, now);
                        self.due = Some(now + wait);
                    }
                }
            }
        }
    }

    fn tick(&mut self, now: u64, out: &mut Vec<Command>) {
        if now.saturating_sub(self.ticked) > STALL_MS {
            self.heard = now;
        }
        self.ticked = now;
        let due = self.due.is_some_and(|due| now >= due);
        match (self.stage, self.life) {
            (Stage::Running, Some(life))
                if now.saturating_sub(self.heard) >= self.times.silence =>
            {
                self.enter(Stage::KillAndRelaunch, now);
                self.terminate(life, now, out);
            }
            (Stage::WaitingForWorkerStart, Some(life)) if due => {
                self.enter(Stage::KillAndRelaunch, now);
                self.terminate(life, now, out);
            }
            (Stage::Kill | Stage::KillAndRelaunch | Stage::KillBlobUpdate, Some(life)) if due => {
                self.due = Some(now + KILL_AGAIN_MS);
                out.push(Command::Kill(life));
            }
            (Stage::KillAndRelaunch, None) if due => self.launch(now, out),
            _ => {}
        }
        if self.retry.is_some_and(|at| now >= at)
            && let Some(wanted) = &self.current
        {
            self.retry = None;
            if self.is_fetching(&wanted.blob_key) {
                out.push(Command::Localize(wanted.blob_key.clone()));
            }
        }
    }
}

#[cfg(test)]
#[path = "slot_tests.rs"]
mod tests;
