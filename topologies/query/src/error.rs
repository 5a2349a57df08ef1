//! What can go wrong: with the service, and with one request.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// QRY001: the store's address is wrong, or it does not answer.
    #[error("the store cannot be used: {0}")]
    Store(#[from] fulmar_cassandra::StoreError),
    /// QRY002: Kafka cannot be read.
    #[error("the estimates cannot be read: {0}")]
    Kafka(#[from] fulmar_kafka::Error),
    /// QRY003: the listener broke.
    #[error("cannot serve: {0}; is the port taken?")]
    Serve(String),
}

impl Error {
    /// Whether the same may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Kafka(error) => matches!(error, fulmar_kafka::Error::Unreachable { .. }),
            Self::Serve(_) => false,
        }
    }
}

/// A request that is refused or fails: said as JSON, with a remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// 400, 404 or 503.
    pub status: u16,
    /// A stable code.
    pub error: &'static str,
    /// The value and the limit.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// The request is wrong.
    pub fn wrong(
        error: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: 400,
            error,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl From<fulmar_cassandra::StoreError> for Problem {
    fn from(error: fulmar_cassandra::StoreError) -> Self {
        let remedy = "try again in a moment; /readyz says whether the store answers".to_owned();
        Self {
            status: 503,
            error: "store_unavailable",
            message: error.to_string(),
            remedy,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({"error": self.error, "message": self.message, "remedy": self.remedy});
        (status, Json(body)).into_response()
    }
}
