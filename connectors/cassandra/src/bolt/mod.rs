//! The bolt that writes tuples into a store: each input is acked when all its rows are confirmed.
//!
//! What a tuple becomes is the author's to say, by a function; [`crate::wifi`] has those of the Wi-Fi pipeline. Writes
//! are gathered into batches and many run at a time. While all of them run, inputs are held and gathered: how many
//! that can be is bounded by `topology.max.spout.pending`, and beyond `cassandra.max.pending.rows` they fail, to
//! come again later. A write that can succeed later is tried again until `cassandra.retry.patience.secs`
//! is over; then its inputs fail too. Rows carry their own write timestamps, so a replay does no harm.

mod link;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fulmar_api::context::TaskContext;
use fulmar_api::token::AckToken;
use fulmar_api::{Bolt, BoltCollector, Config, Error, Result, Tuple};
use tokio::sync::Semaphore;

use crate::address::Address;
use crate::row::{Row, Table};
use crate::store::Store;
use link::{Link, Target};
use writer::{Patience, Writer};

/// A row and the table that it goes to.
pub type Write = (&'static Table, Row);

/// Longest wait at the end for writes that still run.
const LAST_WAIT: Duration = Duration::from_secs(3);

/// Most batches at a time; the store's own client bounds requests besides.
const MOST_INFLIGHT: usize = 10_000;

type Map = dyn Fn(&Tuple<'_>) -> Result<Vec<Write>> + Send + Sync;

/// The bolt.
pub struct CassandraBolt {
    target: Target,
    tables: Vec<&'static Table>,
    map: Arc<Map>,
    ready: Option<Ready>,
    held: VecDeque<Input>,
    /// Rows of `held`.
    held_rows: usize,
}

/// An input that waits for its rows to be written.
struct Input {
    token: AckToken,
    writes: Vec<Write>,
}

struct Ready {
    link: Arc<Link>,
    writer: Arc<Writer>,
    batch_rows: usize,
    max_rows: usize,
}

impl CassandraBolt {
    /// Writes into the store at an address (see [`crate::address`]; `embedded://…` too). `tables` are made if they are
    /// not there; `map` says which rows an input becomes. An input that becomes none is acked; one that cannot be
    /// mapped (an error) is counted, reported and failed.
    pub fn new(
        url: &str,
        tables: &[&'static Table],
        map: impl Fn(&Tuple<'_>) -> Result<Vec<Write>> + Send + Sync + 'static,
    ) -> Self {
        Self::to(Target::Url(url.to_owned()), tables, Arc::new(map))
    }

    /// Writes into a store that is there already, for example one of the author's own.
    pub fn with_store(
        store: Arc<dyn Store>,
        tables: &[&'static Table],
        map: impl Fn(&Tuple<'_>) -> Result<Vec<Write>> + Send + Sync + 'static,
    ) -> Self {
        Self::to(Target::Store(store), tables, Arc::new(map))
    }

    fn to(target: Target, tables: &[&'static Table], map: Arc<Map>) -> Self {
        Self {
            target,
            tables: tables.to_vec(),
            map,
            ready: None,
            held: VecDeque::new(),
            held_rows: 0,
        }
    }

    /// The rows of an input, each checked against its table.
    fn writes(&self, input: &Tuple<'_>) -> Result<Vec<Write>> {
        let writes = (self.map)(input)?;
        for (table, row) in &writes {
            if !self.tables.contains(table) {
                return Err(Error::msg(format!(
                    "a row for table {}, which the bolt was not given; remedy: name it in CassandraBolt::new",
                    table.name
                )));
            }
            table.check(row).map_err(Error::author)?;
        }
        Ok(writes)
    }

    /// Starts writes of what is held, as many as may run.
    fn send_held(&mut self) {
        let Some(ready) = &self.ready else { return };
        while !self.held.is_empty() {
            let Ok(permit) = ready.writer.permits.clone().try_acquire_owned() else {
                ready.writer.waiting.store(true, Ordering::SeqCst);
                // A batch may have ended just before it could see that we wait.
                if ready.writer.permits.available_permits() == 0 {
                    return;
                }
                continue;
            };
            let mut batch = Vec::new();
            let mut rows = 0;
            while let Some(input) = self.held.front()
                && (batch.is_empty() || rows + input.writes.len() <= ready.batch_rows)
            {
                rows += input.writes.len();
                batch.extend(self.held.pop_front());
            }
            self.held_rows -= rows;
            let (link, writer) = (ready.link.clone(), ready.writer.clone());
            ready.link.spawn(async move {
                writer.write(&link, batch).await;
                drop(permit);
                if writer.waiting.swap(false, Ordering::SeqCst) {
                    writer.waker.wake();
                }
            });
        }
    }
}

impl Bolt for CassandraBolt {
    fn prepare(&mut self, conf: &Config, context: &TaskContext) -> Result<()> {
        if let Target::Url(url) = &self.target {
            Address::parse(url).map_err(Error::author)?;
        }
        let whole = |key: &str, default: i64| -> Result<usize> {
            let found = conf.int_or(key, default)?;
            usize::try_from(found)
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| {
                    Error::config(
                        key,
                        format!("{found} is no number of at least 1; remedy: {default}"),
                    )
                })
        };
        let millis = |key: &str, default: i64| -> Result<Duration> {
            Ok(Duration::from_millis(whole(key, default)? as u64))
        };
        let patience = Patience {
            first: millis("cassandra.reconnectionPolicy.baseDelayMs", 100)?,
            longest: millis("cassandra.reconnectionPolicy.maxDelayMs", 60_000)?,
            all: Duration::from_secs(whole("cassandra.retry.patience.secs", 20)? as u64),
        };
        let inflight = whole("cassandra.max.inflight", 8)?.min(MOST_INFLIGHT);
        let writer = Writer {
            completions: context.completions(),
            waker: context.waker(),
            context: context.clone(),
            tables: self.tables.clone(),
            patience,
            permits: Arc::new(Semaphore::new(inflight)),
            inflight: inflight as u32,
            rows: AtomicUsize::new(0),
            waiting: AtomicBool::new(false),
        };
        self.ready = Some(Ready {
            link: Link::shared(context, &self.target)?,
            writer: Arc::new(writer),
            batch_rows: whole("cassandra.batch.size.rows", 100)?,
            max_rows: whole("cassandra.max.pending.rows", 100_000)?,
        });
        Ok(())
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        if input.is_tick() {
            out.ack(input);
            return Ok(());
        }
        let Some(ready) = &self.ready else {
            return Err(Error::msg("the Cassandra bolt is not prepared"));
        };
        let writes = match self.writes(input) {
            Ok(writes) => writes,
            Err(error) => {
                ready
                    .writer
                    .context
                    .count("fulmar_cassandra_unmapped_total", 1);
                return Err(error);
            }
        };
        if writes.is_empty() {
            out.ack(input);
            return Ok(());
        }
        let pending = ready.writer.rows.load(Ordering::Relaxed);
        if pending > 0 && pending + writes.len() > ready.max_rows {
            ready
                .writer
                .context
                .count("fulmar_cassandra_overflow_total", 1);
            return Err(Error::msg(format!(
                "{pending} rows wait for the store, {} is the limit (cassandra.max.pending.rows): the input fails and may come again; remedy: a smaller topology.max.spout.pending, or a faster store",
                ready.max_rows
            )));
        }
        ready.writer.rows.fetch_add(writes.len(), Ordering::Relaxed);
        self.held_rows += writes.len();
        self.held.push_back(Input {
            token: out.keep(input),
            writes,
        });
        self.send_held();
        Ok(())
    }

    fn woken(&mut self, _: &mut BoltCollector<'_>) -> Result<()> {
        self.send_held();
        Ok(())
    }

    fn cleanup(&mut self) {
        self.send_held();
        if let Some(ready) = &self.ready
            && !ready.link.wait_for(&ready.writer, LAST_WAIT)
        {
            // Not acked, so they come again.
            let rows = ready.writer.rows.load(Ordering::Relaxed);
            tracing::warn!(rows, "rows were not confirmed before the end");
        }
        self.send_held();
        if let Some(ready) = &self.ready {
            for input in self.held.drain(..) {
                ready.writer.completions.fail(input.token);
            }
        }
    }
}
