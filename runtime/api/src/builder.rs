//! `TopologyBuilder`: components and subscriptions by name, checked all at once by `build`.
//!
//! Mistakes are collected, not returned one by one, so that an author mends a graph in one round.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::bolt::{Basic, BasicBolt, Bolt};
use crate::collector::DEFAULT_STREAM;
use crate::config::Config;
use crate::error::{Error, Mistakes, Result};
use crate::grouping::{CustomGrouping, Grouping, GroupingFactory};
use crate::spec::{ComponentKind, ComponentSpec, InputSpec, TopologySpec};
use crate::spout::Spout;
use crate::state::{forward, wire};
use crate::topology::{Factory, Topology};
use crate::validate;
use crate::value::Value;

/// Something that makes spouts: a closure, or a spout that can be cloned.
pub trait IntoSpout<Marker> {
    /// The code that makes one task's instance.
    fn into_factory(self) -> Factory;
}

/// Marks a closure that makes instances.
pub struct ByCall;
/// Marks a value that is cloned.
pub struct ByClone;
/// Marks a closure that makes basic bolts.
pub struct BasicByCall;

impl<F, S> IntoSpout<(ByCall, S)> for F
where
    F: Fn() -> S + Send + Sync + 'static,
    S: Spout + 'static,
{
    fn into_factory(self) -> Factory {
        Factory::Spout(Arc::new(move || Box::new(self())))
    }
}

impl<S> IntoSpout<ByClone> for S
where
    S: Spout + Clone + Sync + 'static,
{
    fn into_factory(self) -> Factory {
        Factory::Spout(Arc::new(move || Box::new(self.clone())))
    }
}

/// A closure that makes bolts or basic bolts.
pub trait IntoBolt<Marker> {
    /// The code that makes one task's instance.
    fn into_factory(self) -> Factory;
}

impl<F, B> IntoBolt<(ByCall, B)> for F
where
    F: Fn() -> B + Send + Sync + 'static,
    B: Bolt + 'static,
{
    fn into_factory(self) -> Factory {
        Factory::Bolt(Arc::new(move || Box::new(self())))
    }
}

impl<F, B> IntoBolt<(BasicByCall, B)> for F
where
    F: Fn() -> B + Send + Sync + 'static,
    B: BasicBolt + 'static,
{
    fn into_factory(self) -> Factory {
        Factory::Bolt(Arc::new(move || Box::new(Basic(self()))))
    }
}

/// Builds a topology.
pub struct TopologyBuilder {
    spec: TopologySpec,
    /// One factory per component, in the same order, duplicates included.
    factories: Vec<Factory>,
    /// What components say is wrong with themselves.
    mistakes: Vec<String>,
    /// Ids of stateful bolts.
    stateful: Vec<String>,
    groupings: HashMap<String, GroupingFactory>,
}

impl TopologyBuilder {
    /// Starts a topology of this name.
    pub fn new(name: impl Into<String>) -> Self {
        let spec = TopologySpec {
            name: name.into(),
            ..TopologySpec::default()
        };
        Self {
            spec,
            factories: Vec::new(),
            mistakes: Vec::new(),
            stateful: Vec::new(),
            groupings: HashMap::new(),
        }
    }

    /// Sets a configuration key of the topology, for example `topology.workers`.
    pub fn conf(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.spec.conf.set(key, value);
        self
    }

    /// Sets all keys of a map.
    pub fn conf_all(&mut self, conf: &Config) -> &mut Self {
        self.spec.conf.merge(conf);
        self
    }

    /// Adds a spout.
    pub fn spout<M>(&mut self, id: &str, spout: impl IntoSpout<M>) -> SpoutDeclarer<'_> {
        SpoutDeclarer(self.add(id, spout.into_factory()))
    }

    /// Adds a bolt.
    pub fn bolt<M>(&mut self, id: &str, bolt: impl IntoBolt<M>) -> BoltDeclarer<'_> {
        self.add(id, bolt.into_factory());
        let last = self.spec.components.len() - 1;
        BoltDeclarer(&mut self.spec.components[last], &mut self.groupings)
    }

    /// Checks the whole graph.
    ///
    /// # Errors
    /// [`Error::Graph`] with every mistake, each naming what to change.
    pub fn build(mut self) -> Result<Topology> {
        let mut mistakes = std::mem::take(&mut self.mistakes);
        mistakes.extend(validate::mistakes(&self.spec));
        mistakes.extend(wire::mistakes(&self.spec, &self.stateful));
        validate::once(&mut mistakes);
        if !mistakes.is_empty() {
            return Err(Error::Graph(Mistakes(mistakes)));
        }
        validate::normalise(&mut self.spec);
        let ids = self.spec.components.iter().map(|c| c.id.clone());
        let mut factories: HashMap<_, _> = ids.zip(self.factories).collect();
        if !self.stateful.is_empty() {
            wire::add_checkpoints(&mut self.spec);
            forward::wrap(&mut factories, &self.stateful);
        }
        Ok(Topology {
            spec: self.spec,
            factories,
            groupings: self.groupings,
        })
    }

    fn add(&mut self, id: &str, factory: Factory) -> &mut ComponentSpec {
        let (kind, outputs, conf) = match &factory {
            Factory::Spout(make) => {
                let spout = make();
                (ComponentKind::Spout, spout.outputs(), spout.conf())
            }
            Factory::Bolt(make) => {
                let bolt = make();
                if bolt.is_stateful() {
                    self.stateful.push(id.to_owned());
                }
                let wrong = bolt.mistakes().into_iter();
                self.mistakes
                    .extend(wrong.map(|m| format!("component \"{id}\": {m}")));
                (ComponentKind::Bolt, bolt.outputs(), bolt.conf())
            }
        };
        self.factories.push(factory);
        self.spec.components.push(ComponentSpec {
            id: id.to_owned(),
            kind,
            parallelism: 1,
            tasks: 0,
            outputs: outputs.streams,
            inputs: Vec::new(),
            conf,
            blocking: false,
        });
        let last = self.spec.components.len() - 1;
        &mut self.spec.components[last]
    }
}

/// Says more about a spout.
pub struct SpoutDeclarer<'a>(&'a mut ComponentSpec);

/// Says more about a bolt.
pub struct BoltDeclarer<'a>(
    &'a mut ComponentSpec,
    &'a mut HashMap<String, GroupingFactory>,
);

macro_rules! common {
    ($declarer:ident) => {
        impl $declarer<'_> {
            /// Executors at the start (Storm's parallelism hint).
            pub fn parallelism(self, executors: u32) -> Self {
                self.0.parallelism = executors;
                self
            }

            /// Tasks, when more than executors, so that a rebalance can spread them later.
            pub fn tasks(self, tasks: u32) -> Self {
                self.0.tasks = tasks;
                self
            }

            /// Overrides a configuration key for this component.
            pub fn conf(self, key: &str, value: impl Into<Value>) -> Self {
                self.0.conf.set(key, value);
                self
            }

            /// Says that this component blocks: each executor gets a thread of its own.
            pub fn blocking(self) -> Self {
                self.0.blocking = true;
                self
            }
        }
    };
}

common!(SpoutDeclarer);
common!(BoltDeclarer);

impl BoltDeclarer<'_> {
    /// Subscribes to a stream with any grouping.
    pub fn grouping(self, component: &str, stream: &str, grouping: Grouping) -> Self {
        self.0.inputs.push(InputSpec {
            component: component.to_owned(),
            stream: stream.to_owned(),
            grouping,
        });
        self
    }

    /// Even over all tasks.
    pub fn shuffle(self, component: &str) -> Self {
        self.grouping(component, DEFAULT_STREAM, Grouping::Shuffle)
    }

    /// By key: equal values of these fields go to one task.
    pub fn fields<S: Into<String>>(
        self,
        component: &str,
        fields: impl IntoIterator<Item = S>,
    ) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        self.grouping(component, DEFAULT_STREAM, Grouping::Fields(fields))
    }

    /// Every task gets every tuple.
    pub fn all(self, component: &str) -> Self {
        self.grouping(component, DEFAULT_STREAM, Grouping::All)
    }

    /// All tuples to the task with the lowest id.
    pub fn global(self, component: &str) -> Self {
        self.grouping(component, DEFAULT_STREAM, Grouping::Global)
    }

    /// A random task per tuple.
    pub fn none(self, component: &str) -> Self {
        self.grouping(component, DEFAULT_STREAM, Grouping::None)
    }

    /// The emitter names the task.
    pub fn direct(self, component: &str, stream: &str) -> Self {
        self.grouping(component, stream, Grouping::Direct)
    }

    /// Tasks in the same worker if there are any.
    pub fn local_or_shuffle(self, component: &str) -> Self {
        self.grouping(component, DEFAULT_STREAM, Grouping::LocalOrShuffle)
    }

    /// By key, balanced: of two tasks that the key names, the one this emitter used less.
    pub fn partial_key<S: Into<String>>(
        self,
        component: &str,
        fields: impl IntoIterator<Item = S>,
    ) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        self.grouping(component, DEFAULT_STREAM, Grouping::PartialKey(fields))
    }

    /// By author code; `make` makes an instance for each emitting task.
    pub fn custom<G: CustomGrouping + 'static>(
        self,
        component: &str,
        stream: &str,
        make: impl Fn() -> G + Send + Sync + 'static,
    ) -> Self {
        let name = format!("{}/{}", self.0.id, self.0.inputs.len());
        self.1
            .insert(name.clone(), Arc::new(move || Box::new(make())));
        self.grouping(component, stream, Grouping::Custom(name))
    }

    /// Sends this bolt a tick tuple at this interval (`topology.tick.tuple.freq.secs`; Fulmar also
    /// takes fractions of a second).
    pub fn tick(self, every: Duration) -> Self {
        self.0
            .conf
            .set("topology.tick.tuple.freq.secs", every.as_secs_f64());
        self
    }
}
