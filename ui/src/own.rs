//! Our own paths below `/api/v1/fulmar/`: what the page needs and Storm's REST has no place for.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use crate::answer::{Query, own};
use crate::error::Problem;
use crate::run::Shared;
use crate::view;

type Site = State<Shared>;

/// The routes.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/fulmar/cluster", get(cluster))
        .route("/api/v1/fulmar/events", get(events))
        .route("/api/v1/fulmar/notices", get(notices))
        .route("/api/v1/fulmar/topology/{id}", get(topology))
}

/// Milliseconds since the epoch.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

/// Everything of the overview: Nimbus, supervisors with notices, topologies with health.
async fn cluster(State(s): Site) -> Response {
    let answer = s.nimbus.cluster().await.map(|c| {
        let mut page = view::cluster(&c, now_ms());
        page["query"] = json!(s.query.is_some());
        page
    });
    own(answer)
}

/// The time line after `since` (a number of the last answer), oldest first.
async fn events(State(s): Site, q: Query) -> Response {
    let answer = async {
        let since = number(&q, "since", 0)?;
        let limit = number(&q, "limit", u64::MAX)?;
        let all = s.nimbus.events(since).await?.events;
        let skipped = all.len().saturating_sub(limit as usize);
        let list: Vec<_> = all[skipped..].iter().map(view::event).collect();
        Ok(json!({"now_ms": now_ms(), "events": list}))
    };
    own(answer.await)
}

/// Notices that hold now, the nearest deadline first.
async fn notices(State(s): Site) -> Response {
    let answer = s.nimbus.cluster().await;
    own(answer.map(|c| view::notices(&c, now_ms())))
}

/// One topology's live numbers: graph with rates, executors, workers, errors.
async fn topology(State(s): Site, Path(id): Path<String>) -> Response {
    let answer = async {
        let info = s.nimbus.topology(&id, false).await?;
        view::topology(&info, now_ms())
    };
    own(answer.await)
}

fn number(q: &Query, word: &str, default: u64) -> Result<u64, Problem> {
    let Some(text) = q.get(word) else {
        return Ok(default);
    };
    text.parse().map_err(|_| {
        Problem::Refused(format!(
            "{word} \"{text}\" is no number: give a whole number from 0"
        ))
    })
}

/// A path below `/api/` that nobody answers.
pub async fn nothing(request: axum::extract::Request) -> Response {
    let path = request.uri().path();
    let why = format!("there is no path {path}: ARCHITECTURE.md and docs/operating.md name them");
    own(Err::<Value, _>(Problem::Unknown(why)))
}
