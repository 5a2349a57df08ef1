//! Bolts that misbehave in another worker than their spout's.

use fulmar_api::{BasicBolt, Emitter};

use super::*;
use crate::limits::{BATCH_TUPLES, READY_BATCHES, REMOTE_QUEUE_TUPLES};

/// Two workers: the first component, a spout, in the first, its bolt in the second.
pub(super) fn spout_and_bolt(
    make: impl Fn() -> Topology,
    runtimes: [&tokio::runtime::Runtime; 2],
) -> Pair {
    Pair::parted([make(), make()], runtimes).told().begun()
}

/// A spout that never rests, untracked.
struct Flood;

impl Spout for Flood {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        out.emit([1_i64])?;
        Ok(Next::Emitted)
    }
}

/// Some hundred times slower than the spout.
struct Slow(Arc<Seen>);

impl BasicBolt for Slow {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        let end = Instant::now() + Duration::from_micros(15);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        self.0.executed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn a_slow_bolt_holds_back_a_spout_without_ackers() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let make = || {
        let mut t = TopologyBuilder::new("parted");
        t.conf("topology.acker.executors", 0_i64);
        let bolt = seen.clone();
        t.spout("numbers", || Flood);
        t.bolt("slow", move || Slow(bolt.clone()))
            .shuffle("numbers");
        t.build().unwrap()
    };
    let pair = spout_and_bolt(make, [&one, &two]);
    let mut most = 0;
    until("executed", || {
        for shared in [pair.a.shared(), pair.b.shared()] {
            let queued = shared.queued.iter().map(|q| q.load(Ordering::Relaxed));
            most = most.max(queued.sum());
        }
        seen.executed.load(Ordering::Relaxed) > 2 * REMOTE_QUEUE_TUPLES
    });
    // The limit, and what a turn of the spout may add to it.
    let limit = REMOTE_QUEUE_TUPLES + (READY_BATCHES + 1) * BATCH_TUPLES;
    assert!(most <= limit, "{most} tuples queued, {limit} may be");
    assert!(
        most > REMOTE_QUEUE_TUPLES / 2,
        "only {most}: held back too early"
    );
}

/// Does by number what a bolt should not do.
struct Naughty(Arc<Seen>, Vec<AckToken>);

impl Bolt for Naughty {
    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        let n = input.int("n")?;
        self.0.executed.fetch_add(1, Ordering::Relaxed);
        match n % 100 {
            0 => panic!("{n} is too much"),
            1 => out.fail(input),
            2 => return Err(fulmar_api::Error::msg(format!("no {n} for me"))),
            3 => {}
            // Never acked.
            4 => self.1.push(out.keep(input)),
            5 => {
                out.ack(input);
                out.ack(input);
            }
            _ => out.ack(input),
        }
        Ok(())
    }
}

#[test]
fn a_bolt_that_misbehaves_costs_only_what_it_misuses() {
    const N: usize = 10_000;
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let make = || {
        let mut t = TopologyBuilder::new("parted");
        // Nothing fails by its timeout, however busy the machine is.
        t.conf("topology.message.timeout.secs", 3_600_i64);
        let (spout, bolt) = (seen.clone(), seen.clone());
        t.spout("numbers", move || Numbers(0, N as i64, spout.clone()));
        t.bolt("naughty", move || Naughty(bolt.clone(), Vec::new()))
            .shuffle("numbers");
        t.build().unwrap()
    };
    let pair = spout_and_bolt(make, [&one, &two]);
    let told = |s: &Seen| {
        (
            s.acked.load(Ordering::Relaxed),
            s.failed.load(Ordering::Relaxed),
        )
    };
    until("each told", || {
        let (acked, failed) = told(&seen);
        acked + failed >= 99 * N / 100
    });
    // A panic, a fail, an error and one forgotten of each hundred; nothing else, and no root twice.
    assert_eq!(told(&seen), (95 * N / 100, 4 * N / 100));
    // What is never acked waits for its timeout, or for the end of its worker.
    two.shutdown_background();
    until("the rest", || told(&seen).1 == 5 * N / 100);
    assert_eq!(seen.executed.load(Ordering::Relaxed), N);
    let errors = pair.b.shared().take_errors();
    assert!(errors.iter().any(|e| e.error.contains("is too much")));
    assert!(errors.iter().any(|e| e.error.contains("for me")));
    drop(pair);
}

/// Emits its input so many times within one call.
struct Burst(i64);

impl Spout for Burst {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        (0..std::mem::take(&mut self.0)).try_for_each(|n| out.emit([n]))?;
        Ok(Next::Idle)
    }
}

#[test]
fn one_call_may_emit_far_more_than_another_worker_takes() {
    const N: usize = 8 * REMOTE_QUEUE_TUPLES;
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let make = || {
        let mut t = TopologyBuilder::new("parted");
        // The least that there is: a queue's worth.
        t.conf("topology.emit.overflow.max", 1_i64);
        let bolt = seen.clone();
        t.spout("numbers", || Burst(N as i64));
        let count = move || Count(bolt.clone(), false, Vec::new());
        t.bolt("count", count).shuffle("numbers");
        t.build().unwrap()
    };
    let pair = spout_and_bolt(make, [&one, &two]);
    let mut most = 0;
    until("executed", || {
        let queued = pair.a.shared().queued.iter();
        most = most.max(queued.map(|q| q.load(Ordering::Relaxed)).sum());
        seen.executed.load(Ordering::Relaxed) == N
    });
    assert!(most < 2 * REMOTE_QUEUE_TUPLES, "{most} tuples queued");
}
