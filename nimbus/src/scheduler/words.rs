//! What a placement lacks, in words: rules that it breaks because nothing better is there.
//!
//! Pure: no clock, no I/O, no async.

use super::ground::{Ground, Place};
use super::model::Problem;

/// Rules that these places break, one sentence each, each with its remedy.
pub fn broken(problem: &Problem, ground: &Ground<'_>, places: &[Option<Place>]) -> Vec<String> {
    let sizes = problem.sizes();
    let mut counts = vec![vec![0_usize; ground.pools.len()]; sizes.len()];
    let mut unstable = vec![0_usize; sizes.len()];
    for ((_, c), place) in problem.executors.iter().zip(places) {
        let Some(place) = *place else { continue };
        counts[*c][ground.pool_of(place)] += 1;
        let wants = problem.components.get(*c).is_some_and(|k| k.stable);
        unstable[*c] += usize::from(wants && !ground.node(place).stable);
    }
    let name = |c: usize| problem.components.get(c).map_or("", |k| k.id.as_str());
    let mut out = Vec::new();
    for (c, by_pool) in counts.iter().enumerate() {
        let cap = problem.rules.cap(sizes[c]);
        let worst = by_pool.iter().zip(&ground.pools).max();
        if let Some((n, pool)) = worst.filter(|(n, _)| **n > cap) {
            out.push(format!(
                "{n} of {} executors of \"{}\" are in pool {pool}, where topology.pool.max.share {} allows {cap}: start nodes in another pool",
                sizes[c],
                name(c),
                problem.rules.share
            ));
        }
        if unstable[c] > 0 {
            out.push(format!(
                "{} of {} executors of \"{}\", which is marked stable, are not on on-demand nodes: start one",
                unstable[c],
                sizes[c],
                name(c)
            ));
        }
    }
    out
}

/// The sentences as one, or nothing.
pub fn joined(sentences: Vec<String>) -> Option<String> {
    (!sentences.is_empty()).then(|| sentences.join("; "))
}
