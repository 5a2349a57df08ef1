//! What peers send here: each numbered frame is taken once, and confirmed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fulmar_api::TaskId;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::frame::{self, Frame, OLDEST};
use super::link::{Frames, send_all};
use super::packed::Packed;
use super::tls::{Read, Write};
use super::{Heard, Net};
use crate::batch::Batch;
use crate::limits::{CONFIRM_BYTES, CONFIRM_MS, PEER_SILENT_MS, PING_MS};
use crate::shared::{Msg, Remote, lock};

/// Bytes read at once.
const READ: usize = 256 << 10;

/// Accepts peers for as long as the worker lives.
pub async fn listen(net: Arc<Net>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let net = net.clone();
                tokio::spawn(async move {
                    if let Err(why) = serve(&net, stream).await {
                        tracing::debug!(%from, why, "a peer's connection ended");
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, for example: others may end soon.
                tracing::warn!(%error, "cannot accept a peer");
                tokio::time::sleep(Duration::from_millis(PING_MS)).await;
            }
        }
    }
}

async fn serve(net: &Net, stream: TcpStream) -> Result<(), String> {
    let _ = stream.set_nodelay(true);
    let silent = Duration::from_millis(PEER_SILENT_MS);
    let (read, mut write) = timeout(silent, net.tls.accept(stream))
        .await
        .map_err(|e| e.to_string())?
        .map_err(|e| e.to_string())?;
    let mut frames = Frames {
        read,
        bytes: Vec::new(),
    };
    let Frame::Hello {
        oldest,
        newest,
        topology,
        from,
        to,
        epoch,
    } = frames.next().await?
    else {
        return Err("does not begin with a hello".to_owned());
    };
    let protocol = newest.min(net.newest);
    if protocol < oldest.max(OLDEST) || topology != net.topology {
        let why = format!(
            "speaks versions {oldest} to {newest} of the exchange for topology {topology}; here it is {OLDEST} to {} for {}: \
             submit the topology anew, so that its workers run programs of neighbouring versions",
            net.newest, net.topology
        );
        tracing::warn!(peer = from, why, "a worker is not spoken to");
        let mut bytes = Vec::new();
        frame::encode(&Frame::Refused(why.clone()), &mut bytes).map_err(|e| e.to_string())?;
        send_all(&mut write, &bytes)
            .await
            .map_err(|e| e.to_string())?;
        return Err(why);
    }
    let heard = net.heard.entry(from).or_default().clone();
    let (received, connection) = {
        let mut heard = lock(&heard);
        if heard.epoch < epoch {
            // It gave this worker up: its settles and credit of before are gone.
            heard.epoch = epoch;
            net.forget(from);
            net.found(from);
        }
        heard.connection += 1;
        heard.goodbye = false;
        (heard.received, heard.connection)
    };
    let welcome = Frame::Welcome {
        incarnation: net.incarnation,
        received,
        protocol,
    };
    let mut bytes = Vec::new();
    frame::encode(&welcome, &mut bytes).map_err(|e| e.to_string())?;
    send_all(&mut write, &bytes)
        .await
        .map_err(|e| e.to_string())?;
    if to != net.incarnation {
        return Err(format!("looks for incarnation {to}"));
    }
    let Frames { read, bytes } = frames;
    take_in(net, from, (&heard, connection), read, bytes, write).await
}

async fn take_in(
    net: &Net,
    from: u64,
    (heard, connection): (&Mutex<Heard>, u64),
    mut read: Read,
    mut bytes: Vec<u8>,
    mut write: Write,
) -> Result<(), String> {
    let mut ping = interval(Duration::from_millis(PING_MS));
    ping.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let silent = Duration::from_millis(PEER_SILENT_MS);
    let mut confirms = Confirms::default();
    loop {
        let mut at = 0;
        while let Some((frame, used)) = frame::decode(&bytes[at..]).map_err(|e| e.to_string())? {
            at += used;
            if let Frame::Goodbye = frame {
                lock(heard).goodbye = true;
                return Ok(());
            }
            if let Some(number) = number_of(&frame) {
                let fresh = {
                    let mut heard = lock(heard);
                    if heard.connection != connection {
                        return Err("it has connected anew".to_owned());
                    }
                    let fresh = number > heard.received;
                    heard.received = heard.received.max(number);
                    fresh
                };
                confirms.add(number);
                if fresh {
                    handle(net, from, frame);
                }
            }
        }
        confirms.bytes += at;
        bytes.drain(..at);
        if confirms.bytes >= CONFIRM_BYTES {
            confirms.send(&mut write).await?;
        }
        bytes.reserve(READ);
        let due = confirms.due;
        tokio::select! {
            n = timeout(silent, read.read_buf(&mut bytes)) => match n {
                Ok(Ok(0)) => return Err("closed".to_owned()),
                Ok(Ok(_)) => {}
                Ok(Err(e)) => return Err(e.to_string()),
                Err(_) => return Err("silent for a second".to_owned()),
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                confirms.send(&mut write).await?;
            }
            _ = ping.tick() => {
                let mut ping = Vec::new();
                frame::encode(&Frame::Ping, &mut ping).map_err(|e| e.to_string())?;
                send_all(&mut write, &ping).await.map_err(|e| e.to_string())?;
            }
        }
    }
}

/// What has arrived and is not confirmed yet: each confirmation is a call of the kernel, and wakes the
/// sender.
#[derive(Default)]
struct Confirms {
    newest: u64,
    bytes: usize,
    due: Option<Instant>,
}

impl Confirms {
    fn add(&mut self, number: u64) {
        self.newest = self.newest.max(number);
        let due = || Instant::now() + Duration::from_millis(CONFIRM_MS);
        self.due.get_or_insert_with(due);
    }

    async fn send(&mut self, write: &mut Write) -> Result<(), String> {
        (self.bytes, self.due) = (0, None);
        let mut bytes = Vec::new();
        frame::encode(&Frame::Confirm(self.newest), &mut bytes).map_err(|e| e.to_string())?;
        send_all(write, &bytes).await.map_err(|e| e.to_string())
    }
}

fn number_of(frame: &Frame) -> Option<u64> {
    match frame {
        Frame::Batch(n, _) | Frame::Packed(n, _) | Frame::Settles(n, _) | Frame::Credit(n, ..) => {
            Some(*n)
        }
        _ => None,
    }
}

fn handle(net: &Net, from: u64, frame: Frame) {
    match frame {
        Frame::Batch(_, mut batch) => {
            batch.origin = from;
            tuples(net, batch);
        }
        Frame::Packed(_, mut packed) => {
            packed.origin = from;
            packed_tuples(net, packed);
        }
        Frame::Settles(_, settles) => {
            net.route(settles);
            net.flush();
        }
        // Credit of an owner of before is no credit.
        Frame::Credit(_, task, tuples) if net.owner(task) == from => {
            net.shared.unqueue(task, tuples as usize);
        }
        _ => {}
    }
}

fn tuples(net: &Net, batch: Batch) {
    let (to, len) = (batch.to, batch.len);
    match core_for(net, batch.edge, to) {
        Some(core) => {
            net.shared.queued[to as usize].fetch_add(len, Ordering::Relaxed);
            net.shared.cores[core].send(Msg::Batch(batch));
        }
        None => misrouted(net, &batch),
    }
}

fn packed_tuples(net: &Net, packed: Packed) {
    let (to, len) = (packed.to, packed.len);
    match core_for(net, packed.edge, to) {
        Some(core) => {
            net.shared.queued[to as usize].fetch_add(len, Ordering::Relaxed);
            net.shared.cores[core].send(Msg::Packed(Box::new(packed)));
        }
        None => {
            let mut batch = Batch::default();
            match packed.unpack(&mut batch) {
                Ok(()) => misrouted(net, &batch),
                Err(error) => net.shared.malformed(&packed, &error),
            }
        }
    }
}

/// The core of a task that listens to the edge, if it is here.
fn core_for(net: &Net, edge: u32, to: TaskId) -> Option<usize> {
    let edge = net.shared.plan.edges.get(edge as usize)?;
    let known = edge.targets.contains(&to);
    net.shared.core(to).filter(|_| known)
}

fn misrouted(net: &Net, batch: &Batch) {
    net.fail(batch, "misrouted");
    net.consumed(batch.to, batch.origin, batch.len);
    net.flush();
}
