//! Which losses each topology of a cluster bears: nodes at worst, nodes at random, single pools, several pools.
//!
//! A topology bears a loss when, after Nimbus has moved everything, the slots that are left hold its workers and
//! those of every topology that is served before it. Work moves, so it is room that counts, not where work is now.
//!
//! Pure: no clock, no I/O, no async.

use serde::Serialize;

use crate::chance::Chance;
use crate::losses::Losses;
use crate::models::{Model, Odds};

/// Orders in which nodes are taken at random: the error of a part of 99.99 % is then below 0.01 %.
const SHUFFLES: usize = 20_000;

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Index of its pool.
    pub pool: usize,
    /// Workers that it can hold.
    pub slots: u32,
}

/// A topology, in the order in which they are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Its name.
    pub name: String,
    /// Workers that it wants, and so slots.
    pub workers: u32,
}

/// What a topology bears.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endurance {
    /// The topology.
    pub topology: String,
    /// Slots that may go.
    pub spare_slots: u32,
    /// Node losses that it bears whichever nodes they are; 0 also when it is short already.
    pub any_nodes: u32,
    /// Node losses that it bears in at least the target's part of all random choices.
    pub random_nodes: u32,
    /// Pools, any of them at a time, whose loss it bears together.
    pub any_pools: u32,
    /// Pools whose loss alone it does not bear, by index.
    pub fatal_pools: Vec<usize>,
    /// Whether it has all its slots now.
    pub served: bool,
    /// Part of the time in which it has all its slots if nodes fell each by itself.
    pub independent: f64,
    /// The same with pools that fall together.
    pub pool: f64,
}

/// What takes nodes, for how long, and how sure one wants to be.
pub struct Wanted<'a> {
    /// What takes nodes.
    pub losses: &'a Losses,
    /// From a loss until its replacement serves, seconds.
    pub window_s: f64,
    /// Part of the time or of the choices, above 0 and below 1.
    pub target: f64,
    /// Of the random choices.
    pub seed: u64,
}

/// The endurance of each topology. `pools` is the number of pools; nodes name theirs by index below it.
pub fn endurance(
    nodes: &[Node],
    pools: usize,
    topologies: &[Topology],
    wanted: &Wanted<'_>,
) -> Vec<Endurance> {
    let total: u64 = nodes.iter().map(|n| u64::from(n.slots)).sum();
    let mut served_before = 0u64;
    let slack: Vec<Option<u64>> = topologies
        .iter()
        .map(|t| {
            served_before += u64::from(t.workers);
            total.checked_sub(served_before)
        })
        .collect();
    let slots: Vec<u32> = nodes.iter().map(|n| n.slots).collect();
    let mut of_pool = vec![0u32; pools];
    nodes.iter().for_each(|n| of_pool[n.pool] += n.slots);
    let (by_node, by_pool) = (
        crate::pools::largest(&slots),
        crate::pools::largest(&of_pool),
    );
    let random = random(&slots, &slack, wanted);
    let most = slack.iter().flatten().max().copied().unwrap_or(0) as usize;
    let [alone, together] = [Model::Independent, Model::Pool].map(|m| {
        let mut sum = 0.0;
        let odds = missing(nodes, pools, wanted, m, most);
        odds.iter()
            .map(|p| {
                sum += p;
                f64::min(sum, 1.0)
            })
            .collect::<Vec<f64>>()
    });
    let one = |(i, t): (usize, &Topology)| {
        let bears = |sums: &[u64]| match slack[i] {
            Some(s) => sums[1..].iter().take_while(|x| **x <= s).count() as u32,
            None => 0,
        };
        let fatal = |p: &usize| slack[i].is_none_or(|s| u64::from(of_pool[*p]) > s);
        Endurance {
            topology: t.name.clone(),
            spare_slots: slack[i].unwrap_or(0) as u32,
            any_nodes: bears(&by_node),
            random_nodes: random[i],
            any_pools: bears(&by_pool),
            fatal_pools: (0..pools).filter(fatal).collect(),
            served: slack[i].is_some(),
            independent: slack[i].map_or(0.0, |s| alone[s as usize]),
            pool: slack[i].map_or(0.0, |s| together[s as usize]),
        }
    };
    topologies.iter().enumerate().map(one).collect()
}

/// How likely each number of missing slots is. A pool's nodes count with the slots of its largest.
fn missing(
    nodes: &[Node],
    pools: usize,
    wanted: &Wanted<'_>,
    model: Model,
    most: usize,
) -> Vec<f64> {
    let (mut sizes, mut weights) = (vec![0u32; pools], vec![0u32; pools]);
    for n in nodes {
        sizes[n.pool] += 1;
        weights[n.pool] = weights[n.pool].max(n.slots);
    }
    Odds::new(wanted.losses, wanted.window_s).missing(model, &sizes, &weights, most)
}

/// For each topology the most losses that it bears in the target's part of all orders.
fn random(slots: &[u32], slack: &[Option<u64>], wanted: &Wanted<'_>) -> Vec<u32> {
    let n = slots.len();
    let alike = slots.windows(2).all(|w| w[0] == w[1]);
    let bears = |sums: &[u64], s: u64| sums.partition_point(|x| *x <= s) - 1;
    if alike {
        // Every order is the same: no need to draw.
        let sums = crate::pools::largest(slots);
        let of = |s: &Option<u64>| s.map_or(0, |s| bears(&sums, s) as u32);
        return slack.iter().map(of).collect();
    }
    // counts[t][k]: orders in which topology t bears k losses and no more.
    let mut counts = vec![vec![0u32; n + 1]; slack.len()];
    let (mut order, mut chance) = (slots.to_vec(), Chance::new(wanted.seed));
    let mut sums = vec![0u64; n + 1];
    for _ in 0..SHUFFLES {
        for i in 0..n {
            order.swap(i, i + chance.below(n - i));
            sums[i + 1] = sums[i] + u64::from(order[i]);
        }
        for (t, s) in slack.iter().enumerate() {
            if let Some(s) = s {
                counts[t][bears(&sums, *s)] += 1;
            }
        }
    }
    let most_failing = ((1.0 - wanted.target) * SHUFFLES as f64).floor() as u32;
    let of = |c: &Vec<u32>| {
        let mut failing = 0;
        let fails = |k: &usize| {
            failing += c[*k];
            failing > most_failing
        };
        (0..=n).find(fails).map_or(0, |k| k as u32)
    };
    counts.iter().map(of).collect()
}
