//! The simulated cluster: Nimbus' pure step with a disk that outlives it, nodes, and mail between them
//! that may be late, come twice or be lost.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, BTreeSet};

use fulmar_nimbus::event::{Command, Event, Refusal};
use fulmar_nimbus::model::State;
use fulmar_nimbus::scheduler::Executor;
use fulmar_nimbus::scheduler::policy::Policy;
use fulmar_nimbus::wire;
use fulmar_proto::nimbus as pb;

use crate::check::{self, Owners};
use crate::client::{self, Ledger, Outcome};
use crate::node::{Node, Process};
use crate::rng::Rng;

mod mail;

/// Milliseconds between two turns.
const TURN: u64 = 100;
/// Turns with faults, and turns to heal in: waits that begin anew after a restart take 30 s.
const TURNS: (u64, u64) = (900, 1_500);
const SLOTS: [u16; 4] = [6700, 6701, 6702, 6703];
const START: u64 = 1_700_000_000_000;

/// One life of Nimbus.
struct Nimbus {
    life: u64,
    state: State,
    slots: BTreeMap<String, pb::SupervisorAssignment>,
    topologies: BTreeMap<String, pb::Assignment>,
}

/// What travels to Nimbus.
#[derive(Clone)]
enum Mail {
    Supervisor(usize),
    SupervisorBeat(usize),
    Worker(usize, u16, u64, String),
    WorkerBeat(usize, u16, u64, u64, Vec<Executor>),
    Exit(usize, u16, u64),
    Notice(usize, Option<u64>),
}

/// The cluster.
pub struct World {
    /// Steps that Nimbus took.
    pub steps: u64,
    /// What happened, in words.
    pub story: Vec<String>,
    rng: Rng,
    now: u64,
    faults: bool,
    nimbus: Option<Nimbus>,
    back_at: u64,
    lives: u64,
    incarnations: u64,
    disk: BTreeMap<String, String>,
    number: u64,
    nodes: Vec<Node>,
    mail: BTreeMap<(u64, u64), (u64, Mail)>,
    posted: u64,
    ledger: Ledger,
    owners: Owners,
    broken: Option<String>,
}

impl World {
    /// The cluster of a seed.
    pub fn new(seed: u64) -> Self {
        let mut world = Self {
            steps: 0,
            story: Vec::new(),
            rng: Rng::new(seed),
            now: START,
            faults: true,
            nimbus: None,
            back_at: START,
            lives: 0,
            incarnations: 0,
            disk: BTreeMap::new(),
            number: 0,
            nodes: Vec::new(),
            mail: BTreeMap::new(),
            posted: 0,
            ledger: Ledger::default(),
            owners: Owners::default(),
            broken: None,
        };
        for _ in 0..5 {
            world.new_node();
        }
        world
    }

    /// Runs with faults, then without, and looks whether all has healed.
    ///
    /// # Errors
    /// The invariant that was broken, in words.
    pub fn run(&mut self) -> Result<(), String> {
        for _ in 0..TURNS.0 {
            self.break_things();
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
            self.turn()?;
        }
        self.heal();
        for _ in 0..TURNS.1 {
            self.turn()?;
        }
        let Some(nimbus) = &self.nimbus else {
            return Err("faults off, all heals: Nimbus is not there".to_owned());
        };
        self.ledger.compare(&nimbus.state)?;
        let stored: BTreeSet<_> = self.disk.keys().collect();
        if stored != nimbus.state.topologies.keys().collect() {
            return Err(format!(
                "nothing acknowledged is forgotten: the store holds {stored:?}"
            ));
        }
        check::healed(&nimbus.state, &self.nodes)
    }

    fn say(&mut self, text: String) {
        let time = (self.now - START) as f64 / 1e3;
        self.story.push(format!("{time:7.1} {text}"));
    }

    fn new_node(&mut self) {
        let id = format!("n{}", self.nodes.len());
        self.nodes.push(Node {
            id,
            started: self.now,
            alive: true,
            ..Node::default()
        });
    }

    // ---- faults

    fn break_things(&mut self) {
        let i = self.rng.below(self.nodes.len() as u64) as usize;
        match self.rng.below(400) {
            0 | 1 => self.kill_worker(i),
            2 if self.nodes[i].alive => {
                self.say(format!("{} dies", self.nodes[i].id));
                self.nodes[i].die();
            }
            3 | 4 if !self.nodes[i].gone => self.start(i),
            5 if self.nodes[i].alive => {
                self.nodes[i].cut_until = self.now + self.rng.below(10_000);
                self.say(format!("{} is cut off", self.nodes[i].id));
            }
            6 if self.nodes[i].alive && self.nodes[i].deadline.is_none() => self.notice(i),
            7 if self.nimbus.is_some() => self.crash("at rest"),
            // The supervisor alone begins anew; its workers go on.
            8 if self.nodes[i].alive => {
                self.say(format!("the supervisor of {} restarts", self.nodes[i].id));
                let n = &mut self.nodes[i];
                (n.linked, n.asking, n.started) = (None, false, self.now);
            }
            _ => {}
        }
        if self.rng.one_in(15) {
            self.ask();
        }
        let living = self.nodes.iter().filter(|n| !n.gone).count();
        if living < 4 {
            self.new_node();
        }
    }

    fn kill_worker(&mut self, i: usize) {
        let ports: Vec<u16> = self.nodes[i].processes.keys().copied().collect();
        let at = self.rng.below(ports.len() as u64) as usize;
        if let Some(port) = ports.get(at) {
            self.say(format!("the worker on {}:{port} crashes", self.nodes[i].id));
            self.nodes[i].end(*port);
        }
    }

    fn start(&mut self, i: usize) {
        if !self.nodes[i].alive {
            self.say(format!("{} starts", self.nodes[i].id));
            (self.nodes[i].alive, self.nodes[i].started) = (true, self.now);
        }
    }

    fn notice(&mut self, i: usize) {
        let deadline = self.now + 3_000 + self.rng.below(20_000);
        self.nodes[i].deadline = Some(deadline);
        self.say(format!(
            "{} is to end in {} ms",
            self.nodes[i].id,
            deadline - self.now
        ));
        self.post(Mail::Notice(i, Some(deadline)));
    }

    fn crash(&mut self, when: &str) {
        self.say(format!("Nimbus crashes {when}"));
        self.nimbus = None;
        self.back_at = self.now + 200 + self.rng.below(8_000);
        for n in &mut self.nodes {
            (n.linked, n.asking) = (None, false);
            for p in n.processes.values_mut() {
                (p.linked, p.asking) = (None, false);
            }
        }
    }

    fn heal(&mut self) {
        self.say("no more faults".to_owned());
        self.faults = false;
        for i in 0..self.nodes.len() {
            self.nodes[i].cut_until = 0;
            if !self.nodes[i].gone {
                self.start(i);
            }
        }
        while self
            .nodes
            .iter()
            .filter(|n| n.deadline.is_none() && !n.gone)
            .count()
            < 5
        {
            self.new_node();
        }
    }

    // ---- time

    fn turn(&mut self) -> Result<(), String> {
        self.now += TURN;
        if self.nimbus.is_none() && self.now >= self.back_at {
            self.restart();
        }
        for i in 0..self.nodes.len() {
            if self.nodes[i].deadline.is_some_and(|d| self.now > d + 1_000) && !self.nodes[i].gone {
                self.say(format!("{} is taken away", self.nodes[i].id));
                self.nodes[i].die();
                self.nodes[i].gone = true;
            }
            self.node_turn(i)?;
        }
        while let Some(entry) = self.mail.first_entry().filter(|e| e.key().0 <= self.now) {
            let (life, mail) = entry.remove();
            self.deliver(life, mail);
        }
        if self.now.is_multiple_of(200) && self.nimbus.is_some() {
            // A look has no one to answer.
            let _ = self.take(Event::Look);
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.lives += 1;
        let stored = self.disk.values();
        let stored =
            stored.map(|json| serde_json::from_str(json).expect("it was written by this run"));
        let state = State::restored(stored.collect(), self.number, Policy::default(), self.now);
        self.say(format!(
            "Nimbus starts with {} topologies",
            state.topologies.len()
        ));
        self.nimbus = Some(Nimbus {
            life: self.lives,
            state,
            slots: BTreeMap::new(),
            topologies: BTreeMap::new(),
        });
    }

    /// Sends something to Nimbus: late, twice, or both, while there are faults.
    fn post(&mut self, mail: Mail) {
        let Some(life) = self.nimbus.as_ref().map(|n| n.life) else {
            return;
        };
        let mut delay = self.rng.below(150);
        if self.faults && self.rng.one_in(50) {
            delay += self.rng.below(4_000);
        }
        self.posted += 1;
        self.mail
            .insert((self.now + delay, self.posted), (life, mail.clone()));
        if self.faults && self.rng.one_in(30) {
            let again = self.now + self.rng.below(2_000);
            self.posted += 1;
            self.mail.insert((again, self.posted), (life, mail));
        }
    }

    fn reachable(&self, i: usize) -> bool {
        self.nodes[i].alive && self.now >= self.nodes[i].cut_until && self.nimbus.is_some()
    }

    fn node_turn(&mut self, i: usize) -> Result<(), String> {
        if !self.nodes[i].alive {
            return Ok(());
        }
        // Workers start wherever they are wanted, with or without Nimbus.
        let wanted: Vec<(u16, String)> = self.nodes[i].wanted.clone().into_iter().collect();
        for (port, topology) in wanted {
            let condemned = self.nodes[i].deadline.is_some();
            if !condemned && !self.nodes[i].processes.contains_key(&port) && self.rng.one_in(4) {
                self.incarnations += 1;
                let incarnation = self.incarnations;
                let process = Process {
                    topology,
                    incarnation,
                    ..Process::default()
                };
                self.nodes[i].processes.insert(port, process);
            }
        }
        if !self.reachable(i) {
            let silent = self.now.saturating_sub(self.nodes[i].cut_until) > TURN;
            if !silent {
                self.unlink(i);
            }
            return Ok(());
        }
        self.supervise(i);
        let ports: Vec<u16> = self.nodes[i].processes.keys().copied().collect();
        for port in ports {
            self.work(i, port)?;
        }
        Ok(())
    }

    /// A cut breaks every link of a node.
    fn unlink(&mut self, i: usize) {
        let n = &mut self.nodes[i];
        (n.linked, n.asking) = (None, false);
        for p in n.processes.values_mut() {
            (p.linked, p.asking) = (None, false);
        }
    }

    fn supervise(&mut self, i: usize) {
        let Some(nimbus) = &self.nimbus else { return };
        if self.nodes[i].linked != Some(nimbus.life) {
            if !self.nodes[i].asking && self.rng.one_in(5) {
                self.nodes[i].asking = true;
                self.post(Mail::Supervisor(i));
            }
            return;
        }
        if let Some((port, incarnation)) = self.nodes[i].reports.front().copied() {
            self.post(Mail::Exit(i, port, incarnation));
            self.nodes[i].reports.pop_front();
        }
        let news = nimbus_slots(&self.nimbus, &self.nodes[i].id);
        if let Some(slots) = news.filter(|_| !self.rng.one_in(3)) {
            self.nodes[i].take(&slots);
        }
        if self.now % 1_000 == (i as u64 * 100) % 1_000 {
            self.post(Mail::SupervisorBeat(i));
        }
    }

    fn work(&mut self, i: usize, port: u16) -> Result<(), String> {
        let late = self.rng.one_in(3);
        let Some(nimbus) = &self.nimbus else {
            return Ok(());
        };
        let Some(p) = self.nodes[i].processes.get_mut(&port) else {
            return Ok(());
        };
        if p.linked != Some(nimbus.life) {
            if !p.asking && !late {
                p.asking = true;
                let mail = Mail::Worker(i, port, p.incarnation, p.topology.clone());
                self.post(mail);
            }
            return Ok(());
        }
        match nimbus.topologies.get(&p.topology) {
            // The topology is gone.
            None => (p.runs.clear(), p.ready.clear()).0,
            Some(a) if !late => {
                let runs = p.take(a);
                let (topology, version, incarnation) =
                    (p.topology.clone(), p.version, p.incarnation);
                self.owners.note(&topology, version, incarnation, &runs)?;
            }
            Some(_) => {}
        }
        if self.now % 1_000 == (u64::from(port) * 300) % 1_000 {
            let p = &self.nodes[i].processes[&port];
            let ready = p.ready.iter().copied().collect();
            self.post(Mail::WorkerBeat(i, port, p.incarnation, p.version, ready));
        }
        Ok(())
    }

    // ---- Nimbus

    fn ask(&mut self) {
        let (name, event) = client::ask(&mut self.rng);
        if self.nimbus.is_none() {
            return;
        }
        let taken = self.take(event.clone());
        let outcome = match &taken {
            Some(Ok(())) => Outcome::Acknowledged,
            Some(Err(refusal)) => Outcome::Refused(refusal),
            None => Outcome::Died,
        };
        let text = match &taken {
            Some(Ok(())) => "acknowledged".to_owned(),
            Some(Err(refusal)) => format!("refused: {refusal}"),
            None => "Nimbus died over it".to_owned(),
        };
        let noted = self.ledger.note(name, &event, outcome);
        self.say(format!("a client asks {}: {text}", short(&event)));
        self.broken = noted.err();
    }

    /// One step of Nimbus: first the store, then the acts; `None` when it died in between.
    fn take(&mut self, event: Event) -> Option<Result<(), Refusal>> {
        self.steps += 1;
        let nimbus = self.nimbus.as_mut()?;
        let commands = match nimbus.state.step(event, self.now) {
            Ok(commands) => commands,
            Err(refusal) => return Some(Err(refusal)),
        };
        let told: Vec<String> = commands.iter().filter_map(tale).collect();
        told.into_iter().for_each(|text| self.say(text));
        let dies = self.faults && !commands.is_empty() && self.rng.one_in(250);
        let last = if dies {
            self.rng.below(2 * commands.len() as u64 + 1)
        } else {
            u64::MAX
        };
        let mut at = 0;
        for command in &commands {
            if at == last {
                self.crash("while it stores");
                return None;
            }
            at += 1;
            self.store(command);
        }
        let mut nodes = BTreeSet::new();
        for command in commands {
            if at == last {
                self.crash("while it acts");
                return None;
            }
            at += 1;
            let nimbus = self.nimbus.as_mut()?;
            match command {
                Command::Forget(id) => drop(nimbus.topologies.remove(&id)),
                Command::Publish(id) => {
                    if let Some(channel) = nimbus.topologies.get_mut(&id) {
                        *channel = wire::assignment(&nimbus.state, &id);
                    }
                }
                Command::Slots(node) => drop(nodes.insert(node)),
                Command::Store(_) | Command::Tell(..) => {}
            }
        }
        let nimbus = self.nimbus.as_mut()?;
        for node in nodes {
            if let Some(channel) = nimbus.slots.get_mut(&node) {
                *channel = wire::slots_of(&nimbus.state, &node, 0);
            }
        }
        Some(Ok(()))
    }

    fn store(&mut self, command: &Command) {
        let Some(nimbus) = &self.nimbus else { return };
        match command {
            Command::Store(id) => {
                if let Some(stored) = nimbus.state.stored(id) {
                    let json =
                        serde_json::to_string(&stored).expect("a topology is written as JSON");
                    self.disk.insert(id.clone(), json);
                    self.number = nimbus.state.next_number;
                }
            }
            Command::Forget(id) => drop(self.disk.remove(id)),
            _ => {}
        }
    }
}

fn nimbus_slots(nimbus: &Option<Nimbus>, node: &str) -> Option<pb::SupervisorAssignment> {
    nimbus.as_ref()?.slots.get(node).cloned()
}

fn tale(command: &Command) -> Option<String> {
    match command {
        Command::Tell(kind, _, _, text) => Some(format!("  {kind}: {text}")),
        _ => None,
    }
}

fn short(event: &Event) -> String {
    match event {
        Event::Submit(s) => format!("to submit {}", s.spec.name),
        other => format!("{other:?}"),
    }
}
