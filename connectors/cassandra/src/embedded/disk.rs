//! The embedded store's rows on disk: one redb file, one of its tables for each of ours.
//!
//! All writes of a call are one transaction, durable when it returns. After an I/O error redb refuses everything
//! until it is opened again, which happens on the next call: a disk that was full serves again once there is space.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fulmar_proto::store::{SelectRequest, StoredRow, TableShape, UpsertRequest};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::merge::{HEADER, NEVER, Stored, merge};

const SHAPES: TableDefinition<&str, (&str, u32)> = TableDefinition::new("fulmar.shapes");
/// Pages of redb kept in memory, in bytes.
const CACHE: usize = 64 << 20;

/// What went wrong on disk.
#[derive(Debug, Clone)]
pub enum DiskError {
    /// No space, or the quota is used up.
    Full(String),
    /// Anything else of the disk or of redb.
    Failed(String),
    /// A table that was never made here.
    NoTable(String),
    /// A table that is there with another shape.
    Shape {
        /// Its name.
        table: String,
        /// Shape there, shape wanted.
        problem: String,
    },
}

/// Opens the database; replaced in tests by one whose disk fills up.
pub type Opener = Box<dyn Fn(&Path) -> Result<Database, redb::DatabaseError> + Send + Sync>;

/// The rows on disk.
pub struct Disk {
    path: PathBuf,
    opener: Opener,
    database: Mutex<Option<Arc<Database>>>,
    /// Seconds to live of each table, by name.
    tables: Mutex<HashMap<String, u32>>,
}

impl Disk {
    /// Opens or makes the store of this folder.
    ///
    /// # Errors
    /// The folder cannot be made, or another process holds the file.
    pub fn open(dir: &Path) -> Result<Self, DiskError> {
        std::fs::create_dir_all(dir).map_err(|e| io(&e))?;
        Self::open_with(
            dir,
            Box::new(|path| Database::builder().set_cache_size(CACHE).create(path)),
        )
    }

    /// The same with another opener.
    ///
    /// # Errors
    /// What the opener says.
    pub fn open_with(dir: &Path, opener: Opener) -> Result<Self, DiskError> {
        let disk = Self {
            path: dir.join("store.redb"),
            opener,
            database: Mutex::new(None),
            tables: Mutex::new(HashMap::new()),
        };
        let tables = disk.guarded(|db| {
            let write = db.begin_write()?;
            write.open_table(SHAPES)?;
            write.commit()?;
            let shapes = db.begin_read()?.open_table(SHAPES)?;
            let mut tables = HashMap::new();
            for entry in shapes.iter()? {
                let (name, shape) = entry?;
                tables.insert(name.value().to_owned(), shape.value().1);
            }
            Ok(tables)
        })?;
        *lock(&disk.tables) = tables;
        Ok(disk)
    }

    /// Makes tables that are not there.
    ///
    /// # Errors
    /// One is there with another shape; then none is made.
    pub fn ensure(&self, shapes: &[TableShape]) -> Result<(), DiskError> {
        let clash = self.guarded(|db| {
            let write = db.begin_write()?;
            for shape in shapes {
                let name = name_of(&shape.keyspace, &shape.name);
                let mut known = write.open_table(SHAPES)?;
                let there = known.get(name.as_str())?.map(|s| s.value().0.to_owned());
                if let Some(there) = there.filter(|there| *there != shape.shape) {
                    return Ok(Some(DiskError::Shape {
                        table: name,
                        problem: format!("there: {there}; wanted: {}", shape.shape),
                    }));
                }
                known.insert(name.as_str(), (shape.shape.as_str(), shape.ttl_s))?;
                write.open_table(rows_of(&name))?;
            }
            write.commit()?;
            Ok(None)
        })?;
        if let Some(clash) = clash {
            return Err(clash);
        }
        let mut tables = lock(&self.tables);
        for shape in shapes {
            tables.insert(name_of(&shape.keyspace, &shape.name), shape.ttl_s);
        }
        Ok(())
    }

    /// Writes all rows of these requests in one transaction.
    ///
    /// # Errors
    /// A table that was never made, or the disk; then nothing of all requests is written.
    pub fn upsert(&self, requests: &[UpsertRequest], now_s: u64) -> Result<(), DiskError> {
        // One redb table is opened once, however many requests name it.
        let mut by_table: HashMap<String, (u64, Vec<&StoredRow>)> = HashMap::new();
        for request in requests {
            let name = name_of(&request.keyspace, &request.table);
            let expires_s = self.expiry(&name, now_s)?;
            by_table
                .entry(name)
                .or_insert_with(|| (expires_s, Vec::new()))
                .1
                .extend(&request.rows);
        }
        self.guarded(|db| {
            let write = db.begin_write()?;
            let mut buffer = Vec::new();
            for (name, (expires_s, rows)) in &by_table {
                let mut table = write.open_table(rows_of(name))?;
                for row in rows {
                    put(&mut table, row, *expires_s, now_s, &mut buffer)?;
                }
            }
            write.commit()?;
            Ok(())
        })
    }

    /// Gives the rows of a request to `each` until it answers false.
    ///
    /// # Errors
    /// A table that was never made, or the disk.
    pub fn select(
        &self,
        request: &SelectRequest,
        now_s: u64,
        mut each: impl FnMut(StoredRow) -> bool,
    ) -> Result<(), DiskError> {
        let name = name_of(&request.keyspace, &request.table);
        self.expiry(&name, now_s)?;
        if request.to.as_ref().is_some_and(|to| *to <= request.from) {
            return Ok(());
        }
        self.guarded(|db| {
            let table = db.begin_read()?.open_table(rows_of(&name))?;
            let mut range = match &request.to {
                Some(to) => table.range(request.from.as_slice()..to.as_slice())?,
                None => table.range(request.from.as_slice()..)?,
            };
            let mut left = match request.limit {
                0 => u64::MAX,
                limit => limit,
            };
            while left > 0
                && let Some(entry) = if request.descending {
                    range.next_back()
                } else {
                    range.next()
                }
            {
                let (key, value) = entry?;
                let Some(stored) = Stored::read(value.value()).filter(|s| s.expires_s > now_s)
                else {
                    continue;
                };
                let row = StoredRow {
                    key: key.value().to_vec(),
                    timestamp_us: stored.timestamp_us,
                    values: stored.values.to_vec(),
                };
                if !each(row) {
                    break;
                }
                left -= 1;
            }
            Ok(())
        })
    }

    /// Looks at up to `limit` rows after `cursor` (table and key) and removes those that have vanished; answers where
    /// to go on, `None` at the end of the last table.
    ///
    /// # Errors
    /// The disk.
    pub fn sweep(
        &self,
        cursor: Option<(String, Vec<u8>)>,
        limit: usize,
        now_s: u64,
    ) -> Result<Option<(String, Vec<u8>)>, DiskError> {
        let mut names: Vec<String> = lock(&self.tables).keys().cloned().collect();
        names.sort();
        let (name, from) = match cursor {
            Some(cursor) => cursor,
            None => match names.first() {
                Some(first) => (first.clone(), Vec::new()),
                None => return Ok(None),
            },
        };
        let (dead, next) = self.guarded(|db| {
            let table = db.begin_read()?.open_table(rows_of(&name))?;
            let (mut dead, mut next) = (Vec::new(), None);
            for (seen, entry) in table.range(from.as_slice()..)?.enumerate() {
                let (key, value) = entry?;
                if seen == limit {
                    next = Some((name.clone(), key.value().to_vec()));
                    break;
                }
                if Stored::read(value.value()).is_none_or(|s| s.expires_s <= now_s) {
                    dead.push(key.value().to_vec());
                }
            }
            Ok((dead, next))
        })?;
        if !dead.is_empty() {
            self.guarded(|db| {
                let write = db.begin_write()?;
                let mut table = write.open_table(rows_of(&name))?;
                for key in &dead {
                    table.remove(key.as_slice())?;
                }
                drop(table);
                write.commit()?;
                Ok(())
            })?;
        }
        Ok(next.or_else(|| {
            let after = names.into_iter().find(|n| *n > name)?;
            Some((after, Vec::new()))
        }))
    }

    fn expiry(&self, name: &str, now_s: u64) -> Result<u64, DiskError> {
        match lock(&self.tables).get(name) {
            None => Err(DiskError::NoTable(name.to_owned())),
            Some(0) => Ok(NEVER),
            Some(ttl) => Ok(now_s.saturating_add(u64::from(*ttl))),
        }
    }

    /// Runs a transaction; closes the database on an error of the disk, so that the next call opens it anew.
    fn guarded<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, DiskError> {
        let database = {
            let mut slot = lock(&self.database);
            match &*slot {
                Some(open) => open.clone(),
                None => {
                    let open = (self.opener)(&self.path).map_err(|e| failed(&e.into()))?;
                    slot.insert(Arc::new(open)).clone()
                }
            }
        };
        work(&database).map_err(|error| {
            let mut slot = lock(&self.database);
            if slot
                .as_ref()
                .is_some_and(|open| Arc::ptr_eq(open, &database))
            {
                *slot = None;
            }
            failed(&error)
        })
    }
}

fn put(
    table: &mut redb::Table<'_, &[u8], &[u8]>,
    row: &StoredRow,
    expires_s: u64,
    now_s: u64,
    buffer: &mut Vec<u8>,
) -> Result<(), redb::Error> {
    let mut new = Stored {
        timestamp_us: row.timestamp_us,
        expires_s,
        values: &row.values,
    };
    let values = {
        let old = table.get(row.key.as_slice())?;
        match old.as_ref().and_then(|old| Stored::read(old.value())) {
            // One that vanished but was not swept yet is not there.
            Some(old) if old.expires_s > now_s => merge(&old, &new),
            _ => Some(row.values.as_slice().into()),
        }
    };
    if let Some(values) = values {
        new.values = &values;
        buffer.reserve(HEADER + values.len());
        new.write(buffer);
        table.insert(row.key.as_slice(), buffer.as_slice())?;
    }
    Ok(())
}

fn name_of(keyspace: &str, table: &str) -> String {
    format!("{keyspace}.{table}")
}

fn rows_of(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn io(error: &std::io::Error) -> DiskError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            DiskError::Full(error.to_string())
        }
        _ => DiskError::Failed(error.to_string()),
    }
}

fn failed(error: &redb::Error) -> DiskError {
    match error {
        redb::Error::Io(error) => io(error),
        redb::Error::DatabaseAlreadyOpen => DiskError::Failed(
            "another process has this store open: stop it, or give another folder".to_owned(),
        ),
        other => DiskError::Failed(other.to_string()),
    }
}
