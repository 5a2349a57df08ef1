//! Why a verb did not succeed: exit code, message, remedy.

use std::process::ExitCode;

/// Wrong arguments or configuration.
pub const USAGE: u8 = 2;
const FAILED: u8 = 1;
const NOT_FOUND: u8 = 3;
const REFUSED: u8 = 4;
const UNREACHABLE: u8 = 5;
const TIMED_OUT: u8 = 6;

/// A verb's failure. The message says the value, the limit and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// CLI001: something failed here.
    #[error("{0}")]
    Failed(String),
    /// CLI002: wrong arguments or configuration.
    #[error("{0}")]
    Usage(String),
    /// CLI003: there is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// CLI004: Nimbus refuses, or it conflicts with what is there.
    #[error("{0}")]
    Refused(String),
    /// CLI005: Nimbus does not answer.
    #[error(
        "cannot reach Nimbus at {address}: {why}; start it with `fulmar nimbus` or `fulmar dev`, or name another with --nimbus HOST:PORT"
    )]
    Unreachable {
        /// Where it was expected.
        address: String,
        /// What went wrong.
        why: String,
    },
    /// CLI006: waited in vain.
    #[error("{0}")]
    TimedOut(String),
}

impl Failure {
    /// Wraps any error of this side.
    pub fn here(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// What an answer of Nimbus means.
    pub fn of_status(address: &str, status: &tonic::Status) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            tonic::Code::NotFound => Self::NotFound(message),
            tonic::Code::AlreadyExists | tonic::Code::FailedPrecondition => Self::Refused(message),
            tonic::Code::InvalidArgument => Self::Usage(message),
            tonic::Code::Unavailable => Self::Unreachable {
                address: address.to_owned(),
                why: message,
            },
            tonic::Code::DeadlineExceeded => Self::TimedOut(message),
            _ => Self::Failed(message),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => FAILED,
            Self::Usage(_) => USAGE,
            Self::NotFound(_) => NOT_FOUND,
            Self::Refused(_) => REFUSED,
            Self::Unreachable { .. } => UNREACHABLE,
            Self::TimedOut(_) => TIMED_OUT,
        }
    }

    /// Says it on stderr and gives the exit code.
    pub fn tell(&self) -> ExitCode {
        let code = self.exit_code();
        eprintln!("error CLI{code:03}: {self}");
        ExitCode::from(code)
    }
}

impl From<fulmar_api::Error> for Failure {
    fn from(error: fulmar_api::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// What a verb answers.
pub type Done = Result<(), Failure>;
