//! What the operator set: which scheduler, who is isolated, when a node is quarantined, how long a node
//! must have been there before running work moves to it.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use fulmar_api::{Config, Value};

use super::model::Kind;
use super::quarantine::Limits;

const SCHEDULER: &str = "storm.scheduler";
const MACHINES: &str = "isolation.scheduler.machines";

/// Names of `storm.scheduler`: Storm's classes, with or without their package, and short ones.
const NAMES: &[(&str, Kind)] = &[
    ("DefaultScheduler", Kind::Even),
    ("EvenScheduler", Kind::Even),
    ("IsolationScheduler", Kind::Even),
    ("ResourceAwareScheduler", Kind::Resource),
    ("even", Kind::Even),
    ("isolation", Kind::Even),
    ("resource", Kind::Resource),
];

/// The operator's wishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How slots are chosen.
    pub kind: Kind,
    /// Nodes that topologies have to themselves, by topology's name.
    pub machines: BTreeMap<String, usize>,
    /// When a node is quarantined.
    pub quarantine: Limits,
    /// `nimbus.spread.delay.secs`, in milliseconds.
    pub settle: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            kind: Kind::Even,
            machines: BTreeMap::new(),
            quarantine: Limits {
                count: 3,
                within: 300_000,
                base: 60_000,
                most: 1_800_000,
            },
            settle: 30_000,
        }
    }
}

impl Policy {
    /// Reads Nimbus' configuration.
    ///
    /// # Errors
    /// A scheduler that does not exist, or a value out of its range; key, value and remedy.
    pub fn read(conf: &Config) -> Result<Self, String> {
        let text = |e: fulmar_api::Error| e.to_string();
        let millis = |key: &str, default: u64| -> Result<u64, String> {
            Ok(conf
                .secs(key)
                .map_err(text)?
                .map_or(default, |d| d.as_millis() as u64))
        };
        let d = Self::default();
        let count = conf
            .float_or("blacklist.scheduler.tolerance.count", 3.0)
            .map_err(text)?;
        Ok(Self {
            kind: match conf.str(SCHEDULER).map_err(text)? {
                Some(name) => kind(&name)?,
                None => d.kind,
            },
            machines: machines(conf)?,
            quarantine: Limits {
                count: (count.clamp(1.0, 1e6)) as usize,
                within: millis(
                    "blacklist.scheduler.tolerance.time.secs",
                    d.quarantine.within,
                )?,
                base: millis("nimbus.quarantine.base.secs", d.quarantine.base)?,
                most: millis("blacklist.scheduler.resume.time.secs", d.quarantine.most)?,
            },
            settle: millis("nimbus.spread.delay.secs", d.settle)?,
        })
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    let short = name.rsplit('.').next().unwrap_or(name);
    let found = NAMES.iter().find(|(n, _)| *n == short);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let known: Vec<_> = NAMES.iter().map(|(n, _)| *n).collect();
        format!("{SCHEDULER} is \"{name}\", which is not one of {known:?}")
    })
}

fn machines(conf: &Config) -> Result<BTreeMap<String, usize>, String> {
    let Some(value) = conf.get(MACHINES) else {
        return Ok(BTreeMap::new());
    };
    let Value::Map(map) = &value else {
        return Err(format!("{MACHINES} is a {}: wanted a map", value.kind()));
    };
    let one = |(topology, n): (&_, &Value)| {
        let number = n.as_int().and_then(|n| usize::try_from(n).ok());
        let number = number.filter(|n| *n > 0);
        let wrong = || format!("{MACHINES}: {n} nodes for \"{topology}\": at least 1");
        let name: &str = std::convert::AsRef::<str>::as_ref(topology);
        Ok((name.to_owned(), number.ok_or_else(wrong)?))
    };
    map.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Policy, String> {
        Policy::read(&Config::from_yaml(yaml).expect("reads"))
    }

    #[test]
    fn storms_names_and_defaults() {
        assert_eq!(read(""), Ok(Policy::default()));
        let p = read(
            "storm.scheduler: org.apache.storm.scheduler.resource.ResourceAwareScheduler\n\
             isolation.scheduler.machines: {a: 2}\nnimbus.spread.delay.secs: 1.5\n\
             blacklist.scheduler.tolerance.count: 2\n",
        )
        .expect("fits");
        assert_eq!(
            (p.kind, p.settle, p.quarantine.count),
            (Kind::Resource, 1_500, 2)
        );
        assert_eq!(p.machines, BTreeMap::from([("a".to_owned(), 2)]));
        for (yaml, word) in [
            ("storm.scheduler: mine", "not one of"),
            ("isolation.scheduler.machines: 7", "wanted a map"),
            ("isolation.scheduler.machines: {a: 0}", "at least 1"),
        ] {
            let e = read(yaml).expect_err(yaml);
            assert!(e.contains(word), "{e}");
        }
    }
}
