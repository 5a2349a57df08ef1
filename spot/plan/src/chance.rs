//! Chance that repeats: SplitMix64 (Steele, Lea, Flood 2014), the same on every machine and in every version.
//!
//! Pure: no clock, no I/O, no async.

/// A stream of numbers that its seed fixes.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of a part of the work, so that parts may be done in any order.
    pub fn of(seed: u64, part: u64, other: u64) -> Self {
        let mut mixed = Self(seed ^ part.wrapping_mul(0xA076_1D64_78BD_642F));
        let first = mixed.next();
        Self(first ^ other.wrapping_mul(0xE703_7ED1_A0B4_28DB))
    }

    /// 64 random bits.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly from 0 up to, but without, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly from `0..n`; 0 for `n` = 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// The time to the next event of a Poisson process with this rate; infinite for a rate of 0.
    pub fn wait(&mut self, rate: f64) -> f64 {
        if rate > 0.0 {
            -(1.0 - self.unit()).ln() / rate
        } else {
            f64::INFINITY
        }
    }
}
