//! Frames between workers: one encoder, one decoder, one size limit.
//!
//! A frame is its length (u32), its kind (u8) and its body; numbers are little-endian. The decoder
//! trusts nothing: every count is checked against the bytes that are there.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;
use std::sync::Arc;

use fulmar_api::TaskId;
use fulmar_api::value::{IntoValues, Value};

use crate::batch::{Batch, Settle, Tracked};
use crate::limits::FRAME_MOST;

/// Version of this format; peers with another one are refused.
pub const PROTOCOL: u32 = 1;

/// Lists and maps may be nested so deep: what is deeper is refused, so that a hostile frame cannot
/// exhaust the stack.
const DEPTH_MOST: usize = 32;

/// A frame.
#[derive(Debug)]
pub enum Frame {
    /// First on a connection, from the one who connects.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// Topology id.
        topology: String,
        /// Who connects.
        from: u64,
        /// Whom it believes to reach.
        to: u64,
        /// How often the sender gave this peer up and dropped what was under way.
        epoch: u64,
    },
    /// The answer: who is here, and the number of the last frame that came from this sender.
    Welcome {
        /// Who is here.
        incarnation: u64,
        /// Last number received.
        received: u64,
    },
    /// Tuples.
    Batch(u64, Batch),
    /// Settles for spouts of the receiver.
    Settles(u64, Vec<Settle>),
    /// Tuples of `task` that the receiver of this frame had sent were executed.
    Credit(u64, TaskId, u32),
    /// All frames up to this number have arrived.
    Confirm(u64),
    /// The sender lives.
    Ping,
    /// The sender ends, and everything it sent has arrived: it is retired, not lost.
    Goodbye,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a frame: {0}")]
pub struct NotAFrame(pub &'static str);

/// Appends a frame.
///
/// # Errors
/// It would be larger than [`FRAME_MOST`]; `out` is as it was.
pub fn encode(frame: &Frame, out: &mut Vec<u8>) -> Result<(), NotAFrame> {
    let start = out.len();
    out.extend([0; 4]);
    match frame {
        Frame::Hello {
            protocol,
            topology,
            from,
            to,
            epoch,
        } => {
            out.push(1);
            out.extend(protocol.to_le_bytes());
            out.extend(from.to_le_bytes());
            out.extend(to.to_le_bytes());
            out.extend(epoch.to_le_bytes());
            put_bytes(topology.as_bytes(), out);
        }
        Frame::Welcome {
            incarnation,
            received,
        } => {
            out.push(2);
            out.extend(incarnation.to_le_bytes());
            out.extend(received.to_le_bytes());
        }
        Frame::Batch(number, batch) => {
            out.push(3);
            out.extend(number.to_le_bytes());
            put_batch(batch, out);
        }
        Frame::Settles(number, settles) => {
            out.push(4);
            out.extend(number.to_le_bytes());
            out.extend((settles.len() as u32).to_le_bytes());
            settles.iter().for_each(|s| put_settle(s, out));
        }
        Frame::Credit(number, task, tuples) => {
            out.push(5);
            out.extend(number.to_le_bytes());
            out.extend(task.to_le_bytes());
            out.extend(tuples.to_le_bytes());
        }
        Frame::Confirm(number) => {
            out.push(6);
            out.extend(number.to_le_bytes());
        }
        Frame::Ping => out.push(7),
        Frame::Goodbye => out.push(8),
    }
    let length = out.len() - start - 4;
    if length > FRAME_MOST {
        out.truncate(start);
        return Err(NotAFrame("larger than 64 MiB: emit smaller values"));
    }
    out[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(())
}

/// Takes the first frame of `bytes`: the frame and its length, or `None` when there is more to come.
///
/// # Errors
/// The bytes are no frame: the connection must be closed.
pub fn decode(bytes: &[u8]) -> Result<Option<(Frame, usize)>, NotAFrame> {
    let Some(head) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*head) as usize;
    if length > FRAME_MOST {
        return Err(NotAFrame("its length is above 64 MiB"));
    }
    let Some(body) = bytes.get(4..4 + length) else {
        return Ok(None);
    };
    let mut r = Reader(body);
    let frame = match r.u8()? {
        1 => {
            let (protocol, from, to, epoch) = (r.u32()?, r.u64()?, r.u64()?, r.u64()?);
            Frame::Hello {
                protocol,
                topology: r.text()?.to_owned(),
                from,
                to,
                epoch,
            }
        }
        2 => Frame::Welcome {
            incarnation: r.u64()?,
            received: r.u64()?,
        },
        3 => Frame::Batch(r.u64()?, r.batch()?),
        4 => {
            let (number, n) = (r.u64()?, r.count(29)?);
            Frame::Settles(
                number,
                (0..n).map(|_| r.settle()).collect::<Result<_, _>>()?,
            )
        }
        5 => Frame::Credit(r.u64()?, r.i32()?, r.u32()?),
        6 => Frame::Confirm(r.u64()?),
        7 => Frame::Ping,
        8 => Frame::Goodbye,
        _ => return Err(NotAFrame("of an unknown kind")),
    };
    if !r.0.is_empty() {
        return Err(NotAFrame("longer than its content"));
    }
    Ok(Some((frame, 4 + length)))
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

fn put_settle(s: &Settle, out: &mut Vec<u8>) {
    out.extend(s.spout_task.to_le_bytes());
    out.extend(s.root.to_le_bytes());
    out.extend(s.value.to_le_bytes());
    out.extend(s.touched.to_le_bytes());
    out.push(s.ok.into());
}

fn put_batch(b: &Batch, out: &mut Vec<u8>) {
    out.extend(b.edge.to_le_bytes());
    out.extend(b.from.to_le_bytes());
    out.extend(b.to.to_le_bytes());
    out.extend((b.arity as u32).to_le_bytes());
    out.extend((b.len as u32).to_le_bytes());
    b.values.iter().for_each(|v| put_value(v, out));
    out.extend((b.anchors.len() as u32).to_le_bytes());
    for a in &b.anchors {
        out.extend(a.root.to_le_bytes());
        out.extend(a.spout_task.to_le_bytes());
        out.extend(a.edge.to_le_bytes());
    }
    out.extend((b.ends.len() as u32).to_le_bytes());
    b.ends.iter().for_each(|e| out.extend(e.to_le_bytes()));
}

fn put_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Bool(false) => out.push(1),
        Value::Bool(true) => out.push(2),
        Value::Int(v) => {
            out.push(3);
            out.extend(v.to_le_bytes());
        }
        Value::Float(v) => {
            out.push(4);
            out.extend(v.to_bits().to_le_bytes());
        }
        Value::Str(v) => {
            out.push(5);
            put_bytes(v.as_bytes(), out);
        }
        Value::Bytes(v) => {
            out.push(6);
            put_bytes(v, out);
        }
        Value::List(v) => {
            out.push(7);
            out.extend((v.len() as u32).to_le_bytes());
            v.iter().for_each(|e| put_value(e, out));
        }
        Value::Map(v) => {
            out.push(8);
            out.extend((v.len() as u32).to_le_bytes());
            for (k, e) in v.iter() {
                put_bytes(k.as_bytes(), out);
                put_value(e, out);
            }
        }
    }
}

/// Reads from bytes that may lie.
struct Reader<'a>(&'a [u8]);

const SHORT: NotAFrame = NotAFrame("shorter than its content");

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], NotAFrame> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, NotAFrame> {
        Ok(self.take::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, NotAFrame> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn i32(&mut self) -> Result<i32, NotAFrame> {
        Ok(i32::from_le_bytes(self.take()?))
    }

    fn u64(&mut self) -> Result<u64, NotAFrame> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    /// A number of things of at least `least` bytes each: never more than fit into what is left.
    fn count(&mut self, least: usize) -> Result<usize, NotAFrame> {
        let n = self.u32()? as usize;
        if n.saturating_mul(least) > self.0.len() {
            Err(SHORT)
        } else {
            Ok(n)
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], NotAFrame> {
        let n = self.count(1)?;
        let (bytes, rest) = self.0.split_at(n);
        self.0 = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<&'a str, NotAFrame> {
        std::str::from_utf8(self.bytes()?).map_err(|_| NotAFrame("a text that is not UTF-8"))
    }

    fn settle(&mut self) -> Result<Settle, NotAFrame> {
        let (spout_task, root, value, touched) =
            (self.i32()?, self.u64()?, self.u64()?, self.u64()?);
        Ok(Settle {
            spout_task,
            root,
            value,
            touched,
            ok: self.u8()? == 1,
        })
    }

    fn batch(&mut self) -> Result<Batch, NotAFrame> {
        let (edge, from, to) = (self.u32()?, self.i32()?, self.i32()?);
        let (arity, len) = (self.u32()? as usize, self.u32()? as usize);
        // A value takes a byte at least; tuples without values are bounded by the batch size.
        if arity.saturating_mul(len) > self.0.len() || len > crate::limits::BATCH_TUPLES {
            return Err(NotAFrame("a batch of more tuples than there can be"));
        }
        let mut values = Vec::with_capacity(arity * len);
        for _ in 0..arity * len {
            self.value_in_place(&mut values)?;
        }
        let n = self.count(20)?;
        let mut anchors = Vec::with_capacity(n);
        for _ in 0..n {
            anchors.push(Tracked {
                root: self.u64()?,
                spout_task: self.i32()?,
                edge: self.u64()?,
            });
        }
        let n = self.count(4)?;
        let ends = (0..n).map(|_| self.u32()).collect::<Result<Vec<_>, _>>()?;
        let regular = ends.is_empty() && (anchors.is_empty() || anchors.len() == len);
        let rising =
            ends.is_sorted() && ends.len() == len && ends.last() == Some(&(anchors.len() as u32));
        if !regular && !rising {
            return Err(NotAFrame("anchors that do not fit the tuples"));
        }
        Ok(Batch {
            origin: 0,
            edge,
            from,
            to,
            arity,
            len,
            values,
            anchors,
            ends,
        })
    }

    /// Reads a value to where it stays: the usual kinds are not made elsewhere and moved.
    #[inline]
    fn value_in_place(&mut self, out: &mut Vec<Value>) -> Result<(), NotAFrame> {
        match self.0.first() {
            Some(3) => {
                self.u8()?;
                (i64::from_le_bytes(self.take()?),).write_into(out);
            }
            Some(4) => {
                self.u8()?;
                (f64::from_bits(self.u64()?),).write_into(out);
            }
            Some(5) => {
                self.u8()?;
                (self.text()?,).write_into(out);
            }
            _ => out.push(self.value(0)?),
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Value, NotAFrame> {
        if depth > DEPTH_MOST {
            return Err(NotAFrame("values nested more than 32 deep"));
        }
        Ok(match self.u8()? {
            0 => Value::Null,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3 => Value::Int(i64::from_le_bytes(self.take()?)),
            4 => Value::Float(f64::from_bits(self.u64()?)),
            5 => Value::from(self.text()?),
            6 => Value::Bytes(self.bytes()?.into()),
            7 => {
                let n = self.count(1)?;
                Value::List(
                    (0..n)
                        .map(|_| self.value(depth + 1))
                        .collect::<Result<Vec<_>, _>>()?
                        .into(),
                )
            }
            8 => {
                let mut map = BTreeMap::new();
                for _ in 0..self.count(5)? {
                    map.insert(self.text()?.into(), self.value(depth + 1)?);
                }
                Value::Map(Arc::new(map))
            }
            _ => return Err(NotAFrame("a value of an unknown kind")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-1e9..1e9).prop_map(Value::Float),
            ".{0,40}".prop_map(Value::from),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|b| Value::Bytes(b.into())),
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
        fn no_bytes_can_hurt(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0_u8..9) {
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
                protocol: PROTOCOL,
                topology,
                from: 8,
                to,
                epoch: 2,
            },
            Frame::Welcome {
                incarnation: 9,
                received: 4,
            },
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
}
