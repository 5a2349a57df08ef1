//! Values in the binary form of Cassandra's native protocol.
//!
//! The embedded store keeps values in this form too, because of two writes with one timestamp Cassandra keeps the one
//! whose bytes are larger, and that is only the same law if the bytes are the same. Pure: no clock, no I/O, no async.

use smol_str::SmolStr;

use crate::error::StoreError;
use crate::row::{Cell, Kind};

/// The bytes of a cell; `None` is null.
pub fn encode(cell: &Cell) -> Option<Vec<u8>> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Text(v) => v.as_bytes().to_vec(),
        Cell::Int(v) | Cell::Timestamp(v) => v.to_be_bytes().to_vec(),
        Cell::Double(v) => v.to_be_bytes().to_vec(),
        Cell::Bool(v) => vec![u8::from(*v)],
        // CQL's date has its epoch in the middle of an unsigned number.
        Cell::Date(v) => ((*v as u32) ^ (1 << 31)).to_be_bytes().to_vec(),
        Cell::Udt(fields) => {
            let mut out = Vec::with_capacity(fields.len() * 12);
            fields.iter().for_each(|f| push(&mut out, f));
            out
        }
    })
}

/// Appends the length and the bytes of a cell; null has the length −1.
pub fn push(out: &mut Vec<u8>, cell: &Cell) {
    match encode(cell) {
        None => out.extend((-1_i32).to_be_bytes()),
        Some(bytes) => {
            out.extend((bytes.len() as i32).to_be_bytes());
            out.extend(bytes);
        }
    }
}

/// Reads one length and the bytes; `Some(None)` is null, `None` is too short.
pub fn take<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = i32::from_be_bytes(*len);
    if len < 0 {
        *bytes = rest;
        return Some(None);
    }
    let (value, rest) = rest.split_at_checked(len as usize)?;
    *bytes = rest;
    Some(Some(value))
}

/// The cell of these bytes.
///
/// # Errors
/// [`StoreError::Decode`]: not a value of this kind.
pub fn decode(table: &str, kind: Kind, bytes: Option<&[u8]>) -> Result<Cell, StoreError> {
    let Some(bytes) = bytes else {
        return Ok(Cell::Null);
    };
    cell(kind, bytes).ok_or_else(|| StoreError::Decode {
        table: table.to_owned(),
        problem: format!("{} bytes are no {kind:?}", bytes.len()),
    })
}

fn cell(kind: Kind, bytes: &[u8]) -> Option<Cell> {
    let eight = || bytes.try_into().ok().map(i64::from_be_bytes);
    Some(match kind {
        Kind::Text => Cell::Text(SmolStr::new(std::str::from_utf8(bytes).ok()?)),
        Kind::Int => Cell::Int(eight()?),
        Kind::Timestamp => Cell::Timestamp(eight()?),
        Kind::Double => Cell::Double(f64::from_be_bytes(bytes.try_into().ok()?)),
        Kind::Bool => Cell::Bool(*bytes.first()? != 0),
        Kind::Date => Cell::Date((u32::from_be_bytes(bytes.try_into().ok()?) ^ (1 << 31)) as i32),
        Kind::Udt(udt) => {
            let mut rest = bytes;
            let mut fields = Vec::with_capacity(udt.fields.len());
            for field in udt.fields {
                // Fields added to the type later are absent in older values: null.
                let value = if rest.is_empty() {
                    None
                } else {
                    take(&mut rest)?
                };
                fields.push(match value {
                    None => Cell::Null,
                    Some(bytes) => cell(field.kind, bytes)?,
                });
            }
            Cell::Udt(fields.into())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::AGGREGATE;

    const T: &str = "t";

    #[test]
    fn values_come_back_and_short_types_have_nulls() {
        let udt = Cell::Udt((1..=6).map(Cell::Int).collect());
        let bytes = encode(&udt).unwrap();
        assert_eq!(bytes.len(), 6 * 12);
        let kind = Kind::Udt(&AGGREGATE);
        assert_eq!(decode(T, kind, Some(&bytes)).unwrap(), udt);
        let old = decode(T, kind, Some(&bytes[..60])).unwrap();
        assert_eq!(old.as_udt().unwrap()[5], Cell::Null);
        assert!(decode(T, kind, Some(&bytes[..61])).is_err());
        for (cell, kind) in [
            (Cell::text("é"), Kind::Text),
            (Cell::Double(-0.5), Kind::Double),
            (Cell::Bool(true), Kind::Bool),
            (Cell::Date(-3), Kind::Date),
            (Cell::Timestamp(-1), Kind::Timestamp),
        ] {
            let bytes = encode(&cell).unwrap();
            assert_eq!(decode(T, kind, Some(&bytes)).unwrap(), cell);
        }
        assert_eq!(encode(&Cell::Date(0)).unwrap(), [0x80, 0, 0, 0]);
        assert_eq!(encode(&Cell::Null), None);
    }
}
