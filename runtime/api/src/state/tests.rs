//! State against a naive model over both stores, and stateful bolts through the test collector.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::key_value::Store;
use super::memory::Memory;
use super::*;
use crate::bolt::Bolt;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::testing::{self, BoltTester, SpoutTester};
use crate::topology::Outputs;
use crate::tuple::{Source, Tuple};
use crate::value::Value;

#[derive(Clone, Debug)]
enum Op {
    Put(u8, i64),
    Delete(u8),
    FailedCall(u8, i64),
    Prepare,
    Commit,
    CommitNow,
    Rollback,
    Reopen,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => (0_u8..6, any::<i64>()).prop_map(|(k, v)| Op::Put(k, v)),
        3 => (0_u8..6).prop_map(Op::Delete),
        2 => (0_u8..6, any::<i64>()).prop_map(|(k, v)| Op::FailedCall(k, v)),
        2 => Just(Op::Prepare),
        2 => Just(Op::Commit),
        1 => Just(Op::Rollback),
        1 => Just(Op::Reopen),
        1 => Just(Op::CommitNow),
    ];
    prop::collection::vec(op, 0..60)
}

type Map = BTreeMap<u8, i64>;

/// Runs the operations on a state and on three plain maps, comparing what is seen after each.
fn same_as_maps(ops: &[Op], open: impl Fn() -> Box<dyn Store>) -> Result<(), TestCaseError> {
    let mut state = Some(KeyValueState::over(open()).unwrap());
    let (mut now, mut prepared, mut committed): (Map, Option<Map>, Map) = Default::default();
    let mut txid = 0;
    for op in ops {
        let s = state.as_mut().expect("open between operations");
        match op {
            Op::Put(key, value) => {
                s.put(i64::from(*key), *value);
                now.insert(*key, *value);
            }
            Op::Delete(key) => {
                let old = s.delete(i64::from(*key)).unwrap();
                prop_assert_eq!(old, now.remove(key).map(Value::from));
            }
            Op::FailedCall(key, value) => {
                s.begin_call();
                s.put(i64::from(*key), *value);
                s.delete(i64::from(*key)).unwrap();
                s.put(0_i64, 0_i64);
                s.undo_call();
            }
            Op::Prepare => {
                s.prepare_commit(txid).unwrap();
                prepared = Some(now.clone());
            }
            Op::Commit => {
                if let Some(map) = prepared.take() {
                    s.commit(txid).unwrap();
                    s.commit(txid).unwrap();
                    prop_assert!(s.prepare_commit(txid).is_err());
                    prop_assert!(s.commit(txid - 1).is_err());
                    txid += 1;
                    committed = map;
                }
            }
            // Outside of checkpoints only, as the checkpoint spout uses it.
            Op::CommitNow => {
                if prepared.is_none() {
                    s.commit_now().unwrap();
                    committed = now.clone();
                }
            }
            Op::Rollback => {
                s.rollback().unwrap();
                prepared = None;
                now = committed.clone();
            }
            Op::Reopen => {
                drop(state.take());
                state = Some(KeyValueState::over(open()).unwrap());
                now = prepared.clone().unwrap_or_else(|| committed.clone());
            }
        }
        let s = state.as_ref().expect("open between operations");
        let mut entries: Vec<_> = s.entries().unwrap();
        entries.sort_by_key(|e| e.0.as_int());
        let want = now.iter().map(|(k, v)| (Value::from(*k), Value::from(*v)));
        prop_assert_eq!(entries, want.collect::<Vec<_>>());
        for key in 0..6 {
            let want = now.get(&key).copied().map(Value::from);
            prop_assert_eq!(s.get(i64::from(key)).unwrap(), want);
        }
    }
    Ok(())
}

/// A folder that is gone with the value.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("fulmar-state-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

proptest! {
    #[test]
    fn state_in_memory_equals_plain_maps(ops in ops()) {
        let (ctx, _) = testing::context(&Config::new());
        same_as_maps(&ops, || Box::new(Memory::of("c-1", &ctx).unwrap()))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn state_in_a_folder_equals_plain_maps(ops in ops()) {
        let dir = Scratch::new();
        same_as_maps(&ops, || Box::new(folder::Folder::open(&dir.0, "a b-1").unwrap()))?;
    }
}

/// Counts words; the word "bad" fails after it has written.
struct Count;

impl StatefulBolt for Count {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["word", "count"])
    }
    fn execute(
        &mut self,
        input: &Tuple<'_>,
        state: &mut KeyValueState,
        out: &mut StatefulCollector<'_, '_>,
    ) -> Result<()> {
        let word = input.str("word")?;
        let count = state.get_or(word, 0_i64)?.as_int().unwrap_or(0) + 1;
        state.put(word, count);
        out.emit((word, count))?;
        match word {
            "bad" => return Err(Error::msg("a bad word")),
            "forgotten" => {}
            _ => out.ack(input),
        }
        assert!(word == "forgotten" || out.emit((word, count)).is_err());
        Ok(())
    }
}

fn checkpoint<B: Bolt>(test: &mut BoltTester<B>, action: &str, txid: i64) {
    let source = Source {
        component: CHECKPOINT_SPOUT.to_owned(),
        stream: CHECKPOINT_STREAM.to_owned(),
        fields: CHECKPOINT_FIELDS.map(str::to_owned).to_vec(),
    };
    test.execute_from(&source, 9, (txid, action)).unwrap();
}

fn counts(test: &BoltTester<Stateful<Count>>) -> Vec<String> {
    let emitted = test.emitted_on("default");
    let line = |e: &&testing::Emitted| format!("{}={}", e.values[0], e.values[1]);
    emitted.iter().map(line).collect()
}

fn tester(conf: &Config) -> BoltTester<Stateful<Count>> {
    let mut test = BoltTester::new(Stateful::new(Count), ["word"]);
    test.prepare(conf).unwrap();
    test
}

#[test]
fn inputs_wait_for_the_state_and_are_acked_by_the_commit() {
    let mut test = tester(&Config::new());
    test.execute(["a"]).unwrap();
    checkpoint(&mut test, "PREPARE", 0);
    assert_eq!((counts(&test).len(), test.failed()), (0, 1));
    checkpoint(&mut test, "INITSTATE", -1);
    assert_eq!(counts(&test), ["a=1"]);
    test.execute(["a"]).unwrap();
    checkpoint(&mut test, "PREPARE", 0);
    test.execute(["a"]).unwrap();
    // Inputs 0 and 3 are prepared, 5 is not; the checkpoint tuples 2 and 4 are acked.
    assert_eq!(test.acked_inputs(), [2, 4]);
    checkpoint(&mut test, "COMMIT", 0);
    assert_eq!(test.acked_inputs(), [2, 4, 0, 3, 6]);
    assert_eq!(test.emitted_on(CHECKPOINT_STREAM).len(), 3);
    // Back to two: the third comes again and is counted once.
    checkpoint(&mut test, "ROLLBACK", 1);
    assert_eq!(test.failed(), 2);
    test.execute(["a"]).unwrap();
    assert_eq!(counts(&test), ["a=1", "a=2", "a=3", "a=3"]);
}

#[test]
fn checkpoints_may_be_numbered_anew() {
    let mut test = tester(&Config::new());
    checkpoint(&mut test, "INITSTATE", 6);
    test.execute(["a"]).unwrap();
    checkpoint(&mut test, "PREPARE", 7);
    checkpoint(&mut test, "COMMIT", 7);
    test.execute(["a"]).unwrap();
    checkpoint(&mut test, "PREPARE", 8);
    // The checkpoint spout has lost its state: what it did not commit comes again.
    checkpoint(&mut test, "INITSTATE", -1);
    assert_eq!(test.failed(), 1);
    test.execute(["a"]).unwrap();
    checkpoint(&mut test, "PREPARE", 0);
    checkpoint(&mut test, "COMMIT", 0);
    assert_eq!(counts(&test), ["a=1", "a=2", "a=2"]);
    assert_eq!(test.acked_inputs(), [0, 2, 1, 3, 5, 6, 8, 7, 9]);
}

#[test]
fn a_state_that_is_still_open_elsewhere_is_tried_again() {
    let dir = Scratch::new();
    let mut conf = Config::new();
    let config = format!(r#"{{"dir": "{}"}}"#, dir.0.display());
    conf.set("topology.state.provider", "folder")
        .set("topology.state.provider.config", config);
    let mut old = tester(&conf);
    checkpoint(&mut old, "INITSTATE", -1);
    let mut new = tester(&conf);
    new.execute(["a"]).unwrap();
    let source = Source {
        component: CHECKPOINT_SPOUT.to_owned(),
        stream: CHECKPOINT_STREAM.to_owned(),
        fields: CHECKPOINT_FIELDS.map(str::to_owned).to_vec(),
    };
    let error = new
        .execute_from(&source, 9, (-1_i64, "INITSTATE"))
        .unwrap_err();
    assert!(error.to_string().contains("state in"), "{error}");
    drop(old);
    checkpoint(&mut new, "INITSTATE", -1);
    assert_eq!(counts(&new), ["a=1"]);
}

#[test]
fn a_failed_call_leaves_no_trace_in_the_state() {
    let mut test = tester(&Config::new());
    checkpoint(&mut test, "INITSTATE", -1);
    test.execute(["bad"]).unwrap_err();
    test.execute(["bad"]).unwrap_err();
    test.execute(["forgotten"]).unwrap();
    assert_eq!(counts(&test)[..2], ["bad=1", "bad=1"]);
    assert_eq!(test.failed(), 3);
}

#[test]
fn a_committed_state_is_found_again_in_its_folder() {
    let dir = Scratch::new();
    let mut conf = Config::new();
    let config = format!(r#"{{"dir": "{}"}}"#, dir.0.display());
    conf.set("topology.state.provider", "folder")
        .set("topology.state.provider.config", config);
    let mut test = tester(&conf);
    checkpoint(&mut test, "INITSTATE", -1);
    test.execute(["a"]).unwrap();
    checkpoint(&mut test, "PREPARE", 0);
    checkpoint(&mut test, "COMMIT", 0);
    test.execute(["a"]).unwrap();
    drop(test);
    let mut test = tester(&conf);
    checkpoint(&mut test, "INITSTATE", 0);
    test.execute(["a"]).unwrap();
    assert_eq!(counts(&test), ["a=2"]);
}

#[test]
fn an_unknown_provider_is_named() {
    let prepare = |provider: &str, config: &str| {
        let mut conf = Config::new();
        conf.set("topology.state.provider", provider)
            .set("topology.state.provider.config", config);
        let mut test = BoltTester::new(Stateful::new(Count), ["word"]);
        test.prepare(&conf).unwrap_err().to_string()
    };
    let error = prepare(
        "org.apache.storm.redis.state.RedisKeyValueStateProvider",
        "{}",
    );
    assert!(error.contains("use memory or folder"), "{error}");
    let error = prepare("folder", "{}");
    assert!(error.contains("it has no \"dir\""), "{error}");
    assert!(prepare("folder", "[").contains("wanted JSON such as"));
}

#[test]
fn the_checkpoint_spout_recovers_then_prepares_and_commits() {
    let mut conf = Config::new();
    conf.set("topology.state.checkpoint.interval.ms", 1_i64);
    let mut test = SpoutTester::open(checkpoint_spout::CheckpointSpout::default(), &conf).unwrap();
    let mut asked = Vec::new();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while asked.len() < 6 && std::time::Instant::now() < end {
        let before = test.emitted().len();
        test.call_next().unwrap();
        let Some(step) = test.emitted().get(before).cloned() else {
            std::thread::yield_now();
            continue;
        };
        asked.push(format!("{} {}", step.values[1], step.values[0]));
        // The second COMMIT fails once: everybody is asked again, then given the state.
        let id = step.id.unwrap();
        let why = crate::FailReason::Failed;
        match asked.len() {
            3 => crate::Spout::fail(test.spout(), id, why).unwrap(),
            _ => crate::Spout::ack(test.spout(), id).unwrap(),
        }
        crate::Spout::ack(test.spout(), id + 100).unwrap();
    }
    let want = [
        "INITSTATE -1",
        "PREPARE 0",
        "COMMIT 0",
        "COMMIT 0",
        "INITSTATE 0",
        "PREPARE 1",
    ];
    assert_eq!(asked, want);
}

/// Emits without an anchor.
struct Loose;

impl Bolt for Loose {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["word"])
    }
    fn execute(&mut self, input: &Tuple<'_>, out: &mut crate::BoltCollector<'_>) -> Result<()> {
        match input.str("word")? {
            "loose" => out.emit(crate::collector::Anchors::None, ["x"])?,
            word => out.emit(input, [word])?,
        }
        out.ack(input);
        Ok(())
    }
}

#[test]
fn bolts_without_state_pass_checkpoints_on_and_must_anchor() {
    let mut test = BoltTester::new(forward::Forwarder::new(Box::new(Loose)), ["word"]);
    test.prepare(&Config::new()).unwrap();
    checkpoint(&mut test, "PREPARE", 3);
    assert_eq!(test.emitted_on(CHECKPOINT_STREAM)[0].anchors, [0]);
    test.execute(["word"]).unwrap();
    let error = test.execute(["loose"]).unwrap_err().to_string();
    assert!(error.contains("must emit anchored tuples"), "{error}");
    assert_eq!((test.acked(), test.failed()), (2, 1));
}

#[derive(Clone)]
struct Words;

impl crate::Spout for Words {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["word"])
    }
    fn next(&mut self, _: &mut crate::SpoutCollector<'_>) -> Result<crate::Next> {
        Ok(crate::Next::Idle)
    }
}

#[test]
fn a_graph_with_state_gets_checkpoints_on_every_way() {
    let mut t = crate::TopologyBuilder::new("t");
    t.spout("words", Words);
    t.bolt("pass", || Loose).parallelism(2).shuffle("words");
    t.bolt("count", || Stateful::new(Count))
        .fields("pass", ["word"])
        .shuffle("words");
    let spec = t.build().unwrap().spec;
    let from = |id: &str| -> Vec<String> {
        let inputs = &spec.component(id).unwrap().inputs;
        let inputs = inputs.iter().filter(|i| i.stream == CHECKPOINT_STREAM);
        inputs.map(|i| i.component.clone()).collect()
    };
    assert_eq!(from("pass"), [CHECKPOINT_SPOUT]);
    assert_eq!(from("count"), [CHECKPOINT_SPOUT, "pass"]);
    assert_eq!(spec.components.last().unwrap().id, CHECKPOINT_SPOUT);
}

#[test]
fn what_keeps_checkpoints_from_working_is_told_at_once() {
    let mut t = crate::TopologyBuilder::new("t");
    t.conf("topology.acker.executors", 0_i64)
        .conf("topology.state.checkpoint.interval.ms", 30_000_i64);
    t.spout("words", Words);
    t.bolt("pass", || Loose).shuffle("words").shuffle("count");
    t.bolt("count", || Stateful::new(Count))
        .fields("pass", ["word"]);
    let error = t.build().unwrap_err().to_string();
    for part in ["is in a cycle", "checkpoints need acks", "would time out"] {
        assert!(error.contains(part), "{error}");
    }
}

/// Adds each window's length to its state; a window with 13 in it fails after that.
struct Total;

impl StatefulWindowedBolt for Total {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["total"])
    }
    fn execute(
        &mut self,
        window: &crate::window::TupleWindow<'_>,
        state: &mut KeyValueState,
        out: &mut crate::window::WindowCollector<'_, '_>,
    ) -> Result<()> {
        let total = state.get_or("total", 0_i64)?.as_int().unwrap_or(0) + window.len() as i64;
        state.put("total", total);
        match window.get().any(|t| matches!(t.int("n"), Ok(13))) {
            true => Err(Error::msg("13 is too much")),
            false => out.emit([total]),
        }
    }
}

#[test]
fn windows_have_state_and_what_expired_is_acked_by_the_commit() {
    let windowed = crate::Windowed::new(Total).tumbling_window(crate::window::Count(2));
    let mut test = BoltTester::new(Stateful::new(windowed), ["n"]);
    test.prepare(&Config::new()).unwrap();
    let totals = |test: &BoltTester<_>| -> Vec<i64> {
        let emitted = test.emitted_on("default");
        emitted
            .iter()
            .filter_map(|e| e.values[0].as_int())
            .collect()
    };
    test.execute([0_i64]).unwrap();
    checkpoint(&mut test, "INITSTATE", -1);
    for n in 1..=4_i64 {
        test.execute([n]).unwrap();
    }
    assert_eq!(totals(&test), [2, 4]);
    assert_eq!(test.emitted_on("default")[1].anchors, [3, 4]);
    // Inputs 0 and 2 have expired, then 3 with the arrival of 5; none is acked before the commit.
    assert_eq!(test.acked_inputs(), [1]);
    checkpoint(&mut test, "PREPARE", 0);
    checkpoint(&mut test, "COMMIT", 0);
    assert_eq!(test.acked_inputs(), [1, 6, 0, 2, 3, 7]);
    // A failed window leaves no trace, and everything held comes again.
    test.execute([13_i64]).unwrap_err();
    assert_eq!((test.failed(), totals(&test).len()), (3, 2));
    test.execute([5_i64]).unwrap();
    test.execute([6_i64]).unwrap();
    assert_eq!(totals(&test), [2, 4, 6]);
    checkpoint(&mut test, "ROLLBACK", 1);
    assert_eq!(test.failed(), 5);
    test.execute([5_i64]).unwrap();
    test.execute([6_i64]).unwrap();
    assert_eq!(totals(&test), [2, 4, 6, 6]);
}
