//! Cells, rows and the descriptors of tables: what a store holds, before any store is chosen.
//!
//! A descriptor is written once, as a constant, and both stores follow it: real Cassandra makes its schema and
//! prepared statements from it, the embedded store its keys. Each write gives all value columns at once with one
//! write timestamp, so a row is replaced as a whole by a later one. Pure: no clock, no I/O, no async.

use smol_str::SmolStr;

use crate::error::StoreError;

/// One value of one column.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell {
    /// Nothing; not allowed in a key.
    #[default]
    Null,
    /// `text`.
    Text(SmolStr),
    /// `bigint`.
    Int(i64),
    /// `double`.
    Double(f64),
    /// `boolean`.
    Bool(bool),
    /// `date`: days since 1970-01-01.
    Date(i32),
    /// `timestamp`: milliseconds since the epoch, UTC.
    Timestamp(i64),
    /// A frozen user-defined type: its fields in order.
    Udt(Box<[Cell]>),
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `text`.
    Text,
    /// `bigint`.
    Int,
    /// `double`.
    Double,
    /// `boolean`.
    Bool,
    /// `date`.
    Date,
    /// `timestamp`.
    Timestamp,
    /// A frozen user-defined type.
    Udt(&'static Udt),
}

/// A user-defined type.
#[derive(Debug, PartialEq, Eq)]
pub struct Udt {
    /// Its name in the keyspace.
    pub name: &'static str,
    /// Its fields in order; none of them is a user-defined type itself.
    pub fields: &'static [Column],
}

/// A named column of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name: lower case letters, digits and underscores.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
}

/// A table of a store.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in the keyspace: lower case letters, digits and underscores.
    pub name: &'static str,
    /// Columns of the partition key.
    pub partition: &'static [Column],
    /// Clustering columns, all in one direction.
    pub clustering: &'static [Column],
    /// All other columns; at least one.
    pub values: &'static [Column],
    /// Whether the default order of a partition is descending.
    pub descending: bool,
    /// Seconds after its write at which a row vanishes; 0 is never.
    pub ttl_s: u32,
    /// Hours of one bucket of the time window compaction; 0 leaves the server's default.
    pub window_h: u32,
}

/// One row: cells of the partition key, the clustering columns and the values, in the table's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// One cell for each column of the table.
    pub cells: Vec<Cell>,
    /// Write timestamp in microseconds: of two writes of one key, the larger one stays. Read back, it is the one
    /// of the first value column.
    pub timestamp_us: i64,
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<SmolStr>) -> Self {
        Cell::Text(text.into())
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Cell::Text(v) => Some(v),
            _ => None,
        }
    }

    /// The number of a `bigint`, of days or of milliseconds.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Cell::Int(v) | Cell::Timestamp(v) => Some(*v),
            Cell::Date(v) => Some(i64::from(*v)),
            _ => None,
        }
    }

    /// The number of a `double`.
    pub fn as_double(&self) -> Option<f64> {
        match self {
            Cell::Double(v) => Some(*v),
            _ => None,
        }
    }

    /// The fields of a user-defined type.
    pub fn as_udt(&self) -> Option<&[Cell]> {
        match self {
            Cell::Udt(v) => Some(v),
            _ => None,
        }
    }

    /// Whether the cell may stand in a column of that kind; null may stand in any.
    pub fn is(&self, kind: Kind) -> bool {
        match (self, kind) {
            (Cell::Null, _)
            | (Cell::Text(_), Kind::Text)
            | (Cell::Int(_), Kind::Int)
            | (Cell::Double(_), Kind::Double)
            | (Cell::Bool(_), Kind::Bool)
            | (Cell::Date(_), Kind::Date)
            | (Cell::Timestamp(_), Kind::Timestamp) => true,
            (Cell::Udt(cells), Kind::Udt(udt)) => {
                cells.len() == udt.fields.len()
                    && cells.iter().zip(udt.fields).all(|(c, f)| c.is(f.kind))
            }
            _ => false,
        }
    }
}

impl Column {
    /// A column.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }
}

impl Table {
    /// All columns: partition key, clustering columns, values.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> {
        self.partition
            .iter()
            .chain(self.clustering)
            .chain(self.values)
    }

    /// Number of columns of the primary key.
    pub fn key_len(&self) -> usize {
        self.partition.len() + self.clustering.len()
    }

    /// Checks that a row fits.
    ///
    /// # Errors
    /// [`StoreError::Row`]: another number of cells, a null in the key, or a cell of another kind.
    pub fn check(&self, row: &Row) -> Result<(), StoreError> {
        let columns = self.key_len() + self.values.len();
        if row.cells.len() != columns {
            return Err(self.misfit(format!(
                "{} cells for {columns} columns: give one for each of {}",
                row.cells.len(),
                self.names()
            )));
        }
        self.check_cells(&row.cells, self.columns(), self.key_len())
    }

    /// Checks that these cells are a partition key of this table.
    ///
    /// # Errors
    /// [`StoreError::Row`], as for a row.
    pub fn check_partition(&self, cells: &[Cell]) -> Result<(), StoreError> {
        if cells.len() != self.partition.len() {
            return Err(self.misfit(format!(
                "{} cells for the {} columns of the partition key: give one for each",
                cells.len(),
                self.partition.len()
            )));
        }
        self.check_cells(cells, self.partition.iter(), cells.len())
    }

    /// Checks that these cells are a prefix of the clustering columns.
    ///
    /// # Errors
    /// [`StoreError::Row`], as for a row; an empty prefix is one too.
    pub fn check_clustering(&self, cells: &[Cell]) -> Result<(), StoreError> {
        if cells.is_empty() || cells.len() > self.clustering.len() {
            return Err(self.misfit(format!(
                "a bound of {} cells: give 1 to {}",
                cells.len(),
                self.clustering.len()
            )));
        }
        self.check_cells(cells, self.clustering.iter(), cells.len())
    }

    fn check_cells(
        &self,
        cells: &[Cell],
        columns: impl Iterator<Item = &'static Column>,
        key: usize,
    ) -> Result<(), StoreError> {
        for (i, (cell, column)) in cells.iter().zip(columns).enumerate() {
            if !cell.is(column.kind) {
                return Err(self.misfit(format!(
                    "column {} is {:?} and cannot hold {cell:?}",
                    column.name, column.kind
                )));
            }
            if i < key && *cell == Cell::Null {
                return Err(self.misfit(format!(
                    "column {} is part of the key and cannot be null",
                    column.name
                )));
            }
        }
        Ok(())
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.columns().map(|c| c.name).collect();
        names.join(", ")
    }

    fn misfit(&self, problem: String) -> StoreError {
        StoreError::Row {
            table: self.name,
            problem,
        }
    }
}
