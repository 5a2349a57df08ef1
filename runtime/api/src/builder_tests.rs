//! Tests of the builder and of the mistakes it finds, through `TopologyBuilder` as an author would.

use std::time::Duration;

use crate::bolt::BasicBolt;
use crate::builder::TopologyBuilder;
use crate::collector::{Emitter, SpoutCollector};
use crate::error::{Error, Result};
use crate::grouping::Grouping;
use crate::spout::{Next, Spout};
use crate::topology::Outputs;
use crate::tuple::Tuple;
use crate::value::Value;

#[derive(Clone)]
struct Lines;

impl Spout for Lines {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["line"]).direct_stream("to", ["line"])
    }
    fn next(&mut self, _: &mut SpoutCollector<'_>) -> Result<Next> {
        Ok(Next::Idle)
    }
}

struct Split;

impl BasicBolt for Split {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["word"])
    }
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        Ok(())
    }
}

fn mistakes(build: impl FnOnce(&mut TopologyBuilder)) -> Vec<String> {
    let mut t = TopologyBuilder::new("words");
    build(&mut t);
    match t.build() {
        Err(Error::Graph(found)) => found.0,
        Ok(_) => Vec::new(),
        Err(other) => vec![format!("another error: {other}")],
    }
}

#[test]
fn a_right_graph_is_described() {
    let mut t = TopologyBuilder::new("words");
    t.conf("topology.workers", 2_i64);
    t.spout("lines", Lines).parallelism(2);
    t.bolt("split", || Split)
        .parallelism(3)
        .tasks(5)
        .shuffle("lines")
        .tick(Duration::from_millis(500));
    t.bolt("count", || Split)
        .parallelism(2)
        .fields("split", ["word"]);
    let spec = t.build().expect("a right graph").spec;
    assert_eq!(spec.task_ranges(), [(1, 2), (3, 7), (8, 9)]);
    assert_eq!(
        spec.executors(),
        [(1, 1), (2, 2), (3, 4), (5, 6), (7, 7), (8, 8), (9, 9)]
    );
    assert_eq!(
        spec.component_of(4).map(|(c, i)| (c.id.as_str(), i)),
        Some(("split", 1))
    );
    assert_eq!(spec.tasks_of("count"), [8, 9]);
    let text = serde_json::to_string(&spec).expect("writes");
    assert_eq!(
        serde_json::from_str::<crate::TopologySpec>(&text).expect("reads"),
        spec
    );
}

#[test]
fn the_graph_hash_ignores_name_and_parallelism_and_sees_groupings() {
    let named = |name: &str, parallelism, grouping: Grouping| {
        let mut t = TopologyBuilder::new(name);
        t.spout("lines", Lines);
        t.bolt("split", || Split)
            .parallelism(parallelism)
            .grouping("lines", "default", grouping);
        t.build().expect("a right graph").spec.graph_hash()
    };
    let graph = |parallelism, grouping| named("words", parallelism, grouping);
    // `fulmar submit --name` gives one program several names.
    assert_eq!(
        graph(1, Grouping::Shuffle),
        named("other", 1, Grouping::Shuffle)
    );
    assert_eq!(graph(1, Grouping::Shuffle), graph(7, Grouping::Shuffle));
    assert_ne!(graph(1, Grouping::Shuffle), graph(1, Grouping::All));
}

#[test]
fn every_mistake_is_told_at_once() {
    let found = mistakes(|t| {
        t.conf("topology.wokers", 2_i64);
        t.spout("lines", Lines).parallelism(0);
        t.bolt("split", || Split).shuffle("line");
        t.bolt("split", || Split).fields("lines", ["lin"]);
        t.bolt("lonely", || Split);
        t.bolt("direct", || Split)
            .grouping("lines", "to", Grouping::Shuffle);
        t.bolt("few", || Split)
            .parallelism(4)
            .tasks(2)
            .shuffle("lines");
        t.bolt("stream", || Split)
            .grouping("lines", "nope", Grouping::All);
    });
    for expected in [
        "did you mean \"topology.workers\"?",
        "\"lines\": parallelism 0; the least is 1",
        "unknown component \"line\"; did you mean \"lines\"?",
        "\"split\" is declared twice",
        "unknown field \"lin\"",
        "\"lonely\" has no input",
        "needs direct grouping",
        "2 tasks for 4 executors",
        "stream \"nope\" of \"lines\"",
    ] {
        assert!(
            found.iter().any(|m| m.contains(expected)),
            "{expected} is not in {found:#?}"
        );
    }
}

#[test]
fn a_cycle_needs_a_spout() {
    let found = mistakes(|t| {
        t.spout("lines", Lines);
        t.bolt("a", || Split).shuffle("b");
        t.bolt("b", || Split).shuffle("a");
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("no spout reaches [\"a\", \"b\"]"),
        "{found:?}"
    );
    let fed = mistakes(|t| {
        t.spout("lines", Lines);
        t.bolt("a", || Split).shuffle("b").shuffle("lines");
        t.bolt("b", || Split).shuffle("a");
    });
    assert!(fed.is_empty(), "{fed:?}");
}

#[test]
fn names_follow_storms_rules() {
    let mut t = TopologyBuilder::new("a/b");
    t.spout("__lines", Lines);
    let text = t.build().expect_err("two bad names").to_string();
    assert!(text.starts_with("2 mistakes in the topology:"), "{text}");
    let empty = TopologyBuilder::new("x")
        .build()
        .expect_err("no spout")
        .to_string();
    assert!(empty.contains("there is no spout"), "{empty}");
}

#[test]
fn values_of_a_description_are_plain_json() {
    let mut t = TopologyBuilder::new("words");
    t.conf("a.list", vec![Value::Int(1), "x".into()]);
    t.spout("lines", Lines);
    let json = t.build().expect("right").spec.conf.to_json();
    assert_eq!(json, r#"{"a.list":[1,"x"]}"#);
}

#[test]
fn a_stream_is_subscribed_to_once() {
    let found = mistakes(|t| {
        t.spout("s", Lines);
        t.bolt("b", || Split).shuffle("s").fields("s", ["line"]);
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("subscribes to stream \"default\" of \"s\" 2 times"),
        "{found:?}"
    );
}

#[test]
fn names_that_no_path_or_metric_can_hold_and_those_of_the_system_are_refused() {
    for name in ["", "  ", "a/b", "a\nb", "__a", "$a"] {
        let found = mistakes(|t| {
            t.spout(name, Lines);
        });
        assert_eq!(found.len(), 1, "{name:?}: {found:?}");
    }
    assert!(
        TopologyBuilder::new("__words")
            .build()
            .is_err_and(|e| e.to_string().contains("begin with __"))
    );
}

#[test]
fn a_bolt_is_not_told_to_listen_to_itself_and_a_mistake_is_told_once() {
    let found = mistakes(|t| {
        t.spout("lines", Lines);
        t.bolt("split", || Split).shuffle("splt");
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("unknown component") && !found[0].contains("did you mean"),
        "{found:?}"
    );
}
