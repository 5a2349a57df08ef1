//! What can go wrong in author code and in building a graph.

use std::fmt;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a component or of the graph. Component errors fail the tuple and are reported with
/// component and task; graph errors are found before anything runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field that the tuple's stream does not declare.
    #[error("no field \"{field}\" on {component}/{stream}; its fields are {fields:?}")]
    NoSuchField {
        /// The name asked for.
        field: String,
        /// Component that emitted the tuple.
        component: String,
        /// Stream of the tuple.
        stream: String,
        /// What the stream declares.
        fields: Vec<String>,
    },
    /// A field whose value is of another kind.
    #[error("field \"{field}\" is a {got}, not a {wanted}")]
    WrongKind {
        /// The field.
        field: String,
        /// Kind asked for.
        wanted: &'static str,
        /// Kind found.
        got: &'static str,
    },
    /// An emit that does not fit the declaration.
    #[error("emit on stream \"{stream}\": {problem}")]
    Emit {
        /// Stream named in the emit.
        stream: String,
        /// What does not fit and what would.
        problem: String,
    },
    /// A configuration value that cannot be used.
    #[error("config {key}: {problem}")]
    Config {
        /// The key, for example `topology.workers`.
        key: String,
        /// Value, limit and remedy.
        problem: String,
    },
    /// All mistakes of a graph at once.
    #[error("{0}")]
    Graph(Mistakes),
    /// An error of the author's own, with its message and sources.
    #[error("{0}")]
    Author(String),
}

/// All mistakes found in a graph, one line each.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistakes(pub Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 {
            "mistake"
        } else {
            "mistakes"
        };
        write!(f, "{} {noun} in the topology:", self.0.len())?;
        self.0.iter().try_for_each(|m| write!(f, "\n  - {m}"))
    }
}

impl Error {
    /// Wraps an author's own error with its chain of sources.
    pub fn author(error: impl std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Error::Author(text)
    }

    /// An author's error in words.
    pub fn msg(text: impl fmt::Display) -> Self {
        Error::Author(text.to_string())
    }

    /// A configuration error: key, and value with limit and remedy.
    pub fn config(key: impl Into<String>, problem: impl fmt::Display) -> Self {
        Error::Config {
            key: key.into(),
            problem: problem.to_string(),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::author(error)
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Error::Author(text)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Self {
        Error::Author(text.to_owned())
    }
}
