//! What is kept of one executor over all its lives: windows, samples for rates, its newest report.
//!
//! An executor that has moved counts from zero in its new worker, while the old one may still report:
//! each life has its own last totals, and what is new in any of them is added.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::VecDeque;

use fulmar_proto::nimbus as pb;

use super::component::{Keys, ROOTS};
use super::window::{Counts, Windows};

/// Rates are averages over so long.
const RATE_MS: u64 = 10_000;
/// Samples are at least so far apart: a worker beats ten times a second while something moves.
const APART_MS: u64 = 900;
/// A report that is older than this does not stop the clock of a rate any more: it falls to zero.
const FRESH_MS: u64 = 3_000;
/// Lives whose totals are remembered: the old owner and the new one, and those before in a bad minute.
const LIVES: usize = 4;

/// Counts at a time.
#[derive(Clone, Debug)]
struct Sample {
    at: u64,
    all: Counts,
    capacity: f64,
}

/// One executor.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    windows: Windows,
    lives: VecDeque<(u64, Counts)>,
    samples: VecDeque<Sample>,
    latest: pb::ExecutorStats,
    heard: u64,
}

impl Kept {
    /// Its component.
    pub fn component(&self) -> &str {
        &self.latest.component
    }

    /// Its windows.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Takes a report of the life `incarnation`, whose totals are `totals`.
    pub fn take(
        &mut self,
        incarnation: u64,
        stats: &pb::ExecutorStats,
        keys: &Keys,
        totals: Counts,
        now: u64,
    ) {
        let known = self.lives.iter().position(|l| l.0 == incarnation);
        let before = known.and_then(|i| self.lives.remove(i));
        let over_ms = match &before {
            Some(_) => now.saturating_sub(self.heard),
            None => stats.uptime_secs.saturating_mul(1_000),
        };
        let mut delta = totals.since(&before.map_or_else(Counts::default, |l| l.1));
        let (executed, acked) = (keys.totals(&delta).executed, delta.get(ROOTS)[0]);
        delta.complete = (finite(stats.complete_ms) * acked as f64, acked);
        delta.execute = (finite(stats.execute_ms) * executed as f64, executed);
        delta.process = (finite(stats.process_ms) * executed as f64, executed);
        self.windows.add(now, over_ms, &delta);
        self.lives.push_back((incarnation, totals));
        if self.lives.len() > LIVES {
            self.lives.pop_front();
        }
        if self
            .samples
            .back()
            .is_none_or(|s| now.saturating_sub(s.at) >= APART_MS)
        {
            self.samples.push_back(Sample {
                at: now,
                all: self.windows.all.clone(),
                capacity: finite(stats.capacity),
            });
        }
        while self.samples.len() > 1 && now.saturating_sub(self.samples[0].at) > RATE_MS + APART_MS
        {
            self.samples.pop_front();
        }
        self.latest = stats.clone();
        self.heard = now;
    }

    /// How fast a number of the counts has grown over the last seconds, per second.
    pub fn rate(&self, now: u64, number: impl Fn(&Counts) -> u64) -> f64 {
        let until = if now.saturating_sub(self.heard) <= FRESH_MS {
            self.heard
        } else {
            now
        };
        let young = |s: &&Sample| until.saturating_sub(s.at) <= RATE_MS + APART_MS;
        let Some(from) = self.samples.iter().find(young).filter(|s| s.at < until) else {
            return 0.0;
        };
        let grown = number(&self.windows.all).saturating_sub(number(&from.all));
        grown as f64 * 1_000.0 / (until - from.at) as f64
    }

    /// Its newest numbers and its rates.
    pub fn info(&self, now: u64, keys: &Keys) -> pb::ExecutorInfo {
        let mut stats = self.latest.clone();
        let fresh: Vec<f64> = self
            .samples
            .iter()
            .filter(|s| now.saturating_sub(s.at) <= RATE_MS)
            .map(|s| s.capacity)
            .collect();
        stats.capacity = fresh.iter().sum::<f64>() / fresh.len().max(1) as f64;
        pb::ExecutorInfo {
            stats: Some(stats),
            emitted_rate: self.rate(now, |c| keys.totals(c).emitted),
            executed_rate: self.rate(now, |c| keys.totals(c).executed),
            acked_rate: self.rate(now, |c| keys.totals(c).acked),
            failed_rate: self.rate(now, |c| keys.totals(c).failed),
            ..Default::default()
        }
    }
}

/// A number that sums can bear.
fn finite(x: f64) -> f64 {
    if x.is_finite() && x > 0.0 { x } else { 0.0 }
}
