//! `/healthz`, `/readyz` and `/metrics` of a worker, at its slot + 1000.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use fulmar_api::{Error, Result};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::heartbeat::Heart;

/// Serves on the listener for as long as the process lives.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(listener: TcpListener, heart: Arc<Heart>) -> Result<()> {
    listener.set_nonblocking(true).map_err(Error::author)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(Error::author)?;
    let ready = heart.clone();
    // Gauges and histograms of authors; a second recorder in one process is refused, and the first goes on.
    let authors = PrometheusBuilder::new().install_recorder().ok();
    let app = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(move || async move {
                if ready.is_ready() {
                    (StatusCode::OK, "ready\n")
                } else {
                    (StatusCode::SERVICE_UNAVAILABLE, "tasks are being opened\n")
                }
            }),
        )
        .route(
            "/metrics",
            get(move || async move {
                let mut text = metrics(&heart);
                if let Some(authors) = &authors {
                    authors.run_upkeep();
                    text.push_str(&authors.render());
                }
                ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
            }),
        );
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::warn!(%error, "the worker's HTTP door closed");
        }
    });
    Ok(())
}

/// An author's counter as Prometheus wants it: ours by the prefix, a counter by its end.
fn counter(name: &str) -> String {
    let prefix = if name.starts_with("fulmar_") {
        ""
    } else {
        "fulmar_"
    };
    let suffix = if name.ends_with("_total") {
        ""
    } else {
        "_total"
    };
    format!("{prefix}{name}{suffix}")
}

/// The counts of all tasks in Prometheus' text form.
fn metrics(heart: &Heart) -> String {
    let (mut out, stats) = (String::new(), heart.stats());
    let mut family =
        |name: &str, kind: &str, value: &dyn Fn(&fulmar_engine::stats::TaskStats) -> f64| {
            let _ = writeln!(out, "# TYPE {name} {kind}");
            for (task, s) in &stats {
                let _ = writeln!(
                    out,
                    "{name}{{component=\"{}\",task=\"{task}\"}} {}",
                    s.component,
                    value(s)
                );
            }
        };
    let sum = |s: &fulmar_engine::stats::TaskStats, f: fn(&(u64, u64)) -> u64| {
        s.outputs.values().map(f).sum::<u64>() as f64
    };
    family("fulmar_tuples_emitted_total", "counter", &|s| {
        sum(s, |o| o.0)
    });
    family("fulmar_tuples_transferred_total", "counter", &|s| {
        sum(s, |o| o.1)
    });
    family("fulmar_tuples_executed_total", "counter", &|s| {
        s.inputs.values().map(|i| i.0).sum::<u64>() as f64
    });
    family("fulmar_tuples_failed_total", "counter", &|s| {
        (s.failed + s.inputs.values().map(|i| i.2).sum::<u64>()) as f64
    });
    family("fulmar_roots_acked_total", "counter", &|s| s.acked as f64);
    family("fulmar_roots_timed_out_total", "counter", &|s| {
        s.timed_out as f64
    });
    family("fulmar_roots_pending", "gauge", &|s| s.pending as f64);
    family("fulmar_execute_seconds", "gauge", &|s| s.execute_ms / 1e3);
    family("fulmar_complete_seconds", "gauge", &|s| s.complete_ms / 1e3);
    family("fulmar_capacity_ratio", "gauge", &|s| s.capacity);
    family("fulmar_queue_fill_ratio", "gauge", &|s| s.queue_fill);
    let mut counters = BTreeMap::<String, Vec<(String, u64)>>::new();
    for (component, name, n) in heart.counters() {
        let of_it = counters.entry(counter(name)).or_default();
        of_it.push((component, n));
    }
    for (name, all) in counters {
        let _ = writeln!(out, "# TYPE {name} counter");
        for (component, n) in all {
            let _ = writeln!(out, "{name}{{component=\"{component}\"}} {n}");
        }
    }
    let _ = writeln!(out, "# TYPE fulmar_queued_tuples gauge");
    for (task, n) in heart.queued().into_iter().enumerate().skip(1) {
        let _ = writeln!(out, "fulmar_queued_tuples{{task=\"{task}\"}} {n}");
    }
    let _ = writeln!(out, "# TYPE fulmar_tuples_dropped_total counter");
    for (reason, n) in heart.dropped() {
        let _ = writeln!(
            out,
            "fulmar_tuples_dropped_total{{reason=\"{reason}\"}} {n}"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::counter;

    #[test]
    fn counters_are_named_as_prometheus_wants_them() {
        assert_eq!(counter("malformed"), "fulmar_malformed_total");
        assert_eq!(
            counter("fulmar_kafka_rewinds_total"),
            "fulmar_kafka_rewinds_total"
        );
    }
}
