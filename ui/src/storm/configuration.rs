//! Configurations as Storm shows them: every registered key's default, and what was set over it.
//! Pure: no clock, no I/O, no async.

use fulmar_api::Config;
use fulmar_api::config::keys;
use serde_json::{Map, Value, json};

/// The cluster's: all keys with a default, and what this server was given.
pub fn cluster(conf: &Config) -> Value {
    let mut all = defaults(|_| true);
    over(&mut all, conf);
    Value::Object(all)
}

/// A topology's: what it was submitted with over the defaults of a topology's keys, with Storm's two
/// additions, its name and its id.
pub fn topology(name: &str, id: &str, json_conf: &str) -> Value {
    let mut all = defaults(|key| key.starts_with("topology."));
    if let Ok(Value::Object(own)) = serde_json::from_str(json_conf) {
        all.extend(own);
    }
    all.insert("topology.name".to_owned(), json!(name));
    all.insert("storm.id".to_owned(), json!(id));
    Value::Object(all)
}

/// A whole number in a topology's configuration, or its default.
pub fn int(json_conf: &str, key: &str, default: i64) -> i64 {
    let conf = Config::from_json(json_conf).unwrap_or_default();
    conf.int_or(key, default).unwrap_or(default)
}

fn defaults(wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
    let of = |key: keys::Key| {
        let value = keys::default_of(key.name)?;
        let value = numbers(serde_json::to_value(value).ok()?);
        Some((key.name.to_owned(), value))
    };
    let all = keys::all().into_iter().filter(|k| wanted(k.name));
    all.filter_map(of).collect()
}

/// Lists of ports are registered as lists of texts; Storm shows numbers.
fn numbers(value: Value) -> Value {
    let Value::Array(list) = value else {
        return value;
    };
    let number = |v: &Value| Some(Value::from(v.as_str()?.parse::<u64>().ok()?));
    let all: Option<Vec<_>> = list.iter().map(number).collect();
    Value::Array(all.unwrap_or(list))
}

fn over(all: &mut Map<String, Value>, conf: &Config) {
    for (key, value) in conf.iter() {
        if let Ok(value) = serde_json::to_value(value) {
            all.insert(key.to_owned(), value);
        }
    }
}
