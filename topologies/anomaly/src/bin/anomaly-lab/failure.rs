//! What can go wrong.

use std::path::PathBuf;

/// A failure, with the file that it is about.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Wrong arguments.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read or written.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    File(PathBuf, std::io::Error),
    /// A file does not hold what it should.
    #[error("{path}: {what}", path = .0.display(), what = .1)]
    Form(PathBuf, String),
}
