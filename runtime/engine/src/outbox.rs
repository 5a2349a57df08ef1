//! The emitting side of one task: its streams, who listens, and the batches that are being filled.
//!
//! Emit writes only here and into the turn (DESIGN 3.3); the core delivers after the call.
//! [`emit`](crate::emit) holds what an emit does with it.

use std::collections::HashMap;
use std::sync::Arc;

use fulmar_api::collector::DEFAULT_STREAM;
use fulmar_api::error::{Error, Result};
use fulmar_api::grouping::{Grouping, GroupingContext, GroupingFactory};
use fulmar_api::tuple::Source;
use fulmar_api::value::Value;
use fulmar_api::{Config, TaskId};

use crate::balance::Bounds;
use crate::batch::{Batch, Tracked};
use crate::plan::{Edge, Plan};
use crate::route::{Chooser, Near, Random};
use crate::turn::Turn;

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

    /// Whether this worker runs the task.
    pub fn is_local(&self, task: TaskId) -> bool {
        self.local.get(task as usize).copied().unwrap_or(false)
    }
}

/// A target that an emit may call straight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fused {
    /// Its place among the tasks below the emitter in its group.
    pub below: u32,
    /// Which of its counters the edge uses.
    pub slot: u32,
}

/// One target task of an edge.
pub(crate) struct TargetOut {
    pub task: TaskId,
    /// Of the incarnation that runs it.
    pub bit: u64,
    pub open: Batch,
    /// Something was put into a batch for it since the last flush: a straight call would overtake it.
    pub dirty: bool,
    pub fused: Option<Fused>,
}

/// One subscription to a stream.
pub(crate) struct EdgeOut {
    pub edge: u32,
    pub source: Arc<Source>,
    pub chooser: Chooser,
    pub targets: Vec<TaskId>,
    pub outs: Vec<TargetOut>,
}

/// One declared stream.
pub(crate) struct StreamOut {
    pub name: String,
    pub arity: usize,
    pub direct: bool,
    pub emitted: u64,
    pub transferred: u64,
    pub edges: Vec<EdgeOut>,
    /// The stream has one listener, of which always this target is chosen, and it is fused.
    pub straight: Option<usize>,
}

impl StreamOut {
    /// Whether always the same target is chosen, and it is fused.
    fn find_straight(&mut self) {
        self.straight = match &self.edges[..] {
            [only] => only
                .chooser
                .always()
                .filter(|at| !self.direct && only.outs[*at].fused.is_some()),
            _ => None,
        };
    }
}

/// When shuffles change their scope, by the topology's configuration.
fn bounds(conf: &Config) -> Bounds {
    let bound = |key: &str, default| conf.float_or(key, default).unwrap_or(default);
    let blind = conf.bool_or("topology.disable.loadaware.messaging", false);
    Bounds {
        lower: bound("topology.localityaware.lower.bound", 0.2),
        higher: bound("topology.localityaware.higher.bound", 0.8),
        aware: !blind.unwrap_or(false),
    }
}

/// The emitting side of one task.
pub struct Outbox {
    pub(crate) task: TaskId,
    component: usize,
    plan: Arc<Plan>,
    pub(crate) random: Random,
    pub(crate) streams: Vec<StreamOut>,
    /// Index of the stream `default`; past the end when there is none.
    pub(crate) default: usize,
    /// Index of the stream that was named last.
    last: usize,
    /// The values of the running emit.
    pub(crate) buffer: Vec<Value>,
    /// Tuples in open batches.
    pub(crate) open_tuples: usize,
    pub(crate) fresh: Vec<Tracked>,
    /// Code of custom groupings, by name.
    groupings: Arc<HashMap<String, GroupingFactory>>,
    bounds: Bounds,
}

impl Outbox {
    /// The outbox of one task.
    pub fn new(plan: Arc<Plan>, task: TaskId, seed: u64) -> Self {
        let component = plan.component_of(task).unwrap_or(0);
        let outputs = plan.spec.components.get(component).map(|c| &c.outputs[..]);
        let streams: Vec<_> = outputs
            .unwrap_or_default()
            .iter()
            .map(|s| StreamOut {
                name: s.name.clone(),
                arity: s.fields.len(),
                direct: s.direct,
                emitted: 0,
                transferred: 0,
                edges: Vec::new(),
                straight: None,
            })
            .collect();
        let default = streams.iter().position(|s| s.name == DEFAULT_STREAM);
        Self {
            task,
            component,
            random: Random::new(seed ^ task as u64),
            default: default.unwrap_or(usize::MAX),
            last: 0,
            streams,
            buffer: Vec::new(),
            open_tuples: 0,
            fresh: Vec::new(),
            groupings: Arc::default(),
            bounds: bounds(&plan.spec.conf),
            plan,
        }
    }

    /// Gives custom groupings their code.
    pub fn with(mut self, groupings: Arc<HashMap<String, GroupingFactory>>) -> Self {
        self.groupings = groupings;
        self
    }

    /// Tasks whose queues hold this one back: all targets but those over edges that close a cycle.
    pub fn targets(&self) -> impl Iterator<Item = TaskId> {
        let edges = self.streams.iter().flat_map(|s| &s.edges);
        edges
            .filter(|e| !self.plan.edges[e.edge as usize].back)
            .flat_map(|e| e.targets.iter().copied())
    }

    /// Takes over a new placement. What was routed by the old one must have been flushed. `core_of`
    /// says which core of this worker runs a task.
    pub fn place(&mut self, placement: &Placement, core_of: &dyn Fn(TaskId) -> Option<usize>) {
        let (plan, me, random) = (self.plan.clone(), self.task, &mut self.random);
        let (groupings, bounds) = (self.groupings.clone(), self.bounds);
        let custom = |e: &Edge| {
            let Grouping::Custom(name) = &e.grouping else {
                return None;
            };
            let mut grouping = groupings.get(name)?();
            grouping.prepare(&GroupingContext {
                topology: plan.spec.clone(),
                component: e.source.component.clone(),
                stream: e.source.stream.clone(),
                targets: e.targets.clone(),
            });
            Some(grouping)
        };
        for stream in &mut self.streams {
            stream.straight = None;
            stream.edges = plan
                .edges_from(self.component, &stream.name)
                .map(|e| {
                    let near = Near::of(e, &plan.tasks_of(e.from), me, placement, core_of);
                    EdgeOut {
                        edge: e.id,
                        source: e.source.clone(),
                        chooser: Chooser::new(e, &near, bounds, random).with(custom(e)),
                        targets: e.targets.clone(),
                        outs: e
                            .targets
                            .iter()
                            .map(|t| TargetOut {
                                task: *t,
                                bit: placement.bit(*t),
                                open: Batch::default(),
                                dirty: false,
                                fused: None,
                            })
                            .collect(),
                    }
                })
                .collect();
        }
    }

    /// Learns which targets may be called straight.
    pub(crate) fn link(&mut self, fused: &dyn Fn(u32, TaskId) -> Option<Fused>) {
        for stream in &mut self.streams {
            for edge in &mut stream.edges {
                for out in &mut edge.outs {
                    out.fused = fused(edge.edge, out.task);
                }
            }
            stream.find_straight();
        }
    }

    /// Takes the loads of targets into account, as shuffles do.
    pub fn refresh(&mut self, load: &dyn Fn(TaskId) -> f64) {
        for stream in &mut self.streams {
            for edge in &mut stream.edges {
                let targets = &edge.targets;
                edge.chooser.refresh(|i| load(targets[i]), &mut self.random);
            }
            stream.find_straight();
        }
    }

    /// Hands all open batches to the turn; the core delivers them before this task is called again.
    pub fn flush(&mut self, turn: &mut Turn) {
        if self.open_tuples == 0 {
            return;
        }
        for edge in self.streams.iter_mut().flat_map(|s| &mut s.edges) {
            for out in edge.outs.iter_mut().filter(|out| out.dirty) {
                out.dirty = false;
                if out.open.len > 0 {
                    turn.send(&mut out.open);
                }
            }
        }
        self.open_tuples = 0;
    }

    /// Stream name, emitted, transferred; totals of this instance.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.streams
            .iter()
            .map(|s| (s.name.as_str(), s.emitted, s.transferred))
    }

    /// Index of a stream; past the end for one that is not declared.
    #[inline]
    pub(crate) fn stream(&mut self, name: &str) -> usize {
        if self.streams.get(self.last).is_some_and(|s| s.name == name) {
            return self.last;
        }
        let found = self.streams.iter().position(|s| s.name == name);
        if let Some(index) = found {
            self.last = index;
        }
        found.unwrap_or(usize::MAX)
    }

    /// Whether the buffered values fit the stream.
    ///
    /// # Errors
    /// What does not fit; the values are dropped.
    #[inline]
    pub(crate) fn check(&mut self, index: usize, named: &str, direct: bool) -> Result<()> {
        match self.streams.get(index) {
            Some(s) if s.arity == self.buffer.len() && s.direct == direct => Ok(()),
            _ => Err(self.refuse(index, named)),
        }
    }

    #[cold]
    fn refuse(&mut self, index: usize, named: &str) -> Error {
        let problem = match self.streams.get(index) {
            None => {
                let known: Vec<_> = self.streams.iter().map(|s| s.name.as_str()).collect();
                format!("is not declared; outputs() declares {known:?}")
            }
            Some(s) if s.arity != self.buffer.len() => {
                format!("{} values for {} fields", self.buffer.len(), s.arity)
            }
            Some(s) if s.direct => "is direct: use emit_direct and name the task".to_owned(),
            Some(_) => "is not direct: use emit, or declare it direct".to_owned(),
        };
        self.buffer.clear();
        Error::Emit {
            stream: named.to_owned(),
            problem,
        }
    }
}
