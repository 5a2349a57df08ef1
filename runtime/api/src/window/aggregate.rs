//! Incremental aggregation over windows: each tuple is read once, however many windows overlap on it.
//!
//! An author says how a tuple becomes a partial result, how two of them combine and what a total becomes;
//! the bolt keeps one queue of partial results for each group ([`Stacks`]) and enters and removes only
//! what the window does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::codec;
use crate::config::Config;
use crate::context::TaskContext;
use crate::error::Result;
use crate::topology::Outputs;
use crate::tuple::Tuple;
use crate::value::Value;

use super::stacks::Stacks;
use super::view::{TupleWindow, WindowCollector};
use super::windowed::WindowedBolt;

/// An aggregate of a window's tuples.
pub trait Aggregator: Send {
    /// A partial result, for example a sum with a count.
    type Partial: Clone + Send;

    /// Streams and fields. Asked on the client: must connect to nothing.
    fn outputs(&self) -> Outputs;

    /// The partial result of one tuple.
    fn lift(&self, tuple: &Tuple<'_>) -> Result<Self::Partial>;

    /// The partial result of two neighbouring runs of tuples. Must be associative; it need not commute
    /// nor be possible to undo.
    fn combine(&self, older: &Self::Partial, newer: &Self::Partial) -> Self::Partial;

    /// Emits the total of one group in this window. `key` has the values that [`Aggregate::by`] groups
    /// by, and none without it. Every group with a tuple in the window is asked, in the order of its
    /// key's bytes.
    fn lower(
        &self,
        key: &[Value],
        total: Self::Partial,
        window: &TupleWindow<'_>,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()>;
}

struct Group<P> {
    key: Vec<Value>,
    items: Stacks<P>,
}

/// Runs an [`Aggregator`] as a [`WindowedBolt`], for all tuples together or by key.
pub struct Aggregate<A: Aggregator> {
    aggregator: A,
    by: Vec<String>,
    groups: BTreeMap<Arc<[u8]>, Group<A::Partial>>,
    /// Group of each tuple of the last window, in its order.
    order: VecDeque<Arc<[u8]>>,
}

impl<A: Aggregator> Aggregate<A> {
    /// One aggregate of all tuples of a window.
    pub fn all(aggregator: A) -> Self {
        Self::by(aggregator, Vec::<String>::new())
    }

    /// One aggregate for each combination of these fields' values.
    pub fn by<S: Into<String>>(aggregator: A, fields: impl IntoIterator<Item = S>) -> Self {
        Self {
            aggregator,
            by: fields.into_iter().map(Into::into).collect(),
            groups: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    fn pop(&mut self) {
        let Some(key) = self.order.pop_front() else {
            return;
        };
        if let Some(group) = self.groups.get_mut(&key) {
            group.items.pop(|a, b| self.aggregator.combine(a, b));
            if group.items.is_empty() {
                self.groups.remove(&key);
            }
        }
    }

    fn push(&mut self, tuple: &Tuple<'_>) -> Result<()> {
        let values = self.by.iter().map(|field| tuple.get(field));
        let values = values.collect::<Result<Vec<&Value>>>()?;
        let bytes = codec::key_of(values.iter().copied());
        let partial = self.aggregator.lift(tuple)?;
        let key = match self.groups.get_key_value(bytes.as_slice()) {
            Some((key, _)) => key.clone(),
            None => bytes.into(),
        };
        let group = self.groups.entry(key.clone()).or_insert_with(|| Group {
            key: values.into_iter().cloned().collect(),
            items: Stacks::default(),
        });
        let combine = |a: &A::Partial, b: &A::Partial| self.aggregator.combine(a, b);
        group.items.push(partial, combine);
        self.order.push_back(key);
        Ok(())
    }
}

impl<A: Aggregator> WindowedBolt for Aggregate<A> {
    fn outputs(&self) -> Outputs {
        self.aggregator.outputs()
    }

    fn prepare(&mut self, _: &Config, _: &TaskContext) -> Result<()> {
        self.groups.clear();
        self.order.clear();
        Ok(())
    }

    fn execute(
        &mut self,
        window: &TupleWindow<'_>,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()> {
        // After an error the window began anew, with every tuple new: then all old ones leave here.
        let stay = window.len() - window.get_new().len();
        while self.order.len() > stay {
            self.pop();
        }
        for tuple in window.get_new() {
            self.push(&tuple)?;
        }
        let aggregator = &self.aggregator;
        for group in self.groups.values() {
            if let Some(total) = group.items.total(|a, b| aggregator.combine(a, b)) {
                aggregator.lower(&group.key, total, window, out)?;
            }
        }
        Ok(())
    }
}
