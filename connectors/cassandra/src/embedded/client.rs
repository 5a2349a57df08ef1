//! The embedded store as its clients see it: a [`Store`] over gRPC that connects by itself, as often as needed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fulmar_proto::store::store_client::StoreClient;
use fulmar_proto::store::{EnsureRequest, SelectRequest, StoredRow, TableShape, UpsertRequest};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::server::MESSAGE;
use crate::address::Address;
use crate::error::StoreError;
use crate::retry::Tries;
use crate::row::{Cell, Kind, Row, Table};
use crate::store::{Range, Store};
use crate::{cql, key};

/// Rows of one request.
const ROWS: usize = 1024;
/// Bytes of rows of one request; one row may be larger.
const BYTES: usize = 1 << 20;

/// A client of the embedded store.
pub struct EmbeddedStore {
    address: Address,
    client: StoreClient<Channel>,
    /// Tables asked for so far: a server that comes back with an empty folder is told again.
    ensured: Mutex<Vec<&'static Table>>,
}

impl EmbeddedStore {
    /// A client of the server at an address; connects on first use. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Address`]: the node cannot stand in a URI.
    pub fn new(address: Address) -> Result<Self, StoreError> {
        let node = address.nodes.first().cloned().unwrap_or_default();
        let endpoint = Endpoint::from_shared(format!("http://{node}"))
            .map_err(|e| StoreError::Address {
                address: address.shown(),
                problem: format!("{e}: write embedded://host:port"),
            })?
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_millis(address.timeout_ms))
            .tcp_nodelay(true);
        let client = StoreClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(MESSAGE)
            .max_encoding_message_size(MESSAGE);
        Ok(Self {
            address,
            client,
            ensured: Mutex::new(Vec::new()),
        })
    }

    fn known(&self) -> Vec<&'static Table> {
        self.ensured
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Decides about a failed try: waits and answers `Ok`, or the error to give up with.
    async fn again(
        &self,
        table: &'static Table,
        status: Status,
        tries: &mut Tries,
    ) -> Result<(), StoreError> {
        let known = self.known();
        let forgotten = status.code() == Code::NotFound && known.contains(&table);
        let error = self.error(table.name, &status);
        if !error.is_transient() && !forgotten {
            return Err(error);
        }
        let wait = tries.next_wait().ok_or(error)?;
        tokio::time::sleep(wait).await;
        if forgotten {
            // Fails only if the server is gone again, which the next try will tell.
            drop(self.client.clone().ensure(self.shapes(&known)).await);
        }
        Ok(())
    }

    fn error(&self, table: &str, status: &Status) -> StoreError {
        let (address, problem) = (self.address.shown(), status.message().to_owned());
        match status.code() {
            Code::ResourceExhausted => StoreError::DiskFull { address, problem },
            Code::FailedPrecondition => StoreError::Schema {
                table: table.to_owned(),
                problem,
            },
            // A connection that broke under a request is told as Unknown, a time-out as Cancelled.
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => {
                StoreError::Unreachable { address, problem }
            }
            _ => StoreError::Refused { address, problem },
        }
    }

    fn shapes(&self, tables: &[&'static Table]) -> EnsureRequest {
        let tables = tables
            .iter()
            .map(|t| TableShape {
                keyspace: self.address.keyspace.clone(),
                name: t.name.to_owned(),
                shape: shape(t),
                ttl_s: t.ttl_s,
            })
            .collect();
        EnsureRequest { tables }
    }

    fn request(&self, table: &Table, rows: Vec<StoredRow>) -> UpsertRequest {
        UpsertRequest {
            keyspace: self.address.keyspace.clone(),
            table: table.name.to_owned(),
            rows,
        }
    }

    async fn send(&self, table: &'static Table, request: UpsertRequest) -> Result<(), StoreError> {
        let mut tries = Tries::of_client();
        while let Err(status) = self.client.clone().upsert(request.clone()).await {
            self.again(table, status, &mut tries).await?;
        }
        Ok(())
    }

    /// Reads rows; what broke in the middle is read again from the start by the caller.
    async fn read(
        &self,
        table: &'static Table,
        request: &SelectRequest,
        each: &mut (dyn FnMut(Row) + Send),
    ) -> Result<(), StoreError> {
        let mut request = request.clone();
        let mut tries = Tries::of_client();
        loop {
            match self.read_on(table, &mut request, each).await? {
                None => return Ok(()),
                Some(status) => self.again(table, status, &mut tries).await?,
            }
        }
    }

    /// Reads until the end, or until the stream breaks; `request` then asks for what is missing.
    async fn read_on(
        &self,
        table: &'static Table,
        request: &mut SelectRequest,
        each: &mut (dyn FnMut(Row) + Send),
    ) -> Result<Option<Status>, StoreError> {
        let mut chunks = match self.client.clone().select(request.clone()).await {
            Ok(chunks) => chunks.into_inner(),
            Err(status) => return Ok(Some(status)),
        };
        loop {
            let chunk = match chunks.message().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(None),
                Err(status) => return Ok(Some(status)),
            };
            for row in chunk.rows {
                let decoded = decode(table, &row)?;
                if request.descending {
                    request.to = Some(row.key);
                } else {
                    request.from = row.key;
                    // The smallest key above: the same with one more byte.
                    request.from.push(0);
                }
                each(decoded);
                if request.limit > 0 {
                    request.limit -= 1;
                    if request.limit == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        let request = self.shapes(tables);
        let mut tries = Tries::of_client();
        while let Err(status) = self.client.clone().ensure(request.clone()).await {
            let error = self.error("", &status);
            let wait = match error.is_transient() {
                true => tries.next_wait().ok_or(error)?,
                false => return Err(error),
            };
            tokio::time::sleep(wait).await;
        }
        let mut ensured = self.ensured.lock().unwrap_or_else(PoisonError::into_inner);
        for table in tables {
            if !ensured.contains(table) {
                ensured.push(table);
            }
        }
        Ok(())
    }

    async fn upsert(&self, table: &'static Table, rows: &[Row]) -> Result<(), StoreError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for row in rows {
            table.check(row)?;
        }
        for row in rows {
            let stored = encode(table, row);
            bytes += stored.key.len() + stored.values.len();
            batch.push(stored);
            if batch.len() == ROWS || bytes >= BYTES {
                bytes = 0;
                let request = self.request(table, std::mem::take(&mut batch));
                self.send(table, request).await?;
            }
        }
        if !batch.is_empty() {
            self.send(table, self.request(table, batch)).await?;
        }
        Ok(())
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
        let mut rows = Vec::new();
        if limit == 0 {
            return Ok(rows);
        }
        let (from, to) = key::bounds(partition, range);
        let request = SelectRequest {
            keyspace: self.address.keyspace.clone(),
            table: table.name.to_owned(),
            from,
            to,
            limit: limit as u64,
            descending,
        };
        self.read(table, &request, &mut |row| rows.push(row))
            .await?;
        Ok(rows)
    }

    async fn scan(
        &self,
        table: &'static Table,
        each: &mut (dyn FnMut(Row) + Send),
    ) -> Result<(), StoreError> {
        let request = SelectRequest {
            keyspace: self.address.keyspace.clone(),
            table: table.name.to_owned(),
            ..SelectRequest::default()
        };
        self.read(table, &request, each).await
    }

    fn address(&self) -> String {
        self.address.shown()
    }
}

fn encode(table: &Table, row: &Row) -> StoredRow {
    let (keys, cells) = row.cells.split_at(table.key_len());
    let mut values = Vec::with_capacity(cells.len() * 24);
    cells.iter().for_each(|c| cql::push(&mut values, c));
    StoredRow {
        key: key::encode(keys),
        timestamp_us: row.timestamp_us,
        values,
    }
}

fn decode(table: &'static Table, row: &StoredRow) -> Result<Row, StoreError> {
    let mut cells = key::decode(table, &row.key)?;
    let mut values = row.values.as_slice();
    for column in table.values {
        let bytes = cql::take(&mut values).ok_or_else(|| StoreError::Decode {
            table: table.name.to_owned(),
            problem: format!("column {} is missing", column.name),
        })?;
        cells.push(cql::decode(table.name, column.kind, bytes)?);
    }
    Ok(Row {
        cells,
        timestamp_us: row.timestamp_us,
    })
}

/// Columns and kinds as text; a type's fields may be added at its end, so they are left out.
fn shape(table: &Table) -> String {
    let list = |columns: &[crate::row::Column]| {
        let all: Vec<String> = columns
            .iter()
            .map(|c| match c.kind {
                Kind::Udt(udt) => format!("{} {}", c.name, udt.name),
                kind => format!("{} {kind:?}", c.name),
            })
            .collect();
        all.join(", ")
    };
    format!(
        "(({}), {}) {}",
        list(table.partition),
        list(table.clustering),
        list(table.values)
    )
}
