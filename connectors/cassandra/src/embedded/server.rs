//! The embedded store's server: gRPC in front of the writer and the disk.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fulmar_proto::store::store_server::{Store as Service, StoreServer};
use fulmar_proto::store::{
    EnsureReply, EnsureRequest, SelectChunk, SelectRequest, StoredRow, UpsertReply, UpsertRequest,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status};

use super::disk::{Disk, DiskError};
use super::writer::{self, Job};
use crate::error::StoreError;

/// Largest message in bytes, either way; clients split what is more.
pub const MESSAGE: usize = 16 << 20;
/// Rows of one chunk of an answer.
const CHUNK: usize = 512;

/// Serves the store of a folder on a listener until `shutdown` is done and what had come in is written.
///
/// # Errors
/// [`StoreError::Serve`]: the folder cannot be used, or the listener breaks.
pub async fn run(
    dir: &Path,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), StoreError> {
    run_telling(dir, listener, shutdown, || ()).await
}

/// As [`run`], and calls `ready` when the folder is open and requests are taken.
///
/// # Errors
/// As [`run`].
pub async fn run_telling(
    dir: &Path,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
    ready: impl FnOnce() + Send,
) -> Result<(), StoreError> {
    let serve_error = |problem: String| StoreError::Serve {
        dir: dir.display().to_string(),
        problem,
    };
    let disk = Disk::open(dir).map_err(|error| serve_error(text(&error)))?;
    let disk = Arc::new(disk);
    let (jobs, thread) = writer::start(disk.clone()).map_err(|e| serve_error(e.to_string()))?;
    let sweeper = tokio::spawn(sweep(jobs.clone()));
    ready();
    let service = StoreServer::new(Door { disk, jobs })
        .max_decoding_message_size(MESSAGE)
        .max_encoding_message_size(MESSAGE);
    let served = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .add_service(service)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown)
        .await;
    sweeper.abort();
    // The last sender goes with the sweeper; the writer then ends what has queued.
    drop(sweeper.await);
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    if !matches!(joined, Ok(Ok(()))) {
        return Err(serve_error("the writing thread panicked".to_owned()));
    }
    served.map_err(|e| serve_error(format!("cannot serve: {e}")))
}

async fn sweep(jobs: mpsc::Sender<Job>) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        // A queue that is full has better to do.
        if let Err(mpsc::error::TrySendError::Closed(_)) = jobs.try_send(Job::Sweep) {
            return;
        }
    }
}

struct Door {
    disk: Arc<Disk>,
    jobs: mpsc::Sender<Job>,
}

impl Door {
    async fn ask(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<(), DiskError>>) -> Job,
    ) -> Result<(), Status> {
        let (reply, answer) = oneshot::channel();
        let gone = || Status::unavailable("the store is stopping");
        self.jobs.send(job(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?.map_err(|e| status(&e))
    }
}

#[tonic::async_trait]
impl Service for Door {
    async fn ensure(
        &self,
        request: Request<EnsureRequest>,
    ) -> Result<Response<EnsureReply>, Status> {
        let tables = request.into_inner().tables;
        self.ask(|reply| Job::Ensure(tables, reply)).await?;
        Ok(Response::new(EnsureReply {}))
    }

    async fn upsert(
        &self,
        request: Request<UpsertRequest>,
    ) -> Result<Response<UpsertReply>, Status> {
        let request = request.into_inner();
        self.ask(|reply| Job::Upsert(request, reply)).await?;
        Ok(Response::new(UpsertReply {}))
    }

    type SelectStream = Pin<Box<dyn Stream<Item = Result<SelectChunk, Status>> + Send>>;

    async fn select(
        &self,
        request: Request<SelectRequest>,
    ) -> Result<Response<Self::SelectStream>, Status> {
        let request = request.into_inner();
        let disk = self.disk.clone();
        let (chunks, stream) = mpsc::channel(4);
        tokio::task::spawn_blocking(move || {
            let mut rows: Vec<StoredRow> = Vec::with_capacity(CHUNK);
            let read = disk.select(&request, writer::now_s(), |row| {
                rows.push(row);
                rows.len() < CHUNK || {
                    let rows = std::mem::take(&mut rows);
                    chunks.blocking_send(Ok(SelectChunk { rows })).is_ok()
                }
            });
            // A client that went away needs no last chunk.
            drop(chunks.blocking_send(match read {
                Ok(()) => Ok(SelectChunk { rows }),
                Err(error) => Err(status(&error)),
            }));
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

fn text(error: &DiskError) -> String {
    match error {
        DiskError::Full(problem) => format!("the disk is full: {problem}"),
        DiskError::Failed(problem) => problem.clone(),
        DiskError::NoTable(table) => format!("there is no table {table}: make it with ensure"),
        DiskError::Shape { table, problem } => {
            format!("table {table} has other columns: {problem}")
        }
    }
}

fn status(error: &DiskError) -> Status {
    let text = text(error);
    match error {
        DiskError::Full(_) => Status::resource_exhausted(text),
        DiskError::Failed(_) => Status::unavailable(text),
        DiskError::NoTable(_) => Status::not_found(text),
        DiskError::Shape { problem, .. } => Status::failed_precondition(problem.clone()),
    }
}
