//! The question "how many nodes more does this cluster need?" and its answer, by three models side by side.
//!
//! Pure: no clock, no I/O, no async.

use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use crate::losses::Losses;
use crate::models::{MOST_TIMES, Model, Odds, extra};
use crate::pools::{Pool, largest};
use crate::replay::Replay;
use crate::trace::Track;

/// The most nodes and pools of a question: what one cluster has, with room to spare, and answered in a second.
pub const MOST_NODES: u32 = 20_000;
/// See [`MOST_NODES`].
pub const MOST_POOLS: usize = 1_000;

/// What is asked. Times are seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Nodes in all; the sum of the pools when it is left out.
    pub nodes: Option<u32>,
    /// Where they stand; what is added is spread in the same proportion.
    pub pools: Vec<Pool>,
    /// Nodes without which the work does not keep up.
    pub needed: u32,
    /// From a loss until its replacement serves.
    pub window_s: f64,
    /// Part of the time in which the needed nodes shall serve, above 0 and below 1.
    pub target: f64,
    /// What takes nodes.
    pub events: Events,
    /// Of the replay; the same seed answers the same.
    #[serde(default)]
    pub seed: u64,
}

/// What takes nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Events {
    /// A stated rate.
    Rate {
        /// Events in one pool on a day.
        per_pool_per_day: f64,
        /// Parts of the pool that events take, all equally likely, each above 0 up to 1.
        shares: Vec<f64>,
    },
    /// A recording: a file of the form `time_s,pool,event,node,count`, read by whoever asks.
    Trace {
        /// The file.
        trace: String,
    },
}

/// One model's answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Extra {
    /// Fewest nodes beyond the needed ones that meet the target; none when ten times the need does not.
    pub extra_nodes: Option<u32>,
    /// The same as percent of the needed ones.
    pub extra_percent: Option<f64>,
    /// Part of the time in which the cluster as it is has the needed nodes.
    pub availability: f64,
}

/// The replay's answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replayed {
    /// As the other models'.
    #[serde(flatten)]
    pub extra: Extra,
    /// Where the availability lies in 95 of 100 replays.
    pub ci95: [f64; 2],
    /// Replays.
    pub runs: usize,
    /// Length of each, in seconds.
    pub length_s: f64,
}

/// What losing the k largest pools costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolsLost {
    /// Pools that go.
    pub k: usize,
    /// Their part of the nodes.
    pub lost_percent: f64,
    /// Nodes beyond the needed ones, in percent, that bear it.
    pub extra_percent: f64,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Nodes that fall each by itself.
    pub independent: Extra,
    /// Pools whose nodes fall together.
    pub pool: Extra,
    /// Recordings, or years drawn from the rate.
    pub replay: Replayed,
    /// For each number of pools.
    pub k_pools: Vec<PoolsLost>,
    /// Nodes that may go, whichever they are, with the needed ones left.
    pub endures_nodes: u32,
    /// Pools that may go, whichever they are.
    pub endures_pools: usize,
    /// In words.
    pub why: String,
}

impl Question {
    /// Refuses what has no answer.
    ///
    /// # Errors
    /// The first field that is out of its limits.
    pub fn check(&self) -> Result<()> {
        let sum: u64 = self.pools.iter().map(|p| u64::from(p.nodes)).sum();
        let most = format!("1 to {MOST_NODES}");
        if self.pools.is_empty() || self.pools.len() > MOST_POOLS {
            let allowed = format!("1 to {MOST_POOLS}");
            return refuse(
                "number of pools",
                self.pools.len(),
                &allowed,
                "list each pool once",
            );
        }
        if sum == 0 || sum > u64::from(MOST_NODES) {
            return refuse(
                "sum of the pools' nodes",
                sum,
                &most,
                "give each pool its nodes",
            );
        }
        if let Some(nodes) = self.nodes.filter(|n| u64::from(*n) != sum) {
            let allowed = format!("{sum}, the sum of the pools");
            return refuse(
                "nodes",
                nodes,
                &allowed,
                "correct one of them, or leave nodes out",
            );
        }
        if self.needed == 0 || self.needed > MOST_NODES {
            return refuse(
                "needed",
                self.needed,
                &most,
                "say how many nodes the work needs",
            );
        }
        if !(self.window_s > 0.0 && self.window_s <= 30.0 * 86_400.0) {
            let remedy = "say how long a replacement takes to serve";
            return refuse("window_s", self.window_s, "above 0, up to 2592000", remedy);
        }
        if !(self.target > 0.0 && self.target < 1.0) {
            let remedy = "write 0.9999 for 99.99 %; no number of nodes promises 1";
            return refuse("target", self.target, "above 0, below 1", remedy);
        }
        self.check_events()
    }

    fn check_events(&self) -> Result<()> {
        let Events::Rate {
            per_pool_per_day,
            shares,
        } = &self.events
        else {
            return Ok(());
        };
        if !(0.0..=10_000.0).contains(per_pool_per_day) {
            let remedy = "count the events that took nodes from one pool";
            return refuse(
                "events.per_pool_per_day",
                per_pool_per_day,
                "0 to 10000",
                remedy,
            );
        }
        if shares.is_empty() || shares.len() > 10_000 {
            let remedy = "write [1.0] where an event takes the whole pool";
            return refuse(
                "number of events.shares",
                shares.len(),
                "1 to 10000",
                remedy,
            );
        }
        match shares.iter().find(|s| !(**s > 0.0 && **s <= 1.0)) {
            Some(s) => refuse(
                "events.shares",
                s,
                "above 0, up to 1",
                "a share is a part of the pool's nodes",
            ),
            None => Ok(()),
        }
    }

    /// The losses of a stated rate; none for a recording, which its reader makes of the file.
    pub fn stated(&self) -> Option<Losses> {
        match &self.events {
            Events::Rate {
                per_pool_per_day,
                shares,
            } => Some(Losses::Rate {
                per_s: vec![per_pool_per_day / 86_400.0],
                shares: shares.clone(),
            }),
            Events::Trace { .. } => None,
        }
    }

    /// Lets each pool follow the recording of its own name, where there is one, and the others follow them in turn.
    pub fn follow(&self, tracks: Vec<Track>) -> Losses {
        let own = |p: &Pool| tracks.iter().position(|t| t.pool == p.name);
        if !self.pools.iter().any(|p| own(p).is_some()) {
            return Losses::Tracks(tracks);
        }
        let of = |(i, p): (usize, &Pool)| tracks[own(p).unwrap_or(i % tracks.len())].clone();
        Losses::Tracks(self.pools.iter().enumerate().map(of).collect())
    }

    /// Answers the question, the losses being [`Question::stated`] or a recording's.
    ///
    /// # Errors
    /// As [`Question::check`].
    pub fn answer(&self, losses: &Losses) -> Result<Answer> {
        self.check()?;
        let sizes: Vec<u32> = self.pools.iter().map(|p| p.nodes).collect();
        let mut odds = Odds::new(losses, self.window_s);
        let independent = self.model(&sizes, |s| odds.served(Model::Independent, s, self.needed));
        let pool = self.model(&sizes, |s| odds.served(Model::Pool, s, self.needed));
        let replay = Replay::new(losses, sizes.len(), self.window_s, self.seed);
        let now = replay.served(&sizes, self.needed);
        let replayed = Replayed {
            extra: self.model(&sizes, |s| mean(&replay.served(s, self.needed))),
            ci95: replay.ci95(&now),
            runs: replay.runs,
            length_s: replay.length_s,
        };
        let sums = largest(&sizes);
        let spare = (sums[sizes.len()]).checked_sub(u64::from(self.needed));
        let bears = |s: &&u64| spare.is_some_and(|spare| **s <= spare);
        let mut answer = Answer {
            independent,
            pool,
            replay: replayed,
            k_pools: k_pools(&sums),
            endures_nodes: spare.unwrap_or(0) as u32,
            endures_pools: sums[1..].iter().take_while(bears).count(),
            why: String::new(),
        };
        answer.why = self.why(&answer, &sums);
        Ok(answer)
    }

    fn model(&self, sizes: &[u32], mut served: impl FnMut(&[u32]) -> f64) -> Extra {
        let availability = served(sizes);
        let extra_nodes = extra(sizes, self.needed, self.target, served);
        Extra {
            extra_nodes,
            extra_percent: extra_nodes.map(|x| 100.0 * f64::from(x) / f64::from(self.needed)),
            availability,
        }
    }

    fn why(&self, a: &Answer, sums: &[u64]) -> String {
        let (nodes, pools) = (sums[sums.len() - 1], self.pools.len());
        // Without the dust of binary fractions.
        let percent = (1e10 * self.target).round() / 1e8;
        let spare = nodes as i64 - i64::from(self.needed);
        let more = |e: &Extra| match e.extra_nodes {
            Some(n) => format!("{} beyond the needed {}", counted(n, "node"), self.needed),
            None => format!(
                "more than {MOST_TIMES} times the need, so more pools instead of more nodes"
            ),
        };
        let stands = if spare < 0 {
            format!("{} nodes are missing even before any loss", -spare)
        } else {
            format!(
                "{spare} to spare, so it endures the loss of any {} and of any {} of its {} (the largest holds {})",
                counted(a.endures_nodes, "node"),
                a.endures_pools,
                counted(pools as u32, "pool"),
                sums[1]
            )
        };
        let judged = match (a.pool.extra_nodes, a.pool.availability >= self.target) {
            (_, true) => format!("as it is, it meets {percent} %"),
            (Some(n), false) => format!(
                "as it is, it misses {percent} %: add {} more, or spread the same over more pools",
                i64::from(n) - spare
            ),
            (None, false) => format!("as it is, it misses {percent} %: spread it over more pools"),
        };
        format!(
            "{} in {} for a need of {}: {stands}. With {} s until a replacement serves, {percent} % needs {} \
             if each node fell by itself, {} since the nodes of a pool fall together, and {} in the replay: plan by the pools. {}.",
            counted(nodes as u32, "node"),
            counted(pools as u32, "pool"),
            self.needed,
            self.window_s,
            more(&a.independent),
            more(&a.pool),
            more(&a.replay.extra),
            capital(&judged),
        )
    }
}

fn counted(n: u32, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// For each number of lost pools short of all: their part, and what it takes to bear it.
fn k_pools(sums: &[u64]) -> Vec<PoolsLost> {
    let total = sums[sums.len() - 1];
    (1..sums.len() - 1)
        .filter(|k| sums[*k] < total)
        .map(|k| PoolsLost {
            k,
            lost_percent: 100.0 * sums[k] as f64 / total as f64,
            extra_percent: 100.0 * sums[k] as f64 / (total - sums[k]) as f64,
        })
        .collect()
}
