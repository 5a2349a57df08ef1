//! Joins through the test collector, and against nested loops.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::testing::BoltTester;
use crate::tuple::Source;
use crate::value::Value;
use crate::window::{Count, Windowed};

fn source(component: &str, stream: &str, fields: &[&str]) -> Source {
    Source {
        component: component.to_owned(),
        stream: stream.to_owned(),
        fields: fields.iter().map(|f| (*f).to_owned()).collect(),
    }
}

fn tester(join: JoinBolt, tuples: u64) -> BoltTester<Windowed<JoinBolt>> {
    let mut test = BoltTester::new(Windowed::new(join).tumbling_window(Count(tuples)), ["n"]);
    test.prepare(&Config::new()).unwrap();
    test
}

fn lines(test: &BoltTester<Windowed<JoinBolt>>) -> Vec<String> {
    let text = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>();
    let emitted = test.emitted().iter();
    emitted.map(|e| text(&e.values).join(" ")).collect()
}

#[test]
fn inner_and_left_joins_anchor_to_what_they_are_made_of() {
    let (users, orders) = (
        source("users", "default", &["id", "name"]),
        source("orders", "default", &["user", "item"]),
    );
    let inner = JoinBolt::new("users", "id").join("orders", "user", "users");
    let left = JoinBolt::new("users", "id").left_join("orders", "user", "users");
    for (join, more) in [(inner, 0), (left, 1)] {
        let mut test = tester(join.select("name, orders:item,users:id"), 5);
        let user =
            |t: &mut BoltTester<_>, id: i64, name: &str| t.execute_from(&users, 1, (id, name));
        let order =
            |t: &mut BoltTester<_>, id: i64, item: &str| t.execute_from(&orders, 2, (id, item));
        user(&mut test, 1, "ann").unwrap();
        order(&mut test, 2, "tea").unwrap();
        user(&mut test, 2, "bob").unwrap();
        order(&mut test, 2, "rum").unwrap();
        order(&mut test, 3, "gin").unwrap();
        let names: Vec<_> = crate::bolt::Bolt::outputs(test.bolt()).streams[0]
            .fields
            .clone();
        assert_eq!(names, ["name", "orders:item", "users:id"]);
        let mut want = vec!["ann null 1"; more];
        want.extend(["bob tea 2", "bob rum 2"]);
        assert_eq!(lines(&test), want);
        let anchors: Vec<_> = test.emitted().iter().map(|e| e.anchors.clone()).collect();
        assert_eq!(anchors[more..], [vec![1, 2], vec![2, 3]]);
    }
}

#[test]
fn streams_may_be_told_apart_by_stream_and_fields_be_nested() {
    let join = JoinBolt::by(Selector::Stream, "left", "key.id")
        .join("right", "id", "left")
        .select(" LEFT:key.name ,value, nothing")
        .output_stream("out");
    let mut test = tester(join, 2);
    let map = |id: i64| {
        let pairs = [("id".into(), Value::Int(id)), ("name".into(), "x".into())];
        Value::Map(Arc::new(BTreeMap::from(pairs)))
    };
    let (left, right) = (
        source("a", "left", &["key"]),
        source("a", "right", &["id", "value"]),
    );
    test.execute_from(&left, 1, [map(7)]).unwrap();
    test.execute_from(&right, 1, [7_i64, 70]).unwrap();
    assert_eq!(lines(&test), ["x 70 null"]);
    assert_eq!(test.emitted()[0].stream, "out");
    test.execute_from(&left, 1, ["no map"]).unwrap();
    let error = test.execute_from(&right, 1, [7_i64, 70]).unwrap_err();
    assert!(
        error.to_string().contains("is a string, not a map"),
        "{error}"
    );
}

#[test]
fn mistakes_are_storms() {
    let join = JoinBolt::new("a", "x:k").join("b", "k", "c").select("k");
    let told = WindowedBolt::mistakes(&join).join("\n");
    assert!(
        told.contains("not expecting stream qualifier ':' in 'x:k'"),
        "{told}"
    );
    assert!(
        told.contains("stream 'c' was not previously declared"),
        "{told}"
    );
    let twice = JoinBolt::new("a", "k")
        .join("b", "k", "a")
        .join("b", "k", "a");
    let told = WindowedBolt::mistakes(&twice).join("\n");
    assert!(told.contains("'b' is already part of join"), "{told}");
    assert!(
        told.contains("must specify output fields via select"),
        "{told}"
    );
    let mut test = tester(JoinBolt::new("a", "k").select("k"), 1);
    let error = test.execute([1_i64]).unwrap_err().to_string();
    assert!(
        error.contains("join information for 'source' not found"),
        "{error}"
    );
}

proptest! {
    /// Three streams of tuples (key, other key), as SQL's nested loops join them.
    #[test]
    fn equals_nested_loops(
        rows in prop::collection::vec((0_usize..3, prop::option::of(0_i64..4), 0_i64..4), 1..25),
        kinds in (any::<bool>(), any::<bool>()),
    ) {
        let join = JoinBolt::new("s0", "k");
        let join = if kinds.0 { join.left_join("s1", "k", "s0") } else { join.join("s1", "k", "s0") };
        let join = if kinds.1 { join.left_join("s2", "o", "s1") } else { join.join("s2", "o", "s1") };
        let mut test = tester(join.select("s0:n,s1:n,s2:n"), rows.len() as u64);
        for (n, (stream, key, other)) in rows.iter().enumerate() {
            let source = source(&format!("s{stream}"), "default", &["k", "o", "n"]);
            test.execute_from(&source, 1, (*key, *other, n as i64)).unwrap();
        }
        let of = |stream: usize| rows.iter().enumerate().filter(move |(_, r)| r.0 == stream);
        let mut want = Vec::new();
        for (a, first) in of(0).filter(|(_, r)| r.1.is_some()) {
            let mut second: Vec<_> = of(1).filter(|(_, r)| r.1 == first.1).map(Some).collect();
            if second.is_empty() && kinds.0 {
                second.push(None);
            }
            for second in second {
                // The key that the third stream is joined by is the second's; without one: nothing.
                let Some((b, second)) = second else { continue };
                let mut third: Vec<_> = of(2).filter(|(_, r)| Some(r.2) == second.1).map(|(c, _)| Some(c as i64)).collect();
                if third.is_empty() && kinds.1 {
                    third.push(None);
                }
                want.extend(third.into_iter().map(|c| vec![Value::from(a as i64), Value::from(b as i64), Value::from(c)]));
            }
        }
        let got: Vec<_> = test.emitted().iter().map(|e| e.values.clone()).collect();
        prop_assert_eq!(got, want);
    }
}
