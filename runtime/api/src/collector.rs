//! How components emit and settle.
//!
//! The collectors are thin and concrete; what they write into is a sink of the engine or of a test.
//! `emit` moves the values into the sink's own buffer, so that small values cost no allocation.

use crate::TaskId;
use crate::error::Result;
use crate::spout::MessageId;
use crate::token::AckToken;
use crate::tuple::Tuple;
use crate::value::{IntoValues, Value};

/// The stream that `emit` uses.
pub const DEFAULT_STREAM: &str = "default";

/// What an emit of a bolt is anchored to.
pub enum Anchors<'a> {
    /// Nothing: nobody will be told when it is lost.
    None,
    /// The input of the running `execute`.
    Input,
    /// Tokens kept earlier.
    Tokens(&'a mut [AckToken]),
    /// Tokens kept earlier, wherever they live.
    TokenRefs(&'a mut [&'a mut AckToken]),
}

impl From<&Tuple<'_>> for Anchors<'_> {
    fn from(_: &Tuple<'_>) -> Self {
        Anchors::Input
    }
}

impl<'a> From<&'a mut AckToken> for Anchors<'a> {
    fn from(token: &'a mut AckToken) -> Self {
        Anchors::Tokens(std::slice::from_mut(token))
    }
}

impl<'a> From<&'a mut [AckToken]> for Anchors<'a> {
    fn from(tokens: &'a mut [AckToken]) -> Self {
        Anchors::Tokens(tokens)
    }
}

impl<'a> From<&'a mut Vec<AckToken>> for Anchors<'a> {
    fn from(tokens: &'a mut Vec<AckToken>) -> Self {
        Anchors::Tokens(tokens)
    }
}

/// Where a spout's emits go; implemented by the engine and by test collectors.
pub trait SpoutSink {
    /// The buffer that the values are written into before [`SpoutSink::emit`].
    fn buffer(&mut self) -> &mut Vec<Value>;
    /// Takes the buffered values as one tuple.
    fn emit(&mut self, stream: &str, id: Option<MessageId>, task: Option<TaskId>) -> Result<()>;
    /// Takes the buffered values as one tuple on [`DEFAULT_STREAM`]; a sink on the hot path does it
    /// without a look at names.
    fn emit_default(&mut self, id: Option<MessageId>) -> Result<()> {
        self.emit(DEFAULT_STREAM, id, None)
    }
    /// Roots that are not settled yet.
    fn pending(&self) -> usize;
}

/// Where a bolt's emits and settles go; implemented by the engine and by test collectors.
pub trait BoltSink {
    /// The buffer that the values are written into before [`BoltSink::emit`].
    fn buffer(&mut self) -> &mut Vec<Value>;
    /// Takes the buffered values as one tuple.
    fn emit(&mut self, stream: &str, anchors: Anchors<'_>, task: Option<TaskId>) -> Result<()>;
    /// Takes the buffered values as one tuple on [`DEFAULT_STREAM`]; a sink on the hot path does it
    /// without a look at names.
    fn emit_default(&mut self, anchors: Anchors<'_>) -> Result<()> {
        self.emit(DEFAULT_STREAM, anchors, None)
    }
    /// Acks the running input.
    fn ack_input(&mut self);
    /// Fails the running input.
    fn fail_input(&mut self);
    /// Moves the running input's anchors out.
    fn keep_input(&mut self) -> AckToken;
    /// Settles a kept token.
    fn settle(&mut self, token: AckToken, ok: bool);
    /// Starts the timeouts of the running input's roots anew.
    fn reset_timeout(&mut self);
}

/// A spout's way out.
pub struct SpoutCollector<'a> {
    sink: &'a mut dyn SpoutSink,
}

impl<'a> SpoutCollector<'a> {
    /// Wraps a sink; for engines and test collectors.
    pub fn new(sink: &'a mut dyn SpoutSink) -> Self {
        Self { sink }
    }

    /// Emits on `default`, untracked: `ack` and `fail` will not be called.
    ///
    /// # Errors
    /// The number of values is not the stream's number of fields.
    #[inline]
    pub fn emit(&mut self, values: impl IntoValues) -> Result<()> {
        values.write_into(self.sink.buffer());
        self.sink.emit_default(None)
    }

    /// Emits on `default`, tracked under `id`.
    #[inline]
    pub fn emit_with_id(&mut self, id: MessageId, values: impl IntoValues) -> Result<()> {
        values.write_into(self.sink.buffer());
        self.sink.emit_default(Some(id))
    }

    /// Emits on a named stream, tracked if an id is given.
    pub fn emit_to(
        &mut self,
        stream: &str,
        id: Option<MessageId>,
        values: impl IntoValues,
    ) -> Result<()> {
        self.put(stream, id, None, values)
    }

    /// Emits on a direct stream to one task.
    ///
    /// # Errors
    /// The stream is not declared direct.
    pub fn emit_direct(
        &mut self,
        task: TaskId,
        stream: &str,
        id: Option<MessageId>,
        values: impl IntoValues,
    ) -> Result<()> {
        self.put(stream, id, Some(task), values)
    }

    /// Roots emitted by this task and not settled yet.
    pub fn pending(&self) -> usize {
        self.sink.pending()
    }

    #[inline]
    fn put(
        &mut self,
        stream: &str,
        id: Option<MessageId>,
        task: Option<TaskId>,
        values: impl IntoValues,
    ) -> Result<()> {
        values.write_into(self.sink.buffer());
        self.sink.emit(stream, id, task)
    }
}

/// A bolt's way out.
pub struct BoltCollector<'a> {
    sink: &'a mut dyn BoltSink,
}

impl<'a> BoltCollector<'a> {
    /// Wraps a sink; for engines and test collectors.
    pub fn new(sink: &'a mut dyn BoltSink) -> Self {
        Self { sink }
    }

    /// What it writes into, for bolts that put something between themselves and another bolt.
    pub(crate) fn sink(&mut self) -> &mut (dyn BoltSink + 'a) {
        self.sink
    }

    /// Emits on `default`. Anchor it to the input (`input`), to kept tokens (`&mut token`,
    /// `&mut tokens`), or to nothing ([`Anchors::None`]).
    ///
    /// # Errors
    /// The number of values is not the stream's number of fields.
    #[inline]
    pub fn emit<'b>(
        &mut self,
        anchors: impl Into<Anchors<'b>>,
        values: impl IntoValues,
    ) -> Result<()> {
        values.write_into(self.sink.buffer());
        self.sink.emit_default(anchors.into())
    }

    /// Emits on a named stream.
    #[inline]
    pub fn emit_to<'b>(
        &mut self,
        stream: &str,
        anchors: impl Into<Anchors<'b>>,
        values: impl IntoValues,
    ) -> Result<()> {
        values.write_into(self.sink.buffer());
        self.sink.emit(stream, anchors.into(), None)
    }

    /// Emits on a direct stream to one task.
    ///
    /// # Errors
    /// The stream is not declared direct.
    pub fn emit_direct<'b>(
        &mut self,
        task: TaskId,
        stream: &str,
        anchors: impl Into<Anchors<'b>>,
        values: impl IntoValues,
    ) -> Result<()> {
        values.write_into(self.sink.buffer());
        self.sink.emit(stream, anchors.into(), Some(task))
    }

    /// The input is done.
    #[inline]
    pub fn ack(&mut self, _input: &Tuple<'_>) {
        self.sink.ack_input();
    }

    /// The input failed: its spout will be told at once.
    pub fn fail(&mut self, _input: &Tuple<'_>) {
        self.sink.fail_input();
    }

    /// Keeps the right to settle the input later.
    pub fn keep(&mut self, _input: &Tuple<'_>) -> AckToken {
        self.sink.keep_input()
    }

    /// Acks an input that was kept.
    pub fn ack_token(&mut self, token: AckToken) {
        self.sink.settle(token, true);
    }

    /// Fails an input that was kept.
    pub fn fail_token(&mut self, token: AckToken) {
        self.sink.settle(token, false);
    }

    /// Starts the timeout of the input's roots anew (Storm's `resetTimeout`).
    pub fn reset_timeout(&mut self, _input: &Tuple<'_>) {
        self.sink.reset_timeout();
    }
}

/// A basic bolt's way out: everything is anchored to the input.
pub struct Emitter<'a, 'b> {
    out: &'a mut BoltCollector<'b>,
}

impl<'a, 'b> Emitter<'a, 'b> {
    /// Wraps a collector.
    pub fn new(out: &'a mut BoltCollector<'b>) -> Self {
        Self { out }
    }

    /// Emits on `default`, anchored to the input.
    ///
    /// # Errors
    /// The number of values is not the stream's number of fields.
    #[inline]
    pub fn emit(&mut self, values: impl IntoValues) -> Result<()> {
        values.write_into(self.out.sink.buffer());
        self.out.sink.emit_default(Anchors::Input)
    }

    /// Emits on a named stream, anchored to the input.
    #[inline]
    pub fn emit_to(&mut self, stream: &str, values: impl IntoValues) -> Result<()> {
        values.write_into(self.out.sink.buffer());
        self.out.sink.emit(stream, Anchors::Input, None)
    }
}
