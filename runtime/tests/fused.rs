//! Chains on one core: straight calls must look, to spouts, bolts and statistics, as if tuples travelled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fulmar::prelude::*;
use proptest::prelude::*;

const LONG: Duration = Duration::from_secs(120);

/// What everybody writes down about each root, by its number.
struct Book {
    executed: Vec<AtomicU32>,
    /// Tokens that are kept now.
    held: Vec<AtomicU32>,
    acked: Vec<AtomicU32>,
    failed: Vec<AtomicU32>,
    /// What should not have happened.
    wrong: Mutex<Vec<String>>,
}

impl Book {
    fn new(n: usize) -> Arc<Self> {
        let zeros = || (0..n).map(|_| AtomicU32::new(0)).collect();
        Arc::new(Self {
            executed: zeros(),
            held: zeros(),
            acked: zeros(),
            failed: zeros(),
            wrong: Mutex::default(),
        })
    }

    fn settled(&self) -> usize {
        let both = self.acked.iter().zip(&self.failed);
        both.filter(|(a, f)| a.load(Ordering::SeqCst) + f.load(Ordering::SeqCst) > 0)
            .count()
    }
}

/// Emits each root once and checks what it is told.
struct Roots {
    next: usize,
    n: usize,
    /// Executions that a tree takes when nothing fails.
    whole: u32,
    thread: Option<std::thread::ThreadId>,
    /// Nobody blocks, so the spout stays on its thread.
    still: bool,
    book: Arc<Book>,
}

impl Spout for Roots {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        self.thread = Some(std::thread::current().id());
        if self.next == self.n {
            return Ok(Next::Idle);
        }
        self.next += 1;
        out.emit_with_id(self.next as u64 - 1, [self.next as i64 - 1])?;
        Ok(Next::Emitted)
    }
    fn ack(&mut self, id: MessageId) -> Result<()> {
        let (book, i) = (&self.book, id as usize);
        let times = book.acked[i].fetch_add(1, Ordering::SeqCst) + 1;
        let (held, executed) = (
            book.held[i].load(Ordering::SeqCst),
            book.executed[i].load(Ordering::SeqCst),
        );
        let here = !self.still || self.thread == Some(std::thread::current().id());
        if times > 1 || held > 0 || executed != self.whole || !here {
            let text = format!(
                "root {i} acked {times} times with {held} tokens held, {executed} of {} executed",
                self.whole
            );
            book.wrong.lock().unwrap().push(text);
        }
        Ok(())
    }
    fn fail(&mut self, id: MessageId, _: FailReason) -> Result<()> {
        let times = self.book.failed[id as usize].fetch_add(1, Ordering::SeqCst) + 1;
        let acked = self.book.acked[id as usize].load(Ordering::SeqCst);
        if times + acked > 1 {
            let text = format!("root {id} failed {times} times and was acked {acked} times");
            self.book.wrong.lock().unwrap().push(text);
        }
        Ok(())
    }
}

/// How a stage treats its inputs, decided by the root's number.
#[derive(Clone, Copy, Debug)]
struct Stage {
    tasks: u32,
    copies: u32,
    grouping: u8,
    naughty: u8,
}

struct Node {
    stage: Stage,
    level: u64,
    kept: Vec<(usize, AckToken)>,
    book: Arc<Book>,
}

impl Node {
    fn settle_kept(&mut self, out: &mut BoltCollector<'_>) {
        for (i, token) in self.kept.drain(..) {
            self.book.held[i].fetch_sub(1, Ordering::SeqCst);
            out.ack_token(token);
        }
    }
}

impl Bolt for Node {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        if input.is_tick() {
            self.settle_kept(out);
            return Ok(());
        }
        let n = input.int("n")?;
        let i = n as usize;
        self.book.executed[i].fetch_add(1, Ordering::SeqCst);
        if n % 3 > 0 {
            (0..self.stage.copies).try_for_each(|_| out.emit(input, [n]))?;
        } else {
            let mut token = out.keep(input);
            (0..self.stage.copies).try_for_each(|_| out.emit(&mut token, [n]))?;
            out.ack_token(token);
        }
        // An input that was kept is settled by now; only an open one can be treated otherwise.
        match (n as u64 * 31 + self.level * 7) % 97 {
            1 if self.stage.naughty & 1 != 0 => out.fail(input),
            2 if self.stage.naughty & 2 != 0 => return Err(Error::msg("refused")),
            3 if self.stage.naughty & 4 != 0 => panic!("too much"),
            4 if self.stage.naughty & 8 != 0 => {}
            8..40 if self.stage.naughty & 16 != 0 => {
                // One that was kept above has nothing left to hold.
                let token = out.keep(input);
                if token.is_tracked() {
                    self.book.held[i].fetch_add(1, Ordering::SeqCst);
                    self.kept.push((i, token));
                }
            }
            6 => {
                out.ack(input);
                out.ack(input);
            }
            // Long enough for the core's other executors to be adopted.
            7 if self.stage.naughty & 32 != 0 => {
                std::thread::park_timeout(Duration::from_millis(200));
                out.ack(input);
            }
            _ => out.ack(input),
        }
        Ok(())
    }
}

fn run(stages: &[Stage], cores: usize, pending: i64) -> std::result::Result<(), TestCaseError> {
    const N: usize = 150;
    let book = Book::new(N);
    let (mut whole, mut width) = (0, 1);
    for s in stages {
        whole += width;
        width *= s.copies;
    }
    let mut t = TopologyBuilder::new("mixed");
    t.conf("topology.max.spout.pending", pending);
    let mine = book.clone();
    let still = stages.iter().all(|s| s.naughty & 32 == 0);
    t.spout("s0", move || Roots {
        next: 0,
        n: N,
        whole,
        thread: None,
        still,
        book: mine.clone(),
    });
    for (level, stage) in stages.iter().enumerate() {
        let (mine, stage) = (book.clone(), *stage);
        let name = format!("s{}", level + 1);
        let bolt = t
            .bolt(&name, move || Node {
                stage,
                level: level as u64,
                kept: Vec::new(),
                book: mine.clone(),
            })
            .parallelism(stage.tasks)
            .tick(Duration::from_millis(2));
        let from = format!("s{level}");
        match stage.grouping {
            0 => bolt.shuffle(&from),
            1 => bolt.local_or_shuffle(&from),
            2 => bolt.fields(&from, ["n"]),
            _ => bolt.global(&from),
        };
    }
    let cluster = LocalCluster::submit(t.build().unwrap(), cores).unwrap();
    let done = cluster.wait_until(LONG, |_| book.settled() == N);
    prop_assert!(done.is_ok(), "{} of {N} settled: {done:?}", book.settled());
    drop(cluster);
    let wrong = book.wrong.lock().unwrap();
    prop_assert!(
        wrong.is_empty(),
        "{} wrong: {:?}",
        wrong.len(),
        wrong.first()
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn each_root_settles_once_and_no_tree_is_acked_with_a_tuple_open(
        stages in prop::collection::vec((1_u32..4, 0_u32..4, 0_u8..4, 0_u8..64), 1..5),
        cores in 1_usize..3,
        pending in prop::sample::select(vec![1_i64, 7, 1_000]),
    ) {
        let stages: Vec<_> = stages
            .into_iter()
            .map(|(tasks, copies, grouping, naughty)| Stage { tasks, copies, grouping, naughty })
            .collect();
        run(&stages, cores, pending)?;
    }
}

/// Emits 0, 1, 2, ... as fast as it may.
struct Count {
    next: i64,
    n: i64,
    tracked: bool,
    acked: Arc<AtomicU64>,
}

impl Spout for Count {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        if self.next == self.n {
            return Ok(Next::Idle);
        }
        self.next += 1;
        if self.tracked {
            out.emit_with_id(self.next as u64, [self.next])?;
        } else {
            out.emit([self.next])?;
        }
        Ok(Next::Emitted)
    }
    fn ack(&mut self, _: MessageId) -> Result<()> {
        self.acked.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn count(n: i64, tracked: bool) -> (Arc<AtomicU64>, impl Fn() -> Count + Send + Sync + 'static) {
    let acked = Arc::new(AtomicU64::new(0));
    let mine = acked.clone();
    (acked, move || Count {
        next: 0,
        n,
        tracked,
        acked: mine.clone(),
    })
}

/// Passes its input on `0` times over.
struct Pass(i64);

impl BasicBolt for Pass {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        (0..self.0).try_for_each(|_| out.emit([input.int("n")?]))
    }
}

#[test]
fn counts_of_a_fused_chain_are_exact() {
    let (acked, spout) = count(10_000, true);
    let mut t = TopologyBuilder::new("exact");
    t.spout("count", spout);
    t.bolt("twice", || Pass(2)).local_or_shuffle("count");
    t.bolt("end", || Pass(0)).local_or_shuffle("twice");
    let cluster = LocalCluster::submit(t.build().unwrap(), 1).unwrap();
    let done = |c: &str| {
        let all = cluster.stats(c);
        let inputs = all.iter().flat_map(|s| s.inputs.values());
        inputs.fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2))
    };
    cluster
        .wait_until(LONG, |_| done("end") == (20_000, 20_000, 0))
        .unwrap();
    assert_eq!(done("twice"), (10_000, 10_000, 0));
    let out = |c: &str| cluster.stats(c)[0].outputs["default"];
    assert_eq!(out("count"), (10_000, 10_000));
    assert_eq!(out("twice"), (20_000, 20_000));
    assert_eq!(cluster.stats("count")[0].acked, 10_000);
    assert_eq!(acked.load(Ordering::SeqCst), 10_000);
}

/// Notes whether what comes from one task comes in order.
struct InOrder(HashMap<TaskId, i64>, Arc<AtomicBool>, Arc<AtomicU64>);

impl BasicBolt for InOrder {
    fn execute(&mut self, input: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        let last = self.0.insert(input.source_task(), input.int("n")?);
        if last.is_some_and(|last| last >= input.values()[0].as_int().unwrap_or(0)) {
            self.1.store(false, Ordering::SeqCst);
        }
        self.2.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn straight_calls_never_overtake_what_waits() {
    // Two spouts on two cores feed one bolt: one calls it straight between batches of the other.
    let (_, spout) = count(200_000, false);
    let (ordered, seen) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let (ok, n) = (ordered.clone(), seen.clone());
    let mut t = TopologyBuilder::new("order");
    t.conf("topology.acker.executors", 0_i64);
    t.spout("count", spout).parallelism(2);
    t.bolt("end", move || {
        InOrder(HashMap::new(), ok.clone(), n.clone())
    })
    .global("count");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    cluster
        .wait_until(LONG, |_| seen.load(Ordering::SeqCst) == 400_000)
        .unwrap();
    assert!(ordered.load(Ordering::SeqCst));
}

/// Blocks its thread at its first input until it is let go.
struct Block(Arc<AtomicBool>);

impl BasicBolt for Block {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        while !self.0.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }
}

#[test]
fn a_bolt_that_blocks_its_core_leaves_the_others_running() {
    let go_on = Arc::new(AtomicBool::new(false));
    let (blocked, spout) = count(100, true);
    let (free, other) = count(50_000, true);
    let mine = go_on.clone();
    let mut t = TopologyBuilder::new("block");
    t.spout("stuck", spout);
    t.bolt("block", move || Block(mine.clone()))
        .shuffle("stuck");
    t.spout("free", other);
    t.bolt("pass", || Pass(0)).shuffle("free");
    let cluster = LocalCluster::submit(t.build().unwrap(), 1).unwrap();
    // One core: without another thread nothing of this would ever be acked.
    cluster
        .wait_until(LONG, |_| free.load(Ordering::SeqCst) == 50_000)
        .unwrap();
    assert_eq!(blocked.load(Ordering::SeqCst), 0);
    go_on.store(true, Ordering::SeqCst);
    cluster
        .wait_until(LONG, |_| blocked.load(Ordering::SeqCst) == 100)
        .unwrap();
}

#[test]
fn one_input_may_emit_a_million_tuples_with_bounded_queues() {
    for cores in [1, 2] {
        let (acked, spout) = count(1, true);
        let mut t = TopologyBuilder::new("million");
        t.spout("count", spout);
        t.bolt("burst", || Pass(1_000_000)).shuffle("count");
        t.bolt("end", || Pass(0)).parallelism(3).shuffle("burst");
        let cluster = LocalCluster::submit(t.build().unwrap(), cores).unwrap();
        let mut most = 0;
        let limit = fulmar_engine::limits::EMIT_OVERFLOW_TUPLES;
        cluster
            .wait_until(LONG, |w| {
                let queued = w.shared().queued.iter();
                most = most.max(queued.map(|q| q.load(Ordering::Relaxed)).sum());
                acked.load(Ordering::SeqCst) == 1
            })
            .unwrap();
        assert!(most <= 2 * limit, "{most} tuples queued");
        assert_eq!(cluster.dropped(), []);
    }
}

/// Sends its input round again until it is 0.
struct Round;

impl BasicBolt for Round {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        match input.int("n")? % 50 {
            0 => Ok(()),
            n => out.emit([n - 1]),
        }
    }
}

#[test]
fn a_cycle_neither_deadlocks_nor_grows() {
    let (acked, spout) = count(20_000, true);
    let mut t = TopologyBuilder::new("cycle");
    t.conf("topology.max.spout.pending", 2_000_i64);
    t.spout("count", spout);
    t.bolt("a", || Round).shuffle("count").shuffle("b");
    t.bolt("b", || Round).shuffle("a");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    cluster
        .wait_until(LONG, |w| {
            let most = w.shared().queued.iter().map(|q| q.load(Ordering::Relaxed));
            assert!(most.max() < Some(2 * fulmar_engine::limits::CYCLE_QUEUE_TUPLES));
            acked.load(Ordering::SeqCst) == 20_000
        })
        .unwrap();
}

#[test]
fn a_million_roots_may_be_pending() {
    struct Hold(Vec<AckToken>);
    impl Bolt for Hold {
        fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
            if input.is_tick() {
                if self.0.len() == 1_000_000 {
                    self.0.drain(..).for_each(|token| out.ack_token(token));
                }
                return Ok(());
            }
            self.0.push(out.keep(input));
            Ok(())
        }
    }
    let (acked, spout) = count(1_000_000, true);
    let mut t = TopologyBuilder::new("pending");
    t.conf("topology.message.timeout.secs", 300_i64);
    t.spout("count", spout);
    t.bolt("hold", || Hold(Vec::new()))
        .tick(Duration::from_millis(20))
        .local_or_shuffle("count");
    let cluster = LocalCluster::submit(t.build().unwrap(), 1).unwrap();
    cluster
        .wait_until(LONG, |_| acked.load(Ordering::SeqCst) == 1_000_000)
        .unwrap();
}
