//! Which part of the network explains a deviation.
//!
//! An entity explains it well when it holds most of what is missing (explanatory power: Bhagwan et al., Adtributor,
//! NSDI 2014) and everything in it is hit alike, so that its own relative loss is as large as the worst one anywhere (the ripple
//! effect: Sun et al., HotSpot, 2018; Li et al., Squeeze, 2019). The harmonic mean of both is largest for the
//! smallest part that holds it all: an access point rather than its site, a site rather than its four access
//! points or the organisation. Pure: no clock, no I/O, no async.

/// One entity of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Grouping.
    pub grouping: String,
    /// Entity.
    pub entity: String,
    /// What is missing: (expected − actual) × records; negative where there is more than expected.
    pub missing: f64,
    /// What was expected of all its records, absolute.
    pub expected: f64,
    /// Robust standard deviations below what was expected.
    pub score: f64,
}

/// An entity and the part of the deviation that it explains.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Position among the candidates.
    pub at: usize,
    /// 0 to 1.
    pub share: f64,
}

/// Most explanations.
const MOST: usize = 5;
/// A further entity must explain at least so much.
const LEAST_SHARE: f64 = 0.1;

/// The best explanation and the further entities of its grouping that deviate by at least `threshold`, by share;
/// nothing where no entity deviates by as much.
pub fn attribute(candidates: &[Candidate], threshold: f64) -> Vec<Explanation> {
    let deviates = |c: &Candidate| c.score >= threshold && c.missing > 0.0;
    let hit = || candidates.iter().filter(|c| deviates(c));
    let all = hit().map(|c| c.missing).fold(0.0, f64::max);
    let worst = hit().map(loss).fold(0.0, f64::max);
    if all <= 0.0 || worst <= 0.0 {
        return Vec::new();
    }
    let share = |c: &Candidate| (c.missing / all).min(1.0);
    let quality = |c: &Candidate| {
        let (power, uniform) = (share(c), loss(c) / worst);
        2.0 * power * uniform / (power + uniform)
    };
    let numbered = candidates.iter().enumerate().filter(|(_, c)| deviates(c));
    // Names decide between equals, so that the order of rows does not.
    let best = numbered.clone().max_by(|(_, a), (_, b)| {
        let names = || (&b.grouping, &b.entity).cmp(&(&a.grouping, &a.entity));
        quality(a).total_cmp(&quality(b)).then_with(names)
    });
    let Some((best, chosen)) = best else {
        return Vec::new();
    };
    let mut others: Vec<_> = numbered
        .filter(|(at, c)| *at != best && c.grouping == chosen.grouping && share(c) >= LEAST_SHARE)
        .map(|(at, c)| Explanation {
            at,
            share: share(c),
        })
        .collect();
    let name = |e: &Explanation| &candidates[e.at].entity;
    others.sort_by(|a, b| {
        b.share
            .total_cmp(&a.share)
            .then_with(|| name(a).cmp(name(b)))
    });
    others.truncate(MOST - 1);
    let first = Explanation {
        at: best,
        share: share(chosen),
    };
    [first].into_iter().chain(others).collect()
}

/// Part of what was expected that is missing.
fn loss(c: &Candidate) -> f64 {
    c.missing / c.expected.abs().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An organisation of 2 sites × 4 access points, of which some lose 3/4 of 100 × 10 records.
    fn network(hit: &[(usize, usize)]) -> Vec<Candidate> {
        let mut all = Vec::new();
        let mut push = |grouping: &str, entity: String, aps: &[(usize, usize)]| {
            let lost = aps.iter().filter(|ap| hit.contains(ap)).count() as f64 * 750.0;
            let expected = aps.len() as f64 * 1_000.0;
            all.push(Candidate {
                grouping: grouping.into(),
                entity,
                missing: lost,
                expected,
                score: lost / expected / 0.05,
            });
        };
        let aps: Vec<_> = (0..2).flat_map(|s| (0..4).map(move |a| (s, a))).collect();
        push("org", "o".into(), &aps);
        for s in 0..2 {
            push("site", format!("o/s{s}"), &aps[s * 4..s * 4 + 4]);
        }
        for ap in &aps {
            push("ap", format!("o/s{}a{}", ap.0, ap.1), &[*ap]);
        }
        all
    }

    fn explained(hit: &[(usize, usize)]) -> Vec<String> {
        let all = network(hit);
        let found = attribute(&all, 3.0);
        found.iter().map(|e| all[e.at].entity.clone()).collect()
    }

    #[test]
    fn the_smallest_part_that_holds_it_all_explains_it() {
        assert_eq!(explained(&[(0, 2)]), ["o/s0a2"]);
        assert_eq!(explained(&[(1, 0), (1, 1), (1, 2), (1, 3)])[0], "o/s1");
        let all: Vec<_> = (0..2).flat_map(|s| (0..4).map(move |a| (s, a))).collect();
        assert_eq!(explained(&all)[0], "o");
        assert_eq!(explained(&[(0, 1), (1, 3)]), ["o/s0a1", "o/s1a3"]);
        assert!(explained(&[]).is_empty());
    }

    #[test]
    fn the_order_of_rows_does_not_matter() {
        let (mut all, names) = (network(&[(0, 1), (1, 3)]), explained(&[(0, 1), (1, 3)]));
        for turn in 0..all.len() {
            all.rotate_left(turn);
            let found = attribute(&all, 3.0);
            let found: Vec<_> = found.iter().map(|e| all[e.at].entity.clone()).collect();
            assert_eq!(found, names);
        }
    }
}
