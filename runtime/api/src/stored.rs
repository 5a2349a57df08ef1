//! Tuples that wait in a component: values of their own, descriptions of their source shared.

use std::sync::Arc;

use crate::TaskId;
use crate::tuple::{Source, Tuple};
use crate::value::Value;

/// A tuple that outlives the call it came with.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    source: Arc<Source>,
    task: TaskId,
    values: Box<[Value]>,
}

impl Stored {
    /// The tuple as author code sees it.
    pub fn view(&self) -> Tuple<'_> {
        Tuple::new(&self.source, self.task, &self.values)
    }
}

/// The sources that a task's inputs come from: as many as it has subscriptions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Vec<Arc<Source>>);

impl Sources {
    /// Copies a tuple.
    pub fn store(&mut self, tuple: &Tuple<'_>) -> Stored {
        Stored {
            source: self.shared(tuple.source()),
            task: tuple.source_task(),
            values: tuple.values().into(),
        }
    }

    fn shared(&mut self, source: &Source) -> Arc<Source> {
        if let Some(known) = self.0.iter().find(|s| ***s == *source) {
            return known.clone();
        }
        let made = Arc::new(source.clone());
        self.0.push(made.clone());
        made
    }
}
