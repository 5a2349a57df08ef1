//! What the report writes is what docs/bench.schema.json says.

use super::*;

/// The first thing in a value that the schema does not allow; the schema uses these words only.
fn breach(schema: &Value, value: &Value, at: &str) -> Option<String> {
    let words = schema.as_object().expect("a schema is an object");
    for (word, wanted) in words {
        let holds = match word.as_str() {
            "$schema" | "title" | "description" | "pattern" => true,
            "type" => names(wanted).iter().any(|t| is(t, value)),
            "required" => names(wanted).iter().all(|k| value.get(k).is_some()),
            "additionalProperties" => value
                .as_object()
                .is_none_or(|o| o.keys().all(|k| schema["properties"].get(k).is_some())),
            "minItems" => value
                .as_array()
                .is_none_or(|a| a.len() as u64 >= wanted.as_u64().unwrap()),
            "maxItems" => value
                .as_array()
                .is_none_or(|a| a.len() as u64 <= wanted.as_u64().unwrap()),
            "properties" => {
                for (key, schema) in wanted.as_object().unwrap() {
                    let inner = value.get(key).map(|v| breach(schema, v, key));
                    if let Some(found) = inner.flatten() {
                        return Some(found);
                    }
                }
                true
            }
            "items" => {
                let all = value.as_array().into_iter().flatten();
                let mut breaches = all.filter_map(|v| breach(wanted, v, at));
                if let Some(found) = breaches.next() {
                    return Some(found);
                }
                true
            }
            other => panic!("the schema says {other:?}, which this test does not know"),
        };
        if !holds {
            return Some(format!("{at}: {value} against {word} {wanted}"));
        }
    }
    None
}

fn names(wanted: &Value) -> Vec<&str> {
    match wanted {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        other => panic!("the schema has the type {other:?}, which this test does not know"),
    }
}

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/bench.schema.json")).unwrap()
}

fn figure(against: Option<Against>) -> Figure {
    Figure {
        name: "engine/null/unacked/1w/rate".to_owned(),
        runs: vec![5.0, 9.0, 7.0],
        unit: "tuples/s",
        against,
        note: String::new(),
    }
}

#[test]
fn every_line_is_of_the_schema() {
    for against in [None, Some(Against::Theirs(2.0)), Some(Against::Ours(14.0))] {
        let line = figure(against).json();
        assert_eq!(breach(&schema(), &line, "line"), None);
    }
}

#[test]
fn the_schema_refuses_what_is_not_a_line() {
    let mut line = figure(None).json();
    line["spread"] = json!([1.0]);
    assert!(
        breach(&schema(), &line, "line")
            .unwrap()
            .contains("minItems")
    );
    let mut line = figure(None).json();
    line["extra"] = json!(1);
    assert!(breach(&schema(), &line, "line").is_some());
    let mut line = figure(None).json();
    line["peer"] = json!("storm");
    assert!(breach(&schema(), &line, "line").unwrap().contains("peer"));
}

#[test]
fn a_ratio_is_always_ours_by_theirs() {
    assert_eq!(figure(Some(Against::Theirs(2.0))).ratio(), Some(3.5));
    assert_eq!(figure(Some(Against::Ours(14.0))).ratio(), Some(2.0));
    assert_eq!(figure(Some(Against::Theirs(0.0))).ratio(), None);
}

#[test]
fn what_is_known_is_in_the_file_before_the_end() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut report = Report::new(Some(file.path())).unwrap();
    report.add(figure(None));
    report.add(figure(Some(Against::Theirs(2.0))));
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(text.lines().count(), 2);
    let name = "engine/null/unacked/1w/rate";
    assert!(
        report.against(name).is_none(),
        "the first of that name has no peer"
    );
}
