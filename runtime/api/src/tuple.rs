//! One input as author code sees it: a cheap view of values that lie flat in a batch.

use std::fmt;

use crate::TaskId;
use crate::error::{Error, Result};
use crate::object::Registered;
use crate::text::Text;
use crate::value::Value;

/// Names of a stream's fields and where the tuple came from; one per edge, shared by its tuples.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Component that emitted the tuple, for example `split`; `__system` for ticks.
    pub component: String,
    /// Stream it was emitted on, for example `default`.
    pub stream: String,
    /// Names of the values, in order.
    pub fields: Vec<String>,
}

/// What names a field of a tuple: its name, or its place from 0 on, which costs no search.
pub trait Field: fmt::Display + Copy {
    /// Its place among the fields' names.
    fn place(&self, fields: &[String]) -> Option<usize>;
}

impl Field for &str {
    #[inline]
    fn place(&self, fields: &[String]) -> Option<usize> {
        fields.iter().position(|f| f == self)
    }
}

impl Field for &String {
    fn place(&self, fields: &[String]) -> Option<usize> {
        self.as_str().place(fields)
    }
}

impl Field for usize {
    #[inline]
    fn place(&self, _: &[String]) -> Option<usize> {
        Some(*self)
    }
}

/// A tuple, valid during the call it is given to. To settle it later, keep its
/// [`AckToken`](crate::AckToken).
#[derive(Clone, Copy, Debug)]
pub struct Tuple<'a> {
    source: &'a Source,
    task: TaskId,
    values: &'a [Value],
}

impl<'a> Tuple<'a> {
    /// Makes a view; the engine and test collectors do this.
    #[inline]
    pub fn new(source: &'a Source, task: TaskId, values: &'a [Value]) -> Self {
        Self {
            source,
            task,
            values,
        }
    }

    /// All values, in field order.
    #[inline]
    pub fn values(&self) -> &'a [Value] {
        self.values
    }

    /// Component, stream and field names.
    #[inline]
    pub fn source(&self) -> &'a Source {
        self.source
    }

    /// Id of the task that emitted this tuple.
    #[inline]
    pub fn source_task(&self) -> TaskId {
        self.task
    }

    /// Whether this is a tick (component `__system`, stream `__tick`), as Storm's `TupleUtils.isTick`.
    pub fn is_tick(&self) -> bool {
        self.task == -1 && self.source.stream == "__tick"
    }

    /// The value of a field, by its name or its place: Storm's `getValueByField` and `getValue`.
    ///
    /// # Errors
    /// [`Error::NoSuchField`] names the fields there are.
    #[inline]
    pub fn get(&self, field: impl Field) -> Result<&'a Value> {
        let place = field.place(&self.source.fields);
        let value = place.and_then(|i| self.values.get(i));
        value.ok_or_else(|| self.no_such(&field))
    }

    #[cold]
    fn no_such(&self, field: &dyn fmt::Display) -> Error {
        Error::NoSuchField {
            field: field.to_string(),
            component: self.source.component.clone(),
            stream: self.source.stream.clone(),
            fields: self.source.fields.clone(),
        }
    }

    /// The string of a field. Errors: no such field, or another kind of value.
    #[inline]
    pub fn str(&self, field: impl Field) -> Result<&'a str> {
        let value = self.get(field)?;
        value
            .as_str()
            .ok_or_else(|| wrong_kind(&field, "string", value))
    }

    /// The same as a text, which is cheap to clone and compares quickly: as a map's key it needs no copy.
    #[inline]
    pub fn text(&self, field: impl Field) -> Result<&'a Text> {
        match self.get(field)? {
            Value::Str(text) => Ok(text),
            value => Err(wrong_kind(&field, "string", value)),
        }
    }

    /// The value of one's own type in a field. Errors: no such field, or another kind or type of value.
    pub fn object<T: Registered>(&self, field: impl Field) -> Result<&'a T> {
        match self.get(field)? {
            Value::Object(object) => object
                .get()
                .map_err(|e| Error::msg(format!("field \"{field}\": {e}"))),
            value => Err(wrong_kind(&field, T::NAME, value)),
        }
    }

    /// The integer of a field. Errors: no such field, or another kind of value.
    #[inline]
    pub fn int(&self, field: impl Field) -> Result<i64> {
        let value = self.get(field)?;
        value
            .as_int()
            .ok_or_else(|| wrong_kind(&field, "int", value))
    }

    /// The float of a field; integers are widened. Errors: no such field, or another kind of value.
    #[inline]
    pub fn float(&self, field: impl Field) -> Result<f64> {
        let value = self.get(field)?;
        value
            .as_float()
            .ok_or_else(|| wrong_kind(&field, "float", value))
    }

    /// The boolean of a field. Errors: no such field, or another kind of value.
    #[inline]
    pub fn bool(&self, field: impl Field) -> Result<bool> {
        let value = self.get(field)?;
        value
            .as_bool()
            .ok_or_else(|| wrong_kind(&field, "bool", value))
    }

    /// The bytes of a field. Errors: no such field, or another kind of value.
    #[inline]
    pub fn bytes(&self, field: impl Field) -> Result<&'a [u8]> {
        let value = self.get(field)?;
        value
            .as_bytes()
            .ok_or_else(|| wrong_kind(&field, "bytes", value))
    }
}

#[cold]
fn wrong_kind(field: &dyn fmt::Display, wanted: &'static str, got: &Value) -> Error {
    Error::WrongKind {
        field: field.to_string(),
        wanted,
        got: got.kind(),
    }
}
