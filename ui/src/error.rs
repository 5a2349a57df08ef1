//! What can go wrong: with the server, and with one request, as Storm says it and as we say it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::answer::json_of;

/// The server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// UI001: a Nimbus' address cannot be read.
    #[error("\"{0}\" is not HOST:PORT: name a Nimbus with --nimbus HOST:PORT")]
    Address(String),
    /// UI002: there is no Nimbus to ask.
    #[error("no Nimbus is named: set nimbus.seeds, or give --nimbus HOST:PORT")]
    NoNimbus,
    /// UI003: the listener broke.
    #[error("cannot serve: {0}; is the port taken?")]
    Serve(String),
    /// UI004: the client of the query service cannot be set up.
    #[error("cannot speak HTTP to the query service: {0}")]
    Query(String),
}

/// A request that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No Nimbus answers.
    Unreachable {
        /// Those that were asked.
        addresses: String,
        /// What went wrong with the last one.
        why: String,
    },
    /// There is no such topology.
    NotAlive(String),
    /// Nimbus refuses, or the request is wrong.
    Refused(String),
    /// There is no such path, component or node.
    Unknown(String),
    /// A page of another site asks for an action.
    Foreign(String),
}

impl Problem {
    /// What an answer of Nimbus means; `id` is the topology that was asked about.
    pub fn of_status(id: &str, addresses: &str, status: &tonic::Status) -> Self {
        let why = status.message().to_owned();
        match status.code() {
            tonic::Code::NotFound => Self::NotAlive(id.to_owned()),
            tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => {
                Self::Unreachable {
                    addresses: addresses.to_owned(),
                    why,
                }
            }
            _ => Self::Refused(why),
        }
    }

    /// In words, with the remedy.
    pub fn message(&self) -> String {
        match self {
            Self::Unreachable { addresses, why } => format!(
                "NimbusLeaderNotFoundException: no Nimbus answers at {addresses}: {why}; start it with `fulmar nimbus`, or name another with --nimbus HOST:PORT"
            ),
            Self::NotAlive(id) => format!(
                "NotAliveException(msg:{id}): no topology with this id runs; /api/v1/topology/summary shows those that do"
            ),
            Self::Refused(why) | Self::Unknown(why) | Self::Foreign(why) => why.clone(),
        }
    }

    /// In words for our own page, without the names of Storm's exceptions.
    pub fn sentence(&self) -> String {
        match self {
            Self::NotAlive(id) => format!(
                "There is no topology \"{id}\": it has ended, or was never submitted. The cluster page and `fulmar list` show those that run."
            ),
            other => other
                .message()
                .trim_start_matches("NimbusLeaderNotFoundException: ")
                .to_owned(),
        }
    }

    /// The form of Storm's REST: all failures are 500, refused permissions 403.
    pub fn storm(&self) -> Response {
        let (status, text) = match self {
            Self::Foreign(_) => (StatusCode::FORBIDDEN, "403 Forbidden"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "500 Server Error"),
        };
        let body = json!({"error": text, "errorMessage": self.message()});
        (status, json_of(&body)).into_response()
    }

    /// The form of our own paths: a status that says what is wrong, and a stable code.
    pub fn own(&self) -> Response {
        let (status, code) = match self {
            Self::Unreachable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "nimbus_unreachable"),
            Self::NotAlive(_) => (StatusCode::NOT_FOUND, "no_such_topology"),
            Self::Unknown(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Refused(_) => (StatusCode::BAD_REQUEST, "refused"),
            Self::Foreign(_) => (StatusCode::FORBIDDEN, "foreign_origin"),
        };
        let body = json!({"error": code, "message": self.sentence()});
        (status, json_of(&body)).into_response()
    }
}
