//! Topologies in this process, as an author would run them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fulmar::prelude::*;

// Only a deadline: a machine that is busy with other work takes its time.
const LONG: Duration = Duration::from_secs(120);

/// Emits 0..n, tracked, again and again until each is acked.
struct Numbers {
    n: u64,
    next: u64,
    again: Vec<u64>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    acked: HashMap<u64, u32>,
    failed: u64,
    timed_out: u64,
    most_pending: usize,
    closed: bool,
}

impl Spout for Numbers {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        let n = match self.again.pop() {
            Some(n) => n,
            None if self.next < self.n => {
                self.next += 1;
                self.next - 1
            }
            None => return Ok(Next::Idle),
        };
        out.emit_with_id(n, [n as i64])?;
        let mut seen = self.seen.lock().unwrap();
        seen.most_pending = seen.most_pending.max(out.pending());
        Ok(Next::Emitted)
    }
    fn ack(&mut self, id: MessageId) -> Result<()> {
        *self.seen.lock().unwrap().acked.entry(id).or_default() += 1;
        Ok(())
    }
    fn fail(&mut self, id: MessageId, why: FailReason) -> Result<()> {
        let mut seen = self.seen.lock().unwrap();
        if why == FailReason::TimedOut {
            seen.timed_out += 1;
        }
        seen.failed += 1;
        self.again.push(id);
        Ok(())
    }
    fn close(&mut self) {
        self.seen.lock().unwrap().closed = true;
    }
}

fn numbers(
    n: u64,
) -> (
    Arc<Mutex<Seen>>,
    impl Fn() -> Numbers + Send + Sync + 'static,
) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = seen.clone();
    (seen, move || Numbers {
        n,
        next: 0,
        again: Vec::new(),
        seen: shared.clone(),
    })
}

fn all_acked(cluster: &LocalCluster, seen: &Arc<Mutex<Seen>>, n: u64) {
    let done = cluster.wait_until(LONG, |_| seen.lock().unwrap().acked.len() as u64 == n);
    if let Err(error) = done {
        let seen = seen.lock().unwrap();
        panic!(
            "{} of {n} acked, {} failed: {error}",
            seen.acked.len(),
            seen.failed
        );
    }
    assert!(seen.lock().unwrap().acked.values().all(|times| *times == 1));
}

/// Passes its input on, `times` over.
struct Pass(u64);

impl BasicBolt for Pass {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        for _ in 0..self.0 {
            out.emit([input.int("n")?])?;
        }
        Ok(())
    }
}

/// Counts what comes.
struct Sum(Arc<AtomicU64>);

impl BasicBolt for Sum {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn every_tree_is_acked_once_over_two_cores() {
    let (seen, spout) = numbers(20_000);
    let sum = Arc::new(AtomicU64::new(0));
    let counter = sum.clone();
    let mut t = TopologyBuilder::new("trees");
    t.spout("numbers", spout);
    t.bolt("triple", || Pass(3))
        .parallelism(3)
        .shuffle("numbers");
    t.bolt("sum", move || Sum(counter.clone()))
        .parallelism(2)
        .fields("triple", ["n"]);
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    all_acked(&cluster, &seen, 20_000);
    assert_eq!(sum.load(Ordering::Relaxed), 60_000);
    drop(cluster);
    assert!(seen.lock().unwrap().closed);
}

struct Lines(usize, Arc<Vec<String>>);

impl Spout for Lines {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["sentence"])
    }
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        let Some(line) = self.1.get(self.0) else {
            return Ok(Next::Idle);
        };
        self.0 += 1;
        out.emit_with_id(self.0 as u64, [line.as_str()])?;
        Ok(Next::Emitted)
    }
}

struct Split;

impl BasicBolt for Split {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["word"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        input
            .str("sentence")?
            .split_whitespace()
            .try_for_each(|word| out.emit([word]))
    }
}

#[derive(Clone)]
struct Count(Arc<Mutex<BTreeMap<String, (u64, TaskId)>>>, TaskId);

impl BasicBolt for Count {
    fn prepare(&mut self, _: &Config, ctx: &TaskContext) -> Result<()> {
        self.1 = ctx.task;
        Ok(())
    }
    fn execute(&mut self, input: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        let mut counts = self.0.lock().unwrap();
        let entry = counts
            .entry(input.str("word")?.to_owned())
            .or_insert((0, self.1));
        entry.0 += 1;
        assert_eq!(entry.1, self.1, "one word at two tasks");
        Ok(())
    }
}

#[test]
fn words_are_counted_exactly_each_at_one_task() {
    let lines: Vec<String> = (0..500)
        .map(|i| format!("w{} w{} common", i % 7, i % 13))
        .collect();
    let mut want: BTreeMap<String, u64> = BTreeMap::new();
    for word in lines.iter().flat_map(|l| l.split(' ')) {
        *want.entry(word.to_owned()).or_default() += 1;
    }
    let counts = Count(Arc::default(), 0);
    let (lines, bolt) = (Arc::new(lines), counts.clone());
    let mut t = TopologyBuilder::new("words");
    t.spout("lines", move || Lines(0, lines.clone()));
    t.bolt("split", || Split).parallelism(2).shuffle("lines");
    t.bolt("count", move || bolt.clone())
        .parallelism(3)
        .fields("split", ["word"]);
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    let total = |c: &Count| c.0.lock().unwrap().values().map(|v| v.0).sum::<u64>();
    cluster
        .wait_until(LONG, |_| total(&counts) == 1_500)
        .unwrap();
    let got: BTreeMap<_, _> = counts
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|(w, (n, _))| (w.clone(), *n))
        .collect();
    assert_eq!(got, want);
}

/// Fails, panics on, forgets or acks its input by number, the first time it sees it.
struct Naughty(Arc<Mutex<HashMap<i64, u32>>>);

impl Bolt for Naughty {
    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        let n = input.int("n")?;
        let first = {
            let mut seen = self.0.lock().unwrap();
            *seen.entry(n).and_modify(|times| *times += 1).or_insert(1) == 1
        };
        match n % 100 {
            1 if first => out.fail(input),
            2 if first => return Err(Error::msg(format!("no {n} for me"))),
            3 if first => panic!("{n} is too much"),
            4 if first => {}
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
fn fails_errors_panics_and_forgotten_inputs_come_again() {
    let (seen, spout) = numbers(1_000);
    let tries = Arc::new(Mutex::new(HashMap::new()));
    let shared = tries.clone();
    let mut t = TopologyBuilder::new("naughty");
    t.spout("numbers", spout);
    t.bolt("naughty", move || Naughty(shared.clone()))
        .shuffle("numbers");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    all_acked(&cluster, &seen, 1_000);
    assert!(seen.lock().unwrap().failed >= 40);
    let errors = cluster.errors();
    assert!(
        errors
            .iter()
            .any(|e| e.error.contains("no 2 for me") && e.component == "naughty"),
        "{errors:?}"
    );
    assert!(
        errors.iter().any(|e| e.error.contains("3 is too much")),
        "{errors:?}"
    );
}

/// Keeps its inputs and settles them on a thread of its own.
struct Later(Option<std::sync::mpsc::Sender<AckToken>>);

impl Bolt for Later {
    fn prepare(&mut self, _: &Config, ctx: &TaskContext) -> Result<()> {
        let (tx, rx) = std::sync::mpsc::channel::<AckToken>();
        let completions = ctx.completions();
        std::thread::spawn(move || rx.into_iter().for_each(|token| completions.ack(token)));
        self.0 = Some(tx);
        Ok(())
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        let token = out.keep(input);
        self.0
            .as_ref()
            .expect("prepared")
            .send(token)
            .map_err(Error::author)
    }
}

#[test]
fn tokens_are_settled_from_other_threads() {
    let (seen, spout) = numbers(5_000);
    let mut t = TopologyBuilder::new("later");
    t.spout("numbers", spout);
    t.bolt("pass", || Pass(2)).shuffle("numbers");
    t.bolt("later", || Later(None))
        .parallelism(2)
        .shuffle("pass");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    all_acked(&cluster, &seen, 5_000);
    inputs_acked(&cluster, "later", 10_000);
}

/// Waits until a bolt's own counters say that it acked so many inputs, and failed none.
fn inputs_acked(cluster: &LocalCluster, bolt: &str, wanted: u64) {
    cluster
        .wait_until(LONG, |_| {
            let stats = cluster.stats(bolt);
            let counts = stats.iter().flat_map(|s| s.inputs.values());
            let (acked, failed) = counts.fold((0, 0), |(a, f), c| (a + c.1, f + c.2));
            (acked, failed) == (wanted, 0)
        })
        .unwrap();
}

/// Joins inputs: keeps them until a tick, then emits one tuple anchored to all of them.
#[derive(Default)]
struct Gather(Vec<AckToken>);

impl Bolt for Gather {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        if !input.is_tick() {
            self.0.push(out.keep(input));
            return Ok(());
        }
        let n = self.0.len() as i64;
        out.emit(&mut self.0, [n])?;
        self.0.drain(..).for_each(|token| out.ack_token(token));
        Ok(())
    }
}

#[test]
fn one_tuple_may_carry_many_roots() {
    let (seen, spout) = numbers(2_000);
    let mut t = TopologyBuilder::new("gather");
    t.spout("numbers", spout);
    t.bolt("gather", Gather::default)
        .tick(Duration::from_millis(20))
        .shuffle("numbers");
    t.bolt("pass", || Pass(0)).shuffle("gather");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    all_acked(&cluster, &seen, 2_000);
    let acked = || {
        let stats = cluster.stats("gather");
        let counts: Vec<_> = stats
            .iter()
            .flat_map(|s| s.inputs.values())
            .copied()
            .collect();
        // Ticks are inputs of their own.
        counts.iter().any(|c| (c.1, c.2) == (2_000, 0))
    };
    cluster.wait_until(LONG, |_| acked()).unwrap();
}

/// Never settles.
#[derive(Default)]
struct Hoard(Vec<AckToken>);

impl Bolt for Hoard {
    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        self.0.push(out.keep(input));
        Ok(())
    }
}

#[test]
fn timeouts_fire_between_one_and_1_1_times_the_setting_and_pending_is_bounded() {
    let (seen, spout) = numbers(1_000);
    let mut t = TopologyBuilder::new("hoard");
    t.conf("topology.message.timeout.secs", 1_i64)
        .conf("topology.max.spout.pending", 50_i64);
    t.spout("numbers", spout);
    t.bolt("hoard", Hoard::default).shuffle("numbers");
    let started = Instant::now();
    let cluster = LocalCluster::submit(t.build().unwrap(), 1).unwrap();
    cluster
        .wait_until(LONG, |_| seen.lock().unwrap().timed_out >= 50)
        .unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(seen.lock().unwrap().most_pending, 50);
}

#[test]
fn without_ackers_a_root_is_acked_when_it_is_emitted() {
    let (seen, spout) = numbers(100);
    let mut t = TopologyBuilder::new("ackers-0");
    t.conf("topology.acker.executors", 0_i64);
    t.spout("numbers", spout);
    t.bolt("hoard", Hoard::default).shuffle("numbers");
    let cluster = LocalCluster::submit(t.build().unwrap(), 1).unwrap();
    all_acked(&cluster, &seen, 100);
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

/// Takes its time.
struct Slow(Arc<AtomicU64>);

impl BasicBolt for Slow {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        let end = Instant::now() + Duration::from_micros(50);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn a_slow_bolt_holds_back_a_spout_without_ackers() {
    let done = Arc::new(AtomicU64::new(0));
    let shared = done.clone();
    let mut t = TopologyBuilder::new("flood");
    t.conf("topology.acker.executors", 0_i64);
    t.spout("flood", || Flood);
    t.bolt("slow", move || Slow(shared.clone()))
        .shuffle("flood");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    let mut most = 0;
    cluster
        .wait_until(LONG, |w| {
            most = most.max(w.shared().queued[2].load(Ordering::Relaxed));
            done.load(Ordering::Relaxed) > 20_000
        })
        .unwrap();
    // The limit, and what one turn of the spout may add to it.
    assert!(
        most < 2 * fulmar_engine::limits::TASK_QUEUE_TUPLES,
        "{most} tuples queued"
    );
}

#[test]
fn a_deactivated_topology_emits_nothing_and_goes_on_later() {
    let (seen, spout) = numbers(u64::MAX);
    let mut t = TopologyBuilder::new("pause");
    t.conf("topology.max.spout.pending", 10_i64);
    t.spout("numbers", spout);
    t.bolt("pass", || Pass(0)).shuffle("numbers");
    let mut cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    let acked = || seen.lock().unwrap().acked.len();
    cluster.wait_until(LONG, |_| acked() > 100).unwrap();
    cluster.deactivate();
    // Still means: the count does not change over 20 looks in a row.
    let (mut last, mut same) = (0, 0);
    cluster
        .wait_until(LONG, |_| {
            same = if acked() == last { same + 1 } else { 0 };
            last = acked();
            same > 20
        })
        .unwrap();
    cluster.activate();
    cluster.wait_until(LONG, |_| acked() > last + 100).unwrap();
}
