//! Where Nimbus keeps topologies: redb, one file, written before anything is acted upon.

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::error::Error;
use crate::stored::Stored;

const TOPOLOGIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("topologies");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// The store.
pub struct Store {
    db: Database,
    path: PathBuf,
}

impl Store {
    /// Opens or makes the store in a folder.
    ///
    /// # Errors
    /// [`Error::Store`] names the file.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("nimbus.redb");
        let fail = |problem: String| Error::Store {
            path: path.display().to_string(),
            problem,
        };
        std::fs::create_dir_all(dir).map_err(|e| fail(e.to_string()))?;
        let db = Database::create(&path).map_err(|e| fail(e.to_string()))?;
        let store = Self { db, path };
        // Both tables exist from now on, so that reading an empty store is no special case.
        store.write(|tx| {
            tx.open_table(TOPOLOGIES)?;
            tx.open_table(NUMBERS)?;
            Ok(())
        })?;
        Ok(store)
    }

    /// All topologies, and the number of the last one.
    ///
    /// # Errors
    /// The file cannot be read, or holds what this version does not know.
    pub fn load(&self) -> Result<(Vec<Stored>, u64), Error> {
        let read = || -> Result<_, Box<dyn std::error::Error>> {
            let tx = self.db.begin_read()?;
            let mut topologies = Vec::new();
            for entry in tx.open_table(TOPOLOGIES)?.iter()? {
                topologies.push(serde_json::from_slice(entry?.1.value())?);
            }
            let number = tx
                .open_table(NUMBERS)?
                .get("topology")?
                .map_or(0, |v| v.value());
            Ok((topologies, number))
        };
        read().map_err(|e| self.fail(&*e))
    }

    /// Writes a topology; it is on the disk when this returns.
    ///
    /// # Errors
    /// The disk is full or gone.
    pub fn put(&self, stored: &Stored, number: u64) -> Result<(), Error> {
        let bytes = serde_json::to_vec(stored).map_err(|e| self.fail(&e))?;
        self.write(|tx| {
            tx.open_table(TOPOLOGIES)?
                .insert(stored.topology.id.as_str(), bytes.as_slice())?;
            tx.open_table(NUMBERS)?.insert("topology", number)?;
            Ok(())
        })
    }

    /// Forgets a topology.
    ///
    /// # Errors
    /// The disk is full or gone.
    pub fn remove(&self, id: &str) -> Result<(), Error> {
        self.write(|tx| {
            tx.open_table(TOPOLOGIES)?.remove(id)?;
            Ok(())
        })
    }

    fn write(
        &self,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), Error> {
        let write = || -> Result<(), redb::Error> {
            let tx = self.db.begin_write()?;
            change(&tx)?;
            tx.commit()?;
            Ok(())
        };
        write().map_err(|e| self.fail(&e))
    }

    fn fail(&self, problem: &dyn std::error::Error) -> Error {
        Error::Store {
            path: self.path.display().to_string(),
            problem: problem.to_string(),
        }
    }
}
