//! State in a folder: one file for each task (redb), which outlives workers and nodes' restarts.
//!
//! Each step of a checkpoint is one transaction of the file and is on the disk when it returns; entries
//! are read from the file, so a state may be larger than memory.

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use crate::error::{Error, Result};

use super::key_value::{Store, Visit, Writes};

const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
/// What is prepared; a value of none is a deletion.
const PREPARED: TableDefinition<'_, &[u8], Option<&[u8]>> = TableDefinition::new("prepared");
const NUMBERS: TableDefinition<'_, &str, i64> = TableDefinition::new("numbers");

const COMMITTED_TXID: &str = "committed";
const PREPARED_TXID: &str = "prepared";

/// One task's state in a file.
pub struct Folder {
    db: Database,
    path: PathBuf,
}

impl Folder {
    /// Opens or makes the state of this name in a folder.
    ///
    /// # Errors
    /// The folder cannot be written, or another task has the file open; the message names the file.
    pub fn open(dir: &Path, namespace: &str) -> Result<Self> {
        let path = dir.join(format!("{}.redb", file_name(namespace)));
        let fail = |e: &dyn std::fmt::Display| {
            Error::msg(format!(
                "state in {}: {e}; name a folder that can be written in topology.state.provider.config",
                path.display()
            ))
        };
        std::fs::create_dir_all(dir).map_err(|e| fail(&e))?;
        let db = Database::create(&path).map_err(|e| fail(&e))?;
        let folder = Self { db, path };
        // All tables exist from now on, so that reading an empty state is no special case.
        folder.write(|tx| {
            tx.open_table(ENTRIES)?;
            tx.open_table(PREPARED)?;
            tx.open_table(NUMBERS)?;
            Ok(())
        })?;
        Ok(folder)
    }

    fn write(
        &self,
        change: impl FnOnce(&WriteTransaction) -> std::result::Result<(), redb::Error>,
    ) -> Result<()> {
        let write = || -> std::result::Result<(), redb::Error> {
            let tx = self.db.begin_write()?;
            change(&tx)?;
            tx.commit()?;
            Ok(())
        };
        write().map_err(|e| self.fail(&e))
    }

    fn fail(&self, problem: &dyn std::fmt::Display) -> Error {
        Error::msg(format!("state in {}: {problem}", self.path.display()))
    }

    fn number(&self, name: &str) -> Result<Option<i64>> {
        let read = || -> std::result::Result<_, redb::Error> {
            let tx = self.db.begin_read()?;
            let number = tx.open_table(NUMBERS)?.get(name)?;
            Ok(number.map(|n| n.value()))
        };
        read().map_err(|e| self.fail(&e))
    }
}

/// Component names may hold anything; a file's name keeps letters, digits, `-` and `_`, and writes
/// others as their bytes, so that two names never share a file.
fn file_name(namespace: &str) -> String {
    let mut out = String::new();
    for byte in namespace.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out
}

fn forget_prepared(tx: &WriteTransaction) -> std::result::Result<(), redb::Error> {
    tx.delete_table(PREPARED)?;
    tx.open_table(PREPARED)?;
    tx.open_table(NUMBERS)?.remove(PREPARED_TXID)?;
    Ok(())
}

impl Store for Folder {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let read = || -> std::result::Result<_, redb::Error> {
            let tx = self.db.begin_read()?;
            let found = tx.open_table(ENTRIES)?.get(key)?;
            Ok(found.map(|v| v.value().to_vec()))
        };
        read().map_err(|e| self.fail(&e))
    }

    fn each(&self, visit: &mut Visit<'_>) -> Result<()> {
        let fail = |e: redb::Error| self.fail(&e);
        let tx = self.db.begin_read().map_err(|e| fail(e.into()))?;
        let table = tx.open_table(ENTRIES).map_err(|e| fail(e.into()))?;
        for entry in table.iter().map_err(|e| fail(e.into()))? {
            let (key, value) = entry.map_err(|e| fail(e.into()))?;
            visit(key.value(), value.value())?;
        }
        Ok(())
    }

    fn committed(&self) -> Result<Option<i64>> {
        self.number(COMMITTED_TXID)
    }

    fn prepared(&self) -> Result<Option<(i64, Writes)>> {
        let Some(txid) = self.number(PREPARED_TXID)? else {
            return Ok(None);
        };
        let read = || -> std::result::Result<_, redb::Error> {
            let tx = self.db.begin_read()?;
            let mut writes = Writes::new();
            for entry in tx.open_table(PREPARED)?.iter()? {
                let (key, value) = entry?;
                writes.insert(key.value().to_vec(), value.value().map(<[u8]>::to_vec));
            }
            Ok(writes)
        };
        let writes = read().map_err(|e| self.fail(&e))?;
        Ok(Some((txid, writes)))
    }

    fn prepare(&mut self, txid: i64, writes: &Writes) -> Result<()> {
        self.write(|tx| {
            forget_prepared(tx)?;
            let mut table = tx.open_table(PREPARED)?;
            for (key, value) in writes {
                table.insert(key.as_slice(), value.as_deref())?;
            }
            tx.open_table(NUMBERS)?.insert(PREPARED_TXID, txid)?;
            Ok(())
        })
    }

    fn commit(&mut self, txid: Option<i64>, writes: &Writes) -> Result<()> {
        self.write(|tx| {
            let mut table = tx.open_table(ENTRIES)?;
            for (key, value) in writes {
                match value {
                    Some(value) => table.insert(key.as_slice(), value.as_slice())?,
                    None => table.remove(key.as_slice())?,
                };
            }
            forget_prepared(tx)?;
            if let Some(txid) = txid {
                tx.open_table(NUMBERS)?.insert(COMMITTED_TXID, txid)?;
            }
            Ok(())
        })
    }

    fn rollback(&mut self) -> Result<()> {
        self.write(forget_prepared)
    }
}
