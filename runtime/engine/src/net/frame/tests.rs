//! Every frame comes back, and no bytes can hurt.

use super::*;
use proptest::prelude::*;

/// Any value.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e9..1e9).prop_map(Value::Float),
        ".{0,40}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|b| Value::Bytes(b.into())),
        any::<i64>().prop_map(|n| Value::Object(Object::received("n", n.to_string().as_bytes()))),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|l| Value::List(l.into())),
            prop::collection::btree_map("[a-z]{1,5}", inner, 0..4).prop_map(|m| Value::Map(
                Arc::new(m.into_iter().map(|(k, v)| (k.into(), v)).collect())
            )),
        ]
    })
}

proptest! {
    #[test]
    fn a_batch_comes_back(
        rows in prop::collection::vec((prop::collection::vec(value(), 3), 0_usize..3), 1..20)
    ) {
        let mut batch = Batch::default();
        batch.reset(4, 5, 6, 3);
        for (row, anchors) in rows {
            batch.values.extend(row);
            let anchors: Vec<_> =
                (0..anchors).map(|i| Tracked { root: i as u64, spout_task: 1, edge: 9 }).collect();
            batch.end_tuple(&anchors);
        }
        let mut bytes = Vec::new();
        encode(&Frame::Batch(17, batch), &mut bytes).unwrap();
        prop_assert!(decode(&bytes[..bytes.len() - 1]).unwrap().is_none());
        let (frame, used) = decode(&bytes).unwrap().unwrap();
        prop_assert_eq!(used, bytes.len());
        let mut again = Vec::new();
        encode(&frame, &mut again).unwrap();
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn no_bytes_can_hurt(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0_u8..13) {
        let length = bytes.len() as u32;
        bytes.splice(0..0, (length + 1).to_le_bytes().into_iter().chain([kind]));
        let _ = decode(&bytes);
    }

    #[test]
    fn a_damaged_frame_is_refused_or_read_but_never_worse(
        at in any::<prop::sample::Index>(), with in any::<u8>()
    ) {
        let mut batch = Batch::default();
        batch.reset(1, 2, 3, 2);
        for i in 0..10_i64 {
            batch.values.extend([Value::Int(i), Value::from("some text")]);
            batch.end_tuple(&[Tracked { root: 1, spout_task: 1, edge: 2 }]);
        }
        let mut bytes = Vec::new();
        encode(&Frame::Batch(1, batch), &mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(Some((Frame::Batch(_, b), _))) = decode(&bytes) {
            for i in 0..b.len {
                prop_assert_eq!(b.values_of(i).len(), b.arity);
                b.anchors_of(i);
            }
        }
    }
}

#[test]
fn a_length_above_the_limit_is_refused_before_it_is_awaited() {
    assert!(decode(&u32::MAX.to_le_bytes()).is_err());
}

#[test]
fn every_other_frame_comes_back() {
    let settle = Settle {
        spout_task: 7,
        root: 1 << 60,
        value: 3,
        touched: 5,
        ok: true,
    };
    let (topology, to) = ("word-count-1-5".to_owned(), 9);
    let frames = [
        Frame::Hello {
            oldest: OLDEST,
            newest: NEWEST,
            topology,
            from: 8,
            to,
            epoch: 2,
        },
        Frame::Welcome {
            incarnation: 9,
            received: 4,
            protocol: NEWEST,
        },
        Frame::Refused("another topology".to_owned()),
        Frame::Settles(5, vec![settle; 3]),
        Frame::Credit(6, 3, 256),
        Frame::Confirm(6),
        Frame::Ping,
        Frame::Goodbye,
    ];
    for frame in frames {
        let mut bytes = Vec::new();
        encode(&frame, &mut bytes).unwrap();
        let (again, used) = decode(&bytes).unwrap().unwrap();
        assert_eq!(
            (format!("{again:?}"), used),
            (format!("{frame:?}"), bytes.len())
        );
    }
}
