//! What a task emits into: one open batch per edge and target, and the settles of its inputs.
//!
//! Emit writes only here (DESIGN 3.3); the core delivers after the call. Values are moved into the
//! last target's batch and cloned for the others.

use std::sync::Arc;

use fulmar_api::TaskId;
use fulmar_api::collector::{Anchors, BoltSink, SpoutSink};
use fulmar_api::error::{Error, Result};
use fulmar_api::spout::MessageId;
use fulmar_api::token::{AckToken, TokenEntries, TokenEntry};
use fulmar_api::value::Value;

use crate::batch::{Batch, Settle, Tracked};
use crate::ledger::{Ledger, Settled};
use crate::limits::BATCH_TUPLES;
use crate::plan::Plan;
use crate::route::{Choice, Chooser, Random};

/// Where tasks are, as one worker sees it.
#[derive(Clone, Debug, Default)]
pub struct Placement {
    /// Task id → bit of the incarnation that runs it, for ledgers.
    pub bits: Vec<u64>,
    /// Task id → whether this worker runs it.
    pub local: Vec<bool>,
}

impl Placement {
    /// Everything in one worker, whose incarnation has this bit.
    pub fn all_local(tasks: usize, bit: u64) -> Self {
        Self {
            bits: vec![bit; tasks + 1],
            local: vec![true; tasks + 1],
        }
    }

    fn bit(&self, task: TaskId) -> u64 {
        self.bits.get(task as usize).copied().unwrap_or(0)
    }
}

struct EdgeOut {
    edge: u32,
    targets: Vec<TaskId>,
    bits: Vec<u64>,
    chooser: Chooser,
    open: Vec<Batch>,
}

struct StreamOut {
    name: String,
    arity: usize,
    direct: bool,
    emitted: u64,
    transferred: u64,
    edges: Vec<EdgeOut>,
}

/// The emitting side of one task.
pub struct Outbox {
    task: TaskId,
    component: usize,
    plan: Arc<Plan>,
    random: Random,
    streams: Vec<StreamOut>,
    buffer: Vec<Value>,
    /// Batches that are full or flushed, to be delivered by the core.
    pub ready: Vec<Batch>,
    /// Settles of inputs, to be routed by the core.
    pub settles: Vec<Settle>,
    /// Emptied batches to use again.
    pub spare: Vec<Batch>,
    /// Tuples in open batches.
    open_tuples: usize,
    fresh: Vec<Tracked>,
}

impl Outbox {
    /// The outbox of one task.
    pub fn new(plan: Arc<Plan>, task: TaskId, placement: &Placement, seed: u64) -> Self {
        let component = plan.component_of(task).unwrap_or(0);
        let mut out = Self {
            task,
            component,
            random: Random::new(seed ^ task as u64),
            streams: Vec::new(),
            buffer: Vec::new(),
            ready: Vec::new(),
            settles: Vec::new(),
            spare: Vec::new(),
            open_tuples: 0,
            fresh: Vec::new(),
            plan,
        };
        out.streams = out.plan.spec.components[component]
            .outputs
            .iter()
            .map(|s| StreamOut {
                name: s.name.clone(),
                arity: s.fields.len(),
                direct: s.direct,
                emitted: 0,
                transferred: 0,
                edges: Vec::new(),
            })
            .collect();
        out.place(placement);
        out
    }

    /// An outbox that nothing leaves, to stand in while the real one is elsewhere.
    pub fn none(plan: &Arc<Plan>) -> Self {
        Self {
            task: 0,
            component: 0,
            random: Random::new(0),
            streams: Vec::new(),
            buffer: Vec::new(),
            ready: Vec::new(),
            settles: Vec::new(),
            spare: Vec::new(),
            open_tuples: 0,
            fresh: Vec::new(),
            plan: plan.clone(),
        }
    }

    /// Tasks whose queues hold this one back: all targets but those over edges that close a cycle.
    pub fn targets(&self) -> impl Iterator<Item = TaskId> {
        let edges = self.streams.iter().flat_map(|s| &s.edges);
        edges
            .filter(|e| !self.plan.edges[e.edge as usize].back)
            .flat_map(|e| e.targets.iter().copied())
    }

    /// Takes over a new placement: open batches are made ready first, since they were routed by the
    /// old one.
    pub fn place(&mut self, placement: &Placement) {
        self.flush();
        let plan = self.plan.clone();
        for stream in &mut self.streams {
            stream.edges = plan
                .edges_from(self.component, &stream.name)
                .map(|e| {
                    let here =
                        |t: &TaskId| placement.local.get(*t as usize).copied().unwrap_or(false);
                    let local: Vec<usize> = (0..e.targets.len())
                        .filter(|i| here(&e.targets[*i]))
                        .collect();
                    EdgeOut {
                        edge: e.id,
                        targets: e.targets.clone(),
                        bits: e.targets.iter().map(|t| placement.bit(*t)).collect(),
                        chooser: Chooser::new(
                            &e.grouping,
                            &e.keys,
                            e.targets.len(),
                            &local,
                            &mut self.random,
                        ),
                        open: e.targets.iter().map(|_| Batch::default()).collect(),
                    }
                })
                .collect();
        }
    }

    /// Makes all open batches ready.
    pub fn flush(&mut self) {
        if self.open_tuples == 0 {
            return;
        }
        for edge in self.streams.iter_mut().flat_map(|s| &mut s.edges) {
            for batch in edge.open.iter_mut().filter(|b| b.len > 0) {
                self.ready.push(std::mem::replace(
                    batch,
                    self.spare.pop().unwrap_or_default(),
                ));
                batch.len = 0;
            }
        }
        self.open_tuples = 0;
    }

    /// Whether anything waits to be delivered.
    pub fn is_empty(&self) -> bool {
        self.open_tuples == 0 && self.ready.is_empty() && self.settles.is_empty()
    }

    /// Stream name, emitted, transferred; totals of this instance.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.streams
            .iter()
            .map(|s| (s.name.as_str(), s.emitted, s.transferred))
    }

    /// Sends the buffered values to every chosen target. `anchor` is asked for each target with its
    /// incarnation bit and a fresh edge id, and adds the roots of the copy.
    fn put(
        &mut self,
        stream: &str,
        direct: Option<TaskId>,
        mut anchor: impl FnMut(u64, &mut Random, &mut Vec<Tracked>),
    ) -> Result<()> {
        let index = self.check(stream, direct)?;
        let out = &mut self.streams[index];
        out.emitted += 1;
        let (mut values, arity, from) = (std::mem::take(&mut self.buffer), out.arity, self.task);
        let edges = out.edges.len();
        for (n, edge) in out.edges.iter_mut().enumerate() {
            let chosen = edge
                .chooser
                .choose(&values, &edge.targets, direct, &mut self.random);
            let range = match chosen {
                Choice::One(at) => at..at + 1,
                Choice::All => 0..edge.targets.len(),
                Choice::Nobody => continue,
            };
            let last = range.end - 1;
            for at in range {
                self.fresh.clear();
                anchor(edge.bits[at], &mut self.random, &mut self.fresh);
                let batch = &mut edge.open[at];
                if batch.len == 0 {
                    batch.reset(edge.edge, from, edge.targets[at], arity);
                }
                if n + 1 == edges && at == last {
                    batch.values.append(&mut values);
                } else {
                    batch.values.extend_from_slice(&values);
                }
                batch.end_tuple(&self.fresh);
                out.transferred += 1;
                self.open_tuples += 1;
                if batch.len >= BATCH_TUPLES {
                    self.open_tuples -= batch.len;
                    self.ready.push(std::mem::replace(
                        batch,
                        self.spare.pop().unwrap_or_default(),
                    ));
                    batch.len = 0;
                }
            }
        }
        values.clear();
        self.buffer = values;
        Ok(())
    }

    fn check(&mut self, stream: &str, direct: Option<TaskId>) -> Result<usize> {
        let index = self.streams.iter().position(|s| s.name == stream);
        let problem = match index.map(|i| &self.streams[i]) {
            None => {
                let known: Vec<_> = self.streams.iter().map(|s| s.name.as_str()).collect();
                format!("is not declared; outputs() declares {known:?}")
            }
            Some(s) if s.arity != self.buffer.len() => {
                format!("{} values for {} fields", self.buffer.len(), s.arity)
            }
            Some(s) if s.direct && direct.is_none() => {
                "is direct: use emit_direct and name the task".to_owned()
            }
            Some(s) if !s.direct && direct.is_some() => {
                "is not direct: use emit, or declare it direct".to_owned()
            }
            Some(_) => return Ok(index.unwrap_or(0)),
        };
        self.buffer.clear();
        Err(Error::Emit {
            stream: stream.to_owned(),
            problem,
        })
    }
}

/// A spout's call: its outbox and its ledger.
pub struct SpoutOut<'a> {
    /// Where tuples go.
    pub outbox: &'a mut Outbox,
    /// Where roots are entered.
    pub ledger: &'a mut Ledger,
    /// Roots that settled within the call (no target, or ackers off).
    pub settled: &'a mut Vec<Settled>,
    /// The engine's clock, in milliseconds.
    pub now: u64,
    /// `topology.acker.executors` is not 0.
    pub tracking: bool,
}

impl SpoutSink for SpoutOut<'_> {
    fn buffer(&mut self) -> &mut Vec<Value> {
        &mut self.outbox.buffer
    }

    #[inline]
    fn emit(&mut self, stream: &str, id: Option<MessageId>, task: Option<TaskId>) -> Result<()> {
        let Some(id) = id else {
            return self.outbox.put(stream, task, |_, _, _| {});
        };
        if !self.tracking {
            self.outbox.put(stream, task, |_, _, _| {})?;
            self.settled.push(Settled {
                id,
                since: self.now,
                failed: None,
            });
            return Ok(());
        }
        let (root, spout_task) = (self.ledger.next_root(), self.outbox.task);
        let (mut value, mut touched) = (0, 0);
        self.outbox.put(stream, task, |bit, random, out| {
            let edge = random.draw();
            value ^= edge;
            touched |= bit;
            out.push(Tracked {
                root,
                spout_task,
                edge,
            });
        })?;
        self.ledger.open(id, value, touched, self.now, self.settled);
        Ok(())
    }

    fn pending(&self) -> usize {
        self.ledger.pending()
    }
}

/// What became of a bolt's running input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputState {
    /// Not settled yet.
    Open,
    /// Acked by the bolt.
    Acked,
    /// Failed by the bolt.
    Failed,
    /// Its token was taken out.
    Kept,
}

/// A bolt's call: its outbox and the roots of the running input.
pub struct BoltOut<'a> {
    /// Where tuples and settles go.
    pub outbox: &'a mut Outbox,
    /// One entry for each root of the running input.
    pub input: &'a mut Vec<TokenEntry>,
    /// What became of it.
    pub state: InputState,
}

impl BoltOut<'_> {
    /// Settles the running input, once.
    pub fn settle_input(&mut self, ok: bool) {
        for e in self.input.drain(..) {
            self.outbox.settles.push(settle_of(&e, ok));
        }
    }
}

/// The settle of one token entry.
pub fn settle_of(e: &TokenEntry, ok: bool) -> Settle {
    Settle {
        spout_task: e.spout_task,
        root: e.root,
        value: e.value,
        touched: e.touched,
        ok,
    }
}

/// Adds a child of these entries to the copy's roots; several anchors of one root become one edge.
fn add_child<'e>(
    entries: impl Iterator<Item = &'e mut TokenEntry>,
    bit: u64,
    random: &mut Random,
    out: &mut Vec<Tracked>,
) {
    for e in entries {
        let edge = random.draw();
        e.value ^= edge;
        e.touched |= bit;
        match out
            .iter_mut()
            .find(|t| t.root == e.root && t.spout_task == e.spout_task)
        {
            Some(same) => same.edge ^= edge,
            None => out.push(Tracked {
                root: e.root,
                spout_task: e.spout_task,
                edge,
            }),
        }
    }
}

impl BoltSink for BoltOut<'_> {
    fn buffer(&mut self) -> &mut Vec<Value> {
        &mut self.outbox.buffer
    }

    #[inline]
    fn emit(&mut self, stream: &str, anchors: Anchors<'_>, task: Option<TaskId>) -> Result<()> {
        let input = &mut *self.input;
        match anchors {
            Anchors::None => self.outbox.put(stream, task, |_, _, _| {}),
            Anchors::Input => self.outbox.put(stream, task, |b, r, out| {
                add_child(input.iter_mut(), b, r, out)
            }),
            Anchors::Tokens(tokens) => self.outbox.put(stream, task, |b, r, out| {
                add_child(tokens.iter_mut().flat_map(|t| t.entries_mut()), b, r, out);
            }),
            Anchors::TokenRefs(tokens) => self.outbox.put(stream, task, |b, r, out| {
                add_child(tokens.iter_mut().flat_map(|t| t.entries_mut()), b, r, out);
            }),
        }
    }

    fn ack_input(&mut self) {
        if self.state == InputState::Open {
            self.state = InputState::Acked;
            self.settle_input(true);
        }
    }

    fn fail_input(&mut self) {
        if self.state == InputState::Open {
            self.state = InputState::Failed;
            self.settle_input(false);
        }
    }

    fn keep_input(&mut self) -> AckToken {
        if self.state != InputState::Open {
            return AckToken::default();
        }
        self.state = InputState::Kept;
        let entries = match self.input.len() {
            0 => TokenEntries::None,
            1 => TokenEntries::One(self.input[0]),
            _ => TokenEntries::Many(self.input.clone()),
        };
        self.input.clear();
        AckToken::from_entries(entries)
    }

    fn settle(&mut self, token: AckToken, ok: bool) {
        self.outbox
            .settles
            .extend(token.entries().iter().map(|e| settle_of(e, ok)));
    }

    fn reset_timeout(&mut self) {
        // A settle that changes nothing but the root's clock is told apart by its value 0.
        for e in self.input.iter() {
            let touch = Settle {
                spout_task: e.spout_task,
                root: e.root,
                value: 0,
                touched: 0,
                ok: true,
            };
            self.outbox.settles.push(touch);
        }
    }
}
