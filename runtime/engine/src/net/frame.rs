//! Frames between workers: one encoder, one decoder, one size limit.
//!
//! A frame is its length (u32), its kind (u8) and its body; numbers are little-endian. The decoder
//! trusts nothing: every count is checked against the bytes that are there.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;
use std::sync::Arc;

use fulmar_api::TaskId;
use fulmar_api::object::Object;
use fulmar_api::value::{IntoValues, Value};

use crate::batch::{Batch, Settle, Tracked};
use crate::limits::FRAME_MOST;
use crate::net::packed::{self, Packed};

/// Newest version of the exchange that this worker speaks: batches and settles are packed
/// ([`packed`](super::packed)).
pub const NEWEST: u32 = 3;

/// Oldest one: batches and settles as they are written here. Two workers speak the newest that both
/// know, so that a topology's workers may be replaced one by one.
pub const OLDEST: u32 = 2;

/// Lists and maps may be nested so deep: what is deeper is refused, so that a hostile frame cannot
/// exhaust the stack.
const DEPTH_MOST: usize = 32;

/// A frame.
#[derive(Debug)]
pub enum Frame {
    /// First on a connection, from the one who connects.
    Hello {
        /// Oldest version that the sender speaks.
        oldest: u32,
        /// Newest version that the sender speaks.
        newest: u32,
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
        /// The version that both will speak.
        protocol: u32,
    },
    /// The other answer: why the sender is not spoken to.
    Refused(String),
    /// Tuples.
    Batch(u64, Batch),
    /// Tuples whose values have not been read yet.
    Packed(u64, Packed),
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
            oldest,
            newest,
            topology,
            from,
            to,
            epoch,
        } => {
            out.push(1);
            out.extend(oldest.to_le_bytes());
            out.extend(newest.to_le_bytes());
            out.extend(from.to_le_bytes());
            out.extend(to.to_le_bytes());
            out.extend(epoch.to_le_bytes());
            put_bytes(topology.as_bytes(), out);
        }
        Frame::Welcome {
            incarnation,
            received,
            protocol,
        } => {
            out.push(2);
            out.extend(incarnation.to_le_bytes());
            out.extend(received.to_le_bytes());
            out.extend(protocol.to_le_bytes());
        }
        Frame::Refused(why) => {
            out.push(12);
            put_bytes(why.as_bytes(), out);
        }
        Frame::Batch(number, batch) => {
            out.push(3);
            out.extend(number.to_le_bytes());
            put_batch(batch, out);
        }
        Frame::Packed(number, packed) => {
            let mut batch = Batch::default();
            packed.unpack(&mut batch)?;
            out.truncate(start);
            return packed::put_batch(*number, &batch, &mut Vec::new(), out);
        }
        Frame::Settles(number, settles) => {
            out.truncate(start);
            return encode_settles(*number, settles, out);
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
    finish(start, out)
}

/// Appends the frame of some settles.
///
/// # Errors
/// It would be larger than [`FRAME_MOST`]; `out` is as it was.
pub fn encode_settles(number: u64, settles: &[Settle], out: &mut Vec<u8>) -> Result<(), NotAFrame> {
    let start = out.len();
    out.extend([0, 0, 0, 0, 4]);
    out.extend(number.to_le_bytes());
    out.extend((settles.len() as u32).to_le_bytes());
    settles.iter().for_each(|s| put_settle(s, out));
    finish(start, out)
}

/// Writes the length of the frame that begins at `start`, whose content is complete.
pub(super) fn finish(start: usize, out: &mut Vec<u8>) -> Result<(), NotAFrame> {
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
            let (oldest, newest) = (r.u32()?, r.u32()?);
            let (from, to, epoch) = (r.u64()?, r.u64()?, r.u64()?);
            Frame::Hello {
                oldest,
                newest,
                topology: r.text()?.to_owned(),
                from,
                to,
                epoch,
            }
        }
        2 => Frame::Welcome {
            incarnation: r.u64()?,
            received: r.u64()?,
            protocol: r.u32()?,
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
        packed::BATCH => Frame::Packed(r.u64()?, Packed::read(&mut r)?),
        packed::SETTLES => Frame::Settles(r.u64()?, packed::read_settles(&mut r)?),
        12 => Frame::Refused(r.text()?.to_owned()),
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
    put_anchors(b, out);
}

/// Appends the anchors of a batch, and where each tuple's end.
pub(super) fn put_anchors(b: &Batch, out: &mut Vec<u8>) {
    out.extend((b.anchors.len() as u32).to_le_bytes());
    for a in &b.anchors {
        out.extend(a.root.to_le_bytes());
        out.extend(a.spout_task.to_le_bytes());
        out.extend(a.edge.to_le_bytes());
    }
    out.extend((b.ends.len() as u32).to_le_bytes());
    b.ends.iter().for_each(|e| out.extend(e.to_le_bytes()));
}

/// Appends a value with its tag.
pub(super) fn put_value(value: &Value, out: &mut Vec<u8>) {
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
        Value::Object(v) => {
            out.push(9);
            put_bytes(v.name().as_bytes(), out);
            put_bytes(v.json(), out);
        }
    }
}

/// Reads from bytes that may lie.
pub(super) struct Reader<'a>(pub &'a [u8]);

pub(super) const SHORT: NotAFrame = NotAFrame("shorter than its content");

impl<'a> Reader<'a> {
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], NotAFrame> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*head)
    }

    pub fn u8(&mut self) -> Result<u8, NotAFrame> {
        Ok(self.take::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32, NotAFrame> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub fn i32(&mut self) -> Result<i32, NotAFrame> {
        Ok(i32::from_le_bytes(self.take()?))
    }

    pub fn u64(&mut self) -> Result<u64, NotAFrame> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    /// A number of things of at least `least` bytes each: never more than fit into what is left.
    pub fn count(&mut self, least: usize) -> Result<usize, NotAFrame> {
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
        let (anchors, ends) = self.anchors(len)?;
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

    /// The anchors of so many tuples, and where each tuple's end.
    pub fn anchors(&mut self, len: usize) -> Result<(Vec<Tracked>, Vec<u32>), NotAFrame> {
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
        Ok((anchors, ends))
    }

    /// The next so many bytes.
    #[inline]
    pub fn slice(&mut self, n: usize) -> Result<&'a [u8], NotAFrame> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(SHORT)?;
        self.0 = rest;
        Ok(head)
    }

    /// Reads a value to where it stays: the usual kinds are not made elsewhere and moved.
    #[inline]
    pub fn value_in_place(&mut self, out: &mut Vec<Value>) -> Result<(), NotAFrame> {
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
            9 => Value::Object(Object::received(self.text()?, self.bytes()?)),
            _ => return Err(NotAFrame("a value of an unknown kind")),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
