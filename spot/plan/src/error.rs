//! What the planner refuses: each message says the value, the limit and the remedy.

/// A refusal of the planner.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// PLAN001: a question that has no answer.
    #[error("{what} is {value}, allowed is {allowed}; {remedy}")]
    Question {
        /// The field.
        what: String,
        /// What it held.
        value: String,
        /// The limit.
        allowed: String,
        /// What to do.
        remedy: String,
    },
    /// PLAN002: a line of a table cannot be read.
    #[error("{table}, line {line}: {problem}")]
    Table {
        /// Which table.
        table: String,
        /// Its line, from 1.
        line: usize,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// PLAN003: the data do not hold what the question needs.
    #[error("{0}")]
    Missing(String),
}

/// What the planner answers.
pub type Result<T> = std::result::Result<T, Error>;

/// A refused field.
pub(crate) fn refuse<T>(
    what: &str,
    value: impl ToString,
    allowed: &str,
    remedy: &str,
) -> Result<T> {
    Err(Error::Question {
        what: what.to_owned(),
        value: value.to_string(),
        allowed: allowed.to_owned(),
        remedy: remedy.to_owned(),
    })
}
