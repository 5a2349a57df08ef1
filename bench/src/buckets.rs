//! Latencies in buckets of 1/64 of a power of two, written as `bucket:count`, so that every peer's can be read and subtracted.
//!
//! Pure: no clock, no I/O, no async.

/// Most buckets: up to about 2^44 ns.
pub const BUCKETS: usize = 64 * 40;

/// The bucket of so many nanoseconds: below 64 the value itself, else 64 · (exponent − 5) + the six bits after the leading one.
pub fn bucket(nanos: u64) -> usize {
    if nanos < 64 {
        return nanos as usize;
    }
    let exponent = nanos.ilog2();
    let bucket = 64 * (exponent as usize - 5) + (nanos >> (exponent - 6) & 63) as usize;
    bucket.min(BUCKETS - 1)
}

/// The middle of a bucket, in nanoseconds.
pub fn middle(bucket: usize) -> f64 {
    if bucket < 64 {
        return bucket as f64;
    }
    let width = 2_f64.powi(bucket as i32 / 64 - 1);
    (64 + bucket % 64) as f64 * width + width / 2.0
}

/// Counts by bucket since the start of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets(Vec<u64>);

impl Default for Buckets {
    fn default() -> Self {
        Self(vec![0; BUCKETS])
    }
}

impl Buckets {
    /// Reads `bucket:count …`.
    ///
    /// # Errors
    /// What is not of that form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut all = Self::default();
        for part in text.split_whitespace() {
            let read = || {
                let (bucket, count) = part.split_once(':')?;
                Some((bucket.parse::<usize>().ok()?, count.parse().ok()?))
            };
            let (bucket, count) = read().ok_or_else(|| format!("{part:?} is not bucket:count"))?;
            let place = all.0.get_mut(bucket);
            *place.ok_or_else(|| format!("bucket {bucket} is beyond {BUCKETS}"))? = count;
        }
        Ok(all)
    }

    /// What came since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let pairs = self.0.iter().zip(&earlier.0);
        Self(pairs.map(|(now, then)| now.saturating_sub(*then)).collect())
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value below which this part lies, in nanoseconds; 0 of nothing.
    pub fn quantile(&self, part: f64) -> f64 {
        let wanted = (self.len() as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.0.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return middle(bucket);
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_values_to_one_part_in_64() {
        for nanos in (0..200).chain([999, 1_000_000, 123_456_789, 60_000_000_000]) {
            let off = (middle(bucket(nanos)) - nanos as f64).abs();
            assert!(off <= nanos as f64 / 64.0, "{nanos} is off by {off}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_of_what_came_between_two_lines() {
        let before = Buckets::parse("10:5 64:1").unwrap();
        let after = Buckets::parse("10:5 20:98 64:1 2000:2").unwrap();
        let window = after.since(&before);
        assert_eq!(window.len(), 100);
        assert_eq!(window.quantile(0.5), 20.0);
        assert_eq!(window.quantile(0.98), 20.0);
        assert_eq!(window.quantile(0.99), middle(2000));
        assert_eq!(Buckets::default().quantile(0.5), 0.0);
    }

    #[test]
    fn a_torn_line_is_refused() {
        assert_eq!(
            Buckets::parse("10:5 6").unwrap_err(),
            "\"6\" is not bucket:count"
        );
        assert!(Buckets::parse("9999999:1").unwrap_err().contains("beyond"));
    }
}
