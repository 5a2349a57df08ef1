//! `/api/v1/wifi/…` goes to the query service as it is, and its answer comes back as it flows.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::answer::json_of;
use crate::error::Error;
use crate::run::Shared;

/// A service that does not take the connection, or does not begin to answer, within these is as good as away.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(30);

/// The query service: its base address and a client.
#[derive(Clone, Debug)]
pub struct QueryService {
    base: String,
    client: reqwest::Client,
}

impl QueryService {
    /// Takes `host:port` or `http://host:port`.
    ///
    /// # Errors
    /// The client cannot be set up.
    pub fn new(address: &str) -> Result<Self, Error> {
        let base = address.trim_end_matches('/');
        let base = match base.contains("://") {
            true => base.to_owned(),
            false => format!("http://{base}"),
        };
        // A proxy of the environment is for the outside, not for a service beside this one.
        let client = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(ANSWER)
            .build()
            .map_err(|e| Error::Query(e.to_string()))?;
        Ok(Self { base, client })
    }
}

fn away(status: StatusCode, message: String, remedy: &str) -> Response {
    let body = json!({"error": "query_service_unavailable", "message": message, "remedy": remedy});
    (status, json_of(&body)).into_response()
}

/// Passes a request on.
pub async fn wifi(State(s): State<Shared>, request: Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let body = json!({"error": "method_not_allowed", "message": "the query service is only read", "remedy": "use GET"});
        return (
            StatusCode::METHOD_NOT_ALLOWED,
            [(ALLOW, "GET, HEAD")],
            json_of(&body),
        )
            .into_response();
    }
    let Some(query) = &s.query else {
        let message = "this server was not told where the query service is".to_owned();
        let remedy = "start it with `fulmar query`, and this server with --query HOST:PORT";
        return away(StatusCode::BAD_GATEWAY, message, remedy);
    };
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let answer = query
        .client
        .get(format!("{}{path}", query.base))
        .send()
        .await;
    match answer {
        Ok(answer) => {
            let status = answer.status();
            let json = HeaderValue::from_static("application/json");
            let kind = answer.headers().get(CONTENT_TYPE).cloned().unwrap_or(json);
            let body = Body::new(reqwest::Body::from(answer));
            (status, [(CONTENT_TYPE, kind)], body).into_response()
        }
        Err(error) => {
            let why = innermost(&error);
            let message = format!("the query service at {} does not answer: {why}", query.base);
            let remedy = "start it with `fulmar query`, or name another with --query HOST:PORT";
            away(StatusCode::BAD_GATEWAY, message, remedy)
        }
    }
}

/// The reason at the bottom of an error: the ones above repeat the address.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(below) = at.source() {
        at = below;
    }
    at.to_string()
}
