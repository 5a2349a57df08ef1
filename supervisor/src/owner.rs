//! The one task that owns a supervisor's state: takes what happened, lets the machines decide, does
//! what they say, shows the outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fulmar_proto::nimbus as pb;
use tokio::sync::{mpsc, watch};

use crate::config::SupervisorConfig;
use crate::drill::Drill;
use crate::event::{Input, Report};
use crate::imds::Identity;
use crate::limits::{BLOBS_KEPT, LOG_FOLDERS_KEPT, STORY_KEPT};
use crate::link::{Client, now_ms, retraction, wire};
use crate::node::Node;
use crate::notice::{self, Key, Kind, Notice, Notices};
use crate::record::Folder;
use crate::slot::{Command, Event, Life, Slot, Stage, Wanted};
use crate::status::{Line, SlotStatus, Status, Totals};
use crate::{localizer, logs, process};

/// Logs are bounded and old programs removed this often.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// The owner.
pub struct Owner {
    pub(crate) config: SupervisorConfig,
    pub(crate) folder: Folder,
    pub(crate) node_id: String,
    pub(crate) out: mpsc::Sender<Input>,
    pub(crate) client: watch::Receiver<Client>,
    pub(crate) slots: BTreeMap<u16, Slot>,
    pub(crate) totals: Totals,
    /// Tasks that watch a slot's process; they end with it.
    pub(crate) watchers: BTreeMap<u16, tokio::task::JoinSet<()>>,
    /// Programs that are being fetched.
    pub(crate) fetching: BTreeSet<String>,
    pub(crate) fetchers: tokio::task::JoinSet<()>,
    reports: mpsc::Sender<Report>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) notices: Notices,
    /// What Nimbus said last.
    newest: Option<pb::SupervisorAssignment>,
    sentenced: Option<u64>,
    pub(crate) drill: Option<Drill>,
    /// A drill has ended this node; when it comes back.
    pub(crate) dead: Option<Option<Duration>>,
    clock: Instant,
    housekept: Instant,
    sampled: Instant,
    node: Node,
}

/// What an owner is made of.
pub struct Parts {
    /// The configuration, checked.
    pub config: SupervisorConfig,
    /// The folder, held.
    pub folder: Folder,
    /// The node's id.
    pub node_id: String,
    /// To the owner, for its tasks.
    pub out: mpsc::Sender<Input>,
    /// The linked Nimbus.
    pub client: watch::Receiver<Client>,
    /// What Nimbus must hear.
    pub reports: mpsc::Sender<Report>,
    /// What is shown.
    pub status: watch::Sender<Status>,
}

impl Owner {
    /// An owner with empty slots.
    pub fn new(p: Parts) -> Owner {
        let slots = p.config.slots.iter();
        let slots = slots.map(|port| (*port, Slot::new(p.config.times)));
        let now = Instant::now();
        Owner {
            slots: slots.collect(),
            notices: Notices::new(p.config.advice.as_millis() as u64),
            config: p.config,
            folder: p.folder,
            node_id: p.node_id,
            out: p.out,
            client: p.client,
            reports: p.reports,
            status: p.status,
            totals: Totals::default(),
            watchers: BTreeMap::new(),
            fetching: BTreeSet::new(),
            fetchers: tokio::task::JoinSet::new(),
            newest: None,
            sentenced: None,
            drill: None,
            dead: None,
            clock: now,
            housekept: now,
            sampled: now,
            node: Node::default(),
        }
    }

    /// The first port of an empty slot that cannot be listened on, and why; adopted workers hold theirs rightly.
    pub fn taken(&self, host: &str) -> Option<(u16, String)> {
        let empty = self.slots.iter().filter(|(_, s)| s.stage() == Stage::Empty);
        let mut ports = empty.flat_map(|(port, _)| [*port, *port + 1_000]);
        ports.find_map(|port| match std::net::TcpListener::bind((host, port)) {
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => Some((port, e.to_string())),
            _ => None,
        })
    }

    /// Milliseconds of a clock that only goes forward.
    fn ticks(&self) -> u64 {
        self.clock.elapsed().as_millis() as u64
    }

    /// Takes one input.
    pub fn take(&mut self, input: Input) {
        match input {
            Input::Assignment(a) => self.assigned(a),
            Input::Linked(address) => {
                self.story(format!("linked to nimbus {address}"));
                self.status.send_modify(|s| {
                    (s.nimbus, s.nimbus_problem) = (Some(address), None);
                });
            }
            Input::Unlinked(problem) => {
                let old = self.status.borrow().nimbus_problem.clone();
                if old.as_ref() != Some(&problem) {
                    self.story(format!("no nimbus: {problem}; the workers go on"));
                }
                self.status.send_modify(|s| {
                    (s.nimbus, s.nimbus_problem) = (None, Some(problem));
                });
            }
            Input::Localized(key, result) => self.localized(&key, result),
            Input::Exited(port, incarnation, how) => {
                self.step(port, Event::Exited(incarnation, how));
            }
            Input::Heard(port, incarnation) => self.step(port, Event::Heard(incarnation)),
            Input::Said { source, kind, said } => {
                let instance = self.node_id.clone();
                let key = Key { instance, kind };
                let commands = self.notices.said(source, key, said, now_ms());
                self.noticed(commands);
            }
            Input::Drill(order, reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.drilled(order));
            }
            Input::Identity(identity) => self.identified(identity),
        }
        self.show();
    }

    /// Time has passed.
    pub fn tick(&mut self) {
        for port in self.ports() {
            self.step(port, Event::Tick);
        }
        let commands = self.notices.tick(now_ms());
        self.noticed(commands);
        if self.drill.is_some_and(|d| now_ms() >= d.dies_ms) {
            self.die();
        }
        while self.fetchers.try_join_next().is_some() {}
        if self.sampled.elapsed() >= Duration::from_secs(1) {
            self.sampled = Instant::now();
            let load = self.node.read();
            self.status.send_modify(|s| s.load = load);
        }
        if self.housekept.elapsed() >= HOUSEKEEPING {
            self.housekept = Instant::now();
            self.housekeep();
        }
        self.show();
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.slots.keys().copied().collect()
    }

    /// One event for one slot, and all that follows from it.
    pub(crate) fn step(&mut self, port: u16, event: Event) {
        let now = self.ticks();
        let Some(slot) = self.slots.get_mut(&port) else {
            return;
        };
        let before = slot.stage();
        let commands = slot.step(event, now);
        let after = slot.stage();
        if before != after {
            tracing::debug!(port, from = before.name(), to = after.name(), "slot");
        }
        for command in commands {
            match command {
                Command::Localize(key) => self.localize(key),
                Command::Launch(wanted) => self.launch(port, &wanted),
                Command::Terminate(life) if runs(life) => process::terminate(life.pid),
                Command::Kill(life) if runs(life) => {
                    tracing::warn!(port, pid = life.pid, "did not end when asked: killed");
                    process::kill_group(life.pid);
                }
                // Ended meanwhile: its watcher says so next.
                Command::Terminate(_) | Command::Kill(_) => {}
                Command::Sweep(life) => {
                    self.watchers.remove(&port);
                    process::kill_group(life.pid);
                }
                Command::Report(wanted, life, how) => self.ended(port, &wanted, life, how),
                Command::Clean(wanted) => {
                    if let Err(e) = self.folder.clear(port, &wanted.topology_id) {
                        tracing::warn!(port, "{} {e}", e.code());
                    }
                }
            }
        }
    }

    /// A life has ended.
    pub(crate) fn ended(&mut self, port: u16, wanted: &Wanted, life: Life, how: String) {
        self.totals.exits += 1;
        let name = &wanted.topology_name;
        self.story(format!("worker of {name} on {port} ended: {how}"));
        self.report(Report::Exit(pb::WorkerExit {
            node_id: self.node_id.clone(),
            port: port.into(),
            topology_id: wanted.topology_id.clone(),
            incarnation: life.incarnation,
            how,
        }));
    }

    /// Tells Nimbus, now or as soon as one answers.
    pub(crate) fn report(&mut self, report: Report) {
        if let Err(e) = self.reports.try_send(report) {
            self.totals.reports_dropped += 1;
            tracing::warn!("a report is dropped, too many wait for a nimbus: {e}");
        }
    }

    fn assigned(&mut self, a: pb::SupervisorAssignment) {
        self.status
            .send_modify(|s| s.assignment_version = a.version);
        if a.drained && !self.status.borrow().drained {
            self.drained();
        }
        let drained = a.drained;
        self.status.send_modify(|s| s.drained = drained);
        self.newest = Some(a);
        self.want();
    }

    /// Gives each slot what Nimbus wants there. After a sentence nothing new is taken.
    fn want(&mut self) {
        let Some(newest) = self.newest.clone() else {
            return;
        };
        let mut wanted: BTreeMap<u16, Wanted> = BTreeMap::new();
        for s in newest.slots {
            match u16::try_from(s.port) {
                Ok(port) if self.slots.contains_key(&port) => {
                    let given = Wanted {
                        topology_id: s.topology_id,
                        topology_name: s.topology_name,
                        blob_key: s.blob_key,
                        program_args: s.program_args,
                        graph_hash: s.graph_hash,
                    };
                    wanted.insert(port, given);
                }
                _ => tracing::warn!("nimbus wants slot {}, which is not here", s.port),
            }
        }
        for port in self.ports() {
            let mut given = wanted.remove(&port);
            let held = self.slots[&port].current().map(|w| w.topology_id.clone());
            if let Some(new) = &given
                && self.notices.is_condemned()
                && held.as_ref() != Some(&new.topology_id)
            {
                self.totals.refused += 1;
                self.story(format!(
                    "{} is refused on {port}: this node is to end",
                    new.topology_name
                ));
                given = None;
            }
            self.step(port, Event::Wanted(given));
        }
    }

    pub(crate) fn noticed(&mut self, commands: Vec<notice::Command>) {
        for command in commands {
            let told = match command {
                notice::Command::Report(n) => {
                    self.totals.notices += 1;
                    self.tell_notice(&n);
                    wire(&self.node_id, &n)
                }
                notice::Command::Retract(kind) => {
                    self.totals.retracts += 1;
                    if kind == Kind::Sentence {
                        self.sentenced = None;
                    }
                    self.story(format!("the {} is taken back", word(kind)));
                    retraction(&self.node_id, kind, "supervisor")
                }
            };
            self.report(Report::Notice(told));
            // After a retraction this node takes what it refused before.
            self.want();
        }
    }

    fn tell_notice(&mut self, n: &Notice) {
        let text = match n.kind {
            Kind::Advice => format!("{} says: this node may end soon", n.source),
            Kind::Sentence => {
                self.sentenced.get_or_insert(n.since_ms);
                let left = n.deadline_ms.saturating_sub(now_ms()) as f64 / 1e3;
                format!(
                    "{} says: this node ends in {left:.1} s; nothing new is taken",
                    n.source
                )
            }
        };
        self.story(text);
    }

    fn drained(&mut self) {
        let now = now_ms();
        let standing = self.notices.standing();
        let Some(n) = standing.iter().find(|n| n.kind == Kind::Sentence) else {
            return self.story("drained: its work has moved away".to_owned());
        };
        let took = now.saturating_sub(self.sentenced.unwrap_or(now)) as f64 / 1e3;
        let left = n.deadline_ms as f64 / 1e3 - now as f64 / 1e3;
        let text = format!("drained {took:.1} s after the notice, {left:.1} s before the deadline");
        self.story(text);
    }

    fn identified(&mut self, found: Identity) {
        let set = |own: &Option<String>, found: String| own.clone().unwrap_or(found);
        let identity = Identity {
            instance_id: found.instance_id,
            instance_type: set(&self.config.instance_type, found.instance_type),
            zone: set(&self.config.zone, found.zone),
            life_cycle: set(&self.config.life_cycle, found.life_cycle),
        };
        self.story(format!(
            "this is {} ({}, {}, {})",
            identity.instance_id, identity.instance_type, identity.zone, identity.life_cycle
        ));
        self.status.send_modify(|s| s.identity = identity);
    }

    fn localized(&mut self, key: &str, result: Result<PathBuf, String>) {
        self.fetching.remove(key);
        let event = match result {
            Ok(_) => Event::Localized(key.to_owned()),
            Err(problem) => {
                self.totals.blob_failures += 1;
                self.story(problem);
                Event::LocalizeFailed(key.to_owned())
            }
        };
        for port in self.ports() {
            self.step(port, event.clone());
        }
    }

    /// A line of what happened, in the log and on the page.
    pub(crate) fn story(&mut self, text: String) {
        tracing::info!("{text}");
        let line = Line {
            time_ms: now_ms(),
            text,
        };
        self.status.send_modify(|s| {
            if s.story.len() >= STORY_KEPT {
                s.story.remove(0);
            }
            s.story.push(line);
        });
    }

    fn show(&self) {
        let slots: Vec<_> = self.slots.iter().map(|(port, s)| shown(*port, s)).collect();
        let (notices, condemned) = (self.notices.standing(), self.notices.is_condemned());
        let drill = self.drill;
        self.status.send_if_modified(|s| {
            let same = s.slots == slots
                && s.drill == drill
                && s.notices == notices
                && s.condemned == condemned
                && s.totals == self.totals;
            if !same {
                (s.slots, s.notices, s.condemned) = (slots, notices, condemned);
                s.drill = drill;
                s.totals = self.totals;
            }
            !same
        });
    }

    fn housekeep(&self) {
        let logs = self.folder.logs();
        let held = self.slots.iter();
        let held: Vec<_> = held
            .filter_map(|(port, s)| Some((*port, s.current()?.clone())))
            .collect();
        let (blobs, most) = (self.folder.blobs(), self.config.log_most);
        let mut keys: BTreeSet<_> = held.iter().map(|(_, w)| w.blob_key.clone()).collect();
        keys.extend(self.fetching.iter().cloned());
        tokio::task::spawn_blocking(move || {
            let mut in_use = BTreeSet::new();
            let mut done = Ok(());
            for (port, w) in &held {
                in_use.insert(logs::folder(&logs, &w.topology_id, *port));
                let (out, err) = logs::files(&logs, &w.topology_id, *port);
                done = done.and(logs::bound(&out, most).map(drop));
                done = done.and(logs::bound(&err, most).map(drop));
            }
            done = done.and(logs::sweep(&logs, &in_use, LOG_FOLDERS_KEPT));
            done = done.and(localizer::sweep(&blobs, &keys, BLOBS_KEPT));
            // A folder that is not there, because it was deleted, has nothing to tidy.
            let gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
            if let Some(e) = done.err().filter(|e| !gone(e)) {
                tracing::warn!("{}: {e}; logs or programs are not tidied", logs.display());
            }
        });
    }

    /// Ends every worker; the slots go on being stepped until they are empty.
    pub fn stop_all(&mut self) {
        self.newest = None;
        for port in self.ports() {
            self.step(port, Event::Wanted(None));
        }
        self.show();
    }

    /// Whether its work has moved away and its last worker has ended.
    pub fn has_left(&self) -> bool {
        self.status.borrow().drained && self.is_empty()
    }

    /// Whether nothing runs.
    pub fn is_empty(&self) -> bool {
        self.slots.values().all(|s| s.stage() == Stage::Empty)
    }

    /// From SIGTERM to SIGKILL, and a little.
    pub fn stop_most(&self) -> Duration {
        Duration::from_millis(self.config.times.stop + 2_000)
    }
}

/// A process id that may have been given to another is never signalled.
fn runs(life: Life) -> bool {
    process::lives(life.pid, life.started)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Advice => "advice",
        Kind::Sentence => "sentence",
    }
}

/// A slot as it is shown.
pub fn shown(port: u16, s: &Slot) -> SlotStatus {
    SlotStatus {
        port,
        state: s.stage().name(),
        topology_id: s.current().map(|w| w.topology_id.clone()),
        topology_name: s.current().map(|w| w.topology_name.clone()),
        pid: s.life().map(|l| l.pid),
        incarnation: s.life().map(|l| l.incarnation),
        failures: s.failures(),
    }
}
