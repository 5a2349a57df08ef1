//! Apache Cassandra as a [`Store`]: prepared statements, many in flight up to a limit, rows as raw bytes of the protocol.
//!
//! [`statements`] are the texts, [`session`] the connection, [`schema`] makes tables, [`failure`] tells what can be
//! tried again. A write carries absolute values and its own timestamp, so every statement may be repeated.

// The driver's error is large; it is classified into ours before it goes anywhere.
#![allow(clippy::result_large_err)]

mod failure;
mod schema;
mod session;
pub mod statements;
mod tls;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cdrs_tokio::consistency::Consistency;
use cdrs_tokio::error::{Error, Result as CdrsResult};
use cdrs_tokio::frame::Envelope;
use cdrs_tokio::frame::message_response::ResponseBody;
use cdrs_tokio::frame::message_result::{BodyResResultRows, ResResultBody};
use cdrs_tokio::query::{PreparedQuery, QueryValues};
use cdrs_tokio::statement::{StatementParams, StatementParamsBuilder};
use cdrs_tokio::types::CBytes;
use cdrs_tokio::types::value::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::address::{Address, Level};
use crate::cql;
use crate::error::StoreError;
use crate::retry::Tries;
use crate::row::{Cell, Column, Row, Table};
use crate::store::{Range, Store};
use failure::classify;
use session::Cql;

/// Rows of one page.
const PAGE: i32 = 1000;

/// A cluster of Apache Cassandra.
pub struct CassandraStore {
    address: Address,
    session: Arc<dyn Cql>,
    prepared: Mutex<HashMap<String, Arc<PreparedQuery>>>,
    permits: Arc<Semaphore>,
}

impl CassandraStore {
    /// Connects.
    ///
    /// # Errors
    /// No node answers, or the login or the TLS files are wrong.
    pub async fn connect(address: Address) -> Result<Self, StoreError> {
        let session = session::open(&address).await?;
        Ok(Self {
            session,
            prepared: Mutex::new(HashMap::new()),
            permits: Arc::new(Semaphore::new(address.inflight)),
            address,
        })
    }

    async fn prepared(&self, text: String) -> Result<Arc<PreparedQuery>, StoreError> {
        let lock = || self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(&text) {
            return Ok(found.clone());
        }
        let made = self.timed(self.session.prepare(&text)).await;
        let made = Arc::new(made.map_err(|e| classify(&self.address.shown(), &e))?);
        lock().insert(text, made.clone());
        Ok(made)
    }

    /// Executes a text without values, trying again when that can help.
    async fn text(&self, query: &str) -> Result<ResponseBody, StoreError> {
        self.page(query, None).await
    }

    async fn page(&self, query: &str, from: Option<CBytes>) -> Result<ResponseBody, StoreError> {
        let mut tries = Tries::of_client();
        loop {
            let mut params = self.params().with_page_size(PAGE);
            if let Some(state) = &from {
                params = params.with_paging_state(state.clone());
            }
            let answer = self.timed(self.session.query(query, params.build())).await;
            match answer.and_then(|envelope| envelope.response_body()) {
                Ok(body) => return Ok(body),
                Err(error) => self.again(&error, &mut tries).await?,
            }
        }
    }

    /// All rows of a text without values, as cells of these columns.
    async fn rows(&self, query: &str, columns: &[Column]) -> Result<Vec<Vec<Cell>>, StoreError> {
        let mut found = Vec::new();
        let mut from = None;
        loop {
            let page = rows_of(self.page(query, from).await?);
            from = page.metadata.paging_state;
            for row in &page.rows_content {
                found.push(cells("catalogue", row, columns.iter())?);
            }
            if from.is_none() {
                return Ok(found);
            }
        }
    }

    async fn timed<T>(&self, work: impl Future<Output = CdrsResult<T>>) -> CdrsResult<T> {
        let limit = Duration::from_millis(self.address.timeout_ms);
        tokio::time::timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(Error::Timeout(format!("no answer within {limit:?}"))))
    }

    /// Waits before another try, or answers the error to give up with.
    async fn again(&self, error: &Error, tries: &mut Tries) -> Result<(), StoreError> {
        let error = classify(&self.address.shown(), error);
        if !error.is_transient() {
            return Err(error);
        }
        let wait = tries.next_wait().ok_or(error)?;
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn params(&self) -> StatementParamsBuilder {
        StatementParamsBuilder::new()
            .with_consistency(consistency(self.address.consistency))
            .idempotent(true)
    }

    fn bound(&self, values: Vec<Value>) -> StatementParams {
        self.params()
            .with_values(QueryValues::SimpleValues(values))
            .build()
    }

    /// Writes rows once, as many at a time as allowed; answers those that failed and may be tried again.
    async fn write<'a>(
        &self,
        insert: &Arc<PreparedQuery>,
        rows: Vec<&'a Row>,
    ) -> Result<Vec<(&'a Row, Error)>, StoreError> {
        let limit = Duration::from_millis(self.address.timeout_ms);
        let mut running: JoinSet<(usize, CdrsResult<Envelope>)> = JoinSet::new();
        let mut results = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            let mut values: Vec<Value> = row.cells.iter().map(value).collect();
            values.push(Value::Some(row.timestamp_us.to_be_bytes().to_vec()));
            let params = self.bound(values);
            let permit = self.permits.clone().acquire_owned().await;
            let (session, insert) = (self.session.clone(), insert.clone());
            running.spawn(async move {
                let work = session.exec(&insert, &params);
                let answer = tokio::time::timeout(limit, work).await;
                drop(permit);
                let answer = answer
                    .unwrap_or_else(|_| Err(Error::Timeout(format!("no answer within {limit:?}"))));
                (i, answer)
            });
            while let Some(done) = running.try_join_next() {
                results.push(done);
            }
        }
        while let Some(done) = running.join_next().await {
            results.push(done);
        }
        let mut failed = Vec::new();
        for result in results {
            // A task that died (a bug of the driver) took an unknown row with it: all are tried again.
            let Ok((i, answer)) = result else {
                let error = Error::General("the driver's task died".to_owned());
                return Ok(rows.into_iter().map(|r| (r, error.clone())).collect());
            };
            if let Err(error) = answer {
                let meaning = classify(&self.address.shown(), &error);
                if !meaning.is_transient() {
                    return Err(meaning);
                }
                failed.push((rows[i], error));
            }
        }
        Ok(failed)
    }

    async fn select_page(
        &self,
        text: &str,
        values: &[Value],
        from: Option<CBytes>,
    ) -> Result<BodyResResultRows, StoreError> {
        let mut tries = Tries::of_client();
        let prepared = self.prepared(text.to_owned()).await?;
        loop {
            let mut params = self.bound(values.to_vec());
            params.query_params.page_size = Some(PAGE);
            params.query_params.paging_state = from.clone();
            let answer = self.timed(self.session.exec(&prepared, &params)).await;
            match answer.and_then(|envelope| envelope.response_body()) {
                Ok(body) => return Ok(rows_of(body)),
                Err(error) => self.again(&error, &mut tries).await?,
            }
        }
    }
}

#[async_trait]
impl Store for CassandraStore {
    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        for table in tables {
            let mut tries = Tries::of_client();
            // Two workers that make the same table at once may disagree for a moment.
            while let Err(error) = self.make(table).await {
                if !error.is_transient() {
                    return Err(error);
                }
                let wait = tries.next_wait().ok_or(error)?;
                tokio::time::sleep(wait).await;
            }
        }
        Ok(())
    }

    async fn upsert(&self, table: &'static Table, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            table.check(row)?;
        }
        let insert = self
            .prepared(statements::insert(&self.address.keyspace, table))
            .await?;
        let mut tries = Tries::of_client();
        let mut left: Vec<&Row> = rows.iter().collect();
        loop {
            let failed = self.write(&insert, left).await?;
            let Some((_, error)) = failed.first() else {
                return Ok(());
            };
            self.again(error, &mut tries).await?;
            left = failed.into_iter().map(|(row, _)| row).collect();
        }
    }

    async fn select(
        &self,
        table: &'static Table,
        partition: &[Cell],
        range: &Range,
        limit: usize,
        descending: bool,
    ) -> Result<Vec<Row>, StoreError> {
        table.check_partition(partition)?;
        range.check(table)?;
        let mut found = Vec::new();
        let Some(limit) = std::num::NonZeroUsize::new(limit) else {
            return Ok(found);
        };
        let text = statements::select(&self.address.keyspace, table, range, descending);
        let mut values: Vec<Value> = partition
            .iter()
            .chain(statements::bound_cells(range))
            .map(value)
            .collect();
        let limit = i32::try_from(limit.get()).unwrap_or(i32::MAX);
        values.push(Value::Some(limit.to_be_bytes().to_vec()));
        let mut from = None;
        loop {
            let page = self.select_page(&text, &values, from).await?;
            from = page.metadata.paging_state;
            for row in &page.rows_content {
                found.push(read(table, row)?);
            }
            if from.is_none() {
                return Ok(found);
            }
        }
    }

    async fn scan(
        &self,
        table: &'static Table,
        each: &mut (dyn FnMut(Row) + Send),
    ) -> Result<(), StoreError> {
        let text = statements::scan(&self.address.keyspace, table);
        let mut from = None;
        loop {
            let page = rows_of(self.page(&text, from).await?);
            from = page.metadata.paging_state;
            for row in &page.rows_content {
                each(read(table, row)?);
            }
            if from.is_none() {
                return Ok(());
            }
        }
    }

    fn address(&self) -> String {
        self.address.shown()
    }
}

fn value(cell: &Cell) -> Value {
    cql::encode(cell).map_or(Value::Null, Value::Some)
}

/// The rows of an answer; one that has none is an empty page.
fn rows_of(body: ResponseBody) -> BodyResResultRows {
    match body {
        ResponseBody::Result(ResResultBody::Rows(rows)) => rows,
        _ => BodyResResultRows {
            metadata: cdrs_tokio::frame::message_result::RowsMetadata {
                flags: cdrs_tokio::frame::message_result::RowsMetadataFlags::empty(),
                columns_count: 0,
                paging_state: None,
                new_metadata_id: None,
                global_table_spec: None,
                col_specs: Vec::new(),
            },
            rows_count: 0,
            rows_content: Vec::new(),
            protocol_version: cdrs_tokio::frame::Version::V4,
        },
    }
}

fn read(table: &'static Table, row: &[CBytes]) -> Result<Row, StoreError> {
    let cells = cells(table.name, row, table.columns())?;
    // A row whose first value is null has no write time there.
    let timestamp_us = row
        .get(cells.len())
        .and_then(|bytes| bytes.as_slice()?.try_into().ok())
        .map_or(0, i64::from_be_bytes);
    Ok(Row {
        cells,
        timestamp_us,
    })
}

fn cells<'a>(
    table: &str,
    row: &[CBytes],
    columns: impl Iterator<Item = &'a Column>,
) -> Result<Vec<Cell>, StoreError> {
    columns
        .enumerate()
        .map(|(i, column)| {
            let bytes = row.get(i).and_then(CBytes::as_slice);
            cql::decode(table, column.kind, bytes)
        })
        .collect()
}

fn consistency(level: Level) -> Consistency {
    match level {
        Level::Any => Consistency::Any,
        Level::One => Consistency::One,
        Level::LocalOne => Consistency::LocalOne,
        Level::Two => Consistency::Two,
        Level::Three => Consistency::Three,
        Level::Quorum => Consistency::Quorum,
        Level::LocalQuorum => Consistency::LocalQuorum,
        Level::EachQuorum => Consistency::EachQuorum,
        Level::All => Consistency::All,
    }
}
