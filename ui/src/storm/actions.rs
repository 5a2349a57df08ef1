//! Storm's actions on a topology: activate, deactivate, rebalance, kill; by id, with waits in whole seconds.
//!
//! Storm takes them from any page on the web (no token, CORS for all). Here a browser's request from
//! another origin is refused: otherwise any site an operator visits could kill what runs.

use std::future::Future;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::response::Response;
use axum::routing::post;
use serde_json::json;

use super::{Answer, Site};
use crate::answer::{Query, storm};
use crate::error::Problem;
use crate::run::Shared;

/// The routes.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/topology/{id}/activate", post(activate))
        .route("/api/v1/topology/{id}/deactivate", post(deactivate))
        .route("/api/v1/topology/{id}/rebalance/{wait}", post(rebalance))
        .route("/api/v1/topology/{id}/kill/{wait}", post(kill))
}

async fn activate(State(s): Site, Path(id): Path<String>, h: HeaderMap, q: Query) -> Response {
    let act = async || s.nimbus.activate(&id).await.map(drop);
    storm(&q, done(&s, &h, &id, "activate", act).await)
}

async fn deactivate(State(s): Site, Path(id): Path<String>, h: HeaderMap, q: Query) -> Response {
    let act = async || s.nimbus.deactivate(&id).await.map(drop);
    storm(&q, done(&s, &h, &id, "deactivate", act).await)
}

async fn rebalance(
    State(s): Site,
    Path((id, wait)): Path<(String, String)>,
    h: HeaderMap,
    q: Query,
) -> Response {
    let act = async || {
        let wait = seconds(&wait)?;
        s.nimbus.rebalance(&id, wait).await.map(drop)
    };
    storm(&q, done(&s, &h, &id, "rebalance", act).await)
}

async fn kill(
    State(s): Site,
    Path((id, wait)): Path<(String, String)>,
    h: HeaderMap,
    q: Query,
) -> Response {
    let act = async || {
        let wait = seconds(&wait)?;
        s.nimbus.kill(&id, wait).await.map(drop)
    };
    storm(&q, done(&s, &h, &id, "kill", act).await)
}

/// Checks who asks and that the id (not only the name) runs, acts, and answers as Storm.
async fn done<F: Future<Output = Result<(), Problem>>>(
    s: &Shared,
    headers: &HeaderMap,
    id: &str,
    operation: &str,
    act: impl FnOnce() -> F,
) -> Answer {
    own_page(headers)?;
    s.nimbus.topology(id, false).await?;
    act().await?;
    tracing::info!(topology = id, operation, "asked for over REST");
    Ok(json!({"topologyOperation": operation, "topologyId": id, "status": "success"}))
}

/// A browser names the origin of the page that sends a POST; programs name none.
fn own_page(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let Some(origin) = text(ORIGIN) else {
        return Ok(());
    };
    let host = origin.split_once("://").map_or("", |o| o.1);
    if text(HOST).is_some_and(|own| own.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    Err(Problem::Foreign(format!(
        "a page of \"{origin}\" may not act here: use the page of this server, or a program without an Origin header"
    )))
}

/// A wait in whole seconds.
fn seconds(text: &str) -> Result<f64, Problem> {
    let number: i32 = text.parse().map_err(|_| {
        Problem::Refused(format!(
            "java.lang.NumberFormatException: For input string: \"{text}\" (the wait is whole seconds)"
        ))
    })?;
    if number < 0 {
        return Err(Problem::Refused(format!(
            "a wait of {number} s lies in the past: give 0 or more seconds"
        )));
    }
    Ok(number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(axum::http::HeaderName, &str)]) -> HeaderMap {
        let pair = |(n, v): &(axum::http::HeaderName, &str)| {
            (n.clone(), v.parse().expect("a header's value"))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_the_own_page_and_programs_may_act() {
        assert_eq!(own_page(&headers(&[(HOST, "localhost:8080")])), Ok(()));
        let own = [(HOST, "localhost:8080"), (ORIGIN, "http://localhost:8080")];
        assert_eq!(own_page(&headers(&own)), Ok(()));
        for foreign in ["http://example.org", "null", "http://localhost:9090"] {
            let asked = [(HOST, "localhost:8080"), (ORIGIN, foreign)];
            assert!(own_page(&headers(&asked)).is_err(), "{foreign}");
        }
    }

    #[test]
    fn waits_are_whole_seconds_from_now() {
        assert_eq!(seconds("12"), Ok(12.0));
        for wrong in ["abc", "-5", "1.5", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
