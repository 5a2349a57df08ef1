//! State in memory (Storm's default): it outlives an instance that failed, not its worker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::context::TaskContext;
use crate::error::Result;

use super::key_value::{Store, Visit, Writes};

/// Name of the states among the worker's shared resources.
const SHARED_NAME: &str = "fulmar.state.memory";

#[derive(Default)]
struct Data {
    entries: HashMap<Vec<u8>, Vec<u8>>,
    prepared: Option<(i64, Writes)>,
    committed: Option<i64>,
}

type Namespaces = Mutex<HashMap<String, Arc<Mutex<Data>>>>;

/// One task's state in the worker's memory.
#[derive(Default)]
pub struct Memory(Arc<Mutex<Data>>);

impl Memory {
    /// The state of this name in the task's worker.
    ///
    /// # Errors
    /// A resource of another kind has taken the name.
    pub fn of(namespace: &str, ctx: &TaskContext) -> Result<Self> {
        let all = ctx
            .shared
            .get_or_make(SHARED_NAME, || Ok(Arc::new(Namespaces::default())))?;
        let mut all = all.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(Self(all.entry(namespace.to_owned()).or_default().clone()))
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Store for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.data().entries.get(key).cloned())
    }

    fn each(&self, visit: &mut Visit<'_>) -> Result<()> {
        let data = self.data();
        data.entries.iter().try_for_each(|(k, v)| visit(k, v))
    }

    fn committed(&self) -> Result<Option<i64>> {
        Ok(self.data().committed)
    }

    fn prepared(&self) -> Result<Option<(i64, Writes)>> {
        Ok(self.data().prepared.clone())
    }

    fn prepare(&mut self, txid: i64, writes: &Writes) -> Result<()> {
        self.data().prepared = Some((txid, writes.clone()));
        Ok(())
    }

    fn commit(&mut self, txid: Option<i64>, writes: &Writes) -> Result<()> {
        let mut data = self.data();
        for (key, value) in writes {
            match value {
                Some(value) => data.entries.insert(key.clone(), value.clone()),
                None => data.entries.remove(key),
            };
        }
        data.prepared = None;
        data.committed = txid.or(data.committed);
        Ok(())
    }

    fn rollback(&mut self) -> Result<()> {
        self.data().prepared = None;
        Ok(())
    }
}
