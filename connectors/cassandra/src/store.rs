//! The one door to a store, real or embedded.
//!
//! Six verbs are all that the pipeline needs; everything else of CQL stays behind the door, so that the demo's store
//! and Cassandra can be exchanged by an address.

use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;

use crate::address::{Address, Scheme};
use crate::cassandra::CassandraStore;
use crate::embedded::EmbeddedStore;
use crate::error::StoreError;
use crate::row::{Cell, Row, Table};

/// A part of a partition: bounds on a prefix of the clustering columns, in ascending order whatever the table's.
/// `Included(prefix)` takes in all rows that begin with the prefix, `Excluded(prefix)` none of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// Smallest.
    pub from: Bound<Vec<Cell>>,
    /// Largest.
    pub to: Bound<Vec<Cell>>,
}

impl Range {
    /// The whole partition.
    pub fn all() -> Self {
        Self {
            from: Bound::Unbounded,
            to: Bound::Unbounded,
        }
    }

    /// From a first clustering cell on, up to another that is no longer in.
    pub fn half_open(from: Cell, to: Cell) -> Self {
        Self {
            from: Bound::Included(vec![from]),
            to: Bound::Excluded(vec![to]),
        }
    }

    /// Checks that the bounds are prefixes of the table's clustering columns.
    ///
    /// # Errors
    /// [`StoreError::Row`].
    pub fn check(&self, table: &Table) -> Result<(), StoreError> {
        for bound in [&self.from, &self.to] {
            if let Bound::Included(cells) | Bound::Excluded(cells) = bound {
                table.check_clustering(cells)?;
            }
        }
        Ok(())
    }
}

/// A store of tables.
#[async_trait]
pub trait Store: Send + Sync {
    /// Makes tables, and whatever they need, if they are not there.
    ///
    /// # Errors
    /// [`StoreError::Schema`] if one is there with other columns; else as for every request.
    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError>;

    /// Writes rows; returns when all are durable by the store's measure. A row whose key holds a larger write
    /// timestamp changes nothing, so that repeating and reordering do no harm. After an error some of the rows may
    /// have been written.
    ///
    /// # Errors
    /// A row that does not fit, or the store's own.
    async fn upsert(&self, table: &'static Table, rows: &[Row]) -> Result<(), StoreError>;

    /// Rows of one partition within a range, at most `limit`, in this direction.
    ///
    /// # Errors
    /// A key that does not fit, or the store's own.
    async fn select(
        &self,
        table: &'static Table,
        partition: &[Cell],
        range: &Range,
        limit: usize,
        descending: bool,
    ) -> Result<Vec<Row>, StoreError>;

    /// Gives every row of a table to `each`, in no promised order; for dumps and counts.
    ///
    /// # Errors
    /// The store's own; rows may have been given before.
    async fn scan(
        &self,
        table: &'static Table,
        each: &mut (dyn FnMut(Row) + Send),
    ) -> Result<(), StoreError>;

    /// The address without its password, for people.
    fn address(&self) -> String;
}

/// Connects to the store at an address:
/// `cassandra://[user:password@]host:port[,host:port…][/keyspace][?option=value&…]` or `embedded://host:port`.
/// Requests are tried again for some seconds when that can help. Options: [`crate::address`].
///
/// # Errors
/// An address that cannot be understood, a login refused, TLS files that cannot be read, or a real cluster of which no
/// node answers. The embedded store is connected to on first use.
pub async fn connect(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    let address = Address::parse(url)?;
    match address.scheme {
        Scheme::Embedded => Ok(Arc::new(EmbeddedStore::new(address)?)),
        Scheme::Cassandra => Ok(Arc::new(CassandraStore::connect(address).await?)),
    }
}
