//! The values a tuple holds.
//!
//! Storm moves any Java object; Fulmar moves these eight kinds, which are the ones that JSON
//! multilang and Thrift can name, and types of the author's own ([`object`](crate::object)). A value is 24 bytes and cheap to clone: short strings are inline,
//! long ones and byte arrays are shared.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::object::{Object, Registered};
use crate::text::Text;

/// One value of a tuple.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Java's `null`.
    #[default]
    Null,
    /// Java's `Boolean`.
    Bool(bool),
    /// Java's `Long`.
    Int(i64),
    /// Java's `Double`.
    Float(f64),
    /// Java's `String`; up to 23 bytes inline, longer ones shared.
    Str(Text),
    /// Java's `List`.
    List(Arc<[Value]>),
    /// Java's `Map` with string keys.
    Map(Arc<BTreeMap<Text, Value>>),
    /// Java's `byte[]`, shared. JSON has no bytes: written as a list of numbers and read back
    /// as a list, which is why this kind comes last.
    Bytes(Arc<[u8]>),
    /// A value of an author's own type. As JSON it is its content.
    #[serde(skip_deserializing)]
    Object(Object),
}

impl Clone for Value {
    /// What shares nothing is copied as a whole: a copy kind by kind writes the value in pieces, and
    /// reading it as a whole right afterwards stalls the processor for longer than an emit takes.
    #[inline]
    fn clone(&self) -> Self {
        if self.is_plain() {
            // SAFETY: these kinds own nothing outside of the value and have no drop glue, so that a
            // bitwise copy is a value of its own.
            return unsafe { std::ptr::read(self) };
        }
        self.share()
    }
}

impl Value {
    /// Whether it owns nothing outside of its 24 bytes.
    #[inline]
    fn is_plain(&self) -> bool {
        match self {
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => true,
            Value::Str(v) => !v.is_shared(),
            Value::List(_) | Value::Map(_) | Value::Bytes(_) | Value::Object(_) => false,
        }
    }

    /// Another handle of what is shared.
    #[inline(never)]
    fn share(&self) -> Self {
        match self {
            Value::Str(v) => Value::Str(v.clone()),
            Value::List(v) => Value::List(v.clone()),
            Value::Map(v) => Value::Map(v.clone()),
            Value::Bytes(v) => Value::Bytes(v.clone()),
            Value::Object(v) => Value::Object(v.clone()),
            Value::Null => Value::Null,
            Value::Bool(v) => Value::Bool(*v),
            Value::Int(v) => Value::Int(*v),
            Value::Float(v) => Value::Float(*v),
        }
    }

    /// The kind's name as errors show it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Object(_) => "object",
        }
    }

    /// A value of a type of one's own.
    ///
    /// # Errors
    /// It has no JSON form.
    pub fn object<T: Registered>(value: T) -> Result<Self> {
        Object::new(value).map(Value::Object)
    }

    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(v) => Some(*v),
            _ => None,
        }
    }

    /// The float; an integer is widened, as Java's `Number.doubleValue` does.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Float(v) => Some(*v),
            Value::Int(v) => Some(*v as f64),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(v) => Some(*v),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(v) => Some(v.as_str()),
            _ => None,
        }
    }

    /// The bytes, if it is bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(v) => Some(v),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(v) => Some(v),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(v) => write!(f, "{v}"),
            Value::Int(v) => write!(f, "{v}"),
            Value::Float(v) => write!(f, "{v}"),
            Value::Str(v) => f.write_str(v),
            Value::Bytes(v) => write!(f, "<{} bytes>", v.len()),
            Value::List(v) => f.debug_list().entries(v.iter()).finish(),
            Value::Map(v) => f.debug_map().entries(v.iter()).finish(),
            Value::Object(v) => fmt::Debug::fmt(v, f),
        }
    }
}

macro_rules! from {
    ($($t:ty => |$v:ident| $e:expr),* $(,)?) => {
        $(impl From<$t> for Value { #[inline] fn from($v: $t) -> Self { $e } })*
    };
}

from! {
    bool => |v| Value::Bool(v),
    i64 => |v| Value::Int(v),
    i32 => |v| Value::Int(v.into()),
    u32 => |v| Value::Int(v.into()),
    u16 => |v| Value::Int(v.into()),
    u8 => |v| Value::Int(v.into()),
    f64 => |v| Value::Float(v),
    f32 => |v| Value::Float(v.into()),
    String => |v| Value::Str(Text::from(v)),
    &String => |v| Value::Str(Text::new(v)),
    Text => |v| Value::Str(v),
    Vec<u8> => |v| Value::Bytes(v.into()),
    &[u8] => |v| Value::Bytes(v.into()),
    Arc<[u8]> => |v| Value::Bytes(v),
    Vec<Value> => |v| Value::List(v.into()),
}

impl From<&str> for Value {
    // Always: see `Text::new`.
    #[inline(always)]
    fn from(v: &str) -> Self {
        Value::Str(Text::new(v))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Null, Into::into)
    }
}

/// What `emit` accepts: an array, a vector or a tuple of things that become values.
///
/// Implementations push straight into the engine's buffer, so an emit of small values allocates
/// nothing.
pub trait IntoValues {
    /// Appends the values to `out`, in field order.
    fn write_into(self, out: &mut Vec<Value>);
}

impl<T: Into<Value>, const N: usize> IntoValues for [T; N] {
    #[inline]
    fn write_into(self, out: &mut Vec<Value>) {
        out.reserve(N);
        // A fold moves each value as a whole; a loop would look into it for an end mark.
        // SAFETY: there is room for N values, and N are put.
        self.into_iter().for_each(|v| unsafe { put(out, v.into()) });
    }
}

/// Puts a value where it stays. With `push`, which may have to grow and so may unwind, the compiler
/// makes the value on the stack first and copies it as a whole, which stalls the processor.
///
/// # Safety
/// There must be room for one more.
#[inline(always)]
unsafe fn put(out: &mut Vec<Value>, value: Value) {
    let len = out.len();
    debug_assert!(len < out.capacity());
    // SAFETY: the caller made room, so the place at `len` is ours and holds nothing yet.
    unsafe {
        out.as_mut_ptr().add(len).write(value);
        out.set_len(len + 1);
    }
}

impl<T: Into<Value>> IntoValues for Vec<T> {
    fn write_into(self, out: &mut Vec<Value>) {
        out.extend(self.into_iter().map(Into::into));
    }
}

impl IntoValues for &[Value] {
    fn write_into(self, out: &mut Vec<Value>) {
        out.extend_from_slice(self);
    }
}

impl IntoValues for () {
    fn write_into(self, _: &mut Vec<Value>) {}
}

macro_rules! into_values_for_tuples {
    ($(($($t:ident),+)),+) => { $(
        impl<$($t: Into<Value>),+> IntoValues for ($($t,)+) {
            #[inline]
            #[allow(non_snake_case)]
            fn write_into(self, out: &mut Vec<Value>) {
                let ($($t,)+) = self;
                out.reserve([$(stringify!($t)),+].len());
                // SAFETY: there is room for as many as are put.
                $(unsafe { put(out, $t.into()) };)+
            }
        }
    )+ };
}

into_values_for_tuples!(
    (A),
    (A, B),
    (A, B, C),
    (A, B, C, D),
    (A, B, C, D, E),
    (A, B, C, D, E, F),
    (A, B, C, D, E, F, G),
    (A, B, C, D, E, F, G, H),
    (A, B, C, D, E, F, G, H, I),
    (A, B, C, D, E, F, G, H, I, J),
    (A, B, C, D, E, F, G, H, I, J, K),
    (A, B, C, D, E, F, G, H, I, J, K, L)
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_24_bytes() {
        assert_eq!(std::mem::size_of::<Value>(), 24);
    }

    #[test]
    fn tuples_arrays_and_options_become_values() {
        let mut out = Vec::new();
        ("a", 1_i64, 2.5, Some(true), None::<i64>).write_into(&mut out);
        ["x", "y"].write_into(&mut out);
        let want = vec![
            "a".into(),
            1_i64.into(),
            2.5.into(),
            true.into(),
            Value::Null,
            "x".into(),
            "y".into(),
        ];
        assert_eq!(out, want);
    }
}
