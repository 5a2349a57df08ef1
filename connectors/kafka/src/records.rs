//! Consecutive records of one partition as one value: what a batch tuple carries.
//!
//! Each record is its offset and timestamp (i64), key and value with their lengths (u32), little-endian.
//! Pure: no clock, no I/O, no async.

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Offset in its partition.
    pub offset: i64,
    /// Kafka's timestamp in ms.
    pub timestamp: i64,
    /// Key; empty where there is none.
    pub key: &'a [u8],
    /// Value; empty where there is none.
    pub value: &'a [u8],
}

/// Appends a record.
pub fn push(record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend(record.offset.to_le_bytes());
    out.extend(record.timestamp.to_le_bytes());
    for part in [record.key, record.value] {
        // Kafka's own limit of a message is far below 4 GiB.
        out.extend((part.len() as u32).to_le_bytes());
        out.extend(part);
    }
}

/// The records in order; ends at the first byte that is none.
pub fn iter(bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || take(&mut rest))
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let offset = i64::from_le_bytes(fixed(rest)?);
    let timestamp = i64::from_le_bytes(fixed(rest)?);
    let (key, value) = (part(rest)?, part(rest)?);
    Some(Record {
        offset,
        timestamp,
        key,
        value,
    })
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(fixed(rest)?) as usize;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_a_cut_ends_them() {
        let records = [
            Record {
                offset: 5,
                timestamp: -1,
                key: b"k",
                value: b"value",
            },
            Record {
                offset: 9,
                timestamp: i64::MAX,
                key: b"",
                value: b"",
            },
        ];
        let mut bytes = Vec::new();
        records.iter().for_each(|r| push(r, &mut bytes));
        assert_eq!(iter(&bytes).collect::<Vec<_>>(), records);
        for cut in 0..bytes.len() {
            assert!(iter(&bytes[..cut]).count() <= 1);
        }
    }
}
