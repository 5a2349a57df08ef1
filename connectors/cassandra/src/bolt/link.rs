//! The asynchronous side of the bolt: one runtime and one client of a worker process for each store, shared by its
//! tasks, and the writing of one batch.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use fulmar_api::Result;
use fulmar_api::context::TaskContext;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, OnceCell};

use super::writer::Writer;
use crate::error::StoreError;
use crate::row::{Row, Table};
use crate::store::{Store, connect};

/// Where a bolt writes to.
#[derive(Clone)]
pub(super) enum Target {
    /// The store at an address.
    Url(String),
    /// A store that is there.
    Store(Arc<dyn Store>),
}

/// A store and the threads that speak to it.
pub(super) struct Link {
    /// Taken only when this is dropped.
    runtime: Option<Runtime>,
    target: Target,
    store: OnceCell<Arc<dyn Store>>,
    /// Tables that are known to be there.
    ensured: Mutex<Vec<&'static Table>>,
}

impl Link {
    /// The worker's link to a target.
    pub(super) fn shared(context: &TaskContext, target: &Target) -> Result<Arc<Self>> {
        let name = match target {
            Target::Url(url) => format!("cassandra-link {url}"),
            Target::Store(store) => format!("cassandra-link {:p}", Arc::as_ptr(store)),
        };
        context.shared.get_or_make(&name, || {
            // Its work is small and asynchronous: one thread drives thousands of writes.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("fulmar-store")
                .enable_all()
                .build()?;
            Ok(Arc::new(Self {
                runtime: Some(runtime),
                target: target.clone(),
                store: OnceCell::new(),
                ensured: Mutex::new(Vec::new()),
            }))
        })
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    /// Waits until none of a task's batches runs, at most so long; for threads that are not this runtime's.
    pub(super) fn wait_for(&self, writer: &Arc<Writer>, most: Duration) -> bool {
        let (done, waited) = mpsc::channel();
        let writer = writer.clone();
        self.spawn(async move {
            // Closed never; that all are free is all that is asked.
            let all = writer.permits.acquire_many(writer.inflight).await;
            drop(all);
            // Nobody waits any more after `most`.
            let _ = done.send(());
        });
        waited.recv_timeout(most).is_ok()
    }

    /// The store, connected to, with these tables in it.
    async fn store(&self, tables: &[&'static Table]) -> Result<Arc<dyn Store>, StoreError> {
        let store = self
            .store
            .get_or_try_init(|| async {
                match &self.target {
                    Target::Url(url) => connect(url).await,
                    Target::Store(store) => Ok(store.clone()),
                }
            })
            .await?;
        let mut ensured = self.ensured.lock().await;
        if !tables.iter().all(|t| ensured.contains(t)) {
            store.ensure(tables).await?;
            ensured.extend(tables);
        }
        Ok(store.clone())
    }

    pub(super) async fn upsert(
        &self,
        tables: &[&'static Table],
        rows: &[(&'static Table, Vec<Row>)],
    ) -> Result<(), StoreError> {
        let store = self.store(tables).await?;
        for (table, rows) in rows {
            store.upsert(table, rows).await?;
        }
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The last holder may be a task of this very runtime, which must not wait for itself.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
