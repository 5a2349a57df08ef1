//! Numbers of a dump, read by the standard library: serde_json's own reading may be off by the last bit.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A finite number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        let number = raw.get().parse::<f64>().ok().filter(|n| n.is_finite());
        number
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{} is no finite number", raw.get())))
    }
}
