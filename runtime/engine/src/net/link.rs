//! One outgoing link: connect, say hello, send what is kept, hear confirmations.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::frame::{self, Frame, OLDEST};
use super::tls::{Read, Write};
use super::{Net, Peer};
use crate::limits::{PEER_SILENT_MS, PING_MS};
use crate::shared::lock;

const SILENT: Duration = Duration::from_millis(PEER_SILENT_MS);
const PING: Duration = Duration::from_millis(PING_MS);
/// Bytes given to the socket at once.
const WRITE: usize = 256 << 10;

/// Why a session ended.
enum End {
    /// No assignment names the peer any more.
    Closed,
    /// Nobody or somebody else is there.
    Gone(String),
    /// Cut off or silent; the peer may be there still.
    Cut(String),
}

/// Keeps the link to one peer until no assignment names it.
pub async fn run(net: Arc<Net>, peer: Arc<Peer>) {
    let mut cut_since: Option<Instant> = None;
    loop {
        let heard = Instant::now();
        let end = session(&net, &peer).await;
        let was_connected = peer.connected.swap(false, Ordering::AcqRel);
        if peer.is_closed() {
            if peer.unlink() {
                return;
            }
            continue;
        }
        match end {
            // It was named again after the goodbye.
            End::Closed => {}
            End::Gone(why) => net.lose(&peer, &why),
            End::Cut(why) => {
                let since =
                    *cut_since.get_or_insert(if was_connected { Instant::now() } else { heard });
                if since.elapsed() >= SILENT || why == SILENCE {
                    net.lose(&peer, &why);
                }
            }
        }
        if was_connected {
            cut_since = None;
        }
        // A short pause between attempts: a refused connect comes back at once.
        tokio::select! {
            () = peer.wake.notified(), if peer.is_closed() => {}
            () = tokio::time::sleep(PING / 4) => {}
        }
    }
}

const SILENCE: &str = "silent for a second";

async fn session(net: &Net, peer: &Peer) -> End {
    let address = lock(&peer.address).clone();
    let stream = match timeout(SILENT, TcpStream::connect(&address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) if e.kind() == io::ErrorKind::ConnectionRefused => {
            return End::Gone("its address refuses a connection".to_owned());
        }
        Ok(Err(e)) => return End::Cut(e.to_string()),
        Err(_) => return End::Cut(SILENCE.to_owned()),
    };
    // Latency matters more than packets; a socket without it works too.
    let _ = stream.set_nodelay(true);
    let greeted = timeout(SILENT, net.tls.connect(stream, &address)).await;
    let (read, mut write) = match greeted {
        Ok(Ok(halves)) => halves,
        // Who shows no certificate that is trusted here is somebody else.
        Ok(Err(e)) if e.kind() == io::ErrorKind::InvalidData => return End::Gone(e.to_string()),
        Ok(Err(e)) => return End::Cut(e.to_string()),
        Err(_) => return End::Cut(SILENCE.to_owned()),
    };
    // From here on settles are kept for it. Those that were dropped until now belong to roots that were
    // emitted before it hears of this epoch, and fail by that.
    let again = peer.down.swap(false, Ordering::AcqRel);
    let epoch = peer.epoch.load(Ordering::Acquire);
    let mut reader = Frames {
        read,
        bytes: Vec::new(),
    };
    if let Err(end) = greet(net, peer, epoch, &mut write, &mut reader).await {
        if again {
            net.give_up(peer);
        }
        return end;
    }
    if again {
        tracing::info!(peer = peer.incarnation, "found a lost worker again");
    }
    net.found(peer.incarnation);
    peer.connected.store(true, Ordering::Release);
    tokio::select! {
        end = send(peer, epoch, &mut write) => end,
        end = hear(peer, &mut reader) => end,
    }
}

/// Says hello and hears who is there and what it has.
async fn greet(
    net: &Net,
    peer: &Peer,
    epoch: u64,
    write: &mut Write,
    reader: &mut Frames,
) -> Result<(), End> {
    let mut hello = Vec::new();
    let frame = Frame::Hello {
        oldest: OLDEST,
        newest: net.newest,
        topology: net.topology.clone(),
        from: net.incarnation,
        to: peer.incarnation,
        epoch,
    };
    if frame::encode(&frame, &mut hello).is_err() {
        return Err(End::Gone("the topology's id is too long".to_owned()));
    }
    let sent = send_all(write, &hello).await;
    sent.map_err(|e| End::Cut(e.to_string()))?;
    match reader.next().await.map_err(End::Cut)? {
        Frame::Welcome {
            incarnation,
            received,
            protocol,
        } if incarnation == peer.incarnation => {
            let mut out = lock(&peer.out);
            out.rewind(received);
            out.speak(protocol);
            Ok(())
        }
        Frame::Welcome { incarnation, .. } => {
            let who = format!("incarnation {incarnation} answers there");
            Err(End::Gone(who))
        }
        Frame::Refused(why) => Err(End::Gone(why)),
        _ => Err(End::Gone("answers with what is no welcome".to_owned())),
    }
}

async fn send(peer: &Peer, epoch: u64, write: &mut Write) -> End {
    let (mut frames, mut bytes) = (Vec::new(), Vec::with_capacity(2 * WRITE));
    loop {
        if peer.epoch.load(Ordering::Acquire) != epoch {
            return End::Cut("it was given up".to_owned());
        }
        bytes.clear();
        // Under the lock only handles are taken: cores wait for it.
        lock(&peer.out).take(WRITE, &mut frames);
        for frame in frames.drain(..) {
            bytes.extend_from_slice(&frame);
        }
        if bytes.is_empty() {
            if peer.is_closed() {
                let mut goodbye = Vec::new();
                let _ = frame::encode(&Frame::Goodbye, &mut goodbye);
                let _ = send_all(write, &goodbye).await;
                let _ = write.shutdown().await;
                return End::Closed;
            }
            if timeout(PING, peer.wake.notified()).await.is_ok() {
                continue;
            }
            let _ = frame::encode(&Frame::Ping, &mut bytes);
        }
        if let Err(e) = send_all(write, &bytes).await {
            return End::Cut(e.to_string());
        }
        if bytes.capacity() > 8 * WRITE {
            bytes = Vec::with_capacity(2 * WRITE);
        }
    }
}

/// Writes, and leaves nothing in TLS's buffers.
pub async fn send_all(write: &mut Write, bytes: &[u8]) -> io::Result<()> {
    write.write_all(bytes).await?;
    write.flush().await
}

async fn hear(peer: &Peer, reader: &mut Frames) -> End {
    loop {
        match reader.next().await {
            Ok(Frame::Confirm(number)) => lock(&peer.out).confirm(number),
            Ok(_) => {}
            Err(e) => return End::Cut(e),
        }
    }
}

/// Frames read from a socket; a second of silence is an error.
pub struct Frames {
    /// The socket.
    pub read: Read,
    /// Bytes of frames that are not complete.
    pub bytes: Vec<u8>,
}

impl Frames {
    /// The next frame.
    ///
    /// # Errors
    /// The connection ended or is silent, or the bytes are no frame; in words.
    pub async fn next(&mut self) -> Result<Frame, String> {
        loop {
            if let Some((frame, used)) = frame::decode(&self.bytes).map_err(|e| e.to_string())? {
                self.bytes.drain(..used);
                return Ok(frame);
            }
            match timeout(SILENT, self.read.read_buf(&mut self.bytes)).await {
                Ok(Ok(0)) => return Err("the connection was closed".to_owned()),
                Ok(Ok(_)) => {}
                Ok(Err(e)) => return Err(e.to_string()),
                Err(_) => return Err(SILENCE.to_owned()),
            }
        }
    }
}
