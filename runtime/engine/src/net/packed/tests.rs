//! What is packed comes back whole, and no bytes can hurt.

use proptest::prelude::*;

use super::*;
use crate::net::frame::tests::value;
use crate::net::frame::{Frame, decode};

fn unpacked(bytes: &[u8]) -> Batch {
    let Some((Frame::Packed(number, packed), used)) = decode(bytes).unwrap() else {
        panic!("no packed batch");
    };
    assert_eq!((number, used), (17, bytes.len()));
    // Into memory that held something else.
    let mut batch = Batch::default();
    batch.reset(9, 9, 9, 1);
    batch.values.push(Value::from("old"));
    let anchor = Tracked {
        root: 9,
        spout_task: 9,
        edge: 9,
    };
    batch.end_tuple(&[anchor, anchor]);
    packed.unpack(&mut batch).unwrap();
    batch
}

/// Columns of one kind, and of any.
fn rows() -> impl Strategy<Value = Vec<Vec<Value>>> {
    let row = (
        // Often the same.
        prop_oneof![Just(Value::from("a")), Just(Value::from("b"))],
        ".{0,300}".prop_map(Value::from),
        "[a-z]{0,30}".prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::Float),
        any::<bool>().prop_map(Value::Bool),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|b| Value::Bytes(b.into())),
        value(),
    );
    let row = row.prop_map(|(a, b, c, d, e, f, g)| vec![a, b, c, d, e, f, g]);
    prop::collection::vec(row, 0..12)
}

fn root() -> impl Strategy<Value = u64> {
    prop_oneof![1_u64..100, any::<u64>()]
}

proptest! {
    #[test]
    fn a_batch_comes_back(
        rows in rows(),
        anchors in prop::collection::vec((root(), 1_i32..3, any::<u64>()), 0..40),
        regular in any::<bool>(),
    ) {
        let mut batch = Batch::default();
        batch.reset(4, 5, 6, 7);
        for (i, row) in rows.into_iter().enumerate() {
            batch.values.extend(row);
            let mine = anchors.iter().skip(i).take(if regular { 1 } else { i % 3 });
            let mine: Vec<_> = mine
                .map(|(root, spout_task, edge)| Tracked {
                    root: *root,
                    spout_task: if regular { 1 } else { *spout_task },
                    edge: *edge,
                })
                .collect();
            batch.end_tuple(&mine);
        }
        let mut bytes = Vec::new();
        put_batch(17, &batch, &mut vec![1, 2, 3], &mut bytes).unwrap();
        prop_assert!(decode(&bytes[..bytes.len() - 1]).unwrap().is_none());
        let again = unpacked(&bytes);
        prop_assert_eq!(format!("{again:?}"), format!("{batch:?}"));
    }

    #[test]
    fn settles_come_back(
        settles in prop::collection::vec((1_i32..3, root(), any::<u64>(), 0_u64..2, any::<bool>()), 0..60)
    ) {
        let settles: Vec<_> = settles
            .into_iter()
            .map(|(spout_task, root, value, touched, ok)| Settle { spout_task, root, value, touched, ok })
            .collect();
        let mut bytes = Vec::new();
        put_settles(17, &settles, &mut bytes).unwrap();
        let Some((Frame::Settles(17, again), used)) = decode(&bytes).unwrap() else {
            panic!("no settles");
        };
        prop_assert_eq!((again, used), (settles, bytes.len()));
    }

    #[test]
    fn damaged_frames_are_refused_or_read_but_never_worse(
        at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<prop::sample::Index>()
    ) {
        let mut batch = Batch::default();
        batch.reset(1, 2, 3, 3);
        for i in 0..10_i64 {
            batch.values.extend([Value::Int(i), Value::from("some text"), Value::Null]);
            batch.end_tuple(&[Tracked { root: i as u64, spout_task: 1, edge: 2 }]);
        }
        let mut bytes = Vec::new();
        put_batch(17, &batch, &mut Vec::new(), &mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = with;
        // Also one whose end is missing, with a length that says that it is whole.
        bytes.truncate(5 + cut.index(bytes.len() - 4));
        let length = (bytes.len() - 4) as u32;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        if let Ok(Some((Frame::Packed(_, packed), _))) = decode(&bytes) {
            let mut batch = Batch::default();
            if packed.unpack(&mut batch).is_ok() {
                for i in 0..batch.len {
                    prop_assert_eq!(batch.values_of(i).len(), batch.arity);
                    batch.anchors_of(i);
                }
            }
        }
    }
}

fn one_column(value: impl Fn(usize) -> Value) -> Vec<u8> {
    let mut batch = Batch::default();
    batch.reset(1, 2, 3, 1);
    for i in 0..BATCH_TUPLES {
        batch.values.push(value(i));
        batch.end_tuple(&[]);
    }
    let mut bytes = Vec::new();
    put_batch(17, &batch, &mut Vec::new(), &mut bytes).unwrap();
    assert_eq!(unpacked(&bytes).values, batch.values);
    bytes
}

#[test]
fn a_text_takes_a_byte_more_than_it_has_and_one_that_stays_the_same_nothing() {
    let texts = one_column(|i| Value::from(format!("text {}", 1_000 + i)));
    assert!(texts.len() <= 10 * BATCH_TUPLES + 64, "{}", texts.len());
    let same = one_column(|_| Value::from("some data"));
    assert!(same.len() < 128, "{}", same.len());
}

#[test]
fn many_columns_of_nothing_are_refused() {
    let mut bytes = Vec::new();
    let body = 1_u32 << 20;
    bytes.extend([0; 4]);
    bytes.push(BATCH);
    bytes.extend(17_u64.to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend((BATCH_TUPLES as u32).to_le_bytes());
    bytes.extend(body.to_le_bytes());
    bytes.extend(vec![CONST; body as usize]);
    let length = bytes.len() as u32 - 4;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    assert!(decode(&bytes).is_err());
}
