//! Estimates to rows, through a cluster of processes: the store holds what counting the estimates gives, although a worker
//! and then a whole node with its disk are lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fulmar_cassandra::connect;
use fulmar_cassandra::tables::AGGREGATES_10M;
use fulmar_cassandra::wifi::aggregate_of;
use fulmar_proto::wifi::{Aggregate, Estimate};
use fulmar_tests::cluster::{Cluster, LONG};
use fulmar_tests::wait::{wait_until, wait_until_or};
use prost::Message;

use crate::pipeline::{Reader, broker, confirmed, source, store};

const WINDOW_MS: i64 = 600_000;

/// count, sum, min, max, good and bad of one entity and window.
type Row = [i64; 6];
/// metric, grouping, entity, window.
type Key = (String, String, String, i64);

/// Rows by counting distinct estimates; shares nothing with the aggregation.
fn recount(estimates: &[Estimate]) -> BTreeMap<Key, Row> {
    let metrics = ["", "throughput", "capacity", "coverage"];
    let mut rows: BTreeMap<Key, Row> = BTreeMap::new();
    for e in estimates {
        let window = e.time_ms - e.time_ms.rem_euclid(WINDOW_MS);
        let of = |value: &str| format!("{}/{value}", e.org);
        for (grouping, entity) in [
            ("org", e.org.clone()),
            ("site", of(&e.site)),
            ("ap", of(&e.ap)),
            ("band", of(&e.band)),
            ("wlan", of(&e.wlan)),
        ] {
            let metric = metrics[e.kind as usize].to_owned();
            let key = (metric, grouping.to_owned(), entity, window);
            let row = rows.entry(key).or_insert([0, 0, i64::MAX, i64::MIN, 0, 0]);
            *row = [
                row[0] + 1,
                row[1] + e.value,
                row[2].min(e.value),
                row[3].max(e.value),
                row[4] + e.good_ms,
                row[5] + e.bad_ms,
            ];
        }
    }
    rows
}

/// All rows of the store.
fn stored(address: &str) -> BTreeMap<Key, Row> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = connect(address).await.expect("the store");
        let mut rows = BTreeMap::new();
        let mut each = |row| {
            let a: Aggregate = aggregate_of(&AGGREGATES_10M, &row).expect("a row of the table");
            let key = (a.metric, a.grouping, a.entity, a.window_start_ms);
            rows.insert(key, [a.count, a.sum, a.min, a.max, a.good_ms, a.bad_ms]);
        };
        // Before the first row there is no table.
        let _ = store.scan(&AGGREGATES_10M, &mut each).await;
        rows
    })
}

#[test]
fn rows_equal_a_recount_although_a_worker_and_a_node_with_its_disk_are_lost() {
    let mut cluster = Cluster::start(3);
    let (_broker, servers) = broker(&cluster);
    let (_store, address) = store(&cluster);
    let kafka = format!("kafka.bootstrap.servers={servers}");
    let to = format!("wifi.store={address}");
    cluster.json(&["submit", "wifi", "-c", &kafka, "--wait", "60s"]);
    cluster.json(&[
        "submit",
        "aggregation",
        "-c",
        &kafka,
        "-c",
        &to,
        "--wait",
        "60s",
    ]);

    let mut source = source(&cluster, &servers, 1_000, "30s");
    wait_until("rows of the first window", LONG, || {
        !stored(&address).is_empty()
    });
    let victim = *cluster.workers().keys().next().expect("a worker");
    cluster.kill_worker(victim);
    let before = stored(&address).len();
    wait_until("rows of the next window", LONG, || {
        stored(&address).len() > before
    });
    cluster.lose_node(0);
    source.wait(LONG);
    let records = confirmed(&source);

    let reader = Reader::new(&servers, "wifi.estimates");
    let (mut seen, mut estimates) = (BTreeSet::new(), Vec::new());
    wait_until("every estimate", LONG, || {
        for (_, value, _) in reader.take() {
            let e = Estimate::decode(&value[..]).expect("an estimate");
            let source = e.source.clone().expect("its source");
            if seen.insert((source.partition, source.offset, e.kind)) {
                estimates.push(e);
            }
        }
        estimates.len() == 3 * records
    });
    // The last window stays open until its partitions are idle; the others have ended.
    let last = estimates
        .iter()
        .map(|e| e.time_ms)
        .max()
        .expect("an estimate");
    let closed = last - last.rem_euclid(WINDOW_MS);
    let mut expected = recount(&estimates);
    expected.retain(|(_, _, _, window), _| *window < closed);
    assert!(expected.keys().map(|k| k.3).collect::<BTreeSet<_>>().len() >= 2);
    let equal = || {
        let rows = stored(&address);
        expected
            .iter()
            .filter(|(k, r)| rows.get(*k) == Some(r))
            .count()
    };
    wait_until_or(
        Duration::from_secs(90),
        || equal() == expected.len(),
        || {
            let rows = stored(&address);
            let wrong = expected.iter().find(|(k, r)| rows.get(*k) != Some(r));
            format!(
                "{} of {} rows are equal; {wrong:?} is {:?}",
                equal(),
                expected.len(),
                wrong.and_then(|(k, _)| rows.get(k))
            )
        },
    );
}
