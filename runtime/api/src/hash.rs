//! Java-equal hashing of values, for fields grouping.
//!
//! Storm sends a tuple to task `floorMod(Arrays.deepHashCode(selected values), tasks)`. Doing the
//! same keeps keys where a Storm cluster put them and lets tests compare placements.
//! Pure: no clock, no I/O, no async.

use crate::text::INLINE;
use crate::value::Value;

/// Java's `hashCode` of one value.
pub fn java_hash(value: &Value) -> i32 {
    match value {
        Value::Null => 0,
        Value::Bool(true) => 1231,
        Value::Bool(false) => 1237,
        Value::Int(v) => fold(*v as u64),
        // Java's doubleToLongBits makes all NaNs one.
        Value::Float(v) => fold(if v.is_nan() {
            0x7ff8_0000_0000_0000
        } else {
            v.to_bits()
        }),
        Value::Str(v) => match v.inside() {
            Some(words) if is_ascii(words) => short_hash(words, v.len()),
            _ => string_hash(v),
        },
        Value::Bytes(v) => v.iter().fold(1_i32, |h, b| step(h, i32::from(*b as i8))),
        Value::List(v) => v.iter().fold(1_i32, |h, e| step(h, java_hash(e))),
        Value::Map(v) => v.iter().fold(0_i32, |h, (k, e)| {
            h.wrapping_add(string_hash(k) ^ java_hash(e))
        }),
        // No Java object has a hash that could be met: its JSON's.
        Value::Object(v) => bytes_hash(v.json().iter().copied()),
    }
}

/// Java's `Arrays.deepHashCode` over the selected values, in the grouping's field order.
#[inline]
pub fn deep_hash<'a>(values: impl IntoIterator<Item = &'a Value>) -> i32 {
    values.into_iter().fold(1_i32, |h, v| step(h, java_hash(v)))
}

/// `Math.floorMod` by a number that stays: a product instead of a division, which takes a fifth of the time
/// (D. Lemire, O. Kaser, N. Kurz, Faster Remainder by Direct Computation, 2019).
#[derive(Clone, Copy, Debug)]
pub struct FloorMod {
    n: u32,
    /// 2⁶⁴ ÷ `n`, rounded up.
    inverse: u64,
    /// 2³² mod `n`: what a negative number is too large by when it is read without its sign.
    wrap: u32,
}

impl FloorMod {
    /// By so many tasks; 0 counts as 1.
    pub fn new(tasks: usize) -> Self {
        let n = (tasks as u32).max(1);
        Self {
            n,
            inverse: (u64::MAX / u64::from(n)).wrapping_add(1),
            wrap: ((1_u64 << 32) % u64::from(n)) as u32,
        }
    }

    /// The number's remainder, from 0 to one less than the tasks.
    #[inline]
    pub fn of(self, number: i32) -> usize {
        let fraction = self.inverse.wrapping_mul(u64::from(number as u32));
        let rest = ((u128::from(fraction) * u128::from(self.n)) >> 64) as u32;
        let wrap = if number < 0 { self.wrap } else { 0 };
        let (less, below) = rest.overflowing_sub(wrap);
        (if below {
            less.wrapping_add(self.n)
        } else {
            less
        }) as usize
    }

    /// The index of the target task among the tasks (sorted ascending) for a fields grouping.
    #[inline]
    pub fn of_fields<'a>(self, values: impl IntoIterator<Item = &'a Value>) -> usize {
        self.of(deep_hash(values))
    }
}

/// The two tasks among `tasks` that a partial key names: `java.util.Random`, seeded with
/// `Arrays.hashCode` of the values' hashes as bytes, draws twice; equal draws are parted.
pub fn partial_key<'a>(
    values: impl IntoIterator<Item = &'a Value>,
    tasks: usize,
) -> (usize, usize) {
    let bytes = values.into_iter().flat_map(|v| java_hash(v).to_be_bytes());
    two_of(bytes_hash(bytes), tasks)
}

/// The same for a key that is one text, by its bytes.
pub fn partial_key_of_text(text: &str, tasks: usize) -> (usize, usize) {
    two_of(bytes_hash(text.bytes()), tasks)
}

fn bytes_hash(bytes: impl Iterator<Item = u8>) -> i32 {
    bytes.fold(1_i32, |h, b| step(h, i32::from(b as i8)))
}

fn two_of(seed: i32, tasks: usize) -> (usize, usize) {
    let mut random = JavaRandom::new(i64::from(seed));
    let n = tasks.max(1) as i32;
    let (first, second) = (random.below(n), random.below(n));
    let second = if second == first {
        (second + 1) % n
    } else {
        second
    };
    (first as usize, second as usize)
}

/// The linear congruential generator that the documentation of `java.util.Random` specifies.
struct JavaRandom(u64);

impl JavaRandom {
    const FACTOR: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;

    fn new(seed: i64) -> Self {
        Self((seed as u64 ^ Self::FACTOR) & Self::MASK)
    }

    /// 31 bits.
    fn next(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(Self::FACTOR).wrapping_add(0xB) & Self::MASK;
        (self.0 >> 17) as i32
    }

    /// `nextInt(n)`.
    fn below(&mut self, n: i32) -> i32 {
        if n & (n - 1) == 0 {
            return ((i64::from(n) * i64::from(self.next())) >> 31) as i32;
        }
        loop {
            let bits = self.next();
            let value = bits % n;
            // Java lets the sum overflow to find draws of the last, incomplete round.
            if bits.wrapping_sub(value).wrapping_add(n - 1) >= 0 {
                return value;
            }
        }
    }
}

#[inline]
fn step(hash: i32, element: i32) -> i32 {
    hash.wrapping_mul(31).wrapping_add(element)
}

#[inline]
fn fold(bits: u64) -> i32 {
    (bits ^ (bits >> 32)) as u32 as i32
}

/// The powers of 31 that Java's `String.hashCode` gives to the characters of a text, from the end; behind the end 0.
const POWERS: [i32; 2 * INLINE + 1] = {
    let (mut powers, mut at, mut power) = ([0; 2 * INLINE + 1], INLINE, 1_i32);
    while at > 0 {
        at -= 1;
        powers[at] = power;
        power = power.wrapping_mul(31);
    }
    powers
};

fn is_ascii(words: [u64; 3]) -> bool {
    (words[0] | words[1] | words[2]) & 0x8080_8080_8080_8080 == 0
}

/// Java's `String.hashCode` of up to 23 characters, with zeros behind them: all products at once, whatever the length, which no
/// processor can foresee. By words, as they were written: other pieces would have to wait for the writing.
#[inline]
fn short_hash(words: [u64; 3], length: usize) -> i32 {
    let powers = &POWERS[INLINE - length..];
    let two = eight(words[0], powers).wrapping_add(eight(words[1], &powers[8..]));
    if length <= 16 {
        two
    } else {
        two.wrapping_add(eight(words[2], &powers[16..]))
    }
}

#[inline(always)]
fn eight(word: u64, powers: &[i32]) -> i32 {
    let products = word.to_le_bytes().into_iter().zip(&powers[..8]);
    let products = products.map(|(b, p)| i32::from(b).wrapping_mul(*p));
    products.fold(0, i32::wrapping_add)
}

/// Java's `String.hashCode`, over UTF-16 units; ASCII needs no decoding.
#[inline]
fn string_hash(s: &str) -> i32 {
    if s.is_ascii() {
        return s.bytes().fold(0_i32, |h, b| step(h, i32::from(b)));
    }
    s.encode_utf16()
        .fold(0_i32, |h, unit| step(h, i32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equals_what_java_answers() {
        // Values printed by a JDK 17: Objects.hashCode of each, Arrays.deepHashCode of the list.
        assert_eq!(java_hash(&"storm".into()), 109_770_985);
        assert_eq!(java_hash(&"".into()), 0);
        assert_eq!(java_hash(&Value::Int(-1)), 0);
        assert_eq!(java_hash(&Value::Int(1 << 40)), 256);
        assert_eq!(java_hash(&Value::Float(1.5)), 1_073_217_536);
        assert_eq!(java_hash(&true.into()), 1231);
        assert_eq!(deep_hash([&Value::Null, &"a".into()]), 31 * 31 + 97);
    }

    #[test]
    fn draws_as_java_does() {
        // `new Random(42)`: nextInt(10) three times is 0, 3, 8; nextInt(16) of a fresh one is 11.
        let mut random = JavaRandom::new(42);
        assert_eq!(
            [random.below(10), random.below(10), random.below(10)],
            [0, 3, 8]
        );
        assert_eq!(JavaRandom::new(42).below(16), 11);
    }

    #[test]
    fn a_partial_key_names_two_tasks() {
        for n in 0..100_i64 {
            let (first, second) = partial_key([&Value::Int(n)], 5);
            assert!(first < 5 && second < 5 && first != second);
        }
        assert_eq!(partial_key([&"a".into()], 1), (0, 0));
    }

    proptest! {
        /// As `Math.floorMod` and `String.hashCode` are defined.
        #[test]
        fn the_short_cuts_change_nothing(number: i32, tasks in 1_usize..100_000, text in "[ -~]{0,30}") {
            let slow = number.rem_euclid(tasks as i32) as usize;
            prop_assert_eq!(FloorMod::new(tasks).of(number), slow);
            let slow = text.bytes().fold(0, |h, b| step(h, i32::from(b)));
            prop_assert_eq!(string_hash(&text), slow);
            prop_assert_eq!(java_hash(&Value::from(&text)), slow);
        }
    }

    #[test]
    fn the_ends_of_the_range_have_their_remainders() {
        for tasks in [1, 2, 3, 7, 1 << 20, i32::MAX as usize] {
            for number in [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX] {
                let slow = number.rem_euclid(tasks as i32) as usize;
                assert_eq!(FloorMod::new(tasks).of(number), slow);
            }
        }
    }
}
