//! One batch on its way: written, tried again with patience, and its inputs settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fulmar_api::context::{Completions, TaskContext, Waker};
use tokio::sync::Semaphore;

use super::Input;
use super::link::Link;
use crate::error::StoreError;
use crate::retry::Tries;
use crate::row::{Row, Table};

/// How long a write is tried again.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) first: Duration,
    pub(super) longest: Duration,
    pub(super) all: Duration,
}

/// What the running batches of one task share with it.
pub(super) struct Writer {
    pub(super) completions: Completions,
    pub(super) waker: Waker,
    pub(super) context: TaskContext,
    pub(super) tables: Vec<&'static Table>,
    pub(super) patience: Patience,
    pub(super) permits: Arc<Semaphore>,
    /// All permits there are.
    pub(super) inflight: u32,
    /// Rows that are held or being written.
    pub(super) rows: AtomicUsize,
    /// Something is held: the next batch that ends wakes the bolt.
    pub(super) waiting: AtomicBool,
}

impl Writer {
    /// Writes a batch and settles its inputs.
    pub(super) async fn write(&self, link: &Link, batch: Vec<Input>) {
        let mut tokens = Vec::with_capacity(batch.len());
        let mut tables: Vec<(&'static Table, Vec<Row>)> = Vec::new();
        let mut count = 0;
        for input in batch {
            tokens.push(input.token);
            count += input.writes.len();
            for (table, row) in input.writes {
                match tables.iter_mut().find(|(t, _)| *t == table) {
                    Some((_, rows)) => rows.push(row),
                    None => tables.push((table, vec![row])),
                }
            }
        }
        let outcome = self.write_patiently(link, &tables).await;
        // Before the settling: it may let the spout send more.
        self.rows.fetch_sub(count, Ordering::Relaxed);
        match outcome {
            Ok(()) => {
                self.context
                    .count("fulmar_cassandra_rows_total", count as u64);
                tokens.into_iter().for_each(|t| self.completions.ack(t));
            }
            Err(error) => {
                self.context.report_error(&fulmar_api::Error::author(error));
                tokens.into_iter().for_each(|t| self.completions.fail(t));
            }
        }
    }

    async fn write_patiently(
        &self,
        link: &Link,
        tables: &[(&'static Table, Vec<Row>)],
    ) -> Result<(), StoreError> {
        let Patience {
            first,
            longest,
            all,
        } = self.patience;
        let mut tries = Tries::new(first, longest, Some(all));
        loop {
            let error = match link.upsert(&self.tables, tables).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if !error.is_transient() {
                return Err(error);
            }
            let Some(wait) = tries.next_wait() else {
                return Err(error);
            };
            self.context.count("fulmar_cassandra_retries_total", 1);
            tokio::time::sleep(wait).await;
        }
    }
}
