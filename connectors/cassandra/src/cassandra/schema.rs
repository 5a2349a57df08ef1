//! Makes keyspace, types and tables, or checks those that are there.
//!
//! What is there already is only read, so that a user without the right to create can work on tables made before.

use std::collections::HashMap;

use super::CassandraStore;
use super::statements as cql_text;
use crate::error::StoreError;
use crate::row::{Cell, Column, Kind, Table};

const CATALOGUE: &[Column] = &[
    Column::new("column_name", Kind::Text),
    Column::new("kind", Kind::Text),
    Column::new("type", Kind::Text),
];

impl CassandraStore {
    pub(super) async fn make(&self, table: &'static Table) -> Result<(), StoreError> {
        if self.check(table).await? {
            return Ok(());
        }
        let keyspace = &self.address.keyspace;
        let dc = self.address.datacentre.as_deref();
        let replicas = self.address.replication;
        if self.columns_of(table.name).await?.is_empty() && !self.has_keyspace().await? {
            self.text(&cql_text::create_keyspace(keyspace, dc, replicas))
                .await?;
        }
        for column in table.columns() {
            if let Kind::Udt(udt) = column.kind {
                self.text(&cql_text::create_type(keyspace, udt)).await?;
            }
        }
        self.text(&cql_text::create_table(keyspace, table)).await?;
        match self.check(table).await? {
            true => Ok(()),
            false => Err(StoreError::Overloaded {
                address: self.address.shown(),
                problem: format!("table {} is not visible yet on every node", table.name),
            }),
        }
    }

    /// Whether the table is there.
    async fn check(&self, table: &'static Table) -> Result<bool, StoreError> {
        let there = self.columns_of(table.name).await?;
        if there.is_empty() {
            return Ok(false);
        }
        let parts = [
            ("partition_key", table.partition),
            ("clustering", table.clustering),
            ("regular", table.values),
        ];
        for (part, columns) in parts {
            for column in columns {
                let wanted = (part.to_owned(), cql_text::type_name(column.kind));
                let found = there.get(column.name);
                if found != Some(&wanted) {
                    return Err(StoreError::Schema {
                        table: table.name.to_owned(),
                        problem: format!("{}: wanted {wanted:?}, there {found:?}", column.name),
                    });
                }
            }
            let count = there.values().filter(|(p, _)| p == part).count();
            if part != "regular" && count != columns.len() {
                return Err(StoreError::Schema {
                    table: table.name.to_owned(),
                    problem: format!("wanted {} columns as {part}, there {count}", columns.len()),
                });
            }
        }
        Ok(true)
    }

    /// Part of the key and type of each column; nothing if the table is not there.
    async fn columns_of(
        &self,
        table: &str,
    ) -> Result<HashMap<String, (String, String)>, StoreError> {
        let query = format!(
            "SELECT column_name, kind, type FROM system_schema.columns \
             WHERE keyspace_name = '{}' AND table_name = '{table}'",
            self.address.keyspace
        );
        let rows = self.rows(&query, CATALOGUE).await?;
        let text = |cell: &Cell| cell.as_text().unwrap_or_default().to_owned();
        Ok(rows
            .iter()
            .map(|row| (text(&row[0]), (text(&row[1]), text(&row[2]))))
            .collect())
    }

    async fn has_keyspace(&self) -> Result<bool, StoreError> {
        let query = format!(
            "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{}'",
            self.address.keyspace
        );
        let rows = self.rows(&query, &CATALOGUE[..1]).await?;
        Ok(!rows.is_empty())
    }
}
