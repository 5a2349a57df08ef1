//! The join of a window's tuples: the first stream probes hash tables of the others, one after another.
//! Pure: no clock, no I/O, no async.

use rustc_hash::FxHashMap;

use crate::codec;
use crate::error::{Error, Result};
use crate::tuple::Tuple;
use crate::value::Value;

use super::selector::{FieldSelector, Selector};

/// What becomes of a record without a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes.
    Inner,
    /// It stays, without a partner.
    Left,
}

/// One stream of a join.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Stream or component.
    pub name: String,
    /// The field it is joined by.
    pub key: FieldSelector,
    /// How, and the field of an earlier stream that must be equal; none for the first stream.
    pub with: Option<(Kind, FieldSelector)>,
}

/// Places of the tuples that make one record, in the order of the streams.
pub type Record = Vec<usize>;

/// Joins tuples. Records come in the order of the first stream's tuples, partners in theirs.
///
/// # Errors
/// A tuple of a stream that is not joined, or a dotted name into something that is no map.
pub fn join(tuples: &[Tuple<'_>], streams: &[Joined], by: Selector) -> Result<Vec<Record>> {
    let mut tables: Vec<FxHashMap<Vec<u8>, Vec<usize>>> = Vec::new();
    tables.resize_with(streams.len(), FxHashMap::default);
    let mut records: Vec<Record> = Vec::new();
    for (place, tuple) in tuples.iter().enumerate() {
        let name = by.name_of(tuple);
        match streams.iter().position(|s| s.name == name) {
            Some(0) => records.push(vec![place]),
            Some(stream) => {
                if let Some(key) = streams[stream].key.look_up(tuple, by)? {
                    let key = codec::bytes_of(key);
                    tables[stream].entry(key).or_default().push(place);
                }
            }
            None => {
                return Err(Error::msg(format!(
                    "join information for '{name}' not found: check the join clauses"
                )));
            }
        }
    }
    for (stream, table) in streams.iter().zip(&tables) {
        let Some((kind, partner)) = &stream.with else {
            continue;
        };
        let mut joined = Vec::with_capacity(records.len());
        for record in records {
            let Some(key) = first_of(tuples, &record, partner, by)? else {
                continue;
            };
            match table.get(&codec::bytes_of(key)) {
                Some(partners) => joined.extend(partners.iter().map(|place| {
                    let mut longer = record.clone();
                    longer.push(*place);
                    longer
                })),
                None if *kind == Kind::Left => joined.push(record),
                None => {}
            }
        }
        records = joined;
    }
    Ok(records)
}

/// The output fields of a record; null where no tuple of it has one.
///
/// # Errors
/// A dotted name into something that is no map.
pub fn project(
    tuples: &[Tuple<'_>],
    record: &Record,
    select: &[FieldSelector],
    by: Selector,
) -> Result<Vec<Value>> {
    let value = |field| {
        Ok(first_of(tuples, record, field, by)?
            .cloned()
            .unwrap_or_default())
    };
    select.iter().map(value).collect()
}

fn first_of<'a>(
    tuples: &[Tuple<'a>],
    record: &Record,
    field: &FieldSelector,
    by: Selector,
) -> Result<Option<&'a Value>> {
    for place in record {
        if let Some(found) = field.look_up(&tuples[*place], by)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
