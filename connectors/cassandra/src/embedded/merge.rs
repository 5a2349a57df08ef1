//! Which of two writes of one key stays: Cassandra's law.
//!
//! Every write gives all values of a row with one timestamp, so the row with the larger timestamp stays as a whole.
//! With equal ones each value is decided alone: null (a deletion) before any value, then the larger bytes. (Cassandra
//! lets the later expiry decide before the bytes where a TTL differs by a second or more; nobody may rely on either.)
//! Pure: no clock, no I/O, no async.

use std::borrow::Cow;

use crate::cql;

/// Bytes of a stored row before its values: timestamp and expiry.
pub const HEADER: usize = 16;
/// The expiry of a row that never vanishes.
pub const NEVER: u64 = u64::MAX;

/// A row as it lies on disk: eight bytes timestamp, eight bytes expiry in seconds since the epoch, values.
pub struct Stored<'a> {
    /// Write timestamp in microseconds.
    pub timestamp_us: i64,
    /// When it vanishes, in seconds since the epoch.
    pub expires_s: u64,
    /// Its values, each with its length.
    pub values: &'a [u8],
}

impl<'a> Stored<'a> {
    /// Reads a stored row; `None` if it is too short to be one.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (timestamp, rest) = bytes.split_first_chunk::<8>()?;
        let (expires, values) = rest.split_first_chunk::<8>()?;
        Some(Self {
            timestamp_us: i64::from_be_bytes(*timestamp),
            expires_s: u64::from_be_bytes(*expires),
            values,
        })
    }

    /// Writes it into a buffer that is emptied first.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend(self.timestamp_us.to_be_bytes());
        out.extend(self.expires_s.to_be_bytes());
        out.extend(self.values);
    }
}

/// The values that stay when `new` meets `old`; `None`: the old row stays as it is.
pub fn merge<'a>(old: &Stored<'_>, new: &Stored<'a>) -> Option<Cow<'a, [u8]>> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    match new.timestamp_us.cmp(&old.timestamp_us) {
        Less => None,
        Greater => Some(Cow::Borrowed(new.values)),
        Equal if old.values == new.values => None,
        Equal => Some(Cow::Owned(larger_of_each(old.values, new.values))),
    }
}

/// For each value the one that stays. Values that cannot be read (of a table with other columns) count as absent.
fn larger_of_each(mut old: &[u8], mut new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(new.len());
    while !new.is_empty() {
        let Some(b) = cql::take(&mut new) else { break };
        let a = cql::take(&mut old).unwrap_or(Some(&[]));
        match (a, b) {
            (Some(a), Some(b)) => {
                let larger = a.max(b);
                out.extend((larger.len() as i32).to_be_bytes());
                out.extend(larger);
            }
            _ => out.extend((-1_i32).to_be_bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Cell;

    fn values(cells: &[Cell]) -> Vec<u8> {
        let mut out = Vec::new();
        cells.iter().for_each(|c| cql::push(&mut out, c));
        out
    }

    fn row(timestamp_us: i64, values: &[u8]) -> Stored<'_> {
        Stored {
            timestamp_us,
            expires_s: NEVER,
            values,
        }
    }

    #[test]
    fn later_wins_and_ties_go_by_value() {
        let one = values(&[Cell::Int(1), Cell::text("b")]);
        let two = values(&[Cell::Int(2), Cell::text("a")]);
        let null = values(&[Cell::Null, Cell::text("aa")]);
        assert_eq!(merge(&row(5, &two), &row(6, &one)).unwrap(), one);
        assert!(merge(&row(6, &two), &row(5, &one)).is_none());
        assert!(merge(&row(6, &two), &row(6, &two)).is_none());
        let both = values(&[Cell::Int(2), Cell::text("b")]);
        assert_eq!(merge(&row(6, &two), &row(6, &one)).unwrap(), both);
        assert_eq!(merge(&row(6, &one), &row(6, &two)).unwrap(), both);
        let gone = values(&[Cell::Null, Cell::text("b")]);
        assert_eq!(merge(&row(6, &null), &row(6, &one)).unwrap(), gone);
        // As Cassandra does: bytes are compared unsigned, so a negative number is larger.
        let minus = values(&[Cell::Int(-1), Cell::text("a")]);
        assert_eq!(
            merge(&row(6, &minus), &row(6, &two)).unwrap_or_default(),
            values(&[Cell::Int(-1), Cell::text("a")])
        );
    }

    #[test]
    fn a_stored_row_comes_back() {
        let mut out = vec![9];
        row(-3, b"xyz").write(&mut out);
        let back = Stored::read(&out).unwrap();
        assert_eq!((back.timestamp_us, back.expires_s), (-3, NEVER));
        assert_eq!(back.values, b"xyz");
        assert!(Stored::read(&out[..HEADER - 1]).is_none());
    }
}
