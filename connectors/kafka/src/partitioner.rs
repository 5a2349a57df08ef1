//! Which partition a key goes to: as Kafka's own clients have it, so that records of Java producers and ours lie together.
//!
//! Murmur2, 32 bits (A. Appleby), with the seed of Kafka's `Utils.murmur2`; the sign bit is masked before the remainder.
//! Pure: no clock, no I/O, no async.

const M: u32 = 0x5bd1_e995;

/// Kafka's murmur2.
pub fn murmur2(key: &[u8]) -> u32 {
    let mut h = 0x9747_b28c_u32 ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        h = h.wrapping_mul(M) ^ k;
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |t, b| (t << 8) | u32::from(*b));
        h = (h ^ tail).wrapping_mul(M);
    }
    h = (h ^ (h >> 13)).wrapping_mul(M);
    h ^ (h >> 15)
}

/// The partition of a key.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff) as i32 % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_kafka_has_it() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn names_that_differ_little_are_spread() {
        let mut of = [0; 16];
        for n in 0..160 {
            of[partition_of(format!("org-{n}").as_bytes(), 16) as usize] += 1;
        }
        assert!(of.iter().all(|n| *n < 30), "{of:?}");
    }
}
