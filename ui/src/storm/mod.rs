//! Storm's REST below `/api/v1/`: the paths, and who answers them.
//!
//! Shapes come from recordings of Storm 2.8; what is asked of Nimbus and how it is written is here and in
//! the pure files beside. Every failure is status 500 with `error` and `errorMessage`, unknown paths too:
//! scripts written for Storm look at nothing else.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use crate::answer::{Query, storm};
use crate::error::Problem;
use crate::run::Shared;
use text::{Window, sys};

mod actions;
pub mod cluster;
pub mod component;
pub mod configuration;
pub mod stats;
pub mod text;
pub mod topology;
pub mod visualization;

type Site = State<Shared>;
type Answer = Result<Value, Problem>;

/// The routes, without their fallback.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/cluster/configuration", get(cluster_configuration))
        .route("/api/v1/cluster/summary", get(cluster_summary))
        .route("/api/v1/nimbus/summary", get(nimbus_summary))
        .route("/api/v1/supervisor/summary", get(supervisor_summary))
        .route("/api/v1/supervisor", get(supervisor))
        .route("/api/v1/owner-resources", get(owners))
        .route("/api/v1/owner-resources/{owner}", get(owner))
        .route("/api/v1/history/summary", get(history))
        .route("/api/v1/topology/summary", get(topologies))
        .route("/api/v1/topology/{id}", get(one_topology))
        .route("/api/v1/topology/{id}/metrics", get(one_topology))
        .route("/api/v1/topology/{id}/lag", get(lag))
        .route("/api/v1/topology-workers/{id}", get(workers))
        .route("/api/v1/topology/{id}/visualization", get(visual))
        .route("/api/v1/topology/{id}/visualization-init", get(visual_init))
        .route(
            "/api/v1/topology/{id}/component/{component}",
            get(one_component),
        )
        .merge(actions::routes())
}

/// Seconds since the epoch.
fn now_secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

async fn cluster_configuration(State(s): Site, q: Query) -> Response {
    storm(&q, Ok(configuration::cluster(&s.conf)))
}

async fn cluster_summary(State(s): Site, q: Query) -> Response {
    storm(&q, s.nimbus.cluster().await.map(|c| cluster::summary(&c)))
}

async fn nimbus_summary(State(s): Site, q: Query) -> Response {
    storm(&q, s.nimbus.cluster().await.map(|c| cluster::nimbuses(&c)))
}

async fn supervisor_summary(State(s): Site, q: Query) -> Response {
    storm(
        &q,
        s.nimbus.cluster().await.map(|c| cluster::supervisors(&c)),
    )
}

async fn supervisor(State(s): Site, q: Query) -> Response {
    let answer = async {
        let c = s.nimbus.cluster().await?;
        let chosen = cluster::chosen(&c, q.get("id"), q.get("host"))?;
        let mut infos = Vec::new();
        for t in &c.topologies {
            match s.nimbus.topology(&t.id, false).await {
                Ok(info) => infos.push(info),
                // It ended meanwhile.
                Err(Problem::NotAlive(_)) => {}
                Err(problem) => return Err(problem),
            }
        }
        Ok(cluster::supervisor_page(&chosen, &infos))
    };
    storm(&q, answer.await)
}

async fn owners(State(s): Site, q: Query) -> Response {
    storm(&q, s.nimbus.cluster().await.map(|c| cluster::owners(&c)))
}

async fn owner(State(s): Site, Path(owner): Path<String>, q: Query) -> Response {
    let answer = s.nimbus.cluster().await;
    storm(&q, answer.map(|c| cluster::owner_page(&c, &owner)))
}

async fn history(State(s): Site, q: Query) -> Response {
    let answer = async {
        let c = s.nimbus.cluster().await?;
        let e = s.nimbus.events(0).await?;
        Ok(cluster::history(&c, &e.events))
    };
    storm(&q, answer.await)
}

async fn topologies(State(s): Site, q: Query) -> Response {
    let answer = s.nimbus.cluster().await;
    storm(&q, answer.map(|c| cluster::topologies(&c)))
}

async fn one_topology(State(s): Site, Path(id): Path<String>, q: Query) -> Response {
    let answer = async {
        // As Storm: an unknown topology is said before a wrong window.
        let info = s.nimbus.topology(&id, true).await?;
        let version = s.nimbus.cluster().await?.version;
        let window = window(&q)?;
        let page = topology::Page {
            info: &info,
            window: &window,
            sys: sys(q.get("sys").map(String::as_str)),
            version: &version,
            now_secs: now_secs(),
        };
        page.json()
    };
    storm(&q, answer.await)
}

/// Empty, as Storm's while `ui.disable.spout.lag.monitoring` has its default.
async fn lag(State(s): Site, Path(id): Path<String>, q: Query) -> Response {
    storm(&q, s.nimbus.topology(&id, false).await.map(|_| json!({})))
}

async fn workers(State(s): Site, Path(id): Path<String>, q: Query) -> Response {
    let answer = s.nimbus.topology(&id, false).await;
    storm(&q, answer.map(|t| topology::workers(&t)))
}

async fn visual(State(s): Site, Path(id): Path<String>, q: Query) -> Response {
    let answer = async {
        let info = s.nimbus.topology(&id, true).await?;
        visualization::graph(&info, &window(&q)?, sys(q.get("sys").map(String::as_str)))
    };
    storm(&q, answer.await)
}

/// The shape that Storm 2's own handler means to answer and, by a wrong cast, does not.
async fn visual_init(State(s): Site, Path(id): Path<String>, q: Query) -> Response {
    let answer = async {
        let info = s.nimbus.topology(&id, false).await?;
        visualization::table(&info, sys(q.get("sys").map(String::as_str)))
    };
    storm(&q, answer.await)
}

async fn one_component(
    State(s): Site,
    Path((id, component)): Path<(String, String)>,
    q: Query,
) -> Response {
    let answer = async {
        let info = s.nimbus.topology(&id, true).await?;
        let window = window(&q)?;
        let page = component::Page {
            info: &info,
            component: &component,
            window: &window,
            sys: sys(q.get("sys").map(String::as_str)),
            now_secs: now_secs(),
        };
        page.json()
    };
    storm(&q, answer.await)
}

fn window(q: &Query) -> Result<Window, Problem> {
    Window::read(q.get("window").map(String::as_str)).map_err(Problem::Refused)
}
