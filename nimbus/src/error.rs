//! What can go wrong in Nimbus' shell, and the one map from errors to gRPC status.

use tonic::{Code, Status};

use crate::event::Refusal;

/// An error of Nimbus.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened, read or written.
    #[error("store {path}: {problem}; is the disk full, or is another Nimbus using this folder?")]
    Store {
        /// The file.
        path: String,
        /// What redb said.
        problem: String,
    },
    /// A blob cannot be read or written.
    #[error("blob {key}: {problem}")]
    Blob {
        /// Its key.
        key: String,
        /// What happened and what to do.
        problem: String,
    },
    /// A program cannot be kept: the disk is full, or the folder cannot be written.
    #[error(
        "nimbus cannot keep the program in {folder}: {problem}; free space there, or give nimbus another folder (--dir, storm.local.dir), and submit again"
    )]
    Disk {
        /// The folder of blobs.
        folder: String,
        /// What the system said.
        problem: String,
    },
    /// A client asked for what cannot be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A value of the configuration that cannot be.
    #[error("{0}")]
    Config(String),
    /// The daemon cannot serve.
    #[error("nimbus cannot serve: {0}")]
    Serve(String),
}

impl Error {
    /// A stable code, as docs/errors.md lists them.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Store { .. } => "NIM001",
            Error::Blob { .. } => "NIM002",
            Error::Disk { .. } => "NIM006",
            Error::Refused(Refusal::AlreadyAlive(_)) => "NIM010",
            Error::Refused(Refusal::NotAlive(_)) => "NIM011",
            Error::Refused(Refusal::Invalid(_)) => "NIM012",
            Error::Serve(_) => "NIM003",
            Error::Config(_) => "NIM005",
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Store { .. } | Error::Disk { .. } | Error::Serve(_) | Error::Config(_) => {
                Code::Internal
            }
            Error::Blob { .. } => Code::InvalidArgument,
            Error::Refused(Refusal::AlreadyAlive(_)) => Code::AlreadyExists,
            Error::Refused(Refusal::NotAlive(_)) => Code::NotFound,
            Error::Refused(Refusal::Invalid(_)) => Code::FailedPrecondition,
        };
        Status::new(code, format!("{} {error}", error.code()))
    }
}
