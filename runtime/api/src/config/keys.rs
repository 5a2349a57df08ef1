//! The registry of known configuration keys: Storm's 2.8 and our own, with kind and default.
//!
//! Any other key is kept and passed to components, as in Storm; but one that looks like a known key
//! mistyped is refused, since Storm's silence about those is what costs its users days.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Config;
use crate::value::Value;

/// A registered key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The dotted name.
    pub name: &'static str,
    /// `string`, `bool`, `int`, `count` (from 1), `natural` (from 0), `port`, `number`, `positive`, `strings`, `map` or `any`.
    pub kind: &'static str,
    /// Text of the default; empty when there is none.
    pub default: &'static str,
}

static KEYS: LazyLock<HashMap<&'static str, Key>> = LazyLock::new(|| {
    let tables = [
        include_str!("storm_keys.tsv"),
        include_str!("fulmar_keys.tsv"),
    ];
    let lines = tables
        .into_iter()
        .flat_map(str::lines)
        .filter(|l| !l.starts_with('#') && !l.is_empty());
    lines.map(parse).map(|k| (k.name, k)).collect()
});

/// Prefixes whose unknown keys are always the user's own, such as the connectors' pass-through.
const OPEN_PREFIXES: &[&str] = &[
    "config.",
    "kafka.client.",
    "kafka.consumer.",
    "kafka.producer.",
    "storm.zookeeper.",
];

fn parse(line: &'static str) -> Key {
    let mut parts = line.split('\t');
    let mut next = || parts.next().unwrap_or("");
    Key {
        name: next(),
        kind: next(),
        default: next(),
    }
}

/// All keys, sorted by name.
pub fn all() -> Vec<Key> {
    let mut keys: Vec<_> = KEYS.values().copied().collect();
    keys.sort_by_key(|k| k.name);
    keys
}

/// The default of a key, if it has one.
pub fn default_of(key: &str) -> Option<Value> {
    let key = KEYS.get(key)?;
    if key.default.is_empty() {
        return None;
    }
    Some(match key.kind {
        "string" => Value::from(key.default),
        "strings" => {
            let inner = key.default.trim_matches(['[', ']']);
            Value::List(inner.split(',').map(|s| Value::from(s.trim())).collect())
        }
        _ => serde_json::from_str(&key.default.replace('_', ""))
            .unwrap_or_else(|_| Value::from(key.default)),
    })
}

/// What is wrong with the keys of a map: likely typos, and values of the wrong kind.
pub fn mistakes(conf: &Config) -> Vec<String> {
    let mut out = Vec::new();
    for (key, value) in conf.iter() {
        match KEYS.get(key) {
            Some(known) => out.extend(wrong_kind(known, value)),
            None if OPEN_PREFIXES.iter().any(|p| key.starts_with(p)) => {}
            None => {
                let hint = did_you_mean(key, KEYS.keys().copied());
                if !hint.is_empty() {
                    out.push(format!("unknown config key \"{key}\"{hint}"));
                }
            }
        }
    }
    out
}

fn wrong_kind(key: &Key, value: &Value) -> Option<String> {
    let number = value
        .as_float()
        .or_else(|| value.as_str()?.trim().parse().ok());
    let fits = match (key.kind, value) {
        (_, Value::Null) | ("any", _) => true,
        ("string", v) => v.as_str().is_some(),
        ("bool", v) => v.as_bool().is_some() || matches!(v.as_str(), Some("true" | "false")),
        // Ticks may be fractions of a second here; Storm allows whole ones only.
        ("int", _) if key.name == "topology.tick.tuple.freq.secs" => number.is_some(),
        ("int", _) => number.is_some_and(|n| n.fract() == 0.0),
        ("count" | "natural" | "port", _) => {
            let (least, most) = range(key.kind);
            number.is_some_and(|n| n.fract() == 0.0 && (least..=most).contains(&n))
        }
        ("number", _) => number.is_some(),
        ("positive", _) => number.is_some_and(|n| n >= 0.0),
        ("strings", v) => matches!(v, Value::List(_) | Value::Str(_)),
        ("map", v) => matches!(v, Value::Map(_)),
        _ => true,
    };
    (!fits).then(|| {
        let wanted = match key.kind {
            "count" | "natural" | "port" => {
                let (least, most) = range(key.kind);
                format!("a whole number from {least} to {most}")
            }
            kind => kind.to_owned(),
        };
        format!("config {} = {value}: wanted {wanted}", key.name)
    })
}

/// Least and most of a kind of whole numbers: Java's, as Storm has them; a port of -1 or 0 means none.
fn range(kind: &str) -> (f64, f64) {
    match kind {
        "port" => (-1.0, 65_535.0),
        "count" => (1.0, f64::from(i32::MAX)),
        _ => (0.0, f64::from(i32::MAX)),
    }
}

/// `; did you mean "x"?` for the nearest known name within two edits, else nothing.
pub fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let limit = if name.len() < 5 { 1 } else { 2 };
    known
        .map(|k| (edits(name, k, limit), k))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, k)| format!("; did you mean \"{k}\"?"))
        .unwrap_or_default()
}

/// Damerau-Levenshtein distance (optimal alignment), or anything above `limit` as `limit + 1`.
fn edits(a: &str, b: &str, limit: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let mut before = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let swap_cost = usize::from(a[i - 1] != b[j - 1]);
            next[j] = (row[j] + 1)
                .min(next[j - 1] + 1)
                .min(row[j - 1] + swap_cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}
