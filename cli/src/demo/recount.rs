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

/// Source offsets of a partition and kind, one bit each, in blocks that are there only where something is.
#[derive(Default)]
struct Bits(HashMap<u64, Box<[u64; BLOCK_WORDS]>>);

/// Words of a block: 4,096 offsets.
const BLOCK_WORDS: usize = 64;
/// Offsets that a run of the demo can reach: more than its source sends in a day at full rate. What names a later
/// one was not made of its telemetry.
const MOST_OFFSET: u64 = 100_000_000_000;
/// Blocks of all partitions and kinds: 512 MiB.
const MOST_BLOCKS: usize = 1 << 20;

impl Bits {
    /// Whether it was not set before; and whether a block was added.
    fn set(&mut self, at: u64) -> (bool, bool) {
        let (block, bit) = (at / 4_096, at % 4_096);
        let before = self.0.len();
        let words = self
            .0
            .entry(block)
            .or_insert_with(|| Box::new([0; BLOCK_WORDS]));
        let (word, bit) = (&mut words[(bit / 64) as usize], 1 << (bit % 64));
        let new = *word & bit == 0;
        *word |= bit;
        (new, self.0.len() > before)
    }
}

/// The count.
#[derive(Default)]
pub struct Recount {
    seen: HashMap<(i32, i32), Bits>,
    blocks: usize,
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
    ///
    /// # Errors
    /// It cannot be an estimate of this run's telemetry: it is not counted.
    pub fn add(&mut self, e: &Estimate) -> Result<bool, String> {
        self.all += 1;
        let kind = usize::try_from(i64::from(e.kind) - 1).ok();
        let kind = kind.filter(|k| *k < KINDS.len());
        let kind = kind.ok_or_else(|| format!("kind {} is not 1 to {}", e.kind, KINDS.len()))?;
        let source = e.source.as_ref().ok_or("it names no source")?;
        let offset = u64::try_from(source.offset).ok();
        let offset = offset.filter(|o| *o < MOST_OFFSET).ok_or_else(|| {
            format!(
                "source.offset {} is not 0 to {MOST_OFFSET}: no telemetry of this run lies there",
                source.offset
            )
        })?;
        if self.blocks >= MOST_BLOCKS {
            return Err("source offsets lie too far apart to be counted".to_owned());
        }
        let bits = self.seen.entry((source.partition, e.kind)).or_default();
        let (new, grown) = bits.set(offset);
        self.blocks += usize::from(grown);
        if !new {
            return Ok(false);
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
        Ok(true)
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
        assert_eq!(recount.add(&estimate(0, 5)), Ok(true));
        assert_eq!(recount.add(&estimate(0, 5)), Ok(false));
        assert_eq!(recount.add(&estimate(9_000, -2)), Ok(true));
        assert_eq!((recount.all, recount.distinct), (3, [0, 2, 0]));
        assert!(recount.rows(2 * WINDOW_MS - 1).is_empty());
        let rows = recount.rows(2 * WINDOW_MS);
        assert_eq!(rows.len(), 5);
        let site = rows.iter().find(|(k, _)| k.grouping == "site").unwrap();
        assert_eq!(site.0.entity, "o/s");
        assert_eq!(*site.1, [2, 3, -2, 5, 14, 0]);
    }

    #[test]
    fn an_estimate_of_no_telemetry_of_this_run_is_refused_with_its_reason() {
        let mut recount = Recount::default();
        // A bitmap up to here would take 125 GB.
        let far = recount.add(&estimate(1_000_000_000_000, 1));
        assert!(far.is_err_and(|why| why.contains("source.offset 1000000000000")));
        let mut wrong = estimate(0, 1);
        wrong.kind = i32::MIN;
        assert!(recount.add(&wrong).is_err_and(|why| why.contains("kind")));
        assert_eq!((recount.all, recount.distinct), (2, [0, 0, 0]));
    }
}
