//! Values as bytes: keys to group and join by, and entries of state on disk.
//!
//! Two values have the same bytes exactly when Java's `equals` holds between them: 1 and 1.0 differ, so
//! do 0.0 and -0.0, and NaN equals itself. The bytes tell their own end, so sequences of values are told
//! apart too.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::object::Object;
use crate::text::Text;
use crate::value::Value;

/// Deepest nesting that is read: each level costs stack, and what is on disk is not trusted.
const MOST_DEPTH: usize = 64;

/// Appends a value's bytes.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Bool(v) => out.extend([1, u8::from(*v)]),
        Value::Int(v) => {
            out.push(2);
            out.extend(v.to_le_bytes());
        }
        Value::Float(v) => {
            out.push(3);
            let v = if v.is_nan() { f64::NAN } else { *v };
            out.extend(v.to_bits().to_le_bytes());
        }
        Value::Str(v) => {
            out.push(4);
            write_bytes(v.as_bytes(), out);
        }
        Value::Bytes(v) => {
            out.push(5);
            write_bytes(v, out);
        }
        Value::List(v) => {
            out.push(6);
            out.extend((v.len() as u32).to_le_bytes());
            v.iter().for_each(|e| write(e, out));
        }
        Value::Map(v) => {
            out.push(7);
            out.extend((v.len() as u32).to_le_bytes());
            for (key, e) in v.iter() {
                write_bytes(key.as_bytes(), out);
                write(e, out);
            }
        }
        Value::Object(v) => {
            out.push(8);
            write_bytes(v.name().as_bytes(), out);
            write_bytes(v.json(), out);
        }
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// The bytes of one value.
pub fn bytes_of(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

/// The bytes of several values in their order, as a key.
pub fn key_of<'v>(values: impl IntoIterator<Item = &'v Value>) -> Vec<u8> {
    let mut out = Vec::new();
    values.into_iter().for_each(|v| write(v, &mut out));
    out
}

/// Reads one value that fills the bytes.
///
/// # Errors
/// The bytes are not a value's.
pub fn read(bytes: &[u8]) -> Result<Value> {
    let mut reader = Reader { bytes, at: 0 };
    match reader.value(MOST_DEPTH) {
        Some(value) if reader.at == bytes.len() => Ok(value),
        _ => Err(Error::msg(format!(
            "{} bytes are not a value: damaged at byte {}; delete the entry or restore a copy",
            bytes.len(),
            reader.at
        ))),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(n)?)?;
        self.at += n;
        Some(taken)
    }

    fn eight(&mut self) -> Option<[u8; 8]> {
        self.take(8)?.try_into().ok()
    }

    fn len(&mut self) -> Option<usize> {
        let four: [u8; 4] = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(four)).ok()
    }

    fn run(&mut self) -> Option<&'a [u8]> {
        let len = self.len()?;
        self.take(len)
    }

    fn text(&mut self) -> Option<Text> {
        std::str::from_utf8(self.run()?).ok().map(Text::new)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        let deeper = depth.checked_sub(1)?;
        Some(match self.take(1)?[0] {
            0 => Value::Null,
            1 => Value::Bool(self.take(1)?[0] != 0),
            2 => Value::Int(i64::from_le_bytes(self.eight()?)),
            3 => Value::Float(f64::from_bits(u64::from_le_bytes(self.eight()?))),
            4 => Value::Str(self.text()?),
            5 => Value::Bytes(self.run()?.into()),
            6 => {
                let mut list = Vec::new();
                for _ in 0..self.len()? {
                    list.push(self.value(deeper)?);
                }
                Value::List(list.into())
            }
            7 => {
                let mut map = BTreeMap::new();
                for _ in 0..self.len()? {
                    map.insert(self.text()?, self.value(deeper)?);
                }
                Value::Map(Arc::new(map))
            }
            8 => Value::Object(Object::received(&self.text()?, self.run()?)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-zé]{0,30}".prop_map(Value::from),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            let map =
                prop::collection::btree_map("[a-c]{0,2}".prop_map(Text::from), inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                map.prop_map(|m| Value::Map(Arc::new(m))),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_is_read_as_it_was_written(value in values()) {
            let bytes = bytes_of(&value);
            let back = read(&bytes).unwrap();
            prop_assert_eq!(bytes_of(&back), bytes);
            prop_assert_eq!(format!("{value:?}"), format!("{back:?}"));
        }

        #[test]
        fn bytes_cut_short_are_refused(value in values(), cut in any::<prop::sample::Index>()) {
            let bytes = bytes_of(&value);
            prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(0_u8..9, 0..60)) {
            let _ = read(&bytes);
        }

        #[test]
        fn keys_are_equal_exactly_when_their_values_are(a in prop::collection::vec(values(), 0..3),
                                                        b in prop::collection::vec(values(), 0..3)) {
            prop_assert_eq!(key_of(&a) == key_of(&b), format!("{a:?}") == format!("{b:?}"));
        }
    }

    #[test]
    fn one_and_one_point_zero_differ_as_in_java() {
        assert_ne!(bytes_of(&Value::Int(1)), bytes_of(&Value::Float(1.0)));
        assert_ne!(bytes_of(&Value::Float(0.0)), bytes_of(&Value::Float(-0.0)));
        assert!(read(&[6_u8, 1, 0, 0, 0].repeat(1_000)).is_err());
    }
}
