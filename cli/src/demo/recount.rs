//! The check's own count: estimates as they lie in Kafka, each source record and kind once, summed by window and entity.
//!
//! It shares nothing with the aggregation but the definition of the result.
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, HashMap};

use fulmar_proto::wifi::Estimate;

/// Length of a window in ms.
pub const WINDOW_MS: i64 = 600_000;
/// Names of kinds, in their order.
pub const KINDS: [&str; 3] = ["throughput", "capacity", "coverage"];

/// Count, sum, min, max, good ms, bad ms.
pub type Row = [i64; 6];

/// Which row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Start of the window, in ms.
    pub window_ms: i64,
    /// Organisation.
    pub org: String,
    /// Metric.
    pub metric: &'static str,
    /// Grouping.
    pub grouping: &'static str,
    /// Entity.
    pub entity: String,
}

/// One bit for each source offset of a partition and kind.
#[derive(Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// Whether it was not set before.
    fn set(&mut self, at: usize) -> bool {
        if at / 64 >= self.0.len() {
            self.0.resize(at / 64 + 1024, 0);
        }
        let (word, bit) = (&mut self.0[at / 64], 1 << (at % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

/// The count.
#[derive(Default)]
pub struct Recount {
    seen: HashMap<(i32, i32), Bits>,
    /// Distinct estimates of each kind.
    pub distinct: [u64; 3],
    /// All estimates.
    pub all: u64,
    /// By a place's names joined by a control character, kind and window.
    places: HashMap<(Box<str>, usize, i64), Row>,
    name: String,
}

impl Recount {
    /// Takes in one estimate; whether it was new.
    pub fn add(&mut self, e: &Estimate) -> bool {
        self.all += 1;
        let (Some(kind), Some(source)) = (usize::try_from(e.kind - 1).ok(), &e.source) else {
            return false;
        };
        let Ok(offset) = usize::try_from(source.offset) else {
            return false;
        };
        let bits = self.seen.entry((source.partition, e.kind)).or_default();
        if kind >= KINDS.len() || !bits.set(offset) {
            return false;
        }
        self.distinct[kind] += 1;
        self.name.clear();
        for part in [&e.org, &e.site, &e.ap, &e.band, &e.wlan] {
            self.name.push_str(part);
            self.name.push('\u{1}');
        }
        let window = e.time_ms.div_euclid(WINDOW_MS) * WINDOW_MS;
        let key = (self.name.as_str().into(), kind, window);
        let row = self
            .places
            .entry(key)
            .or_insert([0, 0, i64::MAX, i64::MIN, 0, 0]);
        add(row, &[1, e.value, e.value, e.value, e.good_ms, e.bad_ms]);
        true
    }

    /// The rows of every window that ends by a time.
    pub fn rows(&self, until_ms: i64) -> BTreeMap<Key, Row> {
        let mut rows = BTreeMap::new();
        for ((name, kind, window_ms), part) in &self.places {
            if window_ms + WINDOW_MS > until_ms {
                continue;
            }
            let names: Vec<&str> = name.split('\u{1}').collect();
            let [org, site, ap, band, wlan, _] = names[..] else {
                continue;
            };
            for (grouping, value) in [
                ("org", None),
                ("site", Some(site)),
                ("ap", Some(ap)),
                ("band", Some(band)),
                ("wlan", Some(wlan)),
            ] {
                let key = Key {
                    window_ms: *window_ms,
                    org: org.to_owned(),
                    metric: KINDS[*kind],
                    grouping,
                    entity: value.map_or_else(|| org.to_owned(), |v| format!("{org}/{v}")),
                };
                let row = rows.entry(key).or_insert([0, 0, i64::MAX, i64::MIN, 0, 0]);
                add(row, part);
            }
        }
        rows
    }
}

fn add(to: &mut Row, from: &Row) {
    for i in [0, 1, 4, 5] {
        to[i] += from[i];
    }
    to[2] = to[2].min(from[2]);
    to[3] = to[3].max(from[3]);
}

#[cfg(test)]
mod tests {
    use fulmar_proto::wifi::Source;

    use super::*;

    fn estimate(offset: i64, value: i64) -> Estimate {
        Estimate {
            source: Some(Source {
                partition: 3,
                offset,
                ..Source::default()
            }),
            kind: 2,
            time_ms: WINDOW_MS + 5,
            org: "o".into(),
            site: "s".into(),
            value,
            good_ms: 7,
            ..Estimate::default()
        }
    }

    #[test]
    fn copies_do_not_count_and_rows_are_those_of_closed_windows() {
        let mut recount = Recount::default();
        assert!(recount.add(&estimate(0, 5)));
        assert!(!recount.add(&estimate(0, 5)));
        assert!(recount.add(&estimate(9_000, -2)));
        assert_eq!((recount.all, recount.distinct), (3, [0, 2, 0]));
        assert!(recount.rows(2 * WINDOW_MS - 1).is_empty());
        let rows = recount.rows(2 * WINDOW_MS);
        assert_eq!(rows.len(), 5);
        let site = rows.iter().find(|(k, _)| k.grouping == "site").unwrap();
        assert_eq!(site.0.entity, "o/s");
        assert_eq!(*site.1, [2, 3, -2, 5, 14, 0]);
    }
}
