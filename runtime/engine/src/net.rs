//! Messaging between the workers of one topology (DESIGN 3.7).
//!
//! A worker connects to every peer that an assignment names and sends on its own connection; the peer
//! confirms on the same one. Who refuses, answers as somebody else, or is silent for a second is
//! *lost*: what was under way to it fails at once. The link then tries on, so that two workers that
//! were parted for a while find each other again, with a new epoch that tells the peer of the loss: its
//! roots that were emitted before it heard of the epoch and touched this worker fail, since their settles
//! may be among what was dropped (DESIGN 3.7 has the peer take a new incarnation; only Nimbus names those).

pub mod frame;
mod incoming;
mod link;
pub mod outgoing;
pub mod packed;
mod tls;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use crossbeam::queue::SegQueue;
use dashmap::DashMap;
use fulmar_api::TaskId;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::batch::{Batch, Settle};
use crate::limits::{FLUSH_BYTES, OWED_MOST, PARTED_MOST};
use crate::net::frame::NEWEST;
use crate::net::outgoing::Outgoing;
use crate::net::tls::Tls;
use crate::shared::{Msg, Remote, Shared, lock};
use crate::worker::bit_of;

/// The way to one peer.
struct Peer {
    incarnation: u64,
    address: Mutex<String>,
    out: Mutex<Outgoing>,
    wake: Notify,
    /// Something waits for it until a core has nothing else to do.
    dirty: AtomicBool,
    /// Lost, or not reached yet after a loss: what is for it fails at once.
    down: AtomicBool,
    connected: AtomicBool,
    /// The newest assignment does not name it.
    closed: AtomicBool,
    /// A link keeps it.
    linked: AtomicBool,
    epoch: AtomicU64,
}

impl Peer {
    fn new(incarnation: u64) -> Self {
        Self {
            incarnation,
            address: Mutex::default(),
            out: Mutex::default(),
            wake: Notify::new(),
            dirty: AtomicBool::new(false),
            down: AtomicBool::new(false),
            connected: AtomicBool::new(false),
            closed: AtomicBool::new(true),
            linked: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Ends its link, once everything is sent.
    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    /// Whether its link, which ends, is really to end: an assignment may have named it again meanwhile.
    fn unlink(&self) -> bool {
        self.linked.store(false, Ordering::SeqCst);
        self.is_closed() || self.linked.swap(true, Ordering::SeqCst)
    }
}

/// What came from one peer.
#[derive(Clone, Copy, Default)]
struct Heard {
    epoch: u64,
    /// Number of its newest frame.
    received: u64,
    /// Counts its connections: frames of an older one are no news.
    connection: u64,
    /// Its last connection ended with a goodbye: everything was confirmed, and its end is no loss.
    goodbye: bool,
}

/// This worker's links.
pub struct Net {
    shared: Arc<Shared>,
    topology: String,
    incarnation: u64,
    /// Newest version of the exchange that it speaks.
    newest: u32,
    tls: Tls,
    /// Peers for which something waits.
    dirty: SegQueue<Arc<Peer>>,
    /// Task id → incarnation of its owner; 0: nobody yet.
    owners: RwLock<Vec<u64>>,
    /// Also those that the newest assignment does not name (closed), with what is on its way to them. One that is named again
    /// goes on with it: the other side counts frames, and would take a fresh start for repetitions.
    peers: DashMap<u64, Arc<Peer>>,
    heard: DashMap<u64, Arc<Mutex<Heard>>>,
    lost: Mutex<Vec<u64>>,
    /// Incarnation → task → tuples: credit of workers that sent something before an assignment named them here.
    owed: Mutex<BTreeMap<u64, BTreeMap<TaskId, usize>>>,
    handle: Handle,
}

impl Net {
    /// Starts to listen and becomes the worker's way to others.
    ///
    /// # Errors
    /// The listener cannot be used by tokio, or TLS between workers is asked for and cannot be had.
    pub fn start(
        handle: &Handle,
        listener: TcpListener,
        shared: Arc<Shared>,
        topology: String,
        incarnation: u64,
    ) -> std::io::Result<Arc<Self>> {
        Self::start_speaking(handle, listener, shared, topology, incarnation, NEWEST)
    }

    /// The same, but no newer version of the exchange than this: for tests of the two last ones.
    ///
    /// # Errors
    /// The listener cannot be used by tokio.
    pub fn start_speaking(
        handle: &Handle,
        listener: TcpListener,
        shared: Arc<Shared>,
        topology: String,
        incarnation: u64,
        newest: u32,
    ) -> std::io::Result<Arc<Self>> {
        listener.set_nonblocking(true)?;
        let tls = Tls::of(&shared.plan.spec.conf)?;
        let owners = RwLock::new(vec![0; shared.queued.len()]);
        let net = Arc::new(Self {
            shared,
            topology,
            incarnation,
            newest,
            tls,
            dirty: SegQueue::new(),
            owners,
            peers: DashMap::new(),
            heard: DashMap::new(),
            lost: Mutex::default(),
            owed: Mutex::default(),
            handle: handle.clone(),
        });
        let listener = {
            let _in_runtime = handle.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        handle.spawn(incoming::listen(net.clone(), listener));
        // The first to be set stays: a worker has one net.
        let _ = net.shared.remote.set(net.clone());
        Ok(net)
    }

    /// Takes over who owns what (task id → incarnation) and where the peers are.
    pub fn place(self: &Arc<Self>, owners: Vec<u64>, peers: &[(u64, String)]) {
        {
            let mut current = self.owners.write().unwrap_or_else(|e| e.into_inner());
            for (task, (old, new)) in current.iter().zip(&owners).enumerate() {
                // What the old owner had queued is no business of the new one.
                if old != new && self.shared.core(task as TaskId).is_none() {
                    self.shared.queued[task].store(0, Ordering::Relaxed);
                }
            }
            *current = owners;
        }
        for (incarnation, address) in peers.iter().filter(|p| p.0 != self.incarnation) {
            self.name(*incarnation, address);
        }
        for peer in &self.peers {
            if !peer.is_closed() && !peers.iter().any(|p| p.0 == peer.incarnation) {
                peer.close();
            }
        }
        self.forget_the_oldest();
    }

    /// Links this worker to a peer that the assignment names.
    fn name(self: &Arc<Self>, incarnation: u64, address: &str) {
        let peer = {
            // What is owed is looked at before the peer can be found: who consumes meanwhile waits.
            let mut owed = lock(&self.owed);
            let new = || Arc::new(Peer::new(incarnation));
            let peer = self.peers.entry(incarnation).or_insert_with(new).clone();
            for (task, tuples) in owed.remove(&incarnation).into_iter().flatten() {
                lock(&peer.out).credit(task, tuples);
            }
            peer
        };
        address.clone_into(&mut lock(&peer.address));
        peer.closed.store(false, Ordering::SeqCst);
        if !peer.linked.swap(true, Ordering::SeqCst) {
            self.handle.spawn(link::run(self.clone(), peer));
        }
    }

    /// Of peers that are not named, so many are remembered.
    fn forget_the_oldest(&self) {
        let closed = self.peers.iter().filter(|p| p.is_closed());
        let mut closed: Vec<u64> = closed.map(|p| p.incarnation).collect();
        if closed.len() > PARTED_MOST {
            // Incarnations grow with time: the oldest is the least likely to come back.
            closed.sort_unstable();
            for incarnation in &closed[..closed.len() - PARTED_MOST] {
                self.peers.remove_if(incarnation, |_, p| p.is_closed());
            }
        }
    }

    /// Nimbus says that these incarnations are lost. The assignment that says so has often parted them from us already: who
    /// took over is named in it instead.
    pub fn declare_lost(&self, incarnations: &[u64]) {
        for incarnation in incarnations {
            let peer = self.peers.get(incarnation).map(|p| p.clone());
            let retired = self
                .heard
                .get(incarnation)
                .is_some_and(|h| lock(&h).goodbye);
            if let Some(peer) = peer.filter(|p| !(p.is_closed() && retired)) {
                self.lose(&peer, "Nimbus says so");
            }
        }
    }

    /// Whether every named peer is connected.
    pub fn connected(&self) -> bool {
        self.peers
            .iter()
            .all(|p| p.is_closed() || p.connected.load(Ordering::Acquire))
    }

    /// Incarnations found lost since the last call.
    pub fn take_lost(&self) -> Vec<u64> {
        std::mem::take(&mut *lock(&self.lost))
    }

    /// Waits until all that was sent is confirmed and says goodbye, or until the time is over.
    pub async fn retire(&self, most: Duration) {
        let named = self.peers.iter().filter(|p| !p.is_closed());
        let all: Vec<_> = named.map(|p| p.clone()).collect();
        let quiet = async {
            let mut every = tokio::time::interval(Duration::from_millis(5));
            while !all
                .iter()
                .all(|p| p.down.load(Ordering::Acquire) || lock(&p.out).is_empty())
            {
                every.tick().await;
            }
        };
        // Who does not confirm in time treats this worker as lost, which is right.
        let quiet = tokio::time::timeout(most, quiet).await.is_ok();
        if quiet {
            all.iter().for_each(|p| p.close());
            let gone = async {
                let mut every = tokio::time::interval(Duration::from_millis(5));
                while all.iter().any(|p| p.connected.load(Ordering::Acquire)) {
                    every.tick().await;
                }
            };
            let _ = tokio::time::timeout(Duration::from_millis(500), gone).await;
        }
    }

    /// The peer is lost: what is under way to it, and every root that touched it, fails now.
    fn lose(&self, peer: &Peer, why: &str) {
        if peer.down.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::warn!(
            peer = peer.incarnation,
            address = *lock(&peer.address),
            why,
            "lost a worker"
        );
        // Before anybody can see what fails by it.
        lock(&self.lost).push(peer.incarnation);
        // First the loss, so that what was on its way to it fails with its true reason.
        self.forget(peer.incarnation);
        self.drop_all(peer);
    }

    /// A lost peer was not found again after all: what has gathered for it since fails.
    fn give_up(&self, peer: &Peer) {
        if !peer.down.swap(true, Ordering::AcqRel) {
            self.drop_all(peer);
        }
    }

    /// Drops what is under way to a peer that is down. Its link ends, and a later one begins with a new
    /// epoch, by which the peer knows.
    fn drop_all(&self, peer: &Peer) {
        peer.connected.store(false, Ordering::Release);
        peer.epoch.fetch_add(1, Ordering::AcqRel);
        peer.wake.notify_one();
        let dropped = lock(&peer.out).give_up();
        for batch in dropped {
            self.fail(&batch, "peer_lost");
        }
    }

    /// Fails the roots that touched an incarnation and frees the room that its queues took.
    fn forget(&self, incarnation: u64) {
        self.shared.broadcast(|| Msg::Lost(bit_of(incarnation)));
        let owners = self.owners.read().unwrap_or_else(|e| e.into_inner());
        for (task, _) in owners
            .iter()
            .enumerate()
            .filter(|(_, o)| **o == incarnation)
        {
            self.shared.queued[task].store(0, Ordering::Relaxed);
        }
    }

    /// The peer is there (again): acks that touch it count.
    fn found(&self, incarnation: u64) {
        self.shared.broadcast(|| Msg::Live(bit_of(incarnation)));
    }

    fn owner(&self, task: TaskId) -> u64 {
        let owners = self.owners.read().unwrap_or_else(|e| e.into_inner());
        usize::try_from(task)
            .ok()
            .and_then(|t| owners.get(t).copied())
            .unwrap_or(0)
    }

    /// Who owns a task, unless it is lost.
    fn peer_of(&self, task: TaskId) -> Option<Arc<Peer>> {
        let peer = self.peers.get(&self.owner(task))?.clone();
        (!peer.down.load(Ordering::Acquire)).then_some(peer)
    }

    fn fail(&self, batch: &Batch, why: &'static str) {
        self.shared.unqueue(batch.to, batch.len);
        self.shared.drop_tuples(why, batch.len);
        self.route(batch.fails(0).collect());
        self.flush();
    }

    /// Sends settles to the core or the worker of their spouts; a spout that is nowhere needs none.
    fn route(&self, mut settles: Vec<Settle>) {
        settles.sort_by_key(|s| s.spout_task);
        let one = settles.first().map(|s| s.spout_task) == settles.last().map(|s| s.spout_task);
        let core = settles.first().and_then(|s| self.shared.core(s.spout_task));
        if let (true, Some(core)) = (one, core) {
            return self.shared.cores[core].send(Msg::Settles(settles));
        }
        for part in settles.chunk_by(|a, b| a.spout_task == b.spout_task) {
            let task = part[0].spout_task;
            match self.shared.core(task) {
                Some(core) => self.shared.cores[core].send(Msg::Settles(part.to_vec())),
                None => self.settle_remote(part),
            }
        }
    }

    /// Sends settles of one spout to its worker, or keeps them for it while no assignment names it.
    fn settle_remote(&self, settles: &[Settle]) {
        let Some(first) = settles.first() else { return };
        if let Some(peer) = self.peer_of(first.spout_task) {
            let mut out = lock(&peer.out);
            out.settles(settles);
            let unsent = out.unsent();
            drop(out);
            self.send_soon(&peer, unsent);
        }
    }

    /// Wakes the peer's socket when enough waits for it, else at the next flush of a core.
    fn send_soon(&self, peer: &Arc<Peer>, unsent: usize) {
        if unsent >= FLUSH_BYTES {
            peer.wake.notify_one();
        } else if !peer.dirty.swap(true, Ordering::AcqRel) {
            self.dirty.push(peer.clone());
        }
    }
}

impl Remote for Net {
    fn send_batch(&self, batch: Batch) {
        let Some(peer) = self.peer_of(batch.to).filter(|p| !p.is_closed()) else {
            return self.fail(&batch, "no_owner");
        };
        let mut out = lock(&peer.out);
        let refused = out.batch(batch);
        let unsent = out.unsent();
        drop(out);
        match refused {
            Ok(()) => self.send_soon(&peer, unsent),
            Err(refused) => {
                let (batch, error) = *refused;
                let component = self.shared.plan.spec.component_of(batch.from);
                let component = component.map_or("", |c| c.0.id.as_str());
                self.shared.report(component, batch.from, error.to_string());
                self.fail(&batch, "frame_refused");
            }
        }
        // It may have been lost between the look and the push.
        if peer.down.load(Ordering::Acquire) {
            let dropped = lock(&peer.out).give_up();
            dropped.iter().for_each(|b| self.fail(b, "peer_lost"));
        }
    }

    fn send_settles(&self, settles: Vec<Settle>) {
        match settles.first() {
            Some(first) if settles.iter().all(|s| s.spout_task == first.spout_task) => {
                self.settle_remote(&settles);
            }
            _ => self.route(settles),
        }
    }

    fn consumed(&self, task: TaskId, origin: u64, tuples: usize) {
        // What is owed is kept before the look: who is placed meanwhile takes it.
        let mut owed = lock(&self.owed);
        match self.peers.get(&origin) {
            Some(peer) => {
                let mut out = lock(&peer.out);
                out.credit(task, tuples);
                let unsent = out.unsent();
                drop(out);
                self.send_soon(&peer, unsent);
            }
            None if owed.len() < OWED_MOST || owed.contains_key(&origin) => {
                *owed.entry(origin).or_default().entry(task).or_insert(0) += tuples;
            }
            None => {}
        }
    }

    fn flush(&self) {
        while let Some(peer) = self.dirty.pop() {
            // Before the wake: what is added after it makes the peer dirty again.
            peer.dirty.store(false, Ordering::Release);
            peer.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
