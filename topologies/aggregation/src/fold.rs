//! What is kept of the estimates of one window and entity: integers, so that order and grouping of additions never
//! change a result.
//! Pure: no clock, no I/O, no async.

/// Count, sum, extremes, and user-milliseconds that met the expectation or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Distinct estimates.
    pub count: i64,
    /// Sum of their values, in the metric's unit.
    pub sum: i64,
    /// Smallest value; `i64::MAX` of none.
    pub min: i64,
    /// Largest value; `i64::MIN` of none.
    pub max: i64,
    /// User-milliseconds that met the expectation.
    pub good_ms: i64,
    /// User-milliseconds that did not.
    pub bad_ms: i64,
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            count: 0,
            sum: 0,
            min: i64::MAX,
            max: i64::MIN,
            good_ms: 0,
            bad_ms: 0,
        }
    }
}

impl Fold {
    /// Takes in one estimate. Values are bounded where they are decoded, so that 2^22 of the largest fit.
    #[inline]
    pub fn add(&mut self, value: i64, good_ms: i64, bad_ms: i64) {
        self.merge(&Fold {
            count: 1,
            sum: value,
            min: value,
            max: value,
            good_ms,
            bad_ms,
        });
    }

    /// Takes in the estimates of another fold.
    #[inline]
    pub fn merge(&mut self, other: &Fold) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.good_ms = self.good_ms.saturating_add(other.good_ms);
        self.bad_ms = self.bad_ms.saturating_add(other.bad_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_split_folds_to_the_same(
            values in prop::collection::vec((-5_000_i64..5_000, 0_i64..60_000, 0_i64..60_000), 0..50),
            cut in 0_usize..50,
        ) {
            let fold = |v: &[(i64, i64, i64)]| {
                let mut f = Fold::default();
                v.iter().for_each(|(value, good, bad)| f.add(*value, *good, *bad));
                f
            };
            let (a, b) = values.split_at(cut.min(values.len()));
            let mut split = fold(b);
            split.merge(&fold(a));
            prop_assert_eq!(split, fold(&values));
            prop_assert_eq!(split.count as usize, values.len());
            prop_assert_eq!(split.sum, values.iter().map(|v| v.0).sum::<i64>());
            if let Some(min) = values.iter().map(|v| v.0).min() {
                prop_assert_eq!(split.min, min);
            }
        }
    }
}
