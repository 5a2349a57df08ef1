//! What peers send here: each numbered frame is taken once, and confirmed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::frame::{self, Frame, PROTOCOL};
use super::link::Frames;
use super::{Heard, Net};
use crate::batch::Batch;
use crate::limits::{PEER_SILENT_MS, PING_MS};
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
    let (read, mut write) = stream.into_split();
    let mut frames = Frames {
        read,
        bytes: Vec::new(),
    };
    let Frame::Hello {
        protocol,
        topology,
        from,
        to,
        epoch,
    } = frames.next().await?
    else {
        return Err("does not begin with a hello".to_owned());
    };
    if protocol != PROTOCOL || topology != net.topology {
        return Err(format!(
            "speaks protocol {protocol} for topology {topology}"
        ));
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
        (heard.received, heard.connection)
    };
    let welcome = Frame::Welcome {
        incarnation: net.incarnation,
        received,
    };
    let mut bytes = Vec::new();
    frame::encode(&welcome, &mut bytes).map_err(|e| e.to_string())?;
    write.write_all(&bytes).await.map_err(|e| e.to_string())?;
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
    mut read: OwnedReadHalf,
    mut bytes: Vec<u8>,
    mut write: OwnedWriteHalf,
) -> Result<(), String> {
    let mut ping = interval(Duration::from_millis(PING_MS));
    ping.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let silent = Duration::from_millis(PEER_SILENT_MS);
    let mut answer = Vec::new();
    loop {
        let mut at = 0;
        let mut newest = None;
        while let Some((frame, used)) = frame::decode(&bytes[at..]).map_err(|e| e.to_string())? {
            at += used;
            if let Frame::Goodbye = frame {
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
                newest = Some(number);
                if fresh {
                    handle(net, from, frame);
                }
            }
        }
        bytes.drain(..at);
        if let Some(number) = newest {
            answer.clear();
            frame::encode(&Frame::Confirm(number), &mut answer).map_err(|e| e.to_string())?;
            write.write_all(&answer).await.map_err(|e| e.to_string())?;
        }
        bytes.reserve(READ);
        tokio::select! {
            n = timeout(silent, read.read_buf(&mut bytes)) => match n {
                Ok(Ok(0)) => return Err("closed".to_owned()),
                Ok(Ok(_)) => {}
                Ok(Err(e)) => return Err(e.to_string()),
                Err(_) => return Err("silent for a second".to_owned()),
            },
            _ = ping.tick() => {
                answer.clear();
                frame::encode(&Frame::Ping, &mut answer).map_err(|e| e.to_string())?;
                write.write_all(&answer).await.map_err(|e| e.to_string())?;
            }
        }
    }
}

fn number_of(frame: &Frame) -> Option<u64> {
    match frame {
        Frame::Batch(n, _) | Frame::Settles(n, _) | Frame::Credit(n, ..) => Some(*n),
        _ => None,
    }
}

fn handle(net: &Net, from: u64, frame: Frame) {
    match frame {
        Frame::Batch(_, mut batch) => {
            batch.origin = from;
            tuples(net, batch);
        }
        Frame::Settles(_, settles) => net.route(settles),
        // Credit of an owner of before is no credit.
        Frame::Credit(_, task, tuples) if net.owner(task) == from => {
            net.shared.unqueue(task, tuples as usize);
        }
        _ => {}
    }
}

fn tuples(net: &Net, batch: Batch) {
    let plan = &net.shared.plan;
    let known = plan
        .edges
        .get(batch.edge as usize)
        .is_some_and(|e| e.targets.contains(&batch.to));
    let (to, origin, len) = (batch.to, batch.origin, batch.len);
    let Some(core) = net.shared.core(to).filter(|_| known) else {
        net.fail(&batch, "misrouted");
        return net.consumed(to, origin, len);
    };
    net.shared.queued[to as usize].fetch_add(len, Ordering::Relaxed);
    net.shared.cores[core].send(Msg::Batch(batch));
}
