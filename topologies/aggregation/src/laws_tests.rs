//! The law of it all, over random logs and losses: the rows that are left are those of a calm recount.
//!
//! A small model stands for the engine and Kafka: a root ends when its batch and everything anchored to it is acked,
//! a loss fails every root that touched what was lost, and a partition then begins again at what was committed.

use std::collections::{BTreeMap, HashMap, HashSet};

use fulmar_proto::wifi::{Estimate, Source};
use proptest::prelude::*;

use crate::fold::Fold;
use crate::groupings::{Dims, parse};
use crate::merge::Merge;
use crate::partition::{Head, Partition, Rules};
use crate::series::{METRICS, key};
use crate::window::Window;

/// An estimate as it is drawn: kind, site, step of time, value, how much later it is read, and whether twice.
type Drawn = (u32, u32, i64, i64, usize, bool);

const PARTITIONS: usize = 3;

fn rules() -> Rules {
    Rules {
        resolutions: vec![100, 300],
        groupings: parse(&["org", "site", "site+band"]).unwrap(),
        lateness_ms: 20,
        gap_ms: 60,
    }
}

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Read(usize, usize),
    Tick(usize),
    Merge,
    LosePartition(usize),
    LoseMerge,
}

#[derive(Debug)]
struct Root {
    partition: usize,
    next: usize,
    epoch: i64,
    /// Settles still owed: the batch's own, and one of each part.
    owed: usize,
}

struct World {
    logs: Vec<Vec<Estimate>>,
    spouts: Vec<Spout>,
    partials: Vec<Partition<usize>>,
    merge: Merge<usize>,
    roots: Vec<Root>,
    rows: BTreeMap<(String, Window), Fold>,
}

#[derive(Default)]
struct Spout {
    epoch: i64,
    fresh: bool,
    next: usize,
    committed: usize,
    /// Roots under way, in order.
    out: Vec<usize>,
}

impl World {
    fn new(logs: Vec<Vec<Estimate>>) -> Self {
        let spout = || Spout {
            fresh: true,
            ..Spout::default()
        };
        Self {
            logs,
            spouts: (0..PARTITIONS).map(|_| spout()).collect(),
            partials: (0..PARTITIONS).map(|_| Partition::default()).collect(),
            merge: Merge::new(20, 200),
            roots: Vec::new(),
            rows: BTreeMap::new(),
        }
    }

    fn ack(&mut self, root: usize) {
        let r = &mut self.roots[root];
        r.owed -= 1;
        let (partition, epoch) = (r.partition, r.epoch);
        let spout = &mut self.spouts[partition];
        if epoch != spout.epoch {
            return;
        }
        while let Some(first) = spout.out.first().copied()
            && self.roots[first].owed == 0
        {
            spout.committed = self.roots[first].next;
            spout.out.remove(0);
        }
    }

    fn begin_again(&mut self, partition: usize) {
        let spout = &mut self.spouts[partition];
        (spout.next, spout.fresh) = (spout.committed, true);
        spout.epoch += 1;
        spout.out.clear();
    }

    fn read(&mut self, p: usize, records: usize) {
        let rules = rules();
        let (spout, log) = (&mut self.spouts[p], &self.logs[p]);
        let (first, next) = (spout.next, (spout.next + records).min(log.len()));
        let head = Head {
            epoch: spout.epoch,
            fresh: std::mem::take(&mut spout.fresh),
            first: first as i64,
            next: next as i64,
            idle: next == log.len(),
        };
        spout.next = next;
        let root = self.roots.len();
        self.roots.push(Root {
            partition: p,
            next,
            epoch: spout.epoch,
            owed: 1,
        });
        spout.out.push(root);
        if self.partials[p].begin(&head).is_err() {
            return self.begin_again(p);
        }
        let ends: Vec<_> = log[first..next]
            .iter()
            .map(|e| self.partials[p].fold(e, &rules))
            .collect();
        self.partials[p].keep(root, ends.into_iter().flatten().max());
    }

    fn tick(&mut self, p: usize) {
        let mut parts = Vec::new();
        let rules = rules();
        let done = self.partials[p].tick(&rules, |root, part| {
            parts.push((*root, part));
            Ok::<_, ()>(())
        });
        for (root, part) in parts {
            self.roots[root].owed += 1;
            let old = self
                .merge
                .arrive(p as i64, &part.series, part.window, part.fold, root);
            if let Some(old) = old {
                self.ack(old);
            }
        }
        let ms = self.partials[p].watermark(&rules).unwrap_or(i64::MIN);
        self.merge
            .hear(p, PARTITIONS, ms, self.partials[p].is_idle());
        done.unwrap().into_iter().for_each(|root| self.ack(root));
    }

    fn merge(&mut self) {
        let rows = &mut self.rows;
        let done = self.merge.tick(|tokens, row| {
            assert!(!tokens.is_empty(), "{row:?} is anchored to nothing");
            let key = (row.series.to_owned(), row.window);
            let old = rows.get(&key).map_or(0, |f| f.count);
            if row.fold.count >= old {
                rows.insert(key, row.fold);
            }
            Ok::<_, ()>(())
        });
        done.unwrap().into_iter().for_each(|root| self.ack(root));
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Read(p, n) => self.read(*p, *n),
            Step::Tick(p) => self.tick(*p),
            Step::Merge => self.merge(),
            Step::LosePartition(p) => {
                self.partials[*p] = Partition::default();
                if !self.spouts[*p].out.is_empty() {
                    self.begin_again(*p);
                }
            }
            Step::LoseMerge => {
                self.merge = Merge::new(20, 200);
                for p in 0..PARTITIONS {
                    let touched = |root: &usize| self.roots[*root].owed > 1;
                    if self.spouts[p].out.iter().any(touched) {
                        // The new one listens only when this must have happened: `rows::SETTLE`.
                        self.begin_again(p);
                        self.read(p, 0);
                    }
                }
            }
        }
    }
}

/// Logs with copies and neighbours out of order, as retries leave them.
fn logs() -> impl Strategy<Value = Vec<Vec<Estimate>>> {
    let one = (
        0_u32..3,
        0..2_u32,
        0_i64..12,
        -50_i64..50,
        0_usize..6,
        any::<bool>(),
    );
    let log = prop::collection::vec(one, 0..120);
    prop::collection::vec(log, PARTITIONS).prop_map(|logs| {
        let log = |(p, log): (usize, Vec<Drawn>)| {
            let (mut time, mut offsets, mut placed) = (0, [0_i64; 3], Vec::new());
            for (i, (kind, site, step, value, later, twice)) in log.into_iter().enumerate() {
                time += step;
                let offset = &mut offsets[kind as usize];
                *offset += 1;
                let e = Estimate {
                    source: Some(Source {
                        topic_id: "t".to_owned(),
                        partition: p as i32,
                        offset: *offset,
                        index: 0,
                    }),
                    kind: kind as i32 + 1,
                    time_ms: time - (value & 31),
                    source_watermark_ms: time,
                    org: "o".to_owned(),
                    site: format!("s{site}"),
                    band: ["5", "24"][(value & 1) as usize].to_owned(),
                    value,
                    good_ms: value.abs(),
                    bad_ms: 50 - value.abs(),
                    ..Estimate::default()
                };
                if twice {
                    placed.push((i + 2 * later + 1, e.clone()));
                }
                // At most four places and 48 ms of event time out of order: less than the gap.
                placed.push((i + later.min(3), e));
            }
            placed.sort_by_key(|(at, _)| *at);
            placed.into_iter().map(|(_, e)| e).collect()
        };
        logs.into_iter().enumerate().map(log).collect()
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let p = 0..PARTITIONS;
    let step = prop_oneof![
        8 => (p.clone(), 0_usize..12).prop_map(|(p, n)| Step::Read(p, n)),
        6 => p.clone().prop_map(Step::Tick),
        4 => Just(Step::Merge),
        1 => p.prop_map(Step::LosePartition),
        1 => Just(Step::LoseMerge),
    ];
    prop::collection::vec(step, 0..200)
}

/// Rows by counting, with none of the machinery.
fn recount(logs: &[Vec<Estimate>]) -> BTreeMap<(String, Window), Fold> {
    let (rules, mut rows) = (rules(), BTreeMap::<_, Fold>::new());
    let mut seen = HashSet::new();
    for e in logs.iter().flatten() {
        let source = e.source.as_ref().unwrap();
        if !seen.insert((source.partition, source.offset, e.kind)) {
            continue;
        }
        for length in &rules.resolutions {
            let window = Window::of(e.time_ms, *length);
            if e.source_watermark_ms > window.end_ms() + rules.lateness_ms {
                continue;
            }
            let dims = Dims {
                org: &e.org,
                site: &e.site,
                ap: &e.ap,
                band: &e.band,
                wlan: &e.wlan,
            };
            let metric = METRICS[e.kind as usize - 1].name;
            for g in &rules.groupings {
                let series = key(&e.org, metric, g.name(), &g.entity(&dims));
                let fold = rows.entry((series, window)).or_default();
                fold.add(e.value, e.good_ms, e.bad_ms);
            }
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn rows_after_any_losses_are_those_of_a_calm_run(logs in logs(), steps in steps()) {
        let expected = recount(&logs);
        let mut world = World::new(logs);
        steps.iter().for_each(|s| world.step(s));
        // To the end of the logs, then idle.
        for _ in 0..4 {
            for p in 0..PARTITIONS {
                while world.spouts[p].next < world.logs[p].len() || world.spouts[p].fresh {
                    world.read(p, 50);
                }
                world.read(p, 0);
                world.tick(p);
            }
            world.merge();
        }
        let differences: HashMap<_, _> = expected.iter().filter(|(k, f)| world.rows.get(k) != Some(f)).collect();
        prop_assert!(differences.is_empty(), "{differences:?}");
        prop_assert_eq!(world.rows.len(), expected.len());
    }
}
