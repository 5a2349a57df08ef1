//! Batches and settles in the form in which workers exchange them: what all tuples of a batch have in
//! common is said once.
//!
//! A column whose values are all the same is one value; one whose values are of one kind has no tags; texts lie behind each other, so that one look
//! says that they are ASCII; roots of one spout are told by their distance. The thread that reads the
//! socket looks only at a batch's head; its values are made on the core that executes them.
//! Pure: no clock, no I/O, no async.

use fulmar_api::TaskId;
use fulmar_api::value::{IntoValues, Value};

use super::frame::{NotAFrame, Reader, SHORT, finish, put_value};
use crate::batch::{Batch, Settle, Tracked};
use crate::limits::BATCH_TUPLES;

/// Kind byte of a packed batch's frame.
pub(super) const BATCH: u8 = 10;
/// Kind byte of packed settles' frame.
pub(super) const SETTLES: u8 = 11;

/// Kinds of columns; these are the tags that single values have too.
const BOOL: u8 = 1;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const STR: u8 = 5;
const BYTES: u8 = 6;
/// All values of the column are the same: it stands once, behind the kinds.
const CONST: u8 = 254;
/// Each value of the column has a tag of its own.
const MIXED: u8 = 255;

/// Columns above which none is told as constant: a hostile batch of 64 MiB, all of it columns of one
/// byte, would become 400 GiB of values.
const CONST_COLUMNS: usize = 256;

/// A length of this or more stands in four bytes behind this one.
const LONG: u8 = 255;

/// How a batch's anchors are told.
const NO_ANCHORS: u8 = 0;
const NEAR_ANCHORS: u8 = 1;
const ANY_ANCHORS: u8 = 2;

/// A batch whose values have not been read yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Packed {
    /// Edge of the plan.
    pub edge: u32,
    /// Emitting task.
    pub from: TaskId,
    /// Receiving task.
    pub to: TaskId,
    /// Tuples in it.
    pub len: usize,
    /// Incarnation of the worker that sent it.
    pub origin: u64,
    arity: usize,
    body: Vec<u8>,
}

/// Appends the frame of a batch. `texts` is scratch memory.
///
/// # Errors
/// It would be larger than a frame may be; `out` is as it was.
pub fn put_batch(
    number: u64,
    b: &Batch,
    texts: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), NotAFrame> {
    let start = out.len();
    out.reserve(64 + 12 * b.values.len() + 12 * b.anchors.len());
    out.extend([0, 0, 0, 0, BATCH]);
    out.extend(number.to_le_bytes());
    out.extend(b.edge.to_le_bytes());
    out.extend(b.from.to_le_bytes());
    out.extend(b.to.to_le_bytes());
    out.extend((b.len as u32).to_le_bytes());
    out.extend((b.arity as u32).to_le_bytes());
    let kinds = out.len();
    put_kinds(b, out);
    let sizes = out.len();
    out.extend([0; 8]);
    texts.clear();
    if out[kinds..kinds + b.arity].iter().any(|k| *k != CONST) {
        for row in b.values.chunks_exact(b.arity) {
            for (column, value) in row.iter().enumerate() {
                let kind = out[kinds + column];
                put_in_column(kind, value, texts, out);
            }
        }
    }
    let main = (out.len() - sizes - 8) as u32;
    out[sizes..sizes + 4].copy_from_slice(&main.to_le_bytes());
    out[sizes + 4..sizes + 8].copy_from_slice(&(texts.len() as u32).to_le_bytes());
    out.extend_from_slice(texts);
    put_anchors(b, out);
    finish(start, out)
}

fn kind_of(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => BOOL,
        Value::Int(_) => INT,
        Value::Float(_) => FLOAT,
        Value::Str(_) => STR,
        Value::Bytes(_) => BYTES,
        Value::Null | Value::List(_) | Value::Map(_) | Value::Object(_) => MIXED,
    }
}

/// One byte for each column: the kind of all its values; then those that are the same in all rows.
fn put_kinds(b: &Batch, out: &mut Vec<u8>) {
    let start = out.len();
    for column in 0..b.arity {
        let mut rest = b.values.iter().skip(column).step_by(b.arity);
        let Some(first) = rest.next() else {
            out.push(MIXED);
            continue;
        };
        if b.len > 1 && b.arity <= CONST_COLUMNS && rest.clone().all(|v| v == first) {
            out.push(CONST);
            continue;
        }
        let kind = kind_of(first);
        let all = rest.all(|v| kind_of(v) == kind);
        out.push(if all { kind } else { MIXED });
    }
    for column in 0..b.arity {
        if out[start + column] == CONST {
            put_value(&b.values[column], out);
        }
    }
}

#[inline]
fn put_in_column(kind: u8, value: &Value, texts: &mut Vec<u8>, out: &mut Vec<u8>) {
    match (kind, value) {
        (INT, Value::Int(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (FLOAT, Value::Float(v)) => out.extend_from_slice(&v.to_bits().to_le_bytes()),
        (STR, Value::Str(v)) => {
            put_length(v.len(), out);
            texts.extend_from_slice(v.as_bytes());
        }
        (BYTES, Value::Bytes(v)) => {
            put_length(v.len(), out);
            out.extend_from_slice(v);
        }
        (BOOL, Value::Bool(v)) => out.push((*v).into()),
        (CONST, _) => {}
        _ => put_value(value, out),
    }
}

#[inline]
fn put_length(n: usize, out: &mut Vec<u8>) {
    if n < LONG as usize {
        out.push(n as u8);
    } else {
        out.push(LONG);
        out.extend_from_slice(&(n as u32).to_le_bytes());
    }
}

fn put_anchors(b: &Batch, out: &mut Vec<u8>) {
    let Some(first) = b.anchors.first() else {
        out.push(NO_ANCHORS);
        return;
    };
    let base = first.root.wrapping_sub(1 << 31);
    let near = |a: &Tracked| {
        a.spout_task == first.spout_task && a.root.wrapping_sub(base) <= u64::from(u32::MAX)
    };
    if b.ends.is_empty() && b.anchors.iter().all(near) {
        out.push(NEAR_ANCHORS);
        out.extend(first.spout_task.to_le_bytes());
        out.extend(base.to_le_bytes());
        for a in &b.anchors {
            put_pair(a.root.wrapping_sub(base) as u32, a.edge, out);
        }
        return;
    }
    out.push(ANY_ANCHORS);
    super::frame::put_anchors(b, out);
}

#[inline]
fn put_pair(distance: u32, value: u64, out: &mut Vec<u8>) {
    let mut pair = [0; 12];
    pair[..4].copy_from_slice(&distance.to_le_bytes());
    pair[4..].copy_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&pair);
}

impl Packed {
    /// Reads the head; the rest is kept for [`unpack`](Self::unpack).
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, NotAFrame> {
        let (edge, from, to) = (r.u32()?, r.i32()?, r.i32()?);
        let (len, arity) = (r.u32()? as usize, r.u32()? as usize);
        // A value takes a byte at least, unless its column is constant, and of those there are few.
        let few = arity <= CONST_COLUMNS || arity.saturating_mul(len) <= r.0.len();
        if !few || len > BATCH_TUPLES {
            return Err(NotAFrame("a batch of more tuples than there can be"));
        }
        let body = std::mem::take(&mut r.0).to_vec();
        Ok(Self {
            edge,
            from,
            to,
            len,
            origin: 0,
            arity,
            body,
        })
    }

    /// Reads the values and anchors into a batch, whose memory is used again.
    ///
    /// # Errors
    /// The bytes are no batch; what lies in `batch` then is nothing.
    pub fn unpack(&self, batch: &mut Batch) -> Result<(), NotAFrame> {
        batch.reset(self.edge, self.from, self.to, self.arity);
        batch.origin = self.origin;
        let mut r = Reader(&self.body);
        let kinds = r.slice(self.arity)?;
        let mut constants = Vec::new();
        for _ in kinds.iter().filter(|k| **k == CONST) {
            r.value_in_place(&mut constants)?;
        }
        let (main, texts) = (r.u32()? as usize, r.u32()? as usize);
        let main = r.slice(main)?;
        let texts = Texts::new(r.slice(texts)?);
        if (self.arity - constants.len()) * self.len > main.len() {
            return Err(SHORT);
        }
        batch.values.reserve(self.arity * self.len);
        read_values(
            (kinds, &constants),
            self.len,
            main,
            texts,
            &mut batch.values,
        )?;
        read_anchors(&mut r, self.len, batch)?;
        batch.len = self.len;
        Ok(())
    }
}

/// The texts of a batch, one behind the other.
struct Texts<'a> {
    rest: &'a [u8],
    ascii: bool,
}

impl<'a> Texts<'a> {
    fn new(rest: &'a [u8]) -> Self {
        let ascii = rest.is_ascii();
        Self { rest, ascii }
    }

    #[inline]
    fn next(&mut self, n: usize) -> Result<&'a str, NotAFrame> {
        let (text, rest) = self.rest.split_at_checked(n).ok_or(SHORT)?;
        self.rest = rest;
        if self.ascii {
            // SAFETY: all of the texts are ASCII, and so each part of them is UTF-8.
            return Ok(unsafe { std::str::from_utf8_unchecked(text) });
        }
        std::str::from_utf8(text).map_err(|_| NotAFrame("a text that is not UTF-8"))
    }
}

fn read_values(
    (kinds, constants): (&[u8], &[Value]),
    len: usize,
    main: &[u8],
    mut texts: Texts<'_>,
    out: &mut Vec<Value>,
) -> Result<(), NotAFrame> {
    let mut r = Reader(main);
    for _ in 0..len {
        let mut constant = 0;
        for kind in kinds {
            match *kind {
                INT => (i64::from_le_bytes(r.take()?),).write_into(out),
                FLOAT => (f64::from_bits(r.u64()?),).write_into(out),
                STR => {
                    let n = length(&mut r)?;
                    (texts.next(n)?,).write_into(out);
                }
                BYTES => {
                    let n = length(&mut r)?;
                    (r.slice(n)?,).write_into(out);
                }
                CONST => {
                    let value = constants.get(constant).ok_or(SHORT)?;
                    constant += 1;
                    out.push(value.clone());
                }
                BOOL => (r.u8()? == 1,).write_into(out),
                MIXED => r.value_in_place(out)?,
                _ => return Err(NotAFrame("a column of an unknown kind")),
            }
        }
    }
    if r.0.is_empty() && texts.rest.is_empty() {
        Ok(())
    } else {
        Err(NotAFrame("longer than its content"))
    }
}

#[inline]
fn length(r: &mut Reader<'_>) -> Result<usize, NotAFrame> {
    match r.u8()? {
        LONG => Ok(r.u32()? as usize),
        n => Ok(n.into()),
    }
}

fn read_anchors(r: &mut Reader<'_>, len: usize, batch: &mut Batch) -> Result<(), NotAFrame> {
    match r.u8()? {
        NO_ANCHORS => {}
        NEAR_ANCHORS => {
            let (spout_task, base) = (r.i32()?, r.u64()?);
            let pairs = r.slice(len * 12)?.as_chunks::<12>().0;
            batch.anchors.extend(pairs.iter().map(|pair| {
                let (distance, edge) = pair_of(pair);
                Tracked {
                    root: base.wrapping_add(distance.into()),
                    spout_task,
                    edge,
                }
            }));
        }
        ANY_ANCHORS => (batch.anchors, batch.ends) = r.anchors(len)?,
        _ => return Err(NotAFrame("anchors of an unknown kind")),
    }
    if r.0.is_empty() {
        Ok(())
    } else {
        Err(NotAFrame("longer than its content"))
    }
}

#[inline]
fn pair_of(pair: &[u8; 12]) -> (u32, u64) {
    let [a, b, c, d, value @ ..] = *pair;
    (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(value))
}

/// Appends the frame of some settles: runs of one spout and one kind.
///
/// # Errors
/// It would be larger than a frame may be; `out` is as it was.
pub fn put_settles(number: u64, settles: &[Settle], out: &mut Vec<u8>) -> Result<(), NotAFrame> {
    let start = out.len();
    out.reserve(64 + 12 * settles.len());
    out.extend([0, 0, 0, 0, SETTLES]);
    out.extend(number.to_le_bytes());
    let mut rest = settles;
    while let Some(first) = rest.first() {
        let base = first.root.wrapping_sub(1 << 31);
        let alike = |s: &Settle| {
            (s.spout_task, s.ok, s.touched) == (first.spout_task, first.ok, first.touched)
                && s.root.wrapping_sub(base) <= u64::from(u32::MAX)
        };
        let n = rest.iter().position(|s| !alike(s)).unwrap_or(rest.len());
        let (run, others) = rest.split_at(n);
        out.extend(first.spout_task.to_le_bytes());
        out.push(first.ok.into());
        out.extend(first.touched.to_le_bytes());
        out.extend(base.to_le_bytes());
        out.extend((n as u32).to_le_bytes());
        for s in run {
            put_pair(s.root.wrapping_sub(base) as u32, s.value, out);
        }
        rest = others;
    }
    finish(start, out)
}

/// Reads the settles of a frame.
pub(super) fn read_settles(r: &mut Reader<'_>) -> Result<Vec<Settle>, NotAFrame> {
    let mut settles = Vec::with_capacity(r.0.len() / 12);
    while !r.0.is_empty() {
        let (spout_task, ok) = (r.i32()?, r.u8()? == 1);
        let (touched, base) = (r.u64()?, r.u64()?);
        let n = r.count(12)?;
        let pairs = r.slice(n * 12)?.as_chunks::<12>().0;
        settles.extend(pairs.iter().map(|pair| {
            let (distance, value) = pair_of(pair);
            Settle {
                spout_task,
                root: base.wrapping_add(distance.into()),
                value,
                touched,
                ok,
            }
        }));
    }
    Ok(settles)
}

#[cfg(test)]
mod tests;
