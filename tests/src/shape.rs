//! Comparing JSON by shape: names of fields and types of values, not the values themselves.

use serde_json::Value;

/// Objects whose keys are data (streams, components, configuration keys), not names of fields.
const KEYED_BY_DATA: &[&str] = &["configuration", "componentNumTasks", ":transferred"];

/// What of the recorded shape is missing or of another type, as `path: why`.
///
/// A recorded `null`, also in any other element of the same list, says only that the field is there. Of lists
/// each element of ours is compared with the first recorded one; an empty list of ours against a full one is a difference.
pub fn differences(recorded: &Value, ours: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", recorded, ours, &mut found);
    found
}

/// The same for configurations and other objects keyed by data: only keys that both have.
pub fn differences_of_common(recorded: &Value, ours: &Value) -> Vec<String> {
    let mut found = Vec::new();
    common("", recorded, ours, &mut found);
    found
}

fn compare(at: &str, recorded: &Value, ours: &Value, found: &mut Vec<String>) {
    let name = at.rsplit('/').next().unwrap_or_default();
    match (recorded, ours) {
        (Value::Null, _) => {}
        (Value::Object(_), Value::Object(_)) if KEYED_BY_DATA.contains(&name) => {
            common(at, recorded, ours, found);
        }
        (Value::Object(r), Value::Object(o)) => {
            for (key, value) in r {
                match o.get(key) {
                    Some(own) => compare(&format!("{at}/{key}"), value, own, found),
                    None => found.push(format!("{at}/{key}: is missing")),
                }
            }
        }
        (Value::Array(r), Value::Array(o)) => match (r.first(), o.first()) {
            (Some(_), None) => found.push(format!("{at}: is empty")),
            (Some(first), _) => {
                let first = optional(first, r);
                o.iter()
                    .for_each(|own| compare(&format!("{at}/*"), &first, own, found));
            }
            (None, _) => {}
        },
        (r, o) if kind(r) == kind(o) => {}
        (r, o) => found.push(format!("{at}: {} recorded, {} ours", kind(r), kind(o))),
    }
}

/// An element whose fields are null where any of its neighbours has null there: they need not be.
fn optional(element: &Value, all: &[Value]) -> Value {
    let mut element = element.clone();
    for (key, value) in element.as_object_mut().into_iter().flatten() {
        if all.iter().any(|other| other[key].is_null()) {
            *value = Value::Null;
        }
    }
    element
}

fn common(at: &str, recorded: &Value, ours: &Value, found: &mut Vec<String>) {
    let (Some(r), Some(o)) = (recorded.as_object(), ours.as_object()) else {
        found.push(format!("{at}: is no object"));
        return;
    };
    for (key, value) in r {
        match o.get(key) {
            // A default that Storm computes, or that is none here.
            None | Some(Value::Null) => {}
            // Below data lies data: streams in windows.
            Some(own) if own.is_object() => common(&format!("{at}/{key}"), value, own, found),
            Some(own) => compare(&format!("{at}/{key}"), value, own, found),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "number with a point",
        Value::Number(_) => "whole number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_names_its_place() {
        let recorded = json!({"a": 1, "b": [{"c": "x", "d": 0.5}], "e": null});
        let ours = json!({"a": "1", "b": [{"c": "y", "d": 1}, {"d": 2.5}], "e": 7, "more": true});
        assert_eq!(
            differences(&recorded, &ours),
            [
                "/a: whole number recorded, string ours",
                "/b/*/d: number with a point recorded, whole number ours",
                "/b/*/c: is missing",
            ]
        );
        assert_eq!(differences(&json!([1]), &json!([])), [": is empty"]);
        assert!(differences(&recorded, &recorded).is_empty());
    }
}
