//! One partition of the log of estimates, folded: what was seen, which windows are open, which batches stand for them.
//!
//! Whoever holds state holds the tokens that it stands for: a batch is kept until every window that it touched is final,
//! so that the committed offset never passes what is not final, and a loss is made good by reading again from there.
//! What is told of a window is anchored to the oldest batch that is kept, which is never younger than the window's first.
//! Generic over the token, so that the laws are tested without an engine.
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, VecDeque};

use fulmar_proto::wifi::Estimate;
use rustc_hash::FxHashMap;

use crate::fold::Fold;
use crate::groupings::{Dims, Grouping};
use crate::open::Open;
use crate::seen::Seen;
use crate::series::{METRICS, metric_of};
use crate::window::Window;

/// What is aggregated, and how patiently.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Lengths of windows in ms.
    pub resolutions: Vec<i64>,
    /// Groupings of every window.
    pub groupings: Vec<Grouping>,
    /// A window is final when the watermark is so far behind its end, in ms.
    pub lateness_ms: i64,
    /// A missing estimate is waited for until the watermark is so far ahead of it, in ms.
    pub gap_ms: i64,
}

/// What a batch says of itself, besides its records.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The partition's epoch: it grows with each new beginning.
    pub epoch: i64,
    /// The first batch of an epoch.
    pub fresh: bool,
    /// Where the batch before ended.
    pub first: i64,
    /// Where this one ends.
    pub next: i64,
    /// Whether the log's end was reached a while ago.
    pub idle: bool,
}

/// What one partition knows of one series and window: the whole of it, never a difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `org/metric/grouping/entity`.
    pub series: String,
    /// Window.
    pub window: Window,
    /// All distinct estimates so far.
    pub fold: Fold,
}

/// What became of estimates that were not folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Seen before.
    pub duplicates: u64,
    /// Too late by their own source's watermark.
    pub late: u64,
    /// Missing for longer than the gap allowed: their window was final.
    pub stragglers: u64,
    /// Of no known kind, or without a source.
    pub unknown: u64,
}

/// End of a batch's windows that touched none.
const NO_WINDOW: i64 = i64::MIN;

#[derive(Debug)]
struct Kept<T> {
    token: T,
    /// Largest end of its windows.
    end_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SourceKey {
    topic: u32,
    partition: i32,
    index: u32,
    metric: usize,
}

/// One partition.
#[derive(Debug)]
pub struct Partition<T> {
    /// Epoch and the offset that comes next; `None` before the first fresh batch.
    at: Option<(i64, i64)>,
    idle: bool,
    topics: Vec<String>,
    seen: FxHashMap<SourceKey, Seen>,
    /// Smallest and largest source watermark.
    span: Option<(i64, i64)>,
    windows: BTreeMap<Window, Open>,
    kept: VecDeque<Kept<T>>,
    /// Windows that ended before this, lateness added, are final.
    final_ms: i64,
    name: String,
    /// What was not folded.
    pub dropped: Dropped,
}

impl<T> Default for Partition<T> {
    fn default() -> Self {
        Self {
            at: None,
            idle: false,
            topics: Vec::new(),
            seen: FxHashMap::default(),
            span: None,
            windows: BTreeMap::new(),
            kept: VecDeque::new(),
            final_ms: i64::MIN,
            name: String::new(),
            dropped: Dropped::default(),
        }
    }
}

impl<T> Partition<T> {
    /// Takes a batch's head. A fresh one answers the tokens of what was before, to be failed.
    ///
    /// # Errors
    /// It does not follow what is known here: the batch must fail, so that the partition begins again.
    pub fn begin(&mut self, head: &Head) -> Result<Vec<T>, String> {
        let mut old = Vec::new();
        if head.fresh {
            let before = std::mem::take(self);
            old = before.kept.into_iter().map(|k| k.token).collect();
            self.dropped = before.dropped;
        } else if self.at != Some((head.epoch, head.first)) {
            return Err(format!(
                "epoch {} at offset {} does not follow {:?}",
                head.epoch, head.first, self.at
            ));
        }
        (self.at, self.idle) = (Some((head.epoch, head.next)), head.idle);
        Ok(old)
    }

    /// Folds one estimate of the batch that was begun. Answers the largest end of a window that it went into.
    pub fn fold(&mut self, e: &Estimate, rules: &Rules) -> Option<i64> {
        let (Some(metric), Some(source)) = (metric_of(e.kind), &e.source) else {
            self.dropped.unknown += 1;
            return None;
        };
        let watermark = e.source_watermark_ms;
        let key = SourceKey {
            topic: self.topic(&source.topic_id),
            partition: source.partition,
            index: source.index,
            metric,
        };
        let span = self.span.get_or_insert((watermark, watermark));
        *span = (span.0.min(watermark), span.1.max(watermark));
        let seen = self.seen.entry(key).or_default();
        if !seen.insert(source.offset, watermark) {
            self.dropped.duplicates += 1;
            return None;
        }
        let mut one = Fold::default();
        one.add(e.value, e.good_ms, e.bad_ms);
        let dims = Dims {
            org: &e.org,
            site: &e.site,
            ap: &e.ap,
            band: &e.band,
            wlan: &e.wlan,
        };
        let mut end = None;
        for length in &rules.resolutions {
            let window = Window::of(e.time_ms, *length);
            if window.is_late(watermark, rules.lateness_ms) {
                self.dropped.late += 1;
            } else if window.is_late(self.final_ms, rules.lateness_ms) {
                self.dropped.stragglers += 1;
            } else {
                let open = self.windows.entry(window).or_default();
                open.add(&dims, metric, &one, &mut self.name);
                end = end.max(Some(window.end_ms()));
            }
        }
        end
    }

    /// Keeps the batch that was folded; `end_ms` is the largest that [`Partition::fold`] answered. A batch that touched
    /// no window is kept only as long as those before it.
    pub fn keep(&mut self, token: T, end_ms: Option<i64>) {
        self.kept.push_back(Kept {
            token,
            end_ms: end_ms.unwrap_or(NO_WINDOW),
        });
    }

    /// Event time up to which nothing is missing. `None` while it is not known.
    pub fn watermark(&self, rules: &Rules) -> Option<i64> {
        let (first, last) = self.span?;
        let since = last.saturating_sub(rules.gap_ms);
        let mut metrics = [false; METRICS.len()];
        let mut all = last;
        for (key, seen) in &self.seen {
            // Not every record has a second client, and a source that is silent for so long has ended.
            if key.index > 0 || seen.last_ms().is_none_or(|ms| ms < since) {
                continue;
            }
            metrics[key.metric] = true;
            all = all.min(seen.complete_ms(since).unwrap_or(all));
        }
        // A metric of which nothing came yet may still come, until the gap is over.
        (first < since || metrics.iter().all(|m| *m)).then_some(all)
    }

    /// Whether the log's end was reached a while ago.
    pub fn is_idle(&self) -> bool {
        self.idle
    }

    /// Tells what changed of windows that have ended (all, when the partition is idle), anchored to the token that is
    /// given with it; then answers the tokens of batches of which every window is final, to be acked.
    ///
    /// # Errors
    /// What `tell` answers; what was not told then is lost, and the tokens must fail.
    pub fn tick<E>(
        &mut self,
        rules: &Rules,
        mut tell: impl FnMut(&mut T, Part) -> Result<(), E>,
    ) -> Result<Vec<T>, E> {
        let watermark = self.watermark(rules).unwrap_or(i64::MIN);
        for (window, open) in &mut self.windows {
            let due = self.idle || window.end_ms() <= watermark;
            let Some(oldest) = self.kept.front_mut().filter(|_| due && open.is_dirty()) else {
                continue;
            };
            for (series, fold) in open.take(&rules.groupings) {
                let window = *window;
                tell(
                    &mut oldest.token,
                    Part {
                        series,
                        window,
                        fold,
                    },
                )?;
            }
        }
        self.final_ms = self.final_ms.max(watermark);
        let (final_ms, lateness) = (self.final_ms, rules.lateness_ms);
        self.windows
            .retain(|window, _| !window.is_late(final_ms, lateness));
        if let Some((_, last)) = self.span {
            let before = last.saturating_sub(rules.gap_ms);
            self.seen.values_mut().for_each(|s| s.compact(before));
            // A silent source is forgotten when every window that it was part of is final.
            let longest = rules.resolutions.iter().max().copied().unwrap_or(0);
            let reach = longest.saturating_add(lateness);
            self.seen.retain(|_, s| {
                s.last_ms()
                    .is_some_and(|ms| ms.saturating_add(reach) >= final_ms)
            });
        }
        let mut done = Vec::new();
        while let Some(kept) = self
            .kept
            .pop_front_if(|k| k.end_ms == NO_WINDOW || k.end_ms.saturating_add(lateness) < final_ms)
        {
            done.push(kept.token);
        }
        Ok(done)
    }

    /// Batches that are kept.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Gives up everything: the tokens of what is kept, to be failed.
    pub fn give_up(&mut self) -> Vec<T> {
        let before = std::mem::take(self);
        before.kept.into_iter().map(|k| k.token).collect()
    }

    fn topic(&mut self, name: &str) -> u32 {
        let found = self.topics.iter().position(|t| t == name);
        found.unwrap_or_else(|| {
            self.topics.push(name.to_owned());
            self.topics.len() - 1
        }) as u32
    }
}
