//! How far a series strays by itself: the tail of its surprises, by extreme value theory.
//!
//! What exceeds the 98 % quantile follows a generalised Pareto distribution (Pickands; SPOT: Siffer et al., KDD 2017), whose
//! two parameters are set by moments. Few exceedances are drawn towards an exponential tail. The level of a small
//! risk says how far a series strays anyway. Its own past holds its own incidents too, so it only moves the limit that all
//! series share part of the way (on a scale of logarithms). Pure: no clock, no I/O, no async.

/// Part of the points above the quantile that is followed.
const PART: f64 = 0.02;
/// The risk that the series' own level is of.
const RISK: f64 = 5e-3;
/// Exceedances that the prior tail is worth.
const PRIOR: f64 = 20.0;
/// Its shape.
const PRIOR_SHAPE: f64 = 0.2;
/// Exceedances are forgotten by this factor each.
const FORGET: f64 = 0.995;
/// An exceedance counts no more than so many times the quantile.
const MOST: f64 = 3.0;
/// Where a normal's quantile lies.
const QUANTILE: f64 = 2.33;
/// The level of a series of usual tail: of a normal's, drawn towards the prior.
const NORMAL: f64 = 3.3;

/// The tail of one series.
#[derive(Clone, Debug)]
pub struct Tail {
    quantile: f64,
    seen: f64,
    weight: f64,
    sum: f64,
    squares: f64,
    level: f64,
}

impl Default for Tail {
    fn default() -> Self {
        let mut tail = Self {
            quantile: QUANTILE,
            seen: 0.0,
            weight: 0.0,
            sum: 0.0,
            squares: 0.0,
            level: 0.0,
        };
        tail.level();
        tail
    }
}

impl Tail {
    /// What a series' tail makes of a limit that all share: the power `own` of how many times it strays more than usual.
    pub fn limit(&self, own: f64) -> f64 {
        (self.level / NORMAL).max(0.6).powf(own)
    }

    /// Takes in the absolute value of a surprise.
    pub fn learn(&mut self, surprise: f64) {
        self.seen += 1.0;
        // A stochastic approximation of the quantile, relative to itself.
        let step = (4.0 / (self.seen + 20.0)).max(0.002) * self.quantile;
        if surprise <= self.quantile {
            self.quantile -= step * PART;
            return;
        }
        let above = (surprise - self.quantile).min(MOST * self.quantile);
        self.weight = self.weight * FORGET + 1.0;
        self.sum = self.sum * FORGET + above;
        self.squares = self.squares * FORGET + above * above;
        self.quantile += step * (1.0 - PART);
        self.level();
    }

    /// By moments, with the prior's exceedances among them.
    fn level(&mut self) {
        let prior = self.quantile / 4.0;
        let mean = (self.sum + PRIOR * prior) / (self.weight + PRIOR);
        let own = self.sum / self.weight.max(1.0);
        let spread = self.squares / self.weight.max(1.0) - own * own;
        let of_own = if spread > 0.0 {
            0.5 * (1.0 - own * own / spread)
        } else {
            0.0
        };
        let sure = self.weight / (self.weight + PRIOR);
        let shape = (of_own.clamp(0.0, 0.45) * sure + PRIOR_SHAPE * (1.0 - sure)).max(0.01);
        let scale = mean * (1.0 - shape);
        self.level = self.quantile + scale / shape * ((PART / RISK).powf(shape) - 1.0);
    }
}
