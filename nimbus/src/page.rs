//! Health and metrics of Nimbus, on the same port as its gRPC door.

use std::fmt::Write;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::{mpsc, oneshot};

use crate::owner::{Ask, View};
use crate::wire;

/// An owner that does not answer within this time is not ready.
const MOST: Duration = Duration::from_secs(2);

type Asks = State<mpsc::Sender<Ask>>;

/// `/healthz`, `/readyz`, `/metrics`.
pub fn router(asks: mpsc::Sender<Ask>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(asks)
}

async fn look<T: Send + 'static>(
    asks: &mpsc::Sender<Ask>,
    look: impl FnOnce(&View<'_>) -> T + Send + 'static,
) -> Option<T> {
    let (tx, rx) = oneshot::channel();
    let look = Box::new(move |view: &View<'_>| {
        // Whoever asked may have gone.
        let _ = tx.send(look(view));
    });
    let answer = async {
        asks.send(Ask::Look(look)).await.ok()?;
        rx.await.ok()
    };
    tokio::time::timeout(MOST, answer).await.ok().flatten()
}

fn busy() -> Response {
    let text = "the owner of the state does not answer: is the disk slow, or is Nimbus ending?\n";
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn ready(State(asks): Asks) -> Response {
    look(&asks, |_| ())
        .await
        .map_or_else(busy, |()| "ready\n".into_response())
}

async fn metrics(State(asks): Asks) -> Response {
    match look(&asks, text).await {
        Some(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        None => busy(),
    }
}

/// The metrics in Prometheus' text form.
fn text(v: &View<'_>) -> String {
    let s = v.state;
    let nodes = |f: &dyn Fn(&crate::model::Node) -> bool| s.nodes.values().filter(|n| f(n)).count();
    let slots: usize = s.nodes.values().map(|n| n.slots.len()).sum();
    let used: usize = s
        .topologies
        .values()
        .map(|t| crate::model::State::slots_of(t).len())
        .sum();
    let mut out = Text::default();
    out.one(
        "uptime_seconds",
        "gauge",
        v.now.saturating_sub(s.started) as f64 / 1e3,
    );
    out.one("topologies", "gauge", s.topologies.len() as f64);
    out.one("supervisors", "gauge", s.nodes.len() as f64);
    out.one(
        "supervisors_cordoned",
        "gauge",
        nodes(&|n| n.cordoned) as f64,
    );
    out.one("supervisors_drained", "gauge", nodes(&|n| n.drained) as f64);
    out.one("slots", "gauge", slots as f64);
    out.one("slots_used", "gauge", used as f64);
    out.one("workers", "gauge", s.workers.len() as f64);
    out.one("worker_heartbeats_total", "counter", v.stats.beats as f64);
    out.one("stats_refused_total", "counter", v.stats.refused as f64);
    out.one(
        "events_total",
        "counter",
        v.events.back().map_or(0, |e| e.seq) as f64,
    );
    out.head("topology_healthy", "gauge");
    for t in s.topologies.values() {
        let ok = wire::summary(s, v.stats, t, v.now).health == "ok";
        out.labelled("topology_healthy", &t.name, f64::from(u8::from(ok)));
    }
    out.head("topology_endures_losses", "gauge");
    for t in s.topologies.values() {
        let losses = s.endures.get(&t.id).copied().unwrap_or(0);
        out.labelled("topology_endures_losses", &t.name, f64::from(losses));
    }
    out.head("topology_executors", "gauge");
    for t in s.topologies.values() {
        out.labelled("topology_executors", &t.name, t.placed.len() as f64);
    }
    out.head("topology_assignment_version", "counter");
    for t in s.topologies.values() {
        out.labelled("topology_assignment_version", &t.name, t.version as f64);
    }
    out.0
}

/// Lines of Prometheus' text form; writing to a string cannot fail.
#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str) {
        let _ = writeln!(self.0, "# TYPE fulmar_nimbus_{name} {kind}");
    }

    fn one(&mut self, name: &str, kind: &str, value: f64) {
        self.head(name, kind);
        let _ = writeln!(self.0, "fulmar_nimbus_{name} {value}");
    }

    fn labelled(&mut self, name: &str, topology: &str, value: f64) {
        let topology = topology
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let _ = writeln!(
            self.0,
            "fulmar_nimbus_{name}{{topology=\"{topology}\"}} {value}"
        );
    }
}
