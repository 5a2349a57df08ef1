//! Joins of streams in a window: Storm's `JoinBolt`, inner and left.
//!
//! The streams are joined anew for each window, in the order in which they were named, by hash: what comes
//! out is anchored to the tuples that it was made of, not to the whole window. As in Storm, a tuple whose
//! key is missing or null joins with nothing, and is in no left join either.
//!
//! * [`selector`]: names of fields.
//! * [`hash_join`]: the join itself.

pub mod hash_join;
pub mod selector;
#[cfg(test)]
mod tests;

use crate::collector::DEFAULT_STREAM;
use crate::config::Config;
use crate::context::TaskContext;
use crate::error::{Error, Result};
use crate::topology::Outputs;
use crate::tuple::Tuple;
use crate::window::{TupleWindow, WindowCollector, WindowedBolt};

use hash_join::{Joined, Kind};
pub use selector::{FieldSelector, Selector};

/// Joins streams by equality of one field each. Run it as any windowed bolt:
///
/// ```
/// use std::time::Duration;
/// use fulmar_api::{JoinBolt, Windowed};
///
/// let join = || {
///     let join = JoinBolt::new("orders", "user")
///         .join("users", "id", "orders")
///         .left_join("payments", "order.id", "orders")
///         .select("orders:user, name, amount");
///     Windowed::new(join).tumbling_window(Duration::from_secs(10))
/// };
/// # let mut t = fulmar_api::TopologyBuilder::new("t");
/// # let _ =
/// t.bolt("join", join).fields("orders", ["user"]);
/// ```
#[derive(Clone, Debug)]
pub struct JoinBolt {
    by: Selector,
    streams: Vec<Joined>,
    select: Vec<FieldSelector>,
    output: String,
    mistakes: Vec<String>,
}

impl JoinBolt {
    /// Begins with the tuples of a component, and the field that they are joined by.
    pub fn new(component: &str, field: &str) -> Self {
        Self::by(Selector::Source, component, field)
    }

    /// Begins with a component or a stream; all names after it mean the same.
    pub fn by(by: Selector, name: &str, field: &str) -> Self {
        let mut join = Self {
            by,
            streams: Vec::new(),
            select: Vec::new(),
            output: DEFAULT_STREAM.to_owned(),
            mistakes: Vec::new(),
        };
        join.add(name, field, None);
        join
    }

    /// Inner join: `from prior inner join name on name.field = (field of prior)`.
    pub fn join(self, name: &str, field: &str, prior: &str) -> Self {
        self.with(name, field, prior, Kind::Inner)
    }

    /// Left join: what finds no partner stays, with nulls for the partner's fields.
    pub fn left_join(self, name: &str, field: &str, prior: &str) -> Self {
        self.with(name, field, prior, Kind::Left)
    }

    /// The output fields, parted by commas: `field`, `outer.inner` or `stream:field`. A field without
    /// a stream is taken from the first stream that has it.
    pub fn select(mut self, fields: &str) -> Self {
        self.select = fields.split(',').map(FieldSelector::parse).collect();
        self
    }

    /// Emits on this stream instead of `default`.
    pub fn output_stream(mut self, stream: impl Into<String>) -> Self {
        self.output = stream.into();
        self
    }

    fn with(mut self, name: &str, field: &str, prior: &str, kind: Kind) -> Self {
        if self.streams.iter().any(|s| s.name == name) {
            self.mistakes.push(format!(
                "'{name}' is already part of join: cannot join with it more than once"
            ));
            return self;
        }
        match self.streams.iter().find(|s| s.name == prior) {
            Some(prior) => {
                let partner = prior.key.clone();
                self.add(name, field, Some((kind, partner)));
            }
            None => self.mistakes.push(format!(
                "stream '{prior}' was not previously declared: join it before '{name}'"
            )),
        }
        self
    }

    fn add(&mut self, name: &str, field: &str, with: Option<(Kind, FieldSelector)>) {
        match FieldSelector::of_stream(name, field) {
            Ok(key) => self.streams.push(Joined {
                name: name.to_owned(),
                key,
                with,
            }),
            Err(mistake) => self.mistakes.push(mistake),
        }
    }
}

impl WindowedBolt for JoinBolt {
    fn outputs(&self) -> Outputs {
        let fields = self.select.iter().map(FieldSelector::output);
        Outputs::none().stream(&self.output, fields)
    }

    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = self.mistakes.clone();
        if self.select.is_empty() {
            mistakes.push("must specify output fields via select".to_owned());
        }
        mistakes
    }

    fn prepare(&mut self, _: &Config, _: &TaskContext) -> Result<()> {
        match self.mistakes().into_iter().next() {
            Some(mistake) => Err(Error::msg(mistake)),
            None => Ok(()),
        }
    }

    fn execute(
        &mut self,
        window: &TupleWindow<'_>,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()> {
        let tuples: Vec<Tuple<'_>> = window.get().collect();
        for record in hash_join::join(&tuples, &self.streams, self.by)? {
            let values = hash_join::project(&tuples, &record, &self.select, self.by)?;
            out.emit_anchored(&self.output, &record, values)?;
        }
        Ok(())
    }
}
