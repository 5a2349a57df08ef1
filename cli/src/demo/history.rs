//! A past for the baselines: rows of the hours before the demo begins, published as history, which train and raise nothing.

use std::time::Duration;

use fulmar_aggregation::fold::Fold;
use fulmar_aggregation::groupings::{Dims, parse};
use fulmar_aggregation::open::Open;
use fulmar_aggregation::rows::partition_of;
use fulmar_aggregation::series::{self, METRICS, metric_of};
use fulmar_kafka::producer::{Producer, Record};
use fulmar_proto::wifi::{Aggregate, Kind, Source};
use fulmar_wifi::estimate::estimate;
use fulmar_wifi::world::World;
use prost::Message;

use super::recount::WINDOW_MS;
use crate::failure::Failure;

/// Windows of the past: nine hours, a little more than a series must know before anything is said of it.
const WINDOWS: i64 = 54;
/// Threads that make them.
const THREADS: usize = 2;
const FLUSH: Duration = Duration::from_secs(30);

/// Publishes the past of a world before a time; answers the number of rows.
///
/// # Errors
/// The rows are not confirmed.
pub fn publish(
    servers: &str,
    partitions: i32,
    world: &dyn World,
    before_ms: i64,
) -> Result<u64, Failure> {
    let producer = Producer::new(servers, &[]).map_err(Failure::here)?;
    let last = before_ms.div_euclid(WINDOW_MS);
    let windows: Vec<i64> = (last - WINDOWS..last).collect();
    let mut rows = 0;
    // Made side by side, sent in order: what a series learns hangs on it.
    for windows in windows.chunks(THREADS) {
        let made = std::thread::scope(|scope| {
            let threads: Vec<_> = windows
                .iter()
                .map(|w| scope.spawn(move || window(partitions, world, *w)))
                .collect();
            let failed = || Failure::Failed("the history could not be made".to_owned());
            let joined = threads.into_iter().map(|t| t.join().map_err(|_| failed())?);
            joined.collect::<Result<Vec<_>, Failure>>()
        })?;
        for record in made.into_iter().flatten() {
            send(&producer, record);
            rows += 1;
        }
    }
    producer.flush(FLUSH).map_err(Failure::here)?;
    Ok(rows)
}

/// One window: each client once, at a time of its own.
fn window(partitions: i32, world: &dyn World, window: i64) -> Result<Vec<Record>, Failure> {
    let groupings = parse(&["org", "site", "ap", "band", "wlan"]).map_err(Failure::here)?;
    let (start, mut open, mut name) = (window * WINDOW_MS, Open::default(), String::new());
    for client in 0..world.clients() {
        let t = world.sample(client, start + i64::from(client % 10) * 60_000);
        let dims = Dims {
            org: &t.org,
            site: &t.site,
            ap: &t.ap,
            band: &t.band,
            wlan: &t.wlan,
        };
        for kind in [Kind::Throughput, Kind::Capacity, Kind::Coverage] {
            let e = estimate(kind, &t, Source::default(), t.time_ms);
            let mut one = Fold::default();
            one.add(e.value, e.good_ms, e.bad_ms);
            if let Some(metric) = metric_of(kind as i32) {
                open.add(&dims, metric, &one, &mut name);
            }
        }
    }
    let mut rows = Vec::new();
    for (key, fold) in open.take(&groupings) {
        let Some((org, metric, grouping, entity)) = series::parts(&key) else {
            continue;
        };
        let unit = METRICS
            .iter()
            .find(|m| m.name == metric)
            .map_or("", |m| m.unit);
        let row = Aggregate {
            org: org.to_owned(),
            metric: metric.to_owned(),
            grouping: grouping.to_owned(),
            entity: entity.to_owned(),
            window_start_ms: start,
            window_ms: WINDOW_MS,
            count: fold.count,
            sum: fold.sum,
            min: fold.min,
            max: fold.max,
            good_ms: fold.good_ms,
            bad_ms: fold.bad_ms,
            unit: unit.to_owned(),
            generation: 0,
            history: true,
        };
        let record = Record {
            topic: "wifi.aggregates".to_owned(),
            partition: i32::try_from(partition_of(org, partitions.into())).ok(),
            key: Some(key.clone().into_bytes()),
            value: row.encode_to_vec(),
            timestamp: Some(start),
            headers: Vec::new(),
        };
        rows.push(record);
    }
    Ok(rows)
}

/// Sends, waiting for room where the producer's queue is full.
fn send(producer: &Producer, record: Record) {
    let mut next = Some((record, Box::new(|_: Result<(), String>| ()) as _));
    while let Some((record, told)) = next.take() {
        if let Err(back) = producer.send(record, told) {
            std::thread::sleep(Duration::from_millis(5));
            next = Some(*back);
        }
    }
}
