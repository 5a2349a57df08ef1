//! Drills: who vanishes, when, and for how long. The same seed strikes the same nodes.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use crate::chance::Chance;
use crate::error::{Error, Result, refuse};
use crate::trace::Track;

/// A node that may be struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Its pool.
    pub pool: String,
    /// Its zone.
    pub zone: String,
}

/// Whom to strike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// So many, any of them.
    Random(usize),
    /// A whole pool.
    Pool(String),
    /// A whole zone.
    Zone(String),
    /// These, by id or the beginning of it.
    Nodes(Vec<String>),
}

/// The nodes that a choice strikes, by index, ascending.
///
/// # Errors
/// More than there are, or a pool, zone or node that is not there; those that are, are named.
pub fn victims(nodes: &[Node], choice: &Choice, seed: u64) -> Result<Vec<usize>> {
    let all = 0..nodes.len();
    let found: Vec<usize> = match choice {
        Choice::Random(n) => {
            if *n == 0 || *n > nodes.len() {
                let limit = format!("1 to {}", nodes.len());
                return refuse("--random", n, &limit, "there are no more living nodes");
            }
            let mut chosen = draw(&all.collect::<Vec<_>>(), *n, &mut Chance::new(seed));
            chosen.sort_unstable();
            chosen
        }
        Choice::Pool(pool) => all.filter(|i| nodes[*i].pool == *pool).collect(),
        Choice::Zone(zone) => all.filter(|i| nodes[*i].zone == *zone).collect(),
        Choice::Nodes(ids) => {
            let mut found = Vec::new();
            for id in ids {
                found.push(named(nodes, id)?);
            }
            found.sort_unstable();
            found.dedup();
            found
        }
    };
    if found.is_empty() {
        let (what, name, has) = match choice {
            Choice::Zone(zone) => ("zone", zone.as_str(), names(nodes, |n| &n.zone)),
            Choice::Pool(pool) => ("pool", pool.as_str(), names(nodes, |n| &n.pool)),
            _ => ("choice", "none", names(nodes, |n| &n.id)),
        };
        return Err(Error::Missing(format!(
            "no living node is in {what} \"{name}\"; there are {has}"
        )));
    }
    Ok(found)
}

fn named(nodes: &[Node], id: &str) -> Result<usize> {
    let mut like = nodes
        .iter()
        .enumerate()
        .filter(|(_, n)| n.id.starts_with(id));
    match (like.next(), like.next()) {
        (Some((i, _)), None) => Ok(i),
        (None, _) => Err(Error::Missing(format!(
            "no living node is \"{id}\"; there are {}",
            names(nodes, |n| &n.id)
        ))),
        _ => Err(Error::Missing(format!(
            "\"{id}\" is the beginning of several nodes: write more of it"
        ))),
    }
}

fn names<'a>(nodes: &'a [Node], of: impl Fn(&'a Node) -> &'a String) -> String {
    let mut names: Vec<&str> = nodes.iter().map(|n| of(n).as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// So many of these, each equally likely.
pub fn draw(from: &[usize], n: usize, chance: &mut Chance) -> Vec<usize> {
    let mut pot = from.to_vec();
    let n = n.min(pot.len());
    for i in 0..n {
        let other = i + chance.below(pot.len() - i);
        pot.swap(i, other);
    }
    pot.truncate(n);
    pot
}

/// A moment of a recording, laid over the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Strike {
    /// When, in seconds from the drill's start.
    pub at_s: f64,
    /// Whose nodes.
    pub pool: String,
    /// Which part of those that are there then, above 0 up to 1.
    pub share: f64,
    /// From then until they are back, in seconds.
    pub back_s: f64,
}

impl Strike {
    /// Nodes that it takes of so many: a part of a node is a node.
    pub fn takes(&self, there: usize) -> usize {
        ((self.share * there as f64).ceil() as usize).min(there)
    }
}

/// A recording, so many times faster, over the cluster's pools: its pools go to ours in turn, the largest of
/// ours first. A recording with fewer pools than ours leaves the others alone; with more, a pool of ours has several.
///
/// # Errors
/// No node, or a speed outside 0.001 to 100,000.
pub fn follow(tracks: &[Track], nodes: &[Node], speed: f64) -> Result<Vec<Strike>> {
    if !(0.001..=100_000.0).contains(&speed) {
        return refuse(
            "--speed",
            speed,
            "0.001 to 100000",
            "60 plays an hour in a minute",
        );
    }
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    nodes
        .iter()
        .for_each(|n| *sizes.entry(&n.pool).or_default() += 1);
    let mut pools: Vec<(&str, usize)> = sizes.into_iter().collect();
    pools.sort_by_key(|(name, size)| (std::cmp::Reverse(*size), *name));
    if pools.is_empty() {
        return Err(Error::Missing(
            "there is no living node to strike".to_owned(),
        ));
    }
    let mut strikes = Vec::new();
    for (track, (pool, _)) in tracks.iter().zip(pools.iter().cycle()) {
        for ((at, share), outage) in track.events.iter().zip(&track.outages_s) {
            strikes.push(Strike {
                at_s: at / speed,
                pool: (*pool).to_owned(),
                share: *share,
                back_s: outage / speed,
            });
        }
    }
    strikes.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    Ok(strikes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(pools: &[usize]) -> Vec<Node> {
        let of = |(p, n): (usize, &usize)| (0..*n).map(move |i| (p, i));
        let all = pools.iter().enumerate().flat_map(of);
        all.map(|(p, i)| Node {
            id: format!("n{p}-{i}"),
            pool: format!("m5/z{p}"),
            zone: format!("z{p}"),
        })
        .collect()
    }

    #[test]
    fn a_choice_strikes_whom_it_names_and_a_seed_repeats() {
        let n = nodes(&[3, 2, 1]);
        let strikes = |c| victims(&n, &c, 7).expect("there are such");
        assert_eq!(strikes(Choice::Pool("m5/z1".into())), [3, 4]);
        assert_eq!(strikes(Choice::Zone("z0".into())), [0, 1, 2]);
        let named = vec!["n2".to_owned(), "n0-1".to_owned(), "n2-0".to_owned()];
        assert_eq!(strikes(Choice::Nodes(named)), [1, 5]);
        let random = strikes(Choice::Random(2));
        assert_eq!(random, strikes(Choice::Random(2)));
        assert!(random.len() == 2 && random[0] < random[1]);
        assert_eq!(strikes(Choice::Random(6)), [0, 1, 2, 3, 4, 5]);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            seen.extend(victims(&n, &Choice::Random(1), seed).expect("is one"));
        }
        assert_eq!(seen.len(), 6, "everyone's turn comes");
    }

    #[test]
    fn who_is_not_there_is_refused_with_those_who_are() {
        let n = nodes(&[2, 1]);
        for (choice, wanted) in [
            (Choice::Random(4), "1 to 3"),
            (Choice::Random(0), "--random is 0"),
            (Choice::Pool("c5/z0".into()), "there are m5/z0, m5/z1"),
            (Choice::Zone("z9".into()), "there are z0, z1"),
            (
                Choice::Nodes(vec!["x".into()]),
                "there are n0-0, n0-1, n1-0",
            ),
            (Choice::Nodes(vec!["n0".into()]), "write more of it"),
            (Choice::Nodes(vec![]), "no living node"),
        ] {
            let why = victims(&n, &choice, 0).expect_err("is refused").to_string();
            assert!(why.contains(wanted), "{choice:?}: {why}");
        }
        assert!(victims(&[], &Choice::Random(1), 0).is_err());
    }

    fn track(events: &[(f64, f64)]) -> Track {
        Track {
            pool: "recorded".into(),
            length_s: 7_200.0,
            events: events.to_vec(),
            outages_s: events.iter().map(|_| 600.0).collect(),
        }
    }

    #[test]
    fn a_recording_is_laid_over_the_largest_pools_in_turn_and_played_faster() {
        let n = nodes(&[1, 3]);
        let tracks = [
            track(&[(600.0, 0.5), (3_600.0, 1.0)]),
            track(&[(1_200.0, 0.1)]),
            track(&[(60.0, 1.0)]),
        ];
        let strikes = follow(&tracks, &n, 60.0).expect("plays");
        let brief = |s: &Strike| (s.at_s, s.pool.clone(), s.share, s.back_s);
        let expected = [
            (1.0, "m5/z1".to_owned(), 1.0, 10.0),
            (10.0, "m5/z1".to_owned(), 0.5, 10.0),
            (20.0, "m5/z0".to_owned(), 0.1, 10.0),
            (60.0, "m5/z1".to_owned(), 1.0, 10.0),
        ];
        assert_eq!(strikes.iter().map(brief).collect::<Vec<_>>(), expected);
        assert_eq!([0, 1, 3].map(|there| strikes[1].takes(there)), [0, 1, 2]);
        for speed in [0.0, -1.0, f64::NAN, 1e9] {
            assert!(follow(&tracks, &n, speed).is_err(), "{speed}");
        }
        assert!(follow(&tracks, &[], 60.0).is_err());
    }
}
