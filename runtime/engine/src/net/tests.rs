//! Two workers in one process, joined by TCP.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fulmar_api::{
    AckToken, Bolt, BoltCollector, FailReason, MessageId, Next, Outputs, Result, Spout,
    SpoutCollector, Topology, TopologyBuilder, Tuple,
};

use super::{Net, frame};
use crate::outbox::Placement;
use crate::worker::bit_of;
use crate::{Worker, WorkerOptions};

#[derive(Default)]
struct Seen {
    executed: AtomicUsize,
    acked: AtomicUsize,
    failed: AtomicUsize,
    /// Of these, because a worker was lost.
    lost: AtomicUsize,
}

struct Numbers(i64, i64, Arc<Seen>);

impl Spout for Numbers {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        if self.0 == self.1 {
            return Ok(Next::Idle);
        }
        self.0 += 1;
        out.emit_with_id(self.0 as u64, [self.0])?;
        Ok(Next::Emitted)
    }

    fn ack(&mut self, _: MessageId) -> Result<()> {
        self.2.acked.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn fail(&mut self, _: MessageId, why: FailReason) -> Result<()> {
        let lost = usize::from(why == FailReason::WorkerLost);
        self.2.lost.fetch_add(lost, Ordering::Relaxed);
        self.2.failed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

struct Count(Arc<Seen>, bool, Vec<AckToken>);

impl Bolt for Count {
    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        self.0.executed.fetch_add(1, Ordering::Relaxed);
        if self.1 {
            self.2.push(out.keep(input));
        } else {
            out.ack(input);
        }
        Ok(())
    }
}

fn topology(numbers: i64, seen: &Arc<Seen>, keep: bool) -> Topology {
    let mut builder = TopologyBuilder::new("parted");
    let (of_spout, of_bolt) = (seen.clone(), seen.clone());
    builder.spout("numbers", move || Numbers(0, numbers, of_spout.clone()));
    builder
        .bolt("count", move || Count(of_bolt.clone(), keep, Vec::new()))
        .parallelism(2)
        .shuffle("numbers");
    builder.build().unwrap()
}

/// A worker with a net of its own, and its address.
fn worker(
    topology: Topology,
    incarnation: u64,
    handle: &tokio::runtime::Handle,
) -> (Worker, Arc<Net>, String) {
    speaking(frame::NEWEST, topology, incarnation, handle)
}

/// The same, of a program that knows no newer version of the exchange.
fn speaking(
    newest: u32,
    topology: Topology,
    incarnation: u64,
    handle: &tokio::runtime::Handle,
) -> (Worker, Arc<Net>, String) {
    let options = WorkerOptions {
        cores: 1,
        topology_id: "parted-1".to_owned(),
        port: 0,
        dir: ".".into(),
        incarnation,
    };
    let worker = Worker::start(topology, options).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let net = Net::start_speaking(
        handle,
        listener,
        worker.shared().clone(),
        "parted-1".to_owned(),
        incarnation,
        newest,
    );
    (worker, net.unwrap(), address)
}

/// Task 1 (the bolt's ids come first in the alphabet: tasks 1 and 2) and so on, as the plan says.
fn place(worker: &mut Worker, net: &Arc<Net>, me: u64, owners: &[u64], peers: &[(u64, String)]) {
    worker.place(Placement {
        bits: owners.iter().map(|o| bit_of(*o)).collect(),
        local: owners.iter().map(|o| *o == me).collect(),
    });
    net.place(owners.to_vec(), peers);
    for (task, owner) in owners.iter().enumerate().skip(1) {
        if *owner == me {
            worker.start_task(task as i32, false).unwrap();
        }
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(1)); // poll: the workers' threads do the work
    }
}

/// Two workers, incarnations 1 and 2, and who owns what.
struct Pair {
    a: Worker,
    b: Worker,
    net_a: Arc<Net>,
    net_b: Arc<Net>,
    address_of_a: String,
    address_of_b: String,
    /// The spout `numbers` on incarnation 1, all else on 2.
    owners: Vec<u64>,
}

impl Pair {
    /// Two workers of these topologies, which know nothing of each other yet.
    fn parted(topologies: [Topology; 2], runtimes: [&tokio::runtime::Runtime; 2]) -> Self {
        let [first, second] = topologies;
        let (a, net_a, address_of_a) = worker(first, 1, runtimes[0].handle());
        let (b, net_b, address_of_b) = worker(second, 2, runtimes[1].handle());
        let spec = &a.shared().plan.spec;
        let spout = spec.components.iter().position(|c| c.id == "numbers");
        let mut owners = vec![2; a.shared().queued.len()];
        owners[0] = 0;
        owners[spec.task_ranges()[spout.unwrap()].0 as usize] = 1;
        Self {
            a,
            b,
            net_a,
            net_b,
            address_of_a,
            address_of_b,
            owners,
        }
    }

    /// Tells the second what it is to believe, then the first the truth.
    fn placed(mut self, believed: &[u64], known: &[(u64, String)]) -> Self {
        place(&mut self.b, &self.net_b, 2, believed, known);
        let peers = self.peers();
        place(&mut self.a, &self.net_a, 1, &self.owners, &peers);
        self
    }

    /// Tells both the truth.
    fn told(self) -> Self {
        let (owners, peers) = (self.owners.clone(), self.peers());
        self.placed(&owners, &peers)
    }

    /// Lets the spout emit once both are linked.
    fn begun(mut self) -> Self {
        until("linked", || {
            self.net_a.connected() && self.net_b.connected()
        });
        self.a.set_active(true);
        self
    }

    fn peers(&self) -> [(u64, String); 2] {
        [
            (1, self.address_of_a.clone()),
            (2, self.address_of_b.clone()),
        ]
    }
}

/// The spout on incarnation 1, both bolts on incarnation 2.
fn pair(
    numbers: i64,
    seen: &Arc<Seen>,
    keep: bool,
    runtimes: [&tokio::runtime::Runtime; 2],
) -> Pair {
    believing(1, true, numbers, seen, keep, runtimes).begun()
}

/// The same, but the bolts' worker believes that this incarnation owns the spout, and knows its true one or not.
fn believing(
    spout_owner: u64,
    known: bool,
    numbers: i64,
    seen: &Arc<Seen>,
    keep: bool,
    runtimes: [&tokio::runtime::Runtime; 2],
) -> Pair {
    let make = || topology(numbers, seen, keep);
    let pair = Pair::parted([make(), make()], runtimes);
    let (mut old, peers) = (pair.owners.clone(), pair.peers());
    old.iter_mut()
        .filter(|o| **o == 1)
        .for_each(|o| *o = spout_owner);
    pair.placed(&old, &peers[usize::from(!known)..])
}

#[test]
fn credit_goes_back_to_whoever_sent_whatever_version_the_receiver_has() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    // Incarnation 1 took the spout over from 7, and the bolts' worker has not heard of it.
    let mut pair = believing(7, true, 40_000, &seen, false, [&one, &two]);
    until("linked", || pair.net_a.connected());
    pair.a.set_active(true);
    until("executed", || {
        seen.executed.load(Ordering::Relaxed) == 40_000
    });
    until("credit", || {
        (1..4).all(|t: usize| pair.a.shared().queued[t].load(Ordering::Relaxed) == 0)
    });
    drop(pair);
}

#[test]
fn credit_of_a_worker_that_no_assignment_named_yet_is_kept_for_it() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let mut pair = believing(7, false, 40_000, &seen, false, [&one, &two]);
    until("linked", || pair.net_a.connected());
    pair.a.set_active(true);
    until("some executed", || {
        seen.executed.load(Ordering::Relaxed) > 4_000
    });
    // Now it hears of it.
    let at_a = pair.address_of_a.clone();
    let owners = pair.owners.clone();
    pair.net_b.place(owners, &[(1, at_a)]);
    until("executed", || {
        seen.executed.load(Ordering::Relaxed) == 40_000
    });
    drop(pair);
}

#[test]
fn a_peer_that_is_left_out_of_one_assignment_and_named_by_the_next_is_understood_again() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let pair = pair(40_000, &seen, false, [&one, &two]);
    until("some acked", || seen.acked.load(Ordering::Relaxed) > 4_000);
    let (owners, at_a) = (pair.owners.clone(), pair.address_of_a.clone());
    for peers in [&[][..], &[(1, at_a)]] {
        pair.net_b.place(owners.clone(), peers);
    }
    // Acks that were on their way, and credit, arrive by the new link.
    until("acked", || seen.acked.load(Ordering::Relaxed) == 40_000);
    until("credit", || {
        (1..4).all(|t: usize| pair.a.shared().queued[t].load(Ordering::Relaxed) == 0)
    });
    drop(pair);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn a_standby_beside_the_sender_gets_nothing() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let mut pair = pair(20_000, &seen, false, [&one, &two]);
    // Neither the bolts' tuples nor the spout's acks are for these.
    for task in [2, 3] {
        pair.a.start_task(task, true).unwrap();
    }
    pair.b.start_task(1, true).unwrap();
    until("acked", || seen.acked.load(Ordering::Relaxed) == 20_000);
    assert_eq!(seen.executed.load(Ordering::Relaxed), 20_000);
    for task in [2, 3] {
        pair.a.stop_task(task);
    }
    drop(pair);
}

#[test]
fn tuples_and_acks_cross_between_two_workers() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let pair = pair(20_000, &seen, false, [&one, &two]);
    until("acked", || seen.acked.load(Ordering::Relaxed) == 20_000);
    assert_eq!(seen.executed.load(Ordering::Relaxed), 20_000);
    assert_eq!(seen.failed.load(Ordering::Relaxed), 0);
    // All credit came back.
    until("credit", || {
        (1..4).all(|t: usize| pair.a.shared().queued[t].load(Ordering::Relaxed) == 0)
    });
}

#[test]
fn a_peer_that_dies_fails_at_once_what_it_held() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let pair = pair(100, &seen, true, [&one, &two]);
    until("executed", || seen.executed.load(Ordering::Relaxed) == 100);
    assert_eq!(seen.failed.load(Ordering::Relaxed), 0);
    // Its sockets close without a goodbye, and its port refuses from now on.
    two.shutdown_background();
    until("failed", || seen.failed.load(Ordering::Relaxed) == 100);
    assert_eq!(pair.net_a.take_lost(), [2]);
    drop((pair.b, pair.net_b));
}

#[test]
fn a_loss_that_comes_with_an_assignment_which_no_longer_names_the_lost_one_fails_what_it_held() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let pair = pair(100, &seen, true, [&one, &two]);
    until("executed", || seen.executed.load(Ordering::Relaxed) == 100);
    // Another incarnation has its tasks already, as when a supervisor is quicker than the sockets.
    let owners = pair.owners.iter().map(|o| if *o == 2 { 3 } else { *o });
    pair.net_a.place(owners.collect(), &[]);
    pair.net_a.declare_lost(&[2]);
    until("failed", || seen.failed.load(Ordering::Relaxed) == 100);
    // Not by their timeout.
    assert_eq!(seen.lost.load(Ordering::Relaxed), 100);
    drop((pair.a, pair.b));
}

#[test]
fn who_said_goodbye_and_is_named_no_longer_is_not_lost_by_its_end() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let pair = pair(100, &seen, true, [&one, &two]);
    until("executed", || seen.executed.load(Ordering::Relaxed) == 100);
    two.block_on(pair.net_b.retire(Duration::from_secs(5)));
    let heard = || {
        pair.net_a
            .heard
            .get(&2)
            .is_some_and(|h| h.lock().unwrap().goodbye)
    };
    until("its goodbye", heard);
    let owners = pair.owners.iter().map(|o| if *o == 2 { 3 } else { *o });
    pair.net_a.place(owners.collect(), &[]);
    pair.net_a.declare_lost(&[2]);
    assert!(pair.net_a.take_lost().is_empty());
    drop((pair.a, pair.b));
}

#[test]
fn a_peer_that_says_goodbye_fails_nothing() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let pair = pair(100, &seen, false, [&one, &two]);
    until("acked", || seen.acked.load(Ordering::Relaxed) == 100);
    two.block_on(pair.net_b.retire(Duration::from_secs(5)));
    assert!(
        !pair
            .net_b
            .peers
            .iter()
            .any(|p| p.connected.load(Ordering::Acquire))
    );
    assert_eq!(seen.failed.load(Ordering::Relaxed), 0);
}

#[test]
fn without_an_owner_tuples_fail_at_once() {
    let (seen, one) = (Arc::new(Seen::default()), runtime());
    let (mut a, net_a, at_a) = worker(topology(10, &seen, false), 1, one.handle());
    let numbers = a
        .shared()
        .plan
        .spec
        .components
        .iter()
        .position(|c| c.id == "numbers")
        .unwrap();
    let mut owners = vec![0; 4];
    owners[a.shared().plan.spec.task_ranges()[numbers].0 as usize] = 1;
    place(&mut a, &net_a, 1, &owners, &[(1, at_a)]);
    a.set_active(true);
    until("failed", || seen.failed.load(Ordering::Relaxed) == 10);
    let dropped: u64 = a.shared().dropped.iter().map(|d| *d.value()).sum();
    assert_eq!(dropped, 10);
}

/// Keeps what comes, sends it on, and acks all of it when the gate is open.
struct Gate {
    kept: Vec<AckToken>,
    open: Arc<AtomicBool>,
    seen: Arc<AtomicUsize>,
    sends: bool,
}

impl Bolt for Gate {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        if input.is_tick() {
            if self.open.load(Ordering::Acquire) {
                self.kept.drain(..).for_each(|t| out.ack_token(t));
                self.seen.store(0, Ordering::Release);
            }
            return Ok(());
        }
        let mut token = out.keep(input);
        if self.sends {
            out.emit(&mut token, [input.int("n")?])?;
        }
        self.kept.push(token);
        self.seen.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

/// The near bolt's tokens know that the far worker was touched, its spout does not yet; the far worker
/// declares the near one lost, drops its acks, and finds it again: the spout must be told by the epoch.
#[test]
fn acks_that_were_dropped_for_a_peer_that_is_found_again_fail_their_roots() {
    const N: usize = 100;
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let gates: [(Arc<AtomicBool>, Arc<AtomicUsize>); 2] = Default::default();
    let make = || {
        let mut builder = TopologyBuilder::new("parted");
        // Nothing may be saved by its timeout.
        builder.conf("topology.message.timeout.secs", 3_600_i64);
        let spout = seen.clone();
        builder.spout("numbers", move || Numbers(0, N as i64, spout.clone()));
        for (i, (name, from)) in [("near", "numbers"), ("far", "near")]
            .into_iter()
            .enumerate()
        {
            let (open, seen) = gates[i].clone();
            let gate = move || Gate {
                kept: Vec::new(),
                open: open.clone(),
                seen: seen.clone(),
                sends: i == 0,
            };
            let bolt = builder.bolt(name, gate);
            bolt.tick(Duration::from_millis(2)).shuffle(from);
        }
        builder.build().unwrap()
    };
    let (mut a, net_a, at_a) = worker(make(), 1, one.handle());
    let (mut b, net_b, at_b) = worker(make(), 2, two.handle());
    let components = &a.shared().plan.spec.components;
    let far = components.iter().position(|c| c.id == "far").unwrap();
    let mut owners = vec![0, 2, 2, 2];
    owners[a.shared().plan.spec.task_ranges()[far].0 as usize] = 1;
    let peers = [(1, at_a), (2, at_b)];
    place(&mut a, &net_a, 1, &owners, &peers);
    place(&mut b, &net_b, 2, &owners, &peers);
    until("linked", || net_a.connected() && net_b.connected());
    b.set_active(true);
    let waiting = |i: usize| gates[i].1.load(Ordering::Acquire);
    until("far", || waiting(1) == N);

    net_a.declare_lost(&[2]);
    gates[1].0.store(true, Ordering::Release);
    until("acked by the far bolt", || waiting(1) == 0);
    until("found again", || net_a.connected());
    gates[0].0.store(true, Ordering::Release);
    until("each told", || {
        seen.failed.load(Ordering::Relaxed) + seen.acked.load(Ordering::Relaxed) == N
    });
    assert!(net_a.take_lost().contains(&2));
    drop((a, b));
}

#[test]
fn acks_for_a_worker_that_no_assignment_names_are_kept_for_it() {
    const N: usize = 100;
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let gate: (Arc<AtomicBool>, Arc<AtomicUsize>) = Default::default();
    let make = || {
        let mut builder = TopologyBuilder::new("parted");
        // Nothing may be saved by its timeout.
        builder.conf("topology.message.timeout.secs", 3_600_i64);
        let spout = seen.clone();
        builder.spout("numbers", move || Numbers(0, N as i64, spout.clone()));
        let (open, seen) = gate.clone();
        let make = move || Gate {
            kept: Vec::new(),
            open: open.clone(),
            seen: seen.clone(),
            sends: false,
        };
        let bolt = builder.bolt("gate", make);
        bolt.tick(Duration::from_millis(2)).shuffle("numbers");
        builder.build().unwrap()
    };
    let pair = Pair::parted([make(), make()], [&one, &two]).told().begun();
    until("executed", || gate.1.load(Ordering::Acquire) == N);
    pair.net_b.place(pair.owners.clone(), &[]);
    gate.0.store(true, Ordering::Release);
    until("acked by the bolt", || gate.1.load(Ordering::Acquire) == 0);
    pair.net_b
        .place(pair.owners.clone(), &[(1, pair.address_of_a.clone())]);
    until("acked", || seen.acked.load(Ordering::Relaxed) == N);
    drop(pair);
}

mod misbehave;
mod objects;
mod tls;

#[test]
fn workers_of_neighbouring_versions_understand_each_other() {
    for versions in [
        (frame::OLDEST, frame::NEWEST),
        (frame::NEWEST, frame::OLDEST),
    ] {
        let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
        let make = || topology(20_000, &seen, false);
        let (mut a, net_a, at_a) = speaking(versions.0, make(), 1, one.handle());
        let (mut b, net_b, at_b) = speaking(versions.1, make(), 2, two.handle());
        let components = &a.shared().plan.spec.components;
        let numbers = components.iter().position(|c| c.id == "numbers").unwrap();
        let mut owners = vec![0, 2, 2, 2];
        owners[a.shared().plan.spec.task_ranges()[numbers].0 as usize] = 1;
        let peers = [(1, at_a), (2, at_b)];
        place(&mut b, &net_b, 2, &owners, &peers);
        place(&mut a, &net_a, 1, &owners, &peers);
        until("linked", || net_a.connected() && net_b.connected());
        a.set_active(true);
        until("acked", || seen.acked.load(Ordering::Relaxed) == 20_000);
        assert_eq!(seen.failed.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_version_that_is_too_old_is_refused_and_its_worker_lost() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let make = || topology(10, &seen, false);
    let (a, net_a, at_a) = speaking(frame::OLDEST - 1, make(), 1, one.handle());
    let (b, net_b, at_b) = worker(make(), 2, two.handle());
    let peers = [(1, at_a), (2, at_b)];
    net_a.place(vec![0, 2, 2, 1], &peers);
    net_b.place(vec![0, 2, 2, 1], &peers);
    until("refused", || net_b.take_lost() == [1]);
    assert!(!net_a.connected());
    drop((a, b));
}
