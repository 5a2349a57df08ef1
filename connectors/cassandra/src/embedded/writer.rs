//! The one thread that writes: whatever has queued up while the last transaction went to disk becomes the next one.
//!
//! A transaction costs a sync of the disk, a row in it microseconds; so the rate grows with the number of requests
//! that wait, and a single one waits for one sync only.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use fulmar_proto::store::{TableShape, UpsertRequest};
use tokio::sync::{mpsc, oneshot};

use super::disk::{Disk, DiskError};

/// Requests that may wait; more wait in their connections.
const QUEUE: usize = 256;
/// Rows of one transaction.
const GROUP: usize = 20_000;
/// Rows looked at by one step of the sweep.
const SWEEP: usize = 2_000;

/// Something to write.
pub enum Job {
    /// Rows.
    Upsert(UpsertRequest, oneshot::Sender<Result<(), DiskError>>),
    /// Tables.
    Ensure(Vec<TableShape>, oneshot::Sender<Result<(), DiskError>>),
    /// A step of the removal of rows that vanished.
    Sweep,
}

/// Starts the thread; it ends when all senders are gone and the queue is empty.
///
/// # Errors
/// The system starts no thread.
pub fn start(disk: Arc<Disk>) -> std::io::Result<(mpsc::Sender<Job>, std::thread::JoinHandle<()>)> {
    let (jobs, queue) = mpsc::channel(QUEUE);
    let thread = std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || Writer { disk, cursor: None }.run(queue))?;
    Ok((jobs, thread))
}

/// Seconds since the epoch.
pub fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

struct Writer {
    disk: Arc<Disk>,
    cursor: Option<(String, Vec<u8>)>,
}

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut next = queue.blocking_recv();
        while let Some(job) = next.take() {
            match job {
                Job::Ensure(shapes, reply) => drop(reply.send(self.disk.ensure(&shapes))),
                Job::Sweep => self.sweep(),
                Job::Upsert(request, reply) => next = self.group(request, reply, &mut queue),
            }
            if next.is_none() {
                next = queue.blocking_recv();
            }
        }
    }

    /// Writes a request with all that wait behind it; answers a job of another kind that came between.
    fn group(
        &self,
        request: UpsertRequest,
        reply: oneshot::Sender<Result<(), DiskError>>,
        queue: &mut mpsc::Receiver<Job>,
    ) -> Option<Job> {
        let mut rows = request.rows.len();
        let (mut requests, mut replies) = (vec![request], vec![reply]);
        let mut other = None;
        while rows < GROUP
            && let Ok(job) = queue.try_recv()
        {
            match job {
                Job::Upsert(request, reply) => {
                    rows += request.rows.len();
                    requests.push(request);
                    replies.push(reply);
                }
                job => {
                    other = Some(job);
                    break;
                }
            }
        }
        let now = now_s();
        match self.disk.upsert(&requests, now) {
            // One request for a table that is not there must not fail its neighbours.
            Err(DiskError::NoTable(_)) if requests.len() > 1 => {
                for (request, reply) in requests.iter().zip(replies) {
                    let alone = std::slice::from_ref(request);
                    drop(reply.send(self.disk.upsert(alone, now)));
                }
            }
            result => replies
                .into_iter()
                .for_each(|reply| drop(reply.send(result.clone()))),
        }
        other
    }

    fn sweep(&mut self) {
        match self.disk.sweep(self.cursor.take(), SWEEP, now_s()) {
            Ok(cursor) => self.cursor = cursor,
            Err(error) => tracing::warn!(?error, "cannot remove rows that have vanished"),
        }
    }
}
