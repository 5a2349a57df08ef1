//! A stateful bolt's way out: emits are anchored, and what it acks is held until the checkpoint.

use crate::TaskId;
use crate::collector::{Anchors, BoltCollector, BoltSink, DEFAULT_STREAM};
use crate::error::{Error, Result};
use crate::token::AckToken;
use crate::tuple::Tuple;
use crate::value::{IntoValues, Value};

/// The collector of one call. Every emit is anchored: to the input, or to tokens kept earlier.
pub struct StatefulCollector<'a, 'b> {
    pub(crate) out: &'a mut BoltCollector<'b>,
    /// The input's token, until it is settled or taken.
    pub(crate) input: &'a mut Option<AckToken>,
    /// What is acked when the next checkpoint commits.
    pub(crate) held: &'a mut Vec<AckToken>,
}

impl StatefulCollector<'_, '_> {
    /// Emits on `default`, anchored to the input.
    ///
    /// # Errors
    /// The number of values is not the stream's number of fields, or the input is settled already.
    pub fn emit(&mut self, values: impl IntoValues) -> Result<()> {
        self.emit_to(DEFAULT_STREAM, values)
    }

    /// Emits on a named stream, anchored to the input.
    pub fn emit_to(&mut self, stream: &str, values: impl IntoValues) -> Result<()> {
        let anchor = anchored(self.input, stream)?;
        self.out.emit_to(stream, anchor, values)
    }

    /// Emits on a direct stream to one task, anchored to the input.
    ///
    /// # Errors
    /// The stream is not declared direct.
    pub fn emit_direct(
        &mut self,
        task: TaskId,
        stream: &str,
        values: impl IntoValues,
    ) -> Result<()> {
        let anchor = anchored(self.input, stream)?;
        self.out.emit_direct(task, stream, anchor, values)
    }

    /// Emits on a named stream, anchored to tokens kept earlier.
    pub fn emit_with(
        &mut self,
        stream: &str,
        tokens: &mut [AckToken],
        values: impl IntoValues,
    ) -> Result<()> {
        self.out.emit_to(stream, tokens, values)
    }

    /// The input is done: its spout is told when the next checkpoint commits.
    pub fn ack(&mut self, _input: &Tuple<'_>) {
        self.held.extend(self.input.take());
    }

    /// The input failed: its spout is told at once.
    pub fn fail(&mut self, _input: &Tuple<'_>) {
        if let Some(token) = self.input.take() {
            self.out.fail_token(token);
        }
    }

    /// Keeps the right to settle the input later.
    pub fn keep(&mut self, _input: &Tuple<'_>) -> AckToken {
        self.input.take().unwrap_or_default()
    }

    /// Acks an input that was kept, when the next checkpoint commits.
    pub fn ack_token(&mut self, token: AckToken) {
        self.held.push(token);
    }

    /// Fails an input that was kept.
    pub fn fail_token(&mut self, token: AckToken) {
        self.out.fail_token(token);
    }
}

fn anchored<'t>(input: &'t mut Option<AckToken>, stream: &str) -> Result<&'t mut AckToken> {
    input.as_mut().ok_or_else(|| Error::Emit {
        stream: stream.to_owned(),
        problem:
            "bolts in a stateful topology must emit anchored tuples: there is no input, or it is \
                  settled already; emit before, or keep a token and use emit_with"
                .to_owned(),
    })
}

/// So that a bolt with windows can work on top of it.
impl BoltSink for StatefulCollector<'_, '_> {
    fn buffer(&mut self) -> &mut Vec<Value> {
        self.out.sink().buffer()
    }
    fn emit(&mut self, stream: &str, anchors: Anchors<'_>, task: Option<TaskId>) -> Result<()> {
        if !matches!(anchors, Anchors::None | Anchors::Input) {
            return self.out.sink().emit(stream, anchors, task);
        }
        match anchored(self.input, stream) {
            Ok(token) => {
                let anchors = Anchors::Tokens(std::slice::from_mut(token));
                self.out.sink().emit(stream, anchors, task)
            }
            Err(error) => {
                self.out.sink().buffer().clear();
                Err(error)
            }
        }
    }
    fn ack_input(&mut self) {
        self.held.extend(self.input.take());
    }
    fn fail_input(&mut self) {
        if let Some(token) = self.input.take() {
            self.out.fail_token(token);
        }
    }
    fn keep_input(&mut self) -> AckToken {
        self.input.take().unwrap_or_default()
    }
    fn settle(&mut self, token: AckToken, ok: bool) {
        match ok {
            true => self.held.push(token),
            false => self.out.fail_token(token),
        }
    }
    fn reset_timeout(&mut self) {
        self.out.sink().reset_timeout();
    }
}
