//! Names of fields as Storm's JoinBolt takes them: `field`, `outer.inner`, `stream:field`.
//! Pure: no clock, no I/O, no async.

use crate::error::{Error, Result};
use crate::tuple::Tuple;
use crate::value::Value;

/// What the name before a field's colon means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The stream's id.
    Stream,
    /// The component that emitted the tuple.
    Source,
}

impl Selector {
    /// What a tuple is called in a join.
    pub fn name_of<'a>(self, tuple: &Tuple<'a>) -> &'a str {
        match self {
            Selector::Stream => &tuple.source().stream,
            Selector::Source => &tuple.source().component,
        }
    }
}

/// A field, nested or not, of one stream or of whichever has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSelector {
    stream: Option<String>,
    path: Vec<String>,
    /// Name of the output field: as it was written.
    output: String,
}

impl FieldSelector {
    /// Reads `stream:outer.inner`; the stream may be left out.
    pub fn parse(text: &str) -> Self {
        let (stream, path) = match text.split_once(':') {
            Some((stream, path)) => (stream.trim(), path.trim()),
            None => ("", text.trim()),
        };
        let output = if stream.is_empty() { path } else { text.trim() };
        Self {
            stream: (!stream.is_empty()).then(|| stream.to_owned()),
            path: path.split('.').map(str::to_owned).collect(),
            output: output.to_owned(),
        }
    }

    /// A field of this stream.
    ///
    /// # Errors
    /// The field names a stream too; in words.
    pub fn of_stream(stream: &str, field: &str) -> std::result::Result<Self, String> {
        if field.contains(':') {
            return Err(format!(
                "not expecting stream qualifier ':' in '{field}': stream name '{stream}' is implicit \
                 in this context"
            ));
        }
        Ok(Self {
            stream: Some(stream.to_owned()),
            ..Self::parse(field)
        })
    }

    /// Name of the output field.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// The value in a tuple; none when the tuple is of another stream (names compare without case, as in
    /// Storm), has no such field, or the value is null.
    ///
    /// # Errors
    /// A dot leads into something that is no map.
    pub fn look_up<'a>(&self, tuple: &Tuple<'a>, by: Selector) -> Result<Option<&'a Value>> {
        if let Some(stream) = &self.stream
            && !stream.eq_ignore_ascii_case(by.name_of(tuple))
        {
            return Ok(None);
        }
        let mut path = self.path.iter();
        let first = path.next().map(String::as_str).unwrap_or_default();
        let place = tuple.source().fields.iter().position(|f| f == first);
        let mut found = place.and_then(|i| tuple.values().get(i));
        for name in path {
            found = match found {
                None | Some(Value::Null) => return Ok(None),
                Some(Value::Map(map)) => map.get(name.as_str()),
                Some(other) => {
                    return Err(Error::WrongKind {
                        field: self.output.clone(),
                        wanted: "map",
                        got: other.kind(),
                    });
                }
            };
        }
        Ok(found.filter(|v| **v != Value::Null))
    }
}
