//! Groupings and task counts as an author sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fulmar::prelude::*;
use fulmar_api::grouping::{CustomGrouping, GroupingContext};

const LONG: Duration = Duration::from_secs(30);
const N: i64 = 1_000;

/// Emits 0..N once, on `default` and, to tasks in turn, on the direct stream `named`.
struct Numbers {
    next: i64,
    direct: Vec<TaskId>,
}

impl Spout for Numbers {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"]).direct_stream("named", ["n"])
    }
    fn open(&mut self, _: &Config, ctx: &TaskContext) -> Result<()> {
        self.direct = ctx.topology.tasks_of("sink");
        // A task that does not listen: what is emitted to it is left out, as in Storm.
        self.direct.push(1_000);
        Ok(())
    }
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        if self.next == N {
            return Ok(Next::Idle);
        }
        let n = self.next;
        self.next += 1;
        out.emit([n])?;
        let task = self.direct[n as usize % self.direct.len()];
        out.emit_direct(task, "named", None, [n])?;
        // Each of the two kinds of emit refuses the other kind of stream.
        assert!(out.emit_to("named", None, [n]).is_err());
        assert!(out.emit_direct(task, "default", None, [n]).is_err());
        Ok(Next::Emitted)
    }
}

type Got = Arc<Mutex<BTreeMap<usize, Vec<i64>>>>;

/// Notes what comes to which task.
struct Sink(Got, usize);

impl BasicBolt for Sink {
    fn prepare(&mut self, _: &Config, ctx: &TaskContext) -> Result<()> {
        self.1 = ctx.task_index;
        Ok(())
    }
    fn execute(&mut self, input: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        let mut got = self.0.lock().unwrap();
        got.entry(self.1).or_default().push(input.int("n")?);
        Ok(())
    }
}

fn run(
    tasks: u32,
    wanted: usize,
    subscribe: impl Fn(fulmar_api::builder::BoltDeclarer<'_>),
) -> BTreeMap<usize, Vec<i64>> {
    let got = Got::default();
    let mine = got.clone();
    let mut t = TopologyBuilder::new("groupings");
    t.spout("numbers", || Numbers {
        next: 0,
        direct: Vec::new(),
    });
    subscribe(
        t.bolt("sink", move || Sink(mine.clone(), 0))
            .parallelism(tasks),
    );
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    let total = || got.lock().unwrap().values().map(Vec::len).sum::<usize>();
    cluster.wait_until(LONG, |_| total() >= wanted).unwrap();
    drop(cluster);
    assert_eq!(total(), wanted);
    got.lock().unwrap().clone()
}

#[test]
fn a_direct_emit_reaches_the_task_that_it_names() {
    let got = run(3, 750, |bolt| {
        bolt.direct("numbers", "named");
    });
    for (index, numbers) in got {
        assert!(numbers.iter().all(|n| *n as usize % 4 == index), "{index}");
    }
}

#[test]
fn a_partial_key_goes_to_two_tasks_evenly() {
    /// The same key for every tuple.
    struct OneKey;
    impl BasicBolt for OneKey {
        fn outputs(&self) -> Outputs {
            Outputs::fields(["key", "n"])
        }
        fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
            out.emit(("hot", input.int("n")?))
        }
    }
    let got = Got::default();
    let mine = got.clone();
    let mut t = TopologyBuilder::new("partial");
    t.spout("numbers", || Numbers {
        next: 0,
        direct: Vec::new(),
    });
    t.bolt("key", || OneKey).shuffle("numbers");
    t.bolt("sink", move || Sink(mine.clone(), 0))
        .parallelism(5)
        .partial_key("key", ["key"]);
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    let total = || got.lock().unwrap().values().map(Vec::len).sum::<usize>();
    cluster.wait_until(LONG, |_| total() == N as usize).unwrap();
    let counts: Vec<_> = got.lock().unwrap().values().map(Vec::len).collect();
    assert_eq!(counts, [500, 500]);
}

/// Even numbers to the first task, odd ones to the last two.
struct Parity(Vec<TaskId>);

impl CustomGrouping for Parity {
    fn prepare(&mut self, context: &GroupingContext) {
        assert_eq!(
            (&*context.component, &*context.stream),
            ("numbers", "default")
        );
        self.0 = context.targets.clone();
    }
    fn choose(&mut self, _: TaskId, values: &[Value], out: &mut Vec<TaskId>) {
        if values[0].as_int().unwrap_or(0) % 2 == 0 {
            out.push(self.0[0]);
        } else {
            // The last is none of the targets.
            out.extend([self.0[1], self.0[2], 1_000]);
        }
    }
}

#[test]
fn author_code_may_choose() {
    let got = run(3, 1_500, |bolt| {
        bolt.custom("numbers", "default", || Parity(Vec::new()));
    });
    assert!(got[&0].iter().all(|n| n % 2 == 0));
    assert_eq!((got[&1].len(), got[&2].len()), (500, 500));
}

#[test]
fn tasks_follow_the_configuration() {
    let mut t = TopologyBuilder::new("tasks");
    t.conf("topology.max.task.parallelism", 4_i64);
    t.spout("numbers", || Numbers {
        next: 0,
        direct: Vec::new(),
    });
    let sink = || Sink(Got::default(), 0);
    t.bolt("own", sink)
        .parallelism(2)
        .conf("topology.tasks", 3_i64)
        .shuffle("numbers");
    t.bolt("capped", sink).parallelism(9).shuffle("numbers");
    t.bolt("more", sink)
        .parallelism(6)
        .conf("topology.max.task.parallelism", 5_i64)
        .shuffle("numbers");
    let spec = t.build().unwrap().spec;
    let counts = |id: &str| spec.component(id).map(|c| (c.parallelism, c.tasks));
    assert_eq!(counts("own"), Some((2, 3)));
    assert_eq!(counts("capped"), Some((4, 4)));
    assert_eq!(counts("more"), Some((5, 5)));
}

#[test]
fn an_executor_may_run_several_tasks() {
    let got = run(2, N as usize, |bolt| {
        bolt.tasks(5).shuffle("numbers");
    });
    assert_eq!(got.values().map(Vec::len).collect::<Vec<_>>(), [200; 5]);
}
