//! Java-equal hashing of values, for fields grouping.
//!
//! Storm sends a tuple to task `floorMod(Arrays.deepHashCode(selected values), tasks)`. Doing the
//! same keeps keys where a Storm cluster put them and lets tests compare placements.
//! Pure: no clock, no I/O, no async.

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
        Value::Str(v) => string_hash(v),
        Value::Bytes(v) => v.iter().fold(1_i32, |h, b| step(h, i32::from(*b as i8))),
        Value::List(v) => v.iter().fold(1_i32, |h, e| step(h, java_hash(e))),
        Value::Map(v) => v.iter().fold(0_i32, |h, (k, e)| {
            h.wrapping_add(string_hash(k) ^ java_hash(e))
        }),
    }
}

/// Java's `Arrays.deepHashCode` over the selected values, in the grouping's field order.
#[inline]
pub fn deep_hash<'a>(values: impl IntoIterator<Item = &'a Value>) -> i32 {
    values.into_iter().fold(1_i32, |h, v| step(h, java_hash(v)))
}

/// The index of the target task among `tasks` (sorted ascending) for a fields grouping.
#[inline]
pub fn fields_index<'a>(values: impl IntoIterator<Item = &'a Value>, tasks: usize) -> usize {
    deep_hash(values).rem_euclid(tasks as i32) as usize
}

#[inline]
fn step(hash: i32, element: i32) -> i32 {
    hash.wrapping_mul(31).wrapping_add(element)
}

#[inline]
fn fold(bits: u64) -> i32 {
    (bits ^ (bits >> 32)) as u32 as i32
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
    fn index_is_never_negative() {
        for n in -50_i64..50 {
            assert!(fields_index([&Value::Int(n)], 7) < 7);
        }
    }
}
