//! What a windowed bolt is given: the tuples of the window, and a way out that is anchored to them.

use std::collections::VecDeque;

use crate::TaskId;
use crate::collector::{Anchors, BoltCollector, DEFAULT_STREAM};
use crate::error::{Error, Result};
use crate::stored::Stored;
use crate::token::AckToken;
use crate::tuple::Tuple;
use crate::value::IntoValues;

use super::machine::Activation;

/// The tuples of one window (Storm's `TupleWindow`).
///
/// By event time they stand in order of their timestamps, else in order of arrival.
pub struct TupleWindow<'a> {
    pub(crate) items: &'a VecDeque<(i64, Stored)>,
    pub(crate) what: Activation,
    pub(crate) expired: &'a [Stored],
}

impl<'a> TupleWindow<'a> {
    /// All tuples of the window.
    pub fn get(&self) -> impl DoubleEndedIterator<Item = Tuple<'a>> + ExactSizeIterator + use<'a> {
        let inside = self.items.range(..self.what.len);
        inside.map(|(_, stored)| stored.view())
    }

    /// Those that were in no window before.
    pub fn get_new(
        &self,
    ) -> impl DoubleEndedIterator<Item = Tuple<'a>> + ExactSizeIterator + use<'a> {
        let new = self.items.range(self.what.new_from..self.what.len);
        new.map(|(_, stored)| stored.view())
    }

    /// Those that expired since the last window; they are acked already. Some of them may have been in
    /// no window.
    pub fn get_expired(
        &self,
    ) -> impl DoubleEndedIterator<Item = Tuple<'a>> + ExactSizeIterator + use<'a> {
        self.expired.iter().map(Stored::view)
    }

    /// The tuple at this place of [`TupleWindow::get`].
    pub fn tuple(&self, place: usize) -> Option<Tuple<'a>> {
        let found = self.items.get(place).filter(|_| place < self.what.len);
        found.map(|(_, stored)| stored.view())
    }

    /// Timestamp or time of arrival of the tuple at this place, in milliseconds since the epoch.
    pub fn timestamp(&self, place: usize) -> Option<i64> {
        let found = self.items.get(place).filter(|_| place < self.what.len);
        found.map(|(ts, _)| *ts)
    }

    /// Number of tuples in the window: at least 1, since a window without tuples is not shown.
    pub fn len(&self) -> usize {
        self.what.len
    }

    /// Whether there is no tuple.
    pub fn is_empty(&self) -> bool {
        self.what.len == 0
    }

    /// Begin of the window in milliseconds since the epoch; none when its length is a count.
    ///
    /// A window by event time holds what is after its begin, up to and with its end; one by time of
    /// arrival holds its begin and not its end.
    pub fn start_timestamp(&self) -> Option<i64> {
        self.what.start
    }

    /// End of the window in milliseconds since the epoch; of a window that slides by a count, the time
    /// of the tuple that completed it.
    pub fn end_timestamp(&self) -> i64 {
        self.what.end
    }
}

/// A windowed bolt's way out: what it emits is anchored to all tuples of the window, as in Storm.
pub struct WindowCollector<'a, 'b> {
    pub(crate) out: &'a mut BoltCollector<'b>,
    /// Tokens of the queue, in its order.
    pub(crate) tokens: &'a mut VecDeque<AckToken>,
    pub(crate) len: usize,
}

impl WindowCollector<'_, '_> {
    /// Emits on `default`.
    ///
    /// # Errors
    /// The number of values is not the stream's number of fields.
    pub fn emit(&mut self, values: impl IntoValues) -> Result<()> {
        self.emit_to(DEFAULT_STREAM, values)
    }

    /// Emits on a named stream.
    pub fn emit_to(&mut self, stream: &str, values: impl IntoValues) -> Result<()> {
        let anchors = &mut self.tokens.make_contiguous()[..self.len];
        self.out.emit_to(stream, anchors, values)
    }

    /// Emits on a direct stream to one task.
    ///
    /// # Errors
    /// The stream is not declared direct.
    pub fn emit_direct(
        &mut self,
        task: TaskId,
        stream: &str,
        values: impl IntoValues,
    ) -> Result<()> {
        let anchors = &mut self.tokens.make_contiguous()[..self.len];
        self.out.emit_direct(task, stream, anchors, values)
    }

    /// Emits on a named stream, anchored only to the tuples at these places of [`TupleWindow::get`]
    /// (Storm's emit with anchors of one's own).
    ///
    /// # Errors
    /// A place is outside the window.
    pub fn emit_anchored(
        &mut self,
        stream: &str,
        places: &[usize],
        values: impl IntoValues,
    ) -> Result<()> {
        let mut places = places.to_vec();
        places.sort_unstable();
        places.dedup();
        let (mut rest, mut before) = (&mut self.tokens.make_contiguous()[..self.len], 0);
        let mut anchors: Vec<&mut AckToken> = Vec::with_capacity(places.len());
        for place in places {
            if place >= self.len {
                return Err(Error::Emit {
                    stream: stream.to_owned(),
                    problem: format!(
                        "anchor {place} is outside the window of {} tuples",
                        self.len
                    ),
                });
            }
            let (head, tail) = rest.split_at_mut(place - before + 1);
            anchors.extend(head.last_mut());
            (rest, before) = (tail, place + 1);
        }
        let anchors = Anchors::TokenRefs(&mut anchors);
        self.out.emit_to(stream, anchors, values)
    }
}
