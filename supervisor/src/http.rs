//! The supervisor's pages: health, metrics, its status as JSON, and the door for drills.

use axum::Router;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use crate::drill::{Drill, Order};
use crate::event::Input;
use crate::link::now_ms;
use crate::status::Status;

/// What the pages need.
#[derive(Clone)]
pub struct Pages {
    /// What is shown.
    pub status: watch::Receiver<Status>,
    /// To the owner.
    pub out: mpsc::Sender<Input>,
    /// `supervisor.drill.enable`.
    pub drills: bool,
}

type Shown = State<Pages>;

/// `/healthz`, `/readyz`, `/metrics`, `/api/v1/status`, `/api/v1/drill`.
pub fn router(pages: Pages) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(show))
        .route("/api/v1/drill", post(drill).delete(spare))
        .fallback(missing)
        .with_state(pages)
}

async fn ready(State(pages): Shown) -> Response {
    match pages.status.borrow().unready() {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(pages): Shown) -> impl IntoResponse {
    let text = pages.status.borrow().metrics(now_ms());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

async fn show(State(pages): Shown) -> Json<Status> {
    Json(pages.status.borrow().clone())
}

fn refused(status: StatusCode, text: String) -> Response {
    (status, Json(json!({ "error": text }))).into_response()
}

/// Orders a drill. The body must be said to be JSON, which no browser does from another site's page without
/// asking first.
async fn drill(State(pages): Shown, order: Result<Json<Value>, JsonRejection>) -> Response {
    if !pages.drills {
        let text = "drills are not allowed here: set supervisor.drill.enable to true on this node";
        return refused(StatusCode::FORBIDDEN, text.to_owned());
    }
    let order = match order {
        Ok(Json(value)) => match Order::read(value) {
            Ok(order) => order,
            Err(text) => return refused(StatusCode::BAD_REQUEST, text),
        },
        Err(e) => return refused(e.status(), e.body_text()),
    };
    if let Err(text) = order.check() {
        return refused(StatusCode::BAD_REQUEST, text);
    }
    answer(&pages, Some(order)).await
}

/// Takes a drill back, while there is time.
async fn spare(State(pages): Shown) -> Response {
    answer(&pages, None).await
}

async fn answer(pages: &Pages, order: Option<Order>) -> Response {
    let (reply, answered) = oneshot::channel::<Result<Option<Drill>, String>>();
    let sent = pages.out.send(Input::Drill(order, reply)).await.is_ok();
    let node = pages.status.borrow().node_id.clone();
    match answered.await {
        Ok(Ok(drill)) if sent => Json(json!({ "node_id": node, "drill": drill })).into_response(),
        Ok(Err(text)) => refused(StatusCode::CONFLICT, text),
        _ => refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "this supervisor is ending".to_owned(),
        ),
    }
}

async fn missing() -> impl IntoResponse {
    let text = "there are /healthz, /readyz, /metrics, /api/v1/status and /api/v1/drill\n";
    (StatusCode::NOT_FOUND, text)
}
