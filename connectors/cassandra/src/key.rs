//! Keys of the embedded store: bytes that sort as the cells do.
//!
//! Each cell's bytes end themselves, so that a prefix of cells is a prefix of bytes and no key is mistaken for the
//! beginning of another. Integers: big-endian with the sign flipped. Texts: UTF-8 with 0 written as 0 255, and 0 0 at
//! the end. Pure: no clock, no I/O, no async.

use std::ops::Bound;

use smol_str::SmolStr;

use crate::error::StoreError;
use crate::row::{Cell, Column, Kind, Table};
use crate::store::Range;

/// Appends a cell that was checked to be no null and no user-defined type.
pub fn push(out: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Null | Cell::Udt(_) => {}
        Cell::Text(text) => {
            for &b in text.as_bytes() {
                out.push(b);
                if b == 0 {
                    out.push(255);
                }
            }
            out.extend([0, 0]);
        }
        Cell::Int(v) | Cell::Timestamp(v) => out.extend(flipped(*v)),
        Cell::Date(v) => out.extend(((*v as u32) ^ (1 << 31)).to_be_bytes()),
        Cell::Bool(v) => out.push(u8::from(*v)),
        Cell::Double(v) => {
            let bits = v.to_bits();
            let ordered = if bits >> 63 == 1 {
                !bits
            } else {
                bits | (1 << 63)
            };
            out.extend(ordered.to_be_bytes());
        }
    }
}

/// The bytes of several cells.
pub fn encode(cells: &[Cell]) -> Vec<u8> {
    let mut out = Vec::with_capacity(cells.len() * 16);
    cells.iter().for_each(|c| push(&mut out, c));
    out
}

/// The bytes from which (inclusive) and up to which (exclusive; `None` is the end) the rows of a range lie.
pub fn bounds(partition: &[Cell], range: &Range) -> (Vec<u8>, Option<Vec<u8>>) {
    let base = encode(partition);
    let with = |cells: &[Cell]| {
        let mut key = base.clone();
        cells.iter().for_each(|c| push(&mut key, c));
        key
    };
    let from = match &range.from {
        Bound::Unbounded => Some(base.clone()),
        Bound::Included(cells) => Some(with(cells)),
        Bound::Excluded(cells) => successor(with(cells)),
    };
    let to = match &range.to {
        Bound::Unbounded => successor(base),
        Bound::Included(cells) => successor(with(cells)),
        Bound::Excluded(cells) => Some(with(cells)),
    };
    // A lower bound without a successor is above everything: an empty range.
    from.map_or((vec![255], Some(Vec::new())), |from| (from, to))
}

/// The smallest bytes above all that begin with these.
fn successor(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = bytes.pop() {
        if last < 255 {
            bytes.push(last + 1);
            return Some(bytes);
        }
    }
    None
}

/// The key cells of a row.
///
/// # Errors
/// [`StoreError::Decode`]: the bytes are no key of this table.
pub fn decode(table: &Table, mut bytes: &[u8]) -> Result<Vec<Cell>, StoreError> {
    let mut cells = Vec::with_capacity(table.key_len() + table.values.len());
    for column in table.partition.iter().chain(table.clustering) {
        cells.push(take(&mut bytes, column).ok_or_else(|| StoreError::Decode {
            table: table.name.to_owned(),
            problem: format!("key column {}", column.name),
        })?);
    }
    Ok(cells)
}

fn take(bytes: &mut &[u8], column: &Column) -> Option<Cell> {
    match column.kind {
        Kind::Text => text(bytes),
        Kind::Int => Some(Cell::Int(unflipped(fixed(bytes)?))),
        Kind::Timestamp => Some(Cell::Timestamp(unflipped(fixed(bytes)?))),
        Kind::Date => Some(Cell::Date(
            (u32::from_be_bytes(fixed(bytes)?) ^ (1 << 31)) as i32,
        )),
        Kind::Bool => Some(Cell::Bool(fixed::<1>(bytes)?[0] != 0)),
        Kind::Double => {
            let ordered = u64::from_be_bytes(fixed(bytes)?);
            let bits = if ordered >> 63 == 1 {
                ordered & !(1 << 63)
            } else {
                !ordered
            };
            Some(Cell::Double(f64::from_bits(bits)))
        }
        Kind::Udt(_) => None,
    }
}

fn text(bytes: &mut &[u8]) -> Option<Cell> {
    let mut out = Vec::new();
    loop {
        let (&b, rest) = bytes.split_first()?;
        *bytes = rest;
        if b != 0 {
            out.push(b);
            continue;
        }
        let (&after, rest) = bytes.split_first()?;
        *bytes = rest;
        if after == 0 {
            return Some(Cell::Text(SmolStr::new(std::str::from_utf8(&out).ok()?)));
        }
        out.push(0);
    }
}

fn fixed<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn flipped(v: i64) -> [u8; 8] {
    ((v as u64) ^ (1 << 63)).to_be_bytes()
}

fn unflipped(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sort_as_cells_and_come_back() {
        let texts = ["", "\0", "\0a", "a", "a\0", "a\0b", "aa", "b", "é"];
        let mut last = Vec::new();
        for text in texts {
            for n in [i64::MIN, -1, 0, 1, i64::MAX] {
                let key = encode(&[Cell::text(text), Cell::Int(n)]);
                assert!(key > last, "{text:?} {n}");
                last = key;
            }
        }
        static T: Table = Table {
            name: "t",
            partition: &[Column::new("a", Kind::Text), Column::new("d", Kind::Date)],
            clustering: &[Column::new("x", Kind::Double), Column::new("b", Kind::Bool)],
            values: &[],
            descending: false,
            ttl_s: 0,
            window_h: 0,
        };
        let mut last = Vec::new();
        for x in [
            f64::NEG_INFINITY,
            -2.5,
            -1e-9,
            0.0,
            1e-9,
            3.0,
            f64::INFINITY,
        ] {
            let cells = vec![
                Cell::text("a\0b"),
                Cell::Date(-5),
                Cell::Double(x),
                Cell::Bool(true),
            ];
            let key = encode(&cells);
            assert!(key > last, "{x}");
            assert_eq!(decode(&T, &key).unwrap(), cells);
            assert!(decode(&T, &key[..key.len() - 1]).is_err());
            last = key;
        }
    }

    #[test]
    fn bounds_take_in_what_begins_with_them() {
        let p = [Cell::text("p")];
        let key = |a: i64, b: &str| encode(&[Cell::text("p"), Cell::Int(a), Cell::text(b)]);
        let within = |range: &Range, key: &[u8]| {
            let (from, to) = bounds(&p, range);
            key >= from.as_slice() && to.is_none_or(|to| key < to.as_slice())
        };
        let one = Range {
            from: Bound::Included(vec![Cell::Int(1)]),
            to: Bound::Included(vec![Cell::Int(1)]),
        };
        assert!(within(&one, &key(1, "")) && within(&one, &key(1, "\u{10ffff}")));
        assert!(!within(&one, &key(0, "z")) && !within(&one, &key(2, "")));
        let above = Range {
            from: Bound::Excluded(vec![Cell::Int(1), Cell::text("b")]),
            to: Bound::Excluded(vec![Cell::Int(-1 + 3)]),
        };
        assert!(!within(&above, &key(1, "b")) && within(&above, &key(1, "c")));
        assert!(!within(&above, &key(2, "")));
        assert!(!within(
            &Range::all(),
            &encode(&[Cell::text("pp"), Cell::Int(1)])
        ));
        let max = Range {
            from: Bound::Excluded(vec![Cell::Int(i64::MAX)]),
            to: Bound::Unbounded,
        };
        assert!(!within(&max, &key(i64::MAX, "x")));
    }
}
