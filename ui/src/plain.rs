//! The plain page: the cluster as HTML tables, made on the server, for programs built without the web page
//! and for whoever reads without scripts.

use std::fmt::Write;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use fulmar_proto::nimbus as pb;

use crate::own::now_ms;
use crate::run::Shared;
use crate::storm::text::uptime;
use crate::view;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:70rem;padding:0 1rem;color-scheme:light dark}\
table{border-collapse:collapse;display:block;overflow-x:auto;margin:.5rem 0 1.5rem}th,td{text-align:left;padding:.3rem .9rem .3rem 0;border-bottom:1px solid #8884;white-space:nowrap}td:last-child{white-space:normal}";
/// Events shown.
const EVENTS: usize = 50;

/// The page; it asks for itself again every 5 s.
pub async fn page(State(s): State<Shared>) -> Response {
    let asked = async {
        let c = s.nimbus.cluster().await?;
        let e = s.nimbus.events(0).await?.events;
        Ok::<_, crate::error::Problem>((c, e))
    };
    let (status, body) = match asked.await {
        Ok((c, e)) => (StatusCode::OK, tables(&c, &e, now_ms())),
        Err(problem) => {
            let text = format!("<p><strong>{}</strong></p>", escaped(&problem.message()));
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"5\"><title>Fulmar</title><style>{STYLE}</style></head><body>\
         <h1>Fulmar</h1>{body}<p>This plain page asks again every 5 s. The same as JSON: <a href=\"/api/v1/fulmar/cluster\">cluster</a>, \
         <a href=\"/api/v1/fulmar/events\">events</a>, <a href=\"/api/v1/topology/summary\">topologies</a>.</p></body></html>"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    (status, headers, html).into_response()
}

fn tables(c: &pb::ClusterInfo, events: &[pb::Event], now_ms: u64) -> String {
    let mut out = format!(
        "<p>Nimbus {}:{}, version {}, up {}</p>",
        escaped(&c.nimbus_host),
        c.nimbus_port,
        escaped(&c.version),
        uptime(c.uptime_secs)
    );
    let rows = c.topologies.iter().map(|t| {
        let shape = format!("{} / {} / {}", t.workers, t.executors, t.tasks);
        let health = format!("{}: {}", t.health, t.health_reason);
        let status = t.status().as_str_name().to_owned();
        vec![
            t.name.clone(),
            t.id.clone(),
            status,
            uptime(t.uptime_secs),
            shape,
            health,
        ]
    });
    let heads = [
        "name",
        "id",
        "status",
        "up",
        "workers / executors / tasks",
        "health",
    ];
    table(&mut out, "Topologies", &heads, rows);
    let rows = c.supervisors.iter().map(|s| {
        let notices = s.notices.iter().map(|n| match n.deadline_ms {
            0 => format!("advice ({})", n.source),
            at => format!(
                "termination in {} s ({})",
                at.saturating_sub(now_ms) / 1_000,
                n.source
            ),
        });
        let slots = format!("{} of {}", s.slots_used, s.slots_total);
        let notices = notices.collect::<Vec<_>>().join(", ");
        vec![
            s.node_id.clone(),
            s.host.clone(),
            view::state(s).to_owned(),
            uptime(s.uptime_secs),
            slots,
            notices,
        ]
    });
    let heads = ["supervisor", "host", "state", "up", "slots used", "notices"];
    table(&mut out, "Supervisors", &heads, rows);
    let rows = events.iter().rev().take(EVENTS).map(|e| {
        let s = e.time_ms / 1_000 % 86_400;
        let time = format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60);
        vec![time, e.kind.clone(), e.text.clone()]
    });
    table(&mut out, "Events", &["time (UTC)", "kind", "what"], rows);
    out
}

fn table(out: &mut String, title: &str, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    // Writing to a string cannot fail.
    let _ = write!(out, "<h2>{title}</h2>");
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        out.push_str("<p>None.</p>");
        return;
    }
    let heads: String = heads
        .iter()
        .map(|h| format!("<th scope=\"col\">{h}</th>"))
        .collect();
    let _ = write!(out, "<table><thead><tr>{heads}</tr></thead><tbody>");
    for row in rows {
        let cells: String = row
            .iter()
            .map(|c| format!("<td>{}</td>", escaped(c)))
            .collect();
        let _ = write!(out, "<tr>{cells}</tr>");
    }
    out.push_str("</tbody></table>");
}

/// Text that is safe inside an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        let c = pb::ClusterInfo {
            topologies: vec![pb::TopologySummary {
                name: "<script>alert(1)</script>".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let html = tables(&c, &[], 0);
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("&lt;script&gt;"), "{html}");
        assert!(html.contains("<h2>Supervisors</h2><p>None.</p>"), "{html}");
    }
}
