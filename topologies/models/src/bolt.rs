//! The bolt: fields of a tuple in, what a model says of them out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use fulmar::prelude::*;

use crate::error::ModelError;
use crate::model::Model;

/// Asks a model about each tuple.
///
/// Emits the fields that [`ModelBolt::keep`] names, then `said`: a number, or a list of one a class. A field that is
/// `null` or NaN is missing to the model; one that is no number fails the tuple, as does an answer that is none.
#[derive(Clone)]
pub struct ModelBolt {
    from: From,
    fields: Vec<String>,
    keep: Vec<String>,
    ready: Option<Ready>,
}

#[derive(Clone)]
enum From {
    Model(Arc<Model>),
    File(PathBuf),
}

#[derive(Clone)]
struct Ready {
    model: Arc<Model>,
    /// Field of each column of the model.
    columns: Vec<String>,
    row: Vec<f64>,
    said: Vec<f64>,
    context: TaskContext,
}

impl Model {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or [`Model::read`] refuses it.
    pub fn open(file: &Path) -> std::result::Result<Self, ModelError> {
        let text = std::fs::read_to_string(file).map_err(|e| ModelError::File {
            file: file.display().to_string(),
            why: e.to_string(),
        })?;
        Self::read(&text)
    }
}

impl ModelBolt {
    /// Asks a model that is at hand, with these fields.
    ///
    /// # Errors
    /// The model's columns are not these fields.
    pub fn new<S: Into<String>>(
        model: Arc<Model>,
        fields: impl IntoIterator<Item = S>,
    ) -> std::result::Result<Self, ModelError> {
        let fields: Vec<String> = fields.into_iter().map(Into::into).collect();
        columns(&model, &fields)?;
        Ok(Self {
            from: From::Model(model),
            fields,
            keep: Vec::new(),
            ready: None,
        })
    }

    /// Asks the model of a file, which is read when the task begins: in the worker, where a blob of the topology lies.
    pub fn file<S: Into<String>>(
        file: impl Into<PathBuf>,
        fields: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            from: From::File(file.into()),
            fields: fields.into_iter().map(Into::into).collect(),
            keep: Vec::new(),
            ready: None,
        }
    }

    /// Fields that are emitted again before what the model says.
    #[must_use]
    pub fn keep<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        self.keep = fields.into_iter().map(Into::into).collect();
        self
    }
}

/// The field of each column: by name where the model knows names, else in their order.
fn columns(model: &Model, fields: &[String]) -> std::result::Result<Vec<String>, ModelError> {
    let wrong = || ModelError::Columns {
        wants: if model.names().is_empty() {
            format!("{} columns", model.columns())
        } else {
            model.names().join(", ")
        },
        gives: fields.join(", "),
    };
    if fields.len() != model.columns() {
        return Err(wrong());
    }
    if model.names().is_empty() {
        return Ok(fields.to_vec());
    }
    if model.names().len() == fields.len() && model.names().iter().all(|n| fields.contains(n)) {
        return Ok(model.names().to_vec());
    }
    Err(wrong())
}

impl BasicBolt for ModelBolt {
    fn outputs(&self) -> Outputs {
        Outputs::fields(self.keep.iter().map(String::as_str).chain(["said"]))
    }

    fn prepare(&mut self, _: &Config, context: &TaskContext) -> Result<()> {
        let model = match &self.from {
            From::Model(model) => Arc::clone(model),
            From::File(file) => Arc::new(Model::open(file).map_err(Error::author)?),
        };
        self.ready = Some(Ready {
            columns: columns(&model, &self.fields).map_err(Error::author)?,
            model,
            row: Vec::new(),
            said: Vec::new(),
            context: context.clone(),
        });
        Ok(())
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        let Some(ready) = &mut self.ready else {
            return Err(Error::msg("the bolt was not prepared"));
        };
        ready.row.clear();
        for field in &ready.columns {
            let value = match input.get(field.as_str())? {
                Value::Float(v) => *v,
                Value::Null => f64::NAN,
                Value::Int(n) => *n as f64,
                Value::Bool(b) => f64::from(u8::from(*b)),
                // Says which kind it is.
                _ => input.float(field.as_str())?,
            };
            ready.row.push(value);
        }
        let began = Instant::now();
        ready.model.predict(&ready.row, &mut ready.said);
        let took = began.elapsed().as_secs_f64();
        ready.context.record("fulmar_model_predict_seconds", took);
        if ready.said.iter().any(|v| !v.is_finite()) {
            ready.context.count("fulmar_model_refused_total", 1);
            return Err(Error::msg(format!(
                "the model says {:?} of {:?}: an infinite value came in, or it was trained on one",
                ready.said, ready.row
            )));
        }
        ready.context.count("fulmar_model_rows_total", 1);
        let mut values = Vec::with_capacity(self.keep.len() + 1);
        for field in &self.keep {
            values.push(input.get(field.as_str())?.clone());
        }
        values.push(match &ready.said[..] {
            [one] => Value::Float(*one),
            all => Value::List(all.iter().map(|v| Value::Float(*v)).collect()),
        });
        out.emit(values)?;
        Ok(())
    }
}
