//! Stateful bolts in a running topology: nothing is lost by failures, and state outlives the workers.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fulmar::prelude::*;

const LONG: Duration = Duration::from_secs(60);

type Acks = Arc<Mutex<HashMap<MessageId, u32>>>;
type Counts = Arc<Mutex<BTreeMap<i64, i64>>>;

/// Emits n % 7 for each n below its limit, again when it fails.
#[derive(Clone)]
struct Keys {
    limit: u64,
    next: u64,
    again: Vec<MessageId>,
    acks: Acks,
    timed_out: Arc<AtomicBool>,
}

impl Spout for Keys {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["key"])
    }
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        let n = match self.again.pop() {
            Some(failed) => failed,
            None if self.next < self.limit => {
                self.next += 1;
                self.next - 1
            }
            None => return Ok(Next::Idle),
        };
        out.emit_with_id(n, [(n % 7) as i64])?;
        Ok(Next::Emitted)
    }
    fn ack(&mut self, id: MessageId) -> Result<()> {
        *self.acks.lock().unwrap().entry(id).or_default() += 1;
        Ok(())
    }
    fn fail(&mut self, id: MessageId, why: FailReason) -> Result<()> {
        if why == FailReason::TimedOut {
            self.timed_out.store(true, Ordering::Relaxed);
        }
        self.again.push(id);
        Ok(())
    }
}

struct Pass;

impl BasicBolt for Pass {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["key"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        out.emit([input.int("key")?])
    }
}

/// Counts keys in its state; panics once, when a count reaches 60 and it is told to.
#[derive(Clone)]
struct Count {
    panic: Arc<AtomicBool>,
}

impl StatefulBolt for Count {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["key", "count"])
    }
    fn execute(
        &mut self,
        input: &Tuple<'_>,
        state: &mut KeyValueState,
        out: &mut StatefulCollector<'_, '_>,
    ) -> Result<()> {
        let key = input.int("key")?;
        let count = state.get_or(key, 0_i64)?.as_int().unwrap_or(0) + 1;
        if count == 60 && self.panic.swap(false, Ordering::Relaxed) {
            panic!("sixty is too much");
        }
        state.put(key, count);
        out.emit((key, count))?;
        out.ack(input);
        Ok(())
    }
}

struct Last(Counts);

impl BasicBolt for Last {
    fn execute(&mut self, input: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        let mut counts = self.0.lock().unwrap();
        counts.insert(input.int("key")?, input.int("count")?);
        Ok(())
    }
}

/// Runs until every key is acked; answers the last counts.
fn run(limit: u64, panic: bool, dir: Option<&Path>) -> BTreeMap<i64, i64> {
    let (acks, counts) = (Acks::default(), Counts::default());
    let spout = Keys {
        limit,
        next: 0,
        again: Vec::new(),
        acks: acks.clone(),
        timed_out: Arc::default(),
    };
    let timed_out = spout.timed_out.clone();
    let count = Count {
        panic: Arc::new(AtomicBool::new(panic)),
    };
    let mut t = TopologyBuilder::new("counts");
    t.conf("topology.state.checkpoint.interval.ms", 100_i64);
    if let Some(dir) = dir {
        let config = format!(r#"{{"dir": "{}"}}"#, dir.display());
        t.conf("topology.state.provider", "folder")
            .conf("topology.state.provider.config", config);
    }
    let last = counts.clone();
    t.spout("keys", spout);
    t.bolt("pass", || Pass).parallelism(2).shuffle("keys");
    t.bolt("count", move || Stateful::new(count.clone()))
        .parallelism(2)
        .fields("pass", ["key"]);
    t.bolt("last", move || Last(last.clone())).global("count");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    let acked = || acks.lock().unwrap().len() as u64;
    cluster.wait_until(LONG, |_| acked() == limit).unwrap();
    assert!(acks.lock().unwrap().values().all(|times| *times == 1));
    // What a panic takes along fails at once.
    assert!(!timed_out.load(Ordering::Relaxed));
    let errors = cluster.errors();
    assert_eq!(errors.iter().any(|e| e.error.contains("sixty")), panic);
    drop(cluster);
    let counts = counts.lock().unwrap();
    counts.clone()
}

/// A folder that is gone with the value.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_state_goes_on_in_the_next_cluster_from_what_is_acked() {
    let name = format!("fulmar-runtime-state-{}", std::process::id());
    let dir = Scratch(std::env::temp_dir().join(name));
    let first = run(700, false, Some(&dir.0));
    assert_eq!(first, (0..7).map(|key| (key, 100)).collect());
    let second = run(350, false, Some(&dir.0));
    assert_eq!(second, (0..7).map(|key| (key, 150)).collect());
}

#[test]
fn after_a_panic_nothing_is_lost() {
    let counts = run(700, true, None);
    assert_eq!(counts.len(), 7);
    // At least once: what was prepared when the bolt panicked may count twice.
    assert!(
        counts.values().all(|n| (100..=200).contains(n)),
        "{counts:?}"
    );
}

/// Adds up how many tuples its windows had.
struct Total;

impl StatefulWindowedBolt for Total {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["key", "count"])
    }
    fn execute(
        &mut self,
        window: &TupleWindow<'_>,
        state: &mut KeyValueState,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()> {
        let total = state.get_or("total", 0_i64)?.as_int().unwrap_or(0) + window.len() as i64;
        state.put("total", total);
        out.emit((0_i64, total))
    }
}

#[test]
fn windows_by_the_clock_have_state_and_are_acked_by_checkpoints() {
    let (acks, counts) = (Acks::default(), Counts::default());
    let spout = Keys {
        limit: 2_000,
        next: 0,
        again: Vec::new(),
        acks: acks.clone(),
        timed_out: Arc::default(),
    };
    let last = counts.clone();
    let mut t = TopologyBuilder::new("totals");
    t.conf("topology.state.checkpoint.interval.ms", 100_i64)
        .conf("topology.max.spout.pending", 100_i64);
    t.spout("keys", spout);
    t.bolt("total", || {
        Stateful::new(Windowed::new(Total).tumbling_window(Duration::from_millis(20)))
    })
    .shuffle("keys");
    t.bolt("last", move || Last(last.clone())).global("total");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    // At most 100 are pending, so what expired must be acked for the rest to come; the last window
    // expires with a window after it, which never comes.
    let total = || counts.lock().unwrap().get(&0).copied().unwrap_or(0);
    cluster.wait_until(LONG, |_| total() == 2_000).unwrap();
    assert!(acks.lock().unwrap().len() >= 1_900);
    assert!(acks.lock().unwrap().values().all(|times| *times == 1));
}
