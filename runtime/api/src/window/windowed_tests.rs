//! Windowed bolts through the author's door: the test collector.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::testing::BoltTester;
use crate::topology::Outputs;
use crate::tuple::{Source, Tuple};
use crate::value::Value;

/// Emits what the window held: numbers joined, how many are new, expired numbers, begin and end.
struct Show;

fn numbers<'a>(tuples: impl Iterator<Item = Tuple<'a>>) -> Result<String> {
    let numbers = tuples.map(|t| Ok(t.int("n")?.to_string()));
    Ok(numbers.collect::<Result<Vec<_>>>()?.join(" "))
}

impl WindowedBolt for Show {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["all", "new", "expired", "start", "end"])
    }
    fn execute(
        &mut self,
        window: &TupleWindow<'_>,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()> {
        if window.get().any(|t| matches!(t.int("n"), Ok(13))) {
            return Err(Error::msg("13 is too much"));
        }
        out.emit((
            numbers(window.get())?,
            numbers(window.get_new())?,
            numbers(window.get_expired())?,
            window.start_timestamp(),
            window.end_timestamp(),
        ))
    }
}

type Test = BoltTester<Windowed<Show>>;

fn shown(test: &Test) -> Vec<String> {
    let text = |v: &Value| v.to_string();
    let line = |e: &crate::testing::Emitted| e.values.iter().map(text).collect::<Vec<_>>();
    let default = test.emitted_on("default");
    default.into_iter().map(|e| line(e).join("|")).collect()
}

fn test(bolt: Windowed<Show>, clock: &ManualClock) -> Test {
    let mut test = BoltTester::new(bolt.clock(clock.clone()), ["n", "ts"]);
    test.prepare(&Config::new()).unwrap();
    test
}

#[test]
fn a_tumbling_window_anchors_to_its_tuples_and_acks_them_when_they_expire() {
    let clock = ManualClock::default();
    let mut test = test(Windowed::new(Show).tumbling_window(Count(2)), &clock);
    for n in 1..=5_i64 {
        clock.set(n);
        test.execute([n, 0]).unwrap();
    }
    assert_eq!(shown(&test), ["1 2|1 2||null|2", "3 4|3 4|1 2|null|4"]);
    assert_eq!(test.emitted()[1].anchors, [2, 3]);
    assert_eq!(test.acked_inputs(), [0, 1, 2]);
    assert_eq!(test.failed(), 0);
}

#[test]
fn a_window_by_time_of_arrival_ends_when_the_clock_says_so() {
    let clock = ManualClock::default();
    let windowed = Windowed::new(Show).window(Duration::from_millis(20), Duration::from_millis(10));
    let mut test = test(windowed, &clock);
    for (at, n) in [(1, 1_i64), (9, 2), (10, 3)] {
        clock.set(at);
        test.execute([n, 0]).unwrap();
    }
    assert_eq!(shown(&test), ["1 2|1 2||-10|10"]);
    clock.set(20);
    test.wake().unwrap();
    clock.set(47);
    test.wake().unwrap();
    let later = ["1 2 3|3||0|20", "3||1 2|10|30"];
    assert_eq!(shown(&test)[1..], later);
    assert_eq!(test.acked(), 3);
}

#[test]
fn a_clock_that_never_stands_still_loses_no_tuple() {
    for length in 1..9 {
        let clock = ManualClock::default();
        let windowed = Windowed::new(Show).tumbling_window(Duration::from_millis(length));
        let mut test = test(windowed, &clock);
        clock.step(1);
        for n in 100..300_i64 {
            test.execute([n, 0]).unwrap();
        }
        clock.set(100_000);
        test.wake().unwrap();
        let all = test.emitted().iter().map(|e| e.values[0].to_string());
        let all = all.collect::<Vec<_>>().join(" ");
        let want = (100..300).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(all, want.join(" "), "windows of {length} ms");
    }
}

#[test]
fn event_time_orders_tuples_waits_for_the_lag_and_sends_late_ones_away() {
    let clock = ManualClock::default();
    let windowed = Windowed::new(Show)
        .tumbling_window(Duration::from_millis(10))
        .timestamp_field("ts")
        .lag(Duration::from_millis(5))
        .watermark_interval(Duration::from_millis(100))
        .late_tuple_stream("late");
    let mut test = test(windowed, &clock);
    for (n, ts) in [(1_i64, 108_i64), (2, 103), (3, 116), (4, 110)] {
        test.execute([n, ts]).unwrap();
    }
    clock.set(99);
    test.wake().unwrap();
    assert_eq!(shown(&test), Vec::<String>::new());
    clock.set(100);
    test.wake().unwrap();
    assert_eq!(shown(&test), ["2 1 4|2 1 4||100|110"]);
    // The watermark is 111: 110 is late, 111 is not.
    test.execute([5, 110]).unwrap();
    test.execute([6, 111]).unwrap();
    let late = test.emitted_on("late");
    assert_eq!(late.len(), 1);
    assert_eq!(
        late[0].values[0].to_string(),
        r#"{"n": Int(5), "ts": Int(110)}"#
    );
    assert_eq!(late[0].anchors, [4]);
    assert_eq!(test.acked_inputs(), [4]);
    assert_eq!(test.told().unwrap().counters["window_late_tuples"], 1);
    test.execute([7, 130]).unwrap();
    clock.set(250);
    test.wake().unwrap();
    assert_eq!(shown(&test)[1], "6 3|6 3|2 1 4|110|120");
    // 2, 1 and 4 in the order of the queue.
    assert_eq!(test.acked_inputs(), [4, 1, 0, 3]);
}

#[test]
fn an_error_fails_every_tuple_held_and_the_window_begins_anew() {
    let clock = ManualClock::default();
    let windowed = Windowed::new(Show).window(Count(3), Count(1));
    let mut test = test(windowed, &clock);
    test.execute([1_i64, 0]).unwrap();
    test.execute([2_i64, 0]).unwrap();
    let error = test.execute([13_i64, 0]).unwrap_err().to_string();
    assert!(error.contains("13 is too much"));
    assert_eq!((test.failed(), test.acked()), (3, 0));
    test.execute([4_i64, 0]).unwrap();
    assert_eq!(shown(&test)[2], "4|4||null|0");
}

#[test]
fn what_is_held_at_the_end_fails_at_once() {
    let clock = ManualClock::default();
    let mut test = test(Windowed::new(Show).tumbling_window(Count(5)), &clock);
    test.execute([1_i64, 0]).unwrap();
    test.execute([2_i64, 0]).unwrap();
    crate::bolt::Bolt::cleanup(test.bolt());
    assert_eq!(test.told().unwrap().settled, [(0, false), (1, false)]);
}

#[test]
fn mistakes_are_found_when_the_graph_is_built() {
    let build = |make: fn() -> Windowed<Show>| {
        let mut t = crate::TopologyBuilder::new("t");
        t.conf("topology.max.spout.pending", 10_i64);
        t.spout("s", Silent);
        t.bolt("w", make).shuffle("s");
        t.build().map(|t| t.spec)
    };
    let wrong = |make| build(make).unwrap_err().to_string();
    assert!(wrong(|| Windowed::new(Show).window(Count(8), Count(3))).contains("value 11 is more"));
    assert!(wrong(|| Windowed::new(Show).tumbling_window(Count(0))).contains("must be positive"));
    let long = || Windowed::new(Show).tumbling_window(Duration::from_secs(16));
    assert!(wrong(long).contains("value 32000 is more than topology.message.timeout.secs"));
    let spec = build(|| Windowed::new(Show).tumbling_window(Count(5))).unwrap();
    let conf = &spec.component("w").unwrap().conf;
    assert_eq!(conf.int(shape::LENGTH_COUNT).unwrap(), Some(5));
}

#[derive(Clone)]
struct Silent;

impl crate::Spout for Silent {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n", "ts"])
    }
    fn next(&mut self, _: &mut crate::SpoutCollector<'_>) -> Result<crate::Next> {
        Ok(crate::Next::Idle)
    }
}

#[test]
fn mistakes_of_the_late_stream_are_storms() {
    let prepare = |bolt: Windowed<Show>, conf: &Config| {
        let mut test = BoltTester::new(bolt, ["n", "ts"]);
        test.prepare(conf).unwrap_err().to_string()
    };
    let mut conf = Config::new();
    conf.set(shape::LATE_STREAM, "late");
    let count = || Windowed::new(Show).tumbling_window(Count(2));
    assert!(prepare(count(), &conf).contains("only when specifying a timestamp field"));
    let timed = count().timestamp_field("ts");
    assert!(prepare(timed, &conf).contains("must be defined with late_tuple_stream"));
    let error = prepare(Windowed::new(Show), &Config::new());
    assert!(error.contains("window length is not specified"));
}

#[test]
fn keys_of_the_configuration_make_the_window() {
    let mut conf = Config::new();
    conf.set(shape::LENGTH_COUNT, 2_i64)
        .set(shape::SLIDE_COUNT, 2_i64);
    let bolt = Windowed::new(Show).clock(ManualClock::default());
    let mut test = BoltTester::new(bolt, ["n", "ts"]);
    test.prepare(&conf).unwrap();
    for n in 1..=4_i64 {
        test.execute([n, 0]).unwrap();
    }
    assert_eq!(shown(&test), ["1 2|1 2||null|0", "3 4|3 4|1 2|null|0"]);
}

#[test]
fn every_input_stream_holds_back_the_watermark() {
    let clock = ManualClock::default();
    let windowed = Windowed::new(Show)
        .tumbling_window(Duration::from_millis(10))
        .timestamp_field("ts");
    let mut test = test(windowed, &clock);
    let from = |component: &str| Source {
        component: component.to_owned(),
        stream: "default".to_owned(),
        fields: vec!["n".to_owned(), "ts".to_owned()],
    };
    for (n, (component, ts)) in [("a", 5_i64), ("b", 7), ("a", 30), ("b", 19)]
        .into_iter()
        .enumerate()
    {
        test.execute_from(&from(component), 1, [n as i64, ts])
            .unwrap();
    }
    clock.set(1_000);
    test.wake().unwrap();
    assert_eq!(shown(&test), ["0 1|0 1||0|10"]);
}

/// Strings joined: order matters and nothing can be undone.
struct Join;

impl Aggregator for Join {
    type Partial = String;
    fn outputs(&self) -> Outputs {
        Outputs::fields(["key", "total"])
    }
    fn lift(&self, tuple: &Tuple<'_>) -> Result<String> {
        Ok(format!("{} ", tuple.int("n")?))
    }
    fn combine(&self, older: &String, newer: &String) -> String {
        format!("{older}{newer}")
    }
    fn lower(
        &self,
        key: &[Value],
        total: String,
        _: &TupleWindow<'_>,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()> {
        out.emit((key.first().cloned().unwrap_or_default(), total))
    }
}

/// The same from scratch.
struct Naive;

impl WindowedBolt for Naive {
    fn outputs(&self) -> Outputs {
        Join.outputs()
    }
    fn execute(
        &mut self,
        window: &TupleWindow<'_>,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()> {
        let mut totals = std::collections::BTreeMap::<i64, String>::new();
        for tuple in window.get() {
            let total = totals.entry(tuple.int("ts")?).or_default();
            total.push_str(&Join.lift(&tuple)?);
        }
        totals
            .into_iter()
            .try_for_each(|(k, total)| out.emit((k, total)))
    }
}

proptest! {
    #[test]
    fn incremental_totals_equal_the_naive_ones(
        length in 1_u64..20, slide in 1_u64..20, keys in prop::collection::vec(0_i64..4, 0..150),
    ) {
        let shape = (Count(length), Count(slide));
        let mut naive = BoltTester::new(Windowed::new(Naive).window(shape.0, shape.1), ["n", "ts"]);
        let by = Aggregate::by(Join, ["ts"]);
        let mut fast = BoltTester::new(Windowed::new(by).window(shape.0, shape.1), ["n", "ts"]);
        naive.prepare(&Config::new()).unwrap();
        fast.prepare(&Config::new()).unwrap();
        for (n, key) in keys.into_iter().enumerate() {
            naive.execute([n as i64, key]).unwrap();
            fast.execute([n as i64, key]).unwrap();
        }
        prop_assert_eq!(naive.emitted(), fast.emitted());
        prop_assert_eq!(naive.acked_inputs(), fast.acked_inputs());
    }
}
