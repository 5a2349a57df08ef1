//! Key-value state with a checkpoint in two steps (Storm's `KeyValueState`), over any store.
//!
//! What a bolt writes lies over the store until the next checkpoint: first what is fresh, under it what
//! is prepared, under that what is committed. A rollback takes the upper two away.

use std::collections::BTreeMap;

use crate::codec;
use crate::error::{Error, Result};
use crate::value::Value;

/// The bytes of a value to write; none deletes.
pub type Entry = Option<Vec<u8>>;

/// Entries to write, by key.
pub type Writes = BTreeMap<Vec<u8>, Entry>;

/// Takes one entry: key and value.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

/// Where committed and prepared entries are kept.
pub trait Store: Send {
    /// A committed entry.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// All committed entries.
    fn each(&self, visit: &mut Visit<'_>) -> Result<()>;
    /// Number of the last committed transaction.
    fn committed(&self) -> Result<Option<i64>>;
    /// What is prepared.
    fn prepared(&self) -> Result<Option<(i64, Writes)>>;
    /// Keeps writes apart, in place of what was prepared before; durable when this returns.
    fn prepare(&mut self, txid: i64, writes: &Writes) -> Result<()>;
    /// Applies writes and forgets what was prepared, in one step; durable when this returns.
    fn commit(&mut self, txid: Option<i64>, writes: &Writes) -> Result<()>;
    /// Forgets what was prepared.
    fn rollback(&mut self) -> Result<()>;
}

/// A bolt's state: entries by key.
pub struct KeyValueState {
    store: Box<dyn Store>,
    fresh: Writes,
    prepared: Option<(i64, Writes)>,
    /// What the running call replaced in `fresh`: key, and the entry before, if there was one.
    replaced: Vec<(Vec<u8>, Option<Entry>)>,
}

impl KeyValueState {
    /// The state in this store, what is prepared included.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn over(store: Box<dyn Store>) -> Result<Self> {
        Ok(Self {
            prepared: store.prepared()?,
            store,
            fresh: Writes::new(),
            replaced: Vec::new(),
        })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// The store cannot be read, or is damaged.
    pub fn get(&self, key: impl Into<Value>) -> Result<Option<Value>> {
        self.get_bytes(&codec::bytes_of(&key.into()))
    }

    /// The value of a key, or this one.
    ///
    /// # Errors
    /// The store cannot be read, or is damaged.
    pub fn get_or(&self, key: impl Into<Value>, default: impl Into<Value>) -> Result<Value> {
        Ok(self.get(key)?.unwrap_or_else(|| default.into()))
    }

    /// Sets the value of a key.
    pub fn put(&mut self, key: impl Into<Value>, value: impl Into<Value>) {
        let value = codec::bytes_of(&value.into());
        self.write(codec::bytes_of(&key.into()), Some(value));
    }

    /// Removes a key and answers the value it had.
    ///
    /// # Errors
    /// The store cannot be read, or is damaged.
    pub fn delete(&mut self, key: impl Into<Value>) -> Result<Option<Value>> {
        let key = codec::bytes_of(&key.into());
        let old = self.get_bytes(&key)?;
        if old.is_some() {
            self.write(key, None);
        }
        Ok(old)
    }

    /// Calls `visit` with every key and value, in no order.
    ///
    /// # Errors
    /// Those of `visit`; the store cannot be read, or is damaged.
    pub fn for_each(&self, mut visit: impl FnMut(Value, Value) -> Result<()>) -> Result<()> {
        let mut over = self
            .prepared
            .as_ref()
            .map(|p| p.1.clone())
            .unwrap_or_default();
        over.extend(self.fresh.iter().map(|(k, v)| (k.clone(), v.clone())));
        self.store.each(&mut |key, value| {
            if over.contains_key(key) {
                return Ok(());
            }
            visit(codec::read(key)?, codec::read(value)?)
        })?;
        for (key, value) in &over {
            if let Some(value) = value {
                visit(codec::read(key)?, codec::read(value)?)?;
            }
        }
        Ok(())
    }

    /// Every key and value, in no order. All of them at once: for states that fit into memory.
    ///
    /// # Errors
    /// The store cannot be read, or is damaged.
    pub fn entries(&self) -> Result<Vec<(Value, Value)>> {
        let mut entries = Vec::new();
        self.for_each(|key, value| {
            entries.push((key, value));
            Ok(())
        })?;
        Ok(entries)
    }

    /// First step of a checkpoint: what is fresh becomes durable, apart from the state.
    ///
    /// # Errors
    /// The transaction is committed already, another one is prepared, or the store cannot be written.
    pub fn prepare_commit(&mut self, txid: i64) -> Result<()> {
        if let Some(last) = self.store.committed()?
            && txid <= last
        {
            return Err(Error::msg(format!(
                "invalid txid {txid} for prepare: txid {last} is already committed"
            )));
        }
        if let Some((other, _)) = &self.prepared
            && *other != txid
        {
            return Err(Error::msg(format!(
                "cannot prepare txid {txid} while txid {other} is prepared and neither committed nor \
                 rolled back"
            )));
        }
        let mut writes = self
            .prepared
            .as_ref()
            .map(|p| p.1.clone())
            .unwrap_or_default();
        writes.extend(self.fresh.iter().map(|(k, v)| (k.clone(), v.clone())));
        self.store.prepare(txid, &writes)?;
        self.fresh.clear();
        self.replaced.clear();
        self.prepared = Some((txid, writes));
        Ok(())
    }

    /// Second step of a checkpoint: what is prepared becomes the state. Doing it again does nothing.
    ///
    /// # Errors
    /// A later transaction is committed, another one is prepared, or the store cannot be written.
    pub fn commit(&mut self, txid: i64) -> Result<()> {
        let last = self.store.committed()?;
        if let Some(last) = last.filter(|last| txid < *last) {
            return Err(Error::msg(format!(
                "invalid txid {txid} for commit: txid {last} is already committed"
            )));
        }
        let none = Writes::new();
        let writes = match &self.prepared {
            Some((prepared, writes)) if *prepared == txid => writes,
            Some((other, _)) => {
                return Err(Error::msg(format!(
                    "invalid txid {txid} for commit: txid {other} is prepared"
                )));
            }
            None if last == Some(txid) => return Ok(()),
            None => &none,
        };
        self.store.commit(Some(txid), writes)?;
        self.prepared = None;
        Ok(())
    }

    /// Makes what is fresh the state, outside of any checkpoint.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn commit_now(&mut self) -> Result<()> {
        self.store.commit(None, &self.fresh)?;
        self.fresh.clear();
        self.replaced.clear();
        Ok(())
    }

    /// Back to the last committed state.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn rollback(&mut self) -> Result<()> {
        self.store.rollback()?;
        self.fresh.clear();
        self.replaced.clear();
        self.prepared = None;
        Ok(())
    }

    /// Transactions go on after this number. Answers whether they begin anew: what was not committed
    /// under the old numbers never will be, and is rolled back.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub(crate) fn follow(&mut self, txid: i64) -> Result<bool> {
        let ahead = self.store.committed()?.is_some_and(|last| last > txid);
        if !ahead && self.prepared.is_none() {
            return Ok(false);
        }
        self.rollback()?;
        self.store.commit(Some(txid), &Writes::new())?;
        Ok(true)
    }

    /// From here on, [`KeyValueState::undo_call`] takes back what is written.
    pub(crate) fn begin_call(&mut self) {
        self.replaced.clear();
    }

    /// Takes back the writes of a call that failed: its input comes again.
    pub(crate) fn undo_call(&mut self) {
        for (key, before) in self.replaced.drain(..).rev() {
            match before {
                Some(entry) => self.fresh.insert(key, entry),
                None => self.fresh.remove(&key),
            };
        }
    }

    fn write(&mut self, key: Vec<u8>, value: Entry) {
        let before = self.fresh.insert(key.clone(), value);
        self.replaced.push((key, before));
    }

    fn get_bytes(&self, key: &[u8]) -> Result<Option<Value>> {
        let over = self.fresh.get(key);
        let over = over.or_else(|| self.prepared.as_ref()?.1.get(key));
        match over {
            Some(entry) => entry.as_deref().map(codec::read).transpose(),
            None => self.store.get(key)?.as_deref().map(codec::read).transpose(),
        }
    }
}
