//! A topology as a value: its description and the code that makes its tasks.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::bolt::Bolt;
use crate::grouping::GroupingFactory;
use crate::spec::{StreamSpec, TopologySpec};
use crate::spout::Spout;

/// The streams a component declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// In declared order.
    pub streams: Vec<StreamSpec>,
}

impl Outputs {
    /// No streams: the end of a topology.
    pub fn none() -> Self {
        Self::default()
    }

    /// One stream, `default`, with these fields.
    pub fn fields<S: Into<String>>(fields: impl IntoIterator<Item = S>) -> Self {
        Self::none().stream(crate::collector::DEFAULT_STREAM, fields)
    }

    /// Adds a named stream.
    pub fn stream<S: Into<String>>(self, name: &str, fields: impl IntoIterator<Item = S>) -> Self {
        self.add(name, fields, false)
    }

    /// Adds a stream whose emitter names the target task.
    pub fn direct_stream<S: Into<String>>(
        self,
        name: &str,
        fields: impl IntoIterator<Item = S>,
    ) -> Self {
        self.add(name, fields, true)
    }

    fn add<S: Into<String>>(
        mut self,
        name: &str,
        fields: impl IntoIterator<Item = S>,
        direct: bool,
    ) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        self.streams.push(StreamSpec {
            name: name.to_owned(),
            fields,
            direct,
        });
        self
    }
}

/// Makes the instances of one component's tasks.
#[derive(Clone)]
pub enum Factory {
    /// Makes a spout.
    Spout(Arc<dyn Fn() -> Box<dyn Spout> + Send + Sync>),
    /// Makes a bolt.
    Bolt(Arc<dyn Fn() -> Box<dyn Bolt> + Send + Sync>),
}

/// A checked topology with its code, ready to run here, to describe or to submit.
#[derive(Clone)]
pub struct Topology {
    /// The description.
    pub spec: TopologySpec,
    /// Component id → code.
    pub factories: HashMap<String, Factory>,
    /// Name of a custom grouping → code.
    pub groupings: HashMap<String, GroupingFactory>,
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spec.fmt(f)
    }
}
