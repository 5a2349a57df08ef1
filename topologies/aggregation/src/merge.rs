//! The parts of all partitions, merged: rows of whole windows.
//!
//! A part replaces the one that its partition told before: of two, the one with more estimates holds the other. The newest token
//! of each part is kept until the window is final and its row confirmed.
//! Generic over the token, so that the laws are tested without an engine.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::fold::Fold;
use crate::window::Window;

/// One row: the whole of a series and window.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// `org/metric/grouping/entity`.
    pub series: &'a str,
    /// Window.
    pub window: Window,
    /// All distinct estimates so far.
    pub fold: Fold,
}

#[derive(Debug)]
struct Held<T> {
    partition: i64,
    fold: Fold,
    token: Option<T>,
}

#[derive(Debug)]
struct Series<T> {
    parts: Vec<Held<T>>,
    dirty: bool,
}

#[derive(Debug)]
struct Windowed<T> {
    series: FxHashMap<Box<str>, Series<T>>,
    dirty: Vec<Box<str>>,
    /// Some part holds a token.
    tokens: bool,
}

/// All partitions.
#[derive(Debug)]
pub struct Merge<T> {
    lateness_ms: i64,
    /// Final windows are remembered for so long, so that a late part is merged with the others.
    retention_ms: i64,
    /// What each partition said last: watermark, and whether it is idle.
    heard: Vec<Option<(i64, bool)>>,
    watermark: i64,
    windows: BTreeMap<Window, Windowed<T>>,
}

impl<T> Merge<T> {
    /// Nothing heard yet.
    pub fn new(lateness_ms: i64, retention_ms: i64) -> Self {
        Self {
            lateness_ms,
            retention_ms,
            heard: Vec::new(),
            watermark: i64::MIN,
            windows: BTreeMap::new(),
        }
    }

    /// A partition says how far it is (`i64::MIN`: it does not know), of so many partitions.
    pub fn hear(&mut self, partition: usize, partitions: usize, watermark_ms: i64, idle: bool) {
        self.heard.resize(partitions.max(partition + 1), None);
        self.heard[partition] = Some((watermark_ms, idle));
        if let Some(all) = self.heard.iter().copied().collect::<Option<Vec<_>>>() {
            let slowest = all
                .iter()
                .filter(|(_, idle)| !idle)
                .map(|(ms, _)| *ms)
                .min();
            self.watermark = self.watermark.max(slowest.unwrap_or(i64::MIN));
        }
    }

    /// Event time up to which every partition that is not idle is whole; `i64::MIN` while it is not known.
    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// A partition's part arrives. Answers the token that it replaces, to be acked.
    pub fn arrive(
        &mut self,
        partition: i64,
        series: &str,
        window: Window,
        fold: Fold,
        token: T,
    ) -> Option<T> {
        let windowed = self.windows.entry(window).or_insert_with(|| Windowed {
            series: FxHashMap::default(),
            dirty: Vec::new(),
            tokens: false,
        });
        windowed.tokens = true;
        if !windowed.series.contains_key(series) {
            let none = Series {
                parts: Vec::new(),
                dirty: false,
            };
            windowed.series.insert(series.into(), none);
        }
        let found = windowed.series.get_mut(series)?;
        // The row may not have been confirmed: whatever arrives, it is written again.
        if !std::mem::replace(&mut found.dirty, true) {
            windowed.dirty.push(series.into());
        }
        match found.parts.iter_mut().find(|p| p.partition == partition) {
            Some(held) => {
                if fold.count >= held.fold.count {
                    held.fold = fold;
                }
                held.token.replace(token)
            }
            None => {
                found.parts.push(Held {
                    partition,
                    fold,
                    token: Some(token),
                });
                None
            }
        }
    }

    /// Writes the rows that changed of windows that have ended (of all, when every partition is idle), anchored to the
    /// tokens that are given with them; then answers the tokens of windows that are final, to be acked.
    ///
    /// # Errors
    /// What `write` answers; the row is still due then.
    pub fn tick<E>(
        &mut self,
        mut write: impl for<'t> FnMut(&'t mut [&'t mut T], Row<'_>) -> Result<(), E>,
    ) -> Result<Vec<T>, E> {
        let idle = !self.heard.is_empty() && self.heard.iter().all(|h| h.is_some_and(|(_, i)| i));
        let (watermark, lateness, mut done) = (self.watermark, self.lateness_ms, Vec::new());
        for (window, windowed) in &mut self.windows {
            if !idle && window.end_ms() > watermark {
                continue;
            }
            while let Some(name) = windowed.dirty.last() {
                if let Some(series) = windowed.series.get_mut(name) {
                    let mut fold = Fold::default();
                    series.parts.iter().for_each(|p| fold.merge(&p.fold));
                    let tokens = series.parts.iter_mut().filter_map(|p| p.token.as_mut());
                    let mut tokens: Vec<_> = tokens.collect();
                    let row = Row {
                        series: name,
                        window: *window,
                        fold,
                    };
                    write(&mut tokens, row)?;
                    series.dirty = false;
                }
                windowed.dirty.pop();
            }
            if windowed.tokens && window.is_late(watermark, lateness) {
                windowed.tokens = false;
                let parts = windowed.series.values_mut().flat_map(|s| &mut s.parts);
                done.extend(parts.filter_map(|p| p.token.take()));
            }
        }
        let retention = lateness.saturating_add(self.retention_ms);
        self.windows
            .retain(|window, w| w.tokens || !window.is_late(watermark, retention));
        Ok(done)
    }

    /// Partitions that have not said anything yet; all, while nobody has said how many there are.
    pub fn silent(&self) -> usize {
        self.heard.iter().filter(|h| h.is_none()).count()
    }

    /// Gives up everything: the tokens of what is held, to be failed.
    pub fn give_up(&mut self) -> Vec<T> {
        let windows = std::mem::take(&mut self.windows).into_values();
        let parts = windows.flat_map(|w| w.series.into_values().flat_map(|s| s.parts));
        parts.filter_map(|p| p.token).collect()
    }

    /// Windows that are remembered.
    pub fn windows(&self) -> usize {
        self.windows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(count: i64) -> Fold {
        let mut f = Fold::default();
        (0..count).for_each(|n| f.add(n, 1, 0));
        f
    }

    fn rows(m: &mut Merge<u32>) -> (Vec<(i64, usize)>, Vec<u32>) {
        let mut rows = Vec::new();
        let done = m.tick(|tokens, row| {
            rows.push((row.fold.count, tokens.len()));
            Ok::<_, ()>(())
        });
        (rows, done.unwrap())
    }

    #[test]
    fn a_row_waits_for_every_partition_and_its_tokens_for_finality() {
        let mut m = Merge::new(10, 100);
        let w = Window::of(0, 100);
        assert_eq!(m.arrive(0, "s", w, fold(2), 1), None);
        m.hear(0, 2, 105, false);
        assert_eq!(rows(&mut m), (vec![], vec![]));
        m.arrive(1, "s", w, fold(3), 2);
        m.hear(1, 2, 100, false);
        assert_eq!(rows(&mut m), (vec![(5, 2)], vec![]));
        assert_eq!(rows(&mut m).0, vec![]);
        m.hear(1, 2, 111, false);
        assert_eq!(m.watermark(), 105);
        m.hear(0, 2, 111, false);
        let (none, mut done) = rows(&mut m);
        done.sort_unstable();
        assert_eq!((none, done), (vec![], vec![1, 2]));
    }

    #[test]
    fn a_replayed_part_never_makes_a_row_poorer_and_is_written_again() {
        let mut m = Merge::new(0, 1_000);
        let w = Window::of(0, 100);
        m.hear(0, 1, 500, false);
        m.arrive(0, "s", w, fold(4), 1);
        assert_eq!(rows(&mut m), (vec![(4, 1)], vec![1]));
        m.arrive(0, "s", w, fold(2), 2);
        assert_eq!(m.arrive(0, "s", w, fold(3), 3), Some(2));
        assert_eq!(rows(&mut m), (vec![(4, 1)], vec![3]));
        m.hear(0, 1, 1_200, false);
        rows(&mut m);
        assert_eq!(m.windows(), 0);
    }

    #[test]
    fn idle_partitions_hold_nothing_back() {
        let mut m = Merge::new(0, 0);
        let w = Window::of(0, 100);
        m.arrive(0, "s", w, fold(1), 1);
        m.hear(0, 2, 50, false);
        m.hear(1, 2, i64::MIN, true);
        assert_eq!(m.watermark(), 50);
        assert_eq!(rows(&mut m).0, vec![]);
        m.hear(0, 2, 50, true);
        assert_eq!(rows(&mut m), (vec![(1, 1)], vec![]), "all are idle");
    }
}
