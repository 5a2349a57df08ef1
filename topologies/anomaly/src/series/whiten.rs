//! What comes next, from the last points: an autoregression whose error is a series' surprise.
//!
//! Autocovariances of clipped deviations are forgotten slowly and solved by the Durbin–Levinson recursion now and
//! then. The last error of that recursion scales the surprise to a standard deviation of about 1. Pure: no clock, no I/O, no async.

/// Lags.
pub const ORDER: usize = 10;
/// Half-life of autocovariances, in points.
const HALF_LIFE: f64 = 5_000.0;
/// Points before the first fit.
const FIRST: f64 = 24.0;
/// Most points between fits.
const REFIT: f64 = 500.0;
/// Of a normal: standard deviation over mean absolute deviation.
const TO_SIGMA: f64 = 1.25;
/// Longer lags weigh a little less, which keeps the recursion stable.
const TAPER: f64 = 0.002;

/// The autoregression of one series.
#[derive(Clone, Debug)]
pub struct Whiten {
    /// The latest first.
    past: [f32; ORDER],
    covariance: [f32; ORDER],
    weight: f64,
    /// Absolute errors of the predictions made so far, forgotten like the covariances.
    missed: f64,
    /// Divided by the error's standard deviation; all 0 before the first fit.
    filter: [f32; ORDER],
    seen: f64,
    next_fit: f64,
}

impl Default for Whiten {
    fn default() -> Self {
        Self {
            past: [0.0; ORDER],
            covariance: [0.0; ORDER],
            weight: 0.0,
            missed: 0.0,
            filter: [0.0; ORDER],
            seen: 0.0,
            next_fit: FIRST,
        }
    }
}

impl Whiten {
    /// The surprise of a deviation, in standard deviations of at least `least`, and takes it in, cut at `most`; 0 before
    /// the first fit.
    pub fn step(&mut self, deviation: f64, most: f64, least: f64) -> f64 {
        let cut = deviation.clamp(-most, most) as f32;
        self.past.copy_within(0..ORDER - 1, 1);
        self.past[0] = deviation.clamp(-5.0 * most, 5.0 * most) as f32;
        let older = self.filter[1..].iter().zip(&self.past[1..]);
        let surprise = f64::from(self.filter[0]) * deviation
            + f64::from(older.map(|(f, p)| f * p).sum::<f32>());
        let error = if self.filter[0] > 0.0 {
            surprise / f64::from(self.filter[0])
        } else {
            deviation
        };
        // What was learnt from little is not sure of what follows a far point.
        let far: f32 = self.past[1..].iter().map(|p| p * p).sum();
        let unsure = 1.0 + f64::from(far / self.covariance[0].max(f32::MIN_POSITIVE));
        let surprise = surprise / unsure.sqrt();
        self.seen += 1.0;
        let keep = 1.0 - std::f64::consts::LN_2 / self.seen.clamp(2.0, HALF_LIFE);
        let (factor, most) = (keep as f32, most as f32);
        for (sum, past) in self.covariance.iter_mut().zip(&self.past) {
            *sum = *sum * factor + cut * past.clamp(-most, most);
        }
        self.weight = self.weight * keep + 1.0;
        self.missed = self.missed * keep + error.abs().min(f64::from(most));
        if self.seen >= self.next_fit {
            self.fit(least);
            self.next_fit = (self.seen * 1.25).min(self.seen + REFIT);
        }
        surprise
    }

    /// The level that deviations are from moves by so much.
    pub fn shift(&mut self, by: f64) {
        self.past.iter_mut().for_each(|p| *p -= by as f32);
    }

    /// Durbin–Levinson.
    fn fit(&mut self, least: f64) {
        let tapered =
            |k: usize| f64::from(self.covariance[k]) / self.weight * (1.0 - TAPER * k as f64);
        let variance = tapered(0) * 1.0001 + f64::from(f32::MIN_POSITIVE);
        let (mut a, mut error) = ([0.0_f64; ORDER], variance);
        for order in 1..ORDER {
            let sum: f64 = (1..order).map(|j| a[j] * tapered(order - j)).sum();
            let reflection = ((tapered(order) - sum) / error).clamp(-0.999, 0.999);
            let before = a;
            a[order] = reflection;
            (1..order).for_each(|j| a[j] = before[j] - reflection * before[order - j]);
            error *= 1.0 - reflection * reflection;
        }
        // What is cut may look more regular than what comes.
        let missed = (TO_SIGMA * self.missed / self.weight).max(least);
        let scale = 1.0 / error.max(missed * missed).max(1e-9 * variance).sqrt();
        self.filter[0] = scale as f32;
        (1..ORDER).for_each(|j| self.filter[j] = (-a[j] * scale) as f32);
    }
}
