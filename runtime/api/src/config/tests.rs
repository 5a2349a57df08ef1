//! Tests of the configuration map and the registry.

use super::{Config, keys};
use crate::value::Value;

#[test]
fn storm_yaml_is_read_unchanged() {
    let conf = Config::from_yaml(
        "# storm.yaml\nnimbus.seeds: [\"a\", \"b\"]\nsupervisor.slots.ports:\n  - 6700\n  - 6701\ntopology.workers: 3\nui.title: \"x: y\"\n",
    )
    .expect("reads");
    assert_eq!(conf.strings("nimbus.seeds").unwrap(), ["a", "b"]);
    assert_eq!(
        conf.strings("supervisor.slots.ports").unwrap(),
        ["6700", "6701"]
    );
    assert_eq!(conf.int("topology.workers").unwrap(), Some(3));
    assert_eq!(conf.str("ui.title").unwrap().as_deref(), Some("x: y"));
}

#[test]
fn defaults_are_storms() {
    let conf = Config::new();
    assert_eq!(conf.int("topology.message.timeout.secs").unwrap(), Some(30));
    assert_eq!(
        conf.strings("supervisor.slots.ports").unwrap(),
        ["6700", "6701", "6702", "6703"]
    );
    assert_eq!(conf.int("topology.max.spout.pending").unwrap(), None);
    assert_eq!(
        conf.bool("topology.enable.message.timeouts").unwrap(),
        Some(true)
    );
    assert_eq!(conf.int("nimbus.grpc.port").unwrap(), Some(6629));
}

#[test]
fn a_mistyped_key_gets_a_suggestion_and_a_foreign_one_is_kept() {
    let mut conf = Config::new();
    conf.set("topology.wokers", 2_i64)
        .set("my.own.key", "x")
        .set("topology.workers", "two");
    let found = keys::mistakes(&conf);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found
            .iter()
            .any(|m| m.contains("did you mean \"topology.workers\"?")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|m| m
                .contains("topology.workers = two: wanted a whole number from 1 to 2147483647")),
        "{found:?}"
    );
}

#[test]
fn a_number_out_of_range_is_refused_with_the_range() {
    for (key, wrong, right) in [
        ("topology.workers", -1, 1),
        ("topology.workers", 99_999_999_999_i64, 64),
        ("topology.max.spout.pending", 0, 1),
        ("topology.message.timeout.secs", -1, 30),
        ("topology.acker.executors", -1, 0),
        ("nimbus.grpc.port", 70_000, 6_629),
    ] {
        let mut conf = Config::new();
        conf.set(key, wrong);
        let found = keys::mistakes(&conf);
        assert!(
            found.len() == 1 && found[0].contains("a whole number from"),
            "{found:?}"
        );
        conf.set(key, right);
        assert_eq!(keys::mistakes(&conf), [""; 0]);
    }
}

#[test]
fn arguments_are_json_else_text() {
    let mut conf = Config::new();
    conf.set_from_arg("a=2").unwrap();
    conf.set_from_arg("b=[1,\"x\"]").unwrap();
    conf.set_from_arg("c=plain text").unwrap();
    assert_eq!(conf.get("a"), Some(Value::Int(2)));
    assert_eq!(conf.strings("b").unwrap(), ["1", "x"]);
    assert_eq!(conf.str("c").unwrap().as_deref(), Some("plain text"));
    assert!(
        conf.set_from_arg("nothing")
            .unwrap_err()
            .to_string()
            .contains("key=value")
    );
}

#[test]
fn a_wrong_kind_says_value_and_wish() {
    let mut conf = Config::new();
    conf.set("topology.workers", "many");
    let error = conf.int("topology.workers").unwrap_err().to_string();
    assert_eq!(
        error,
        "config topology.workers: \"many\" is a string, wanted an integer"
    );
}
