//! What takes nodes from a pool, and how many of its nodes are missing at a random moment.
//!
//! What is missing at a moment is what the events of the last window took, the window being the time from a loss
//! until the replacement serves. Each event takes its share of the nodes that the earlier ones left, and a part of
//! a node is a node. The same rule holds for stated rates and for recordings, so their answers can be compared.
//!
//! Pure: no clock, no I/O, no async.

use crate::chance::Chance;
use crate::trace::Track;

/// Odds below this are nothing: a thousand pools of them do not reach the eleventh nine.
const NOTHING: f64 = 1e-15;

/// What takes nodes.
#[derive(Clone, Debug)]
pub enum Losses {
    /// Events at random times with a known rate; each takes one of the shares, all equally likely.
    Rate {
        /// Events per second; pool number i has rate i modulo their number.
        per_s: Vec<f64>,
        /// Parts of the pool, each above 0 up to 1.
        shares: Vec<f64>,
    },
    /// Recordings; pool number i follows recording i modulo their number, each from a random moment on.
    Tracks(Vec<Track>),
}

/// What is left of `n` nodes after an event of this share.
pub fn left(n: u32, share: f64) -> u32 {
    // Without the small term 0.2 of 10 nodes would be 3 nodes now and then.
    n - ((f64::from(n) * share - 1e-9).ceil() as u32).min(n)
}

impl Losses {
    /// For each number of missing nodes out of `n` in pool number `pool`: how likely it is at a random moment.
    pub fn missing(&self, pool: usize, n: u32, window_s: f64) -> Vec<(u32, f64)> {
        match self {
            Self::Rate { per_s, shares } => {
                compound(per_s[pool % per_s.len()] * window_s, shares, n)
            }
            Self::Tracks(tracks) => {
                let track = &tracks[pool % tracks.len()];
                occupancy(&walk(track, window_s, n), track.length_s, n)
            }
        }
    }

    /// How likely a single node of this pool is missing at a random moment.
    pub fn node(&self, pool: usize, window_s: f64) -> f64 {
        match self {
            Self::Rate { per_s, shares } => {
                let mean = shares.iter().sum::<f64>() / shares.len() as f64;
                -(-per_s[pool % per_s.len()] * window_s * mean).exp_m1()
            }
            Self::Tracks(tracks) => {
                let track = &tracks[pool % tracks.len()];
                // Of very many nodes the missing part is the share itself.
                const MANY: u32 = 1_000_000;
                self::mean(&occupancy(
                    &walk(track, window_s, MANY),
                    track.length_s,
                    MANY,
                )) / f64::from(MANY)
            }
        }
    }

    /// Which recording, or which parameters, a pool follows: pools that answer the same have the same odds.
    pub fn kind(&self, pool: usize) -> usize {
        match self {
            Self::Rate { per_s, .. } => pool % per_s.len(),
            Self::Tracks(tracks) => pool % tracks.len(),
        }
    }
}

fn mean(odds: &[(u32, f64)]) -> f64 {
    odds.iter().map(|(n, p)| f64::from(*n) * p).sum()
}

/// Missing nodes when a Poisson number of events with mean `events` each take a random share.
fn compound(events: f64, shares: &[f64], n: u32) -> Vec<(u32, f64)> {
    let size = n as usize + 1;
    let mut odds = vec![0.0; size];
    let mut now = vec![0.0; size];
    now[n as usize] = 1.0;
    let mut log_weight = -events;
    let mut rest = 1.0;
    for k in 1u32.. {
        let weight = log_weight.exp();
        odds.iter_mut()
            .zip(&now)
            .for_each(|(o, p)| *o += weight * p);
        rest -= weight;
        // Past the mean what is left shrinks fast; when nothing is left of the pool, more events change nothing.
        let settled = f64::from(k) > events && (rest < NOTHING || weight < NOTHING * 1e-3);
        if settled || events == 0.0 || now[0] >= 1.0 - NOTHING {
            break;
        }
        now = event(&now, shares);
        log_weight += (events / f64::from(k)).ln();
    }
    odds.iter_mut()
        .zip(&now)
        .for_each(|(o, p)| *o += rest.max(0.0) * p);
    let listed = odds.iter().enumerate().rev().filter(|(_, p)| **p > 0.0);
    listed.map(|(l, p)| (n - l as u32, *p)).collect()
}

/// One event: where each number of nodes goes.
fn event(now: &[f64], shares: &[f64]) -> Vec<f64> {
    let mut next = vec![0.0; now.len()];
    for (n, p) in now.iter().enumerate().filter(|(_, p)| **p > 1e-30) {
        let each = p / shares.len() as f64;
        shares
            .iter()
            .for_each(|s| next[left(n as u32, *s) as usize] += each);
    }
    next
}

/// From which moment on how many of `n` nodes are missing, over one turn of the recording, which is taken as a circle.
/// The first entry is at 0.
pub fn walk(track: &Track, window_s: f64, n: u32) -> Vec<(f64, u32)> {
    let length = track.length_s;
    // Longer than a turn, every event is always within the window.
    let window = window_s.min(length * (1.0 - 1e-12));
    let events: Vec<(f64, f64)> = track
        .events
        .iter()
        .map(|(t, s)| (*t - length, *s))
        .chain(track.events.iter().copied())
        .collect();
    let mut times: Vec<f64> = events
        .iter()
        .flat_map(|(t, _)| [*t, *t + window])
        .filter(|t| *t > 0.0 && *t < length)
        .chain([0.0])
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    times.dedup();
    steps(&events, &times, window, n)
}

/// Missing nodes from each of the ascending `times` on.
pub fn steps(events: &[(f64, f64)], times: &[f64], window: f64, n: u32) -> Vec<(f64, u32)> {
    let (mut first, mut next) = (0, 0);
    let mut found: Vec<(f64, u32)> = Vec::with_capacity(times.len());
    for t in times {
        while next < events.len() && events[next].0 <= *t {
            next += 1;
        }
        while first < next && events[first].0 + window <= *t {
            first += 1;
        }
        let still = events[first..next].iter().fold(n, |n, (_, s)| left(n, *s));
        let missing = n - still;
        if found.last().is_none_or(|(_, m)| *m != missing) {
            found.push((*t, missing));
        }
    }
    found
}

/// How long, as part of the whole, each number of nodes is missing.
fn occupancy(steps: &[(f64, u32)], length: f64, n: u32) -> Vec<(u32, f64)> {
    let mut odds = std::collections::BTreeMap::new();
    for (i, (from, missing)) in steps.iter().enumerate() {
        let to = steps.get(i + 1).map_or(length, |s| s.0);
        *odds.entry((*missing).min(n)).or_insert(0.0) += (to - from) / length;
    }
    odds.into_iter().collect()
}

/// Events of a stated rate over `[-window, length)`, as times and shares.
pub fn draw(
    per_s: f64,
    shares: &[f64],
    window_s: f64,
    length_s: f64,
    chance: &mut Chance,
) -> Vec<(f64, f64)> {
    let mut events = Vec::new();
    let mut t = -window_s + chance.wait(per_s);
    while t < length_s {
        events.push((t, shares[chance.below(shares.len())]));
        t += chance.wait(per_s);
    }
    events
}
