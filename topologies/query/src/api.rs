//! The answers: one page each, newest first, with `next` where there is more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use fulmar_cassandra::tables::{self, day_of};
use fulmar_cassandra::{Cell, Range, Store, wifi};
use fulmar_proto::wifi::{Aggregate, Anomaly, Estimate, Kind};
use serde_json::{Value, json};

use crate::ask::{METRICS, WINDOWS, Words};
use crate::error::Problem;
use crate::ring::Ring;

/// What the answers come from.
#[derive(Clone)]
pub struct Sources {
    /// The newest estimates.
    pub ring: Arc<RwLock<Ring>>,
    /// Aggregates and anomalies.
    pub store: Arc<dyn Store>,
}

type Answer = Result<Json<Value>, Problem>;
type Asked = Query<HashMap<String, String>>;

/// The routes below `/api/v1/wifi`.
pub fn routes(sources: Sources) -> Router {
    Router::new()
        .route("/api/v1/wifi/orgs", get(orgs))
        .route("/api/v1/wifi/estimates", get(estimates))
        .route("/api/v1/wifi/aggregates", get(aggregates))
        .route("/api/v1/wifi/anomalies", get(anomalies))
        .fallback(|| async {
            Problem {
                status: 404,
                error: "not_found",
                message: "there is no such path".to_owned(),
                remedy: "ask for /api/v1/wifi/orgs, /estimates, /aggregates or /anomalies"
                    .to_owned(),
            }
        })
        .with_state(sources)
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as i64)
}

fn bad_page(token: &str) -> Problem {
    Problem::wrong(
        "bad_page",
        format!("page {token} is not one that was given"),
        "use `next` of the last answer as it is",
    )
}

fn metric_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Throughput => "throughput",
        Kind::Capacity => "capacity",
        Kind::Coverage => "coverage",
        Kind::Unspecified => "",
    }
}

/// The organisations, with their sites, that the newest estimates name: where a page begins.
async fn orgs(State(s): State<Sources>, Query(words): Asked) -> Answer {
    Words::new(words, &[])?;
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    {
        let ring = s.ring.read().unwrap_or_else(|e| e.into_inner());
        for (_, e) in ring.below(None, |_| true) {
            match found.get_mut(&e.org) {
                Some(sites) if sites.contains(&e.site) => {}
                Some(sites) => drop(sites.insert(e.site.clone())),
                None => drop(found.insert(e.org.clone(), BTreeSet::from([e.site.clone()]))),
            }
        }
    }
    let results: Vec<_> = found
        .into_iter()
        .map(|(org, sites)| json!({"org": org, "sites": sites}))
        .collect();
    Ok(Json(json!({"results": results})))
}

async fn estimates(State(s): State<Sources>, Query(words): Asked) -> Answer {
    let known = [
        "org", "site", "ap", "client", "band", "wlan", "metric", "start", "end", "duration",
        "limit", "page",
    ];
    let w = Words::new(words, &known)?;
    let (org, limit) = (w.need("org")?, w.limit()?);
    let metric = w.one_of("metric", &METRICS)?;
    let (start, end) = w.span(now_ms().saturating_add(1))?;
    let below = match w.get("page") {
        None => None,
        Some(token) => Some(token.parse().map_err(|_| bad_page(token))?),
    };
    let fits = |word: &str, value: &str| w.get(word).is_none_or(|wanted| wanted == value);
    let wanted = |e: &Estimate| {
        e.org == org
            && (start..end).contains(&e.time_ms)
            && metric.is_none_or(|m| m == metric_name(e.kind()))
            && fits("site", &e.site)
            && fits("ap", &e.ap)
            && fits("client", &e.client)
            && fits("band", &e.band)
            && fits("wlan", &e.wlan)
    };
    let ring = s.ring.read().unwrap_or_else(|e| e.into_inner());
    let found: Vec<_> = ring.below(below, wanted).take(limit + 1).collect();
    let next = (found.len() > limit).then(|| found[limit - 1].0.to_string());
    let results: Vec<_> = found.iter().take(limit).map(|(_, e)| estimate(e)).collect();
    Ok(Json(
        json!({"results": results, "limit": limit, "next": next}),
    ))
}

fn estimate(e: &Estimate) -> Value {
    json!({
        "time_ms": e.time_ms, "metric": metric_name(e.kind()), "org": e.org, "site": e.site, "ap": e.ap,
        "band": e.band, "wlan": e.wlan, "client": e.client, "value": e.value, "unit": e.unit,
        "good_ms": e.good_ms, "bad_ms": e.bad_ms, "classifier": e.classifier, "model": e.model,
    })
}

async fn aggregates(State(s): State<Sources>, Query(words): Asked) -> Answer {
    let known = [
        "org", "metric", "grouping", "entity", "window", "start", "end", "duration", "limit",
        "page",
    ];
    let w = Words::new(words, &known)?;
    let (org, limit, grouping) = (w.need("org")?, w.limit()?, w.grouping()?);
    let metric = w.one_of("metric", &METRICS)?.unwrap_or("throughput");
    let window = w.one_of("window", &WINDOWS.map(|x| x.0))?.unwrap_or("10m");
    let entity = match w.get("entity") {
        Some(entity) => entity,
        None if grouping == "org" => org,
        None => w.need("entity")?,
    };
    let (start, mut end) = w.span(now_ms().saturating_add(1))?;
    if let Some(token) = w.get("page") {
        end = token
            .parse()
            .ok()
            .filter(|t| (start..=end).contains(t))
            .ok_or_else(|| bad_page(token))?;
    }
    let window_ms = WINDOWS
        .iter()
        .find(|x| x.0 == window)
        .map_or(600_000, |x| x.1);
    let Some(table) = tables::aggregates(window_ms) else {
        return Ok(Json(json!({"results": []})));
    };
    let range = Range::half_open(Cell::Timestamp(start), Cell::Timestamp(end));
    let mut found: Vec<Aggregate> = Vec::new();
    // A partition holds one day.
    for day in (day_of(start)..=day_of(end - 1)).rev() {
        let key = wifi::aggregate_partition(org, metric, &grouping.replace(' ', "+"), entity, day);
        let rows = s
            .store
            .select(table, &key, &range, limit + 1 - found.len(), true)
            .await?;
        found.extend(rows.iter().filter_map(|r| wifi::aggregate_of(table, r)));
        if found.len() > limit {
            break;
        }
    }
    let next = (found.len() > limit).then(|| found[limit - 1].window_start_ms.to_string());
    let results: Vec<_> = found.iter().take(limit).map(aggregate).collect();
    Ok(Json(
        json!({"results": results, "limit": limit, "next": next}),
    ))
}

fn aggregate(a: &Aggregate) -> Value {
    let mean = (a.count > 0).then(|| a.sum as f64 / a.count as f64);
    let good = (a.good_ms + a.bad_ms > 0).then(|| a.good_ms as f64 / (a.good_ms + a.bad_ms) as f64);
    json!({
        "org": a.org, "metric": a.metric, "grouping": a.grouping, "entity": a.entity,
        "window_start_ms": a.window_start_ms, "window_ms": a.window_ms, "count": a.count, "sum": a.sum,
        "min": a.min, "max": a.max, "mean": mean, "good_ms": a.good_ms, "bad_ms": a.bad_ms, "sle": good,
    })
}

async fn anomalies(State(s): State<Sources>, Query(words): Asked) -> Answer {
    let w = Words::new(words, &["org", "start", "end", "duration", "limit", "page"])?;
    let (org, limit) = (w.need("org")?, w.limit()?);
    let (start, end) = w.span(now_ms().saturating_add(1))?;
    let mut range = Range::half_open(Cell::Timestamp(start), Cell::Timestamp(end));
    let mut last_day = day_of(end - 1);
    if let Some(token) = w.get("page") {
        let (time, id) = token.split_once(':').ok_or_else(|| bad_page(token))?;
        let time = time
            .parse()
            .ok()
            .filter(|t| (start..end).contains(t))
            .ok_or_else(|| bad_page(token))?;
        range.to = Bound::Excluded(vec![Cell::Timestamp(time), Cell::text(id)]);
        last_day = day_of(time);
    }
    let mut found: Vec<Anomaly> = Vec::new();
    for day in (day_of(start)..=last_day).rev() {
        let key = wifi::anomaly_partition(org, day);
        let rows = s
            .store
            .select(
                &tables::ANOMALIES,
                &key,
                &range,
                limit + 1 - found.len(),
                true,
            )
            .await?;
        found.extend(rows.iter().filter_map(wifi::anomaly_of));
        if found.len() > limit {
            break;
        }
    }
    let next = (found.len() > limit).then(|| {
        format!(
            "{}:{}",
            found[limit - 1].window_start_ms,
            found[limit - 1].id
        )
    });
    found.truncate(limit);
    Ok(Json(
        json!({"results": found, "limit": limit, "next": next}),
    ))
}
