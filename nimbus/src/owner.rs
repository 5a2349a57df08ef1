//! The one task that owns Nimbus' state: takes events, steps, stores, then acts.
//!
//! Doors send [`Ask`]s; workers and supervisors listen on watch channels, so that a change reaches
//! them at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fulmar_proto::nimbus as pb;
use tokio::sync::{mpsc, oneshot, watch};

use crate::endure;
use crate::error::Error;
use crate::event::{Command, Event};
use crate::limits::{ENDURES_EVERY_MS, EVENTS_KEPT};
use crate::model::State;
use crate::scheduler::policy::Policy;
use crate::stats::Stats;
use crate::store::Store;
use crate::wire;

/// Something a door asks of the owner.
pub enum Ask {
    /// An event, and where its outcome goes.
    Event(Box<Event>, oneshot::Sender<Result<(), Error>>),
    /// What a worker's heartbeat says about its executors.
    Stats(Box<pb::WorkerHeartbeatRequest>),
    /// What a supervisor's heartbeat says about its slots.
    Slots(String, Vec<pb::SlotState>),
    /// Looks at the state.
    Look(Box<dyn FnOnce(&View<'_>) + Send>),
    /// Assignments of a topology, from now on.
    WatchTopology(String, oneshot::Sender<watch::Receiver<pb::Assignment>>),
    /// Slots of a node, from now on.
    WatchNode(
        String,
        oneshot::Sender<watch::Receiver<pb::SupervisorAssignment>>,
    ),
}

/// What a look sees.
pub struct View<'a> {
    /// Everything that decisions rest on.
    pub state: &'a State,
    /// The time line.
    pub events: &'a VecDeque<pb::Event>,
    /// What workers say about themselves.
    pub stats: &'a Stats,
    /// Now, in milliseconds since the epoch.
    pub now: u64,
}

/// The owner.
pub struct Owner {
    state: State,
    store: Store,
    stats: Stats,
    events: VecDeque<pb::Event>,
    next_event: u64,
    topologies: HashMap<String, watch::Sender<pb::Assignment>>,
    nodes: HashMap<String, watch::Sender<pb::SupervisorAssignment>>,
    node_version: u64,
    /// Something was decided since the last dry run.
    changed: bool,
}

/// Milliseconds since the epoch.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

/// What topologies endure, and how long it took to find out.
type Tried = (BTreeMap<String, u32>, Duration);

/// The outcome of a dry run; never, while there is none.
async fn tried(trying: &mut Option<oneshot::Receiver<Tried>>) -> Option<Tried> {
    match trying {
        Some(run) => run.await.ok(),
        None => std::future::pending().await,
    }
}

impl Owner {
    /// Takes over what is stored. Waits that were under way begin anew.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new(store: Store, policy: Policy) -> Result<Self, Error> {
        let (stored, next_number) = store.load()?;
        Ok(Self {
            state: State::restored(stored, next_number, policy, now_ms()),
            store,
            stats: Stats::default(),
            events: VecDeque::new(),
            next_event: 1,
            topologies: HashMap::new(),
            nodes: HashMap::new(),
            node_version: 0,
            changed: true,
        })
    }

    /// Runs until every door is closed.
    pub async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        let mut look = tokio::time::interval(Duration::from_millis(200));
        let mut endures = tokio::time::interval(Duration::from_millis(ENDURES_EVERY_MS));
        endures.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // One dry run at a time, in a thread that nobody waits for at the end: it may take seconds for a
        // thousand nodes.
        let mut trying: Option<oneshot::Receiver<Tried>> = None;
        let mut rest = Instant::now();
        loop {
            tokio::select! {
                _ = endures.tick(), if self.changed && trying.is_none() && rest <= Instant::now() => {
                    self.changed = false;
                    let (state, now) = (self.state.clone(), now_ms());
                    let (tx, rx) = oneshot::channel();
                    std::thread::spawn(move || {
                        let began = Instant::now();
                        // Nimbus may have ended meanwhile.
                        let _ = tx.send((endure::endures(&state, now), began.elapsed()));
                    });
                    trying = Some(rx);
                }
                found = tried(&mut trying) => {
                    trying = None;
                    let Some((found, took)) = found else { continue };
                    // A tenth of a core at most.
                    rest = Instant::now() + 10 * took;
                    if let Err(error) = self.take(Event::Endured(found)) {
                        tracing::error!(%error, "what topologies endure is not noted");
                    }
                }
                ask = asks.recv() => match ask {
                    Some(ask) => self.answer(ask),
                    None => return,
                },
                _ = look.tick() => {
                    if let Err(error) = self.take(Event::Look) {
                        tracing::error!(%error, "a look failed");
                    }
                    self.stats.keep_nodes(|node| self.state.nodes.contains_key(node));
                }
            }
        }
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Event(event, reply) => {
                let outcome = self.take(*event);
                // Whoever asked may have gone.
                let _ = reply.send(outcome);
            }
            Ask::Stats(beat) => {
                if let Some(t) = self.state.topologies.get(&beat.topology_id) {
                    self.stats.take(&t.spec, &beat, now_ms());
                }
            }
            Ask::Slots(node, slots) => {
                if self.state.nodes.contains_key(&node) {
                    self.stats.slots(&node, slots);
                }
            }
            Ask::Look(look) => {
                look(&View {
                    state: &self.state,
                    events: &self.events,
                    stats: &self.stats,
                    now: now_ms(),
                });
            }
            Ask::WatchTopology(id, reply) => {
                let assignment = wire::assignment(&self.state, &id);
                let channel = self
                    .topologies
                    .entry(id)
                    .or_insert_with(|| watch::channel(assignment).0);
                let _ = reply.send(channel.subscribe());
            }
            Ask::WatchNode(id, reply) => {
                let slots = wire::slots_of(&self.state, &id, self.node_version);
                let channel = self
                    .nodes
                    .entry(id)
                    .or_insert_with(|| watch::channel(slots).0);
                let _ = reply.send(channel.subscribe());
            }
        }
    }

    /// One step and what follows from it. A topology that cannot be stored is not acted upon.
    fn take(&mut self, event: Event) -> Result<(), Error> {
        let commands = self.state.step(event, now_ms())?;
        self.changed |= !commands.is_empty();
        for command in &commands {
            match command {
                Command::Store(id) => {
                    if let Some(stored) = self.state.stored(id) {
                        self.store.put(&stored, self.state.next_number)?;
                    }
                }
                Command::Forget(id) => self.store.remove(id)?,
                _ => {}
            }
        }
        let mut nodes = BTreeSet::new();
        for command in commands {
            match command {
                Command::Slots(node) => drop(nodes.insert(node)),
                other => self.act(other),
            }
        }
        self.tell_nodes(&nodes);
        Ok(())
    }

    /// Tells supervisors that listen what their slots are.
    fn tell_nodes(&mut self, nodes: &BTreeSet<String>) {
        let listens = nodes.iter().filter(|n| self.nodes.contains_key(*n));
        let listens: BTreeSet<&str> = listens.map(String::as_str).collect();
        if listens.is_empty() {
            return;
        }
        self.node_version += 1;
        for (node, slots) in wire::slots(&self.state, &listens, self.node_version) {
            if let Some(channel) = self.nodes.get(&node) {
                channel.send_replace(slots);
            }
        }
    }

    fn act(&mut self, command: Command) {
        match command {
            Command::Store(_) | Command::Slots(_) => {}
            Command::Forget(id) => {
                self.stats.forget(&id);
                if let Some(channel) = self.topologies.remove(&id) {
                    let gone = pb::Assignment {
                        topology_id: id,
                        version: u64::MAX,
                        status: pb::TopologyStatus::Killed.into(),
                        ..pb::Assignment::default()
                    };
                    channel.send_replace(gone);
                }
            }
            Command::Publish(id) => {
                if let Some(channel) = self.topologies.get(&id) {
                    channel.send_replace(wire::assignment(&self.state, &id));
                }
            }
            Command::Tell(kind, topology, node, text) => self.tell(kind, topology, node, text),
        }
    }

    fn tell(&mut self, kind: &str, topology: String, node_id: String, text: String) {
        tracing::info!(kind, topology, node = node_id, "{text}");
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        let (seq, time_ms) = (self.next_event, now_ms());
        self.next_event += 1;
        self.events.push_back(pb::Event {
            seq,
            time_ms,
            kind: kind.to_owned(),
            topology,
            node_id,
            text,
        });
    }
}
