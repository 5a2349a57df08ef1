//! The search for the smallest set of combinations that explains what went wrong.
//!
//! Greedy by evidence: sums over cells propose, the leaves of the best proposals decide, what the chosen combination
//! explains is taken away, and the search goes on until nothing left is worth the words it takes to say it (a
//! combination out of many costs the logarithm of their number: minimum description length). A part of a cause is
//! less evidence than the whole of it, and more than it is diluted: both lose. Pure: no clock, no I/O, no async.

use rustc_hash::FxHashMap;

use super::cube::{Cube, Element, Lists, Sums};

/// What a measure knows of its leaves. Evidence is in nats.
pub trait Evidence {
    /// Three amounts of a leaf that add up over cells.
    fn amounts(&self, leaf: usize) -> [f32; 3];
    /// How promising a cell with these sums is: about its evidence; at most 0 where it is not.
    fn promise(&self, sums: &[f32; 3]) -> f32;
    /// The evidence that exactly these leaves were hit alike, in the direction of the total.
    fn judge(&mut self, leaves: &[u32]) -> Option<Verdict>;
    /// Takes away what a verdict explains, or all of the leaves; answers those that changed.
    fn explain(&mut self, leaves: &[u32], verdict: &Verdict, all: bool) -> Vec<u32>;
    /// Whether a further element is worth telling after these.
    fn worth(&self, verdict: &Verdict, before: &[Found]) -> bool;
}

/// What leaves say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// In nats.
    pub evidence: f64,
    /// The common effect, in the measure's own terms.
    pub effect: f64,
    /// How far leaves stray from it, in the same terms.
    pub spread: f64,
    /// The part of the total's deviation, in the measure's unit.
    pub amount: f64,
}

/// A combination that explains something.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The combination.
    pub element: Element,
    /// What its leaves say.
    pub verdict: Verdict,
    /// Evidence beyond what it costs to name it and beyond the best that overlaps it, in nats.
    pub margin: f64,
}

/// Limits of the search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most elements.
    pub elements: usize,
    /// Proposals whose leaves are looked at.
    pub proposals: usize,
    /// Nats that an element costs beside its name.
    pub cost: f64,
    /// Nats by which a further element must be better than chance: some leaf always strays.
    pub further: f64,
    /// Nats that each dimension costs: of two names for the same leaves the shorter holds.
    pub dim: f64,
    /// Part of the evidence that each further dimension must bring: data that strays more than its model finds
    /// some narrower part a little better.
    pub longer: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            elements: 16,
            proposals: 24,
            cost: 2.0,
            further: 2.0,
            dim: 0.25,
            longer: 0.0,
        }
    }
}

/// The search while it goes on.
struct Searching<'a> {
    cube: &'a Cube,
    limits: &'a Limits,
    amounts: Vec<[f32; 3]>,
    sums: Sums,
    lists: Lists,
    /// What naming a cell costs, by mask.
    costs: Vec<f64>,
    /// Verdicts hold until something in their cell is explained.
    judged: FxHashMap<(usize, usize), ([f32; 3], Option<Verdict>)>,
    leaves: Vec<u32>,
}

/// Searches.
pub fn search<E: Evidence>(cube: &Cube, evidence: &mut E, limits: &Limits) -> Vec<Found> {
    if cube.is_empty() || cube.dims() == 0 {
        return Vec::new();
    }
    let amounts: Vec<[f32; 3]> = (0..cube.len()).map(|leaf| evidence.amounts(leaf)).collect();
    let sums = Sums::of(cube, &amounts);
    let cost = |mask: usize| {
        limits.cost + limits.dim * f64::from(mask.count_ones()) + (cube.cells(mask) as f64).ln()
    };
    let mut searching = Searching {
        cube,
        limits,
        amounts,
        lists: Lists::of(cube),
        costs: (0..sums.of.len()).map(cost).collect(),
        sums,
        judged: FxHashMap::default(),
        leaves: Vec::new(),
    };
    let mut found = Vec::<Found>::new();
    // Rests cost a round too, so that rounding cannot keep it here.
    for _ in 0..limits.elements {
        // Something went wrong: the best guess is told even where chance could have done it.
        let best = searching.best(evidence, found.is_empty());
        let Some(chosen) = best.filter(|b| evidence.worth(&b.verdict, &found)) else {
            break;
        };
        // What is left of an element that was found before is its rest, not another cause.
        let rest = found.iter().any(|f| f.element == chosen.element);
        searching.explain(evidence, &chosen, rest);
        if !rest {
            found.push(chosen);
        }
    }
    found
}

impl Searching<'_> {
    /// The proposal with the largest margin, of equals the most promising; with `any` also where that is small.
    fn best<E: Evidence>(&mut self, evidence: &mut E, any: bool) -> Option<Found> {
        let mut best: Option<Found> = None;
        let most = self.limits.proposals;
        for (mask, cell) in proposals(evidence, &self.sums, &self.costs, most, any) {
            let element = self.cube.element(mask, cell);
            let now = self.sums.of[mask][cell];
            let known = self.judged.get(&(mask, cell));
            let verdict = match known.filter(|(was, _)| *was == now) {
                Some((_, verdict)) => *verdict,
                None => {
                    self.lists.leaves_of(self.cube, &element, &mut self.leaves);
                    let verdict = evidence.judge(&self.leaves);
                    self.judged.insert((mask, cell), (now, verdict));
                    verdict
                }
            };
            let Some(verdict) = verdict else { continue };
            let longer = f64::from(mask.count_ones() - 1) * self.limits.longer;
            let margin = verdict.evidence * (1.0 - longer).max(0.0) - self.costs[mask];
            if (margin > self.limits.further || any)
                && best.as_ref().is_none_or(|b| margin > b.margin)
            {
                best = Some(Found {
                    element,
                    verdict,
                    margin,
                });
            }
        }
        best
    }

    /// Takes away what an element explains.
    fn explain<E: Evidence>(&mut self, evidence: &mut E, chosen: &Found, rest: bool) {
        let Self {
            cube, lists, sums, ..
        } = self;
        lists.leaves_of(cube, &chosen.element, &mut self.leaves);
        let changed = evidence.explain(&self.leaves, &chosen.verdict, rest);
        let anew = changed.len() * 8 > cube.len();
        for leaf in changed {
            let leaf = leaf as usize;
            let (now, was) = (evidence.amounts(leaf), self.amounts[leaf]);
            self.amounts[leaf] = now;
            if !anew {
                sums.change(cube, leaf, &std::array::from_fn(|n| now[n] - was[n]));
            }
        }
        if anew {
            *sums = Sums::of(cube, &self.amounts);
        }
        let mask = chosen.element.iter().fold(0, |mask, (d, _)| mask | 1 << d);
        let cell = self
            .leaves
            .first()
            .map(|leaf| cube.cell(mask, *leaf as usize));
        cell.map(|cell| self.judged.remove(&(mask, cell)));
    }
}

/// The most promising cells of all cuboids, best first, of equals those of the first cuboid and value; with `any` also
/// those that are not worth their name.
fn proposals<E: Evidence>(
    evidence: &E,
    sums: &Sums,
    costs: &[f64],
    most: usize,
    any: bool,
) -> Vec<(usize, usize)> {
    let mut best: Vec<(f32, usize, usize)> = Vec::with_capacity(most + 1);
    let mut least = if any { f32::MIN } else { 0.0 };
    for (mask, cells) in sums.of.iter().enumerate() {
        let cost = costs[mask] as f32;
        for (cell, amounts) in cells.iter().enumerate() {
            let promise = evidence.promise(amounts);
            let net = promise - cost;
            if net > least && promise > 0.0 {
                let at = best.partition_point(|b| b.0 >= net);
                best.insert(at, (net, mask, cell));
                if best.len() > most {
                    best.pop();
                    least = best.last().map_or(least, |b| b.0);
                }
            }
        }
    }
    best.into_iter()
        .map(|(_, mask, cell)| (mask, cell))
        .collect()
}
