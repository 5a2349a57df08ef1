//! Evidence of ratios: how many of how many went wrong in each leaf, against what was usual there.
//!
//! The count of what went wrong is Poisson around the leaf's own usual part of its total, which is drawn towards what its
//! dimensions suggest where the past is thin, so that leaves of a few users say little. The evidence of a cell is its
//! likelihood ratio against the usual (Kulldorff's scan statistic, 1997), above a tolerance for what moves
//! everywhere at once. Pure: no clock, no I/O, no async.

use super::cube::Cube;
use super::order::arranged;
use super::search::{Evidence, Found, Verdict};

/// How sure it must be.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Users that the suggestion of the dimensions weighs against a leaf's own past.
    pub prior: f64,
    /// A rise by this part is nothing.
    pub tolerance: f64,
    /// A further cause holds at least this part of the excess.
    pub least_share: f64,
    /// And at least this part of the first one's evidence.
    pub least_evidence: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            prior: 60.0,
            tolerance: 0.2,
            least_share: 0.1,
            least_evidence: 0.1,
        }
    }
}

/// Now and before, by leaf.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// What went wrong now.
    pub bad: Vec<f64>,
    /// Of how many.
    pub total: Vec<f64>,
    /// What went wrong before.
    pub bad_before: Vec<f64>,
    /// Of how many.
    pub total_before: Vec<f64>,
}

impl Counts {
    /// All of them.
    pub fn columns(&self) -> [&[f64]; 4] {
        [&self.bad, &self.total, &self.bad_before, &self.total_before]
    }

    /// The same leaves in another order.
    pub fn arranged(&self, order: &[u32]) -> Self {
        let [bad, total, bad_before, total_before] = self.columns().map(|c| arranged(c, order));
        Self {
            bad,
            total,
            bad_before,
            total_before,
        }
    }
}

/// The leaves.
#[derive(Debug)]
pub struct Ratio {
    bad: Vec<f32>,
    expected: Vec<f32>,
    excess: f64,
    rules: Rules,
}

impl Ratio {
    /// Draws the leaves' usual parts from their past.
    pub fn new(cube: &Cube, counts: &Counts, rules: Rules) -> Self {
        let sum = |v: &[f64]| v.iter().sum::<f64>();
        let overall = (sum(&counts.bad_before) + 0.5) / (sum(&counts.total_before) + 1.0);
        // Main effects: each dimension's value against all, multiplied.
        let mut effects = Vec::new();
        for (codes, values) in cube.codes.iter().zip(&cube.cardinality) {
            let mut of = vec![(0.0, 0.0); *values];
            for (leaf, code) in codes.iter().enumerate() {
                let (bad, total) = &mut of[usize::from(*code)];
                *bad += counts.bad_before[leaf];
                *total += counts.total_before[leaf];
            }
            let prior = rules.prior;
            let part = |(b, t): &(f64, f64)| (b + prior * overall) / (t + prior) / overall;
            effects.push(of.iter().map(part).collect::<Vec<f64>>());
        }
        let expected: Vec<f32> = (0..cube.len())
            .map(|leaf| {
                let effect = |(e, codes): (&Vec<f64>, &Vec<u16>)| e[usize::from(codes[leaf])];
                let suggested: f64 = effects.iter().zip(&cube.codes).map(effect).product();
                let suggested = (overall * suggested).clamp(overall / 20.0, 0.95);
                let (bad, total) = (counts.bad_before[leaf], counts.total_before[leaf]);
                let part = (bad + rules.prior * suggested) / (total + rules.prior);
                (part * counts.total[leaf]) as f32
            })
            .collect();
        let bad: Vec<f32> = counts.bad.iter().map(|b| *b as f32).collect();
        let excess = bad
            .iter()
            .zip(&expected)
            .map(|(b, e)| f64::from(b - e))
            .sum();
        Self {
            bad,
            expected,
            excess,
            rules,
        }
    }

    /// How much more went wrong than usual.
    pub fn total(&self) -> f64 {
        self.excess
    }

    fn evidence(&self, bad: f64, expected: f64) -> f64 {
        let usual = expected * (1.0 + self.rules.tolerance);
        if bad <= usual || usual <= 0.0 {
            return 0.0;
        }
        bad * (bad / usual).ln() - (bad - usual)
    }
}

impl Evidence for Ratio {
    fn amounts(&self, leaf: usize) -> [f32; 3] {
        [self.bad[leaf], self.expected[leaf], 0.0]
    }

    fn promise(&self, [bad, expected, _]: &[f32; 3]) -> f32 {
        self.evidence(f64::from(*bad), f64::from(*expected)) as f32
    }

    fn judge(&mut self, leaves: &[u32]) -> Option<Verdict> {
        let sum = |v: &[f32]| {
            leaves
                .iter()
                .map(|l| f64::from(v[*l as usize]))
                .sum::<f64>()
        };
        let (bad, expected) = (sum(&self.bad), sum(&self.expected));
        let evidence = self.evidence(bad, expected);
        let effect = bad / expected.max(f64::MIN_POSITIVE);
        (evidence > 0.0).then_some(Verdict {
            evidence,
            effect,
            spread: 0.0,
            amount: bad - expected,
        })
    }

    fn explain(&mut self, leaves: &[u32], _: &Verdict, _: bool) -> Vec<u32> {
        for leaf in leaves {
            // Neither for nor against what overlaps it.
            self.bad[*leaf as usize] = 0.0;
            self.expected[*leaf as usize] = 0.0;
        }
        leaves.to_vec()
    }

    fn worth(&self, verdict: &Verdict, before: &[Found]) -> bool {
        before.first().is_none_or(|first| {
            verdict.amount >= self.rules.least_share * self.excess.max(first.verdict.amount)
                && verdict.evidence >= self.rules.least_evidence * first.verdict.evidence
        })
    }
}
