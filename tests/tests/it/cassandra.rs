//! One law for both stores: what holds in Cassandra holds in the embedded store, by the same test.
//!
//! The real one is named by `FULMAR_CASSANDRA` (`cargo xtask test` starts it); without it these tests say that they
//! are skipped.

use std::ops::Bound;
use std::sync::Arc;

use fulmar_cassandra::tables::{AGGREGATES_10M, ANOMALIES};
use fulmar_cassandra::wifi::{
    aggregate_of, aggregate_partition, aggregate_row, anomaly_of, anomaly_row,
};
use fulmar_cassandra::{
    Cell, Column, Kind, Range, Row, Store, StoreError, Table, connect, embedded,
};
use fulmar_proto::wifi::{Aggregate, Anomaly, Cause};

static PLAIN: Table = Table {
    name: "law_plain",
    partition: &[Column::new("p", Kind::Text), Column::new("d", Kind::Date)],
    clustering: &[
        Column::new("n", Kind::Timestamp),
        Column::new("s", Kind::Text),
    ],
    values: &[
        Column::new("i", Kind::Int),
        Column::new("x", Kind::Double),
        Column::new("b", Kind::Bool),
        Column::new("t", Kind::Text),
    ],
    descending: true,
    ttl_s: 0,
    window_h: 0,
};

/// The real Cassandra's address; says so if there is none.
fn real(test: &str) -> Option<String> {
    let found = std::env::var("FULMAR_CASSANDRA").ok();
    if found.is_none() {
        println!("{test} skipped: FULMAR_CASSANDRA is not set; run it by `cargo xtask test`");
    }
    found
}

/// A keyspace of the test's own, so that tests do not see each other's rows.
fn keyspace(url: &str, name: &str) -> String {
    format!("{url}/{name}_{}", std::process::id())
}

fn row(p: &str, n: i64, s: &str, i: i64, timestamp_us: i64) -> Row {
    Row {
        cells: vec![
            Cell::text(p),
            Cell::Date(-3),
            Cell::Timestamp(n),
            Cell::text(s),
            Cell::Int(i),
            Cell::Double(-0.25),
            Cell::Bool(true),
            Cell::text("é\0"),
        ],
        timestamp_us,
    }
}

async fn select(store: &Arc<dyn Store>, range: Range, limit: usize, descending: bool) -> Vec<Row> {
    let key = [Cell::text("p"), Cell::Date(-3)];
    store
        .select(&PLAIN, &key, &range, limit, descending)
        .await
        .unwrap()
}

async fn the_law(store: Arc<dyn Store>) {
    newer_wins(&store).await;
    ranges(&store).await;
    the_pipelines_rows(&store).await;
}

async fn newer_wins(store: &Arc<dyn Store>) {
    // Twice: what is there is checked, not made again.
    store.ensure(&[&PLAIN]).await.unwrap();
    store.ensure(&[&PLAIN]).await.unwrap();
    let all = || select(store, Range::all(), 100, true);
    let now = 1_700_000_000_000_000;
    store
        .upsert(&PLAIN, &[row("p", 1, "a", 5, now)])
        .await
        .unwrap();
    store
        .upsert(&PLAIN, &[row("p", 1, "a", 6, now - 1)])
        .await
        .unwrap();
    assert_eq!(all().await, [row("p", 1, "a", 5, now)]);
    store
        .upsert(&PLAIN, &[row("p", 1, "a", 4, now + 1)])
        .await
        .unwrap();
    assert_eq!(all().await, [row("p", 1, "a", 4, now + 1)]);
    // Equal timestamps: for each value the larger bytes, whatever comes first; −1 has larger bytes than 4.
    store
        .upsert(&PLAIN, &[row("p", 1, "a", -1, now + 1)])
        .await
        .unwrap();
    store
        .upsert(&PLAIN, &[row("p", 1, "a", 3, now + 1)])
        .await
        .unwrap();
    let mut mixed = row("p", 1, "a", 0, now + 1);
    mixed.cells[7] = Cell::text("z");
    store.upsert(&PLAIN, &[mixed.clone()]).await.unwrap();
    // "é" begins with a larger byte than "z".
    assert_eq!(all().await, [row("p", 1, "a", -1, now + 1)]);
    // A null is a deletion: it stays at the same timestamp, and yields to a later one.
    mixed.cells[5] = Cell::Null;
    store.upsert(&PLAIN, &[mixed]).await.unwrap();
    let read = all().await;
    assert_eq!(
        (&read[0].cells[4], &read[0].cells[5]),
        (&Cell::Int(-1), &Cell::Null)
    );
    store
        .upsert(&PLAIN, &[row("p", 1, "a", 9, now + 2)])
        .await
        .unwrap();
    assert_eq!(all().await, [row("p", 1, "a", 9, now + 2)]);
}

async fn ranges(store: &Arc<dyn Store>) {
    let mut rows: Vec<Row> = (0..30)
        .flat_map(|n| ["", "a", "ab"].map(|s| row("p", n - 10, s, n, 2_000_000_000_000_000)))
        .collect();
    store.upsert(&PLAIN, &rows).await.unwrap();
    // Of another partition: never seen below.
    store
        .upsert(&PLAIN, &[row("p2", 0, "a", 0, 1)])
        .await
        .unwrap();
    assert_eq!(select(store, Range::all(), 1000, false).await, rows);
    let part = Range::half_open(Cell::Timestamp(-2), Cell::Timestamp(3));
    assert_eq!(select(store, part, 1000, false).await, rows[24..39]);
    let after = Range {
        from: Bound::Excluded(vec![Cell::Timestamp(-10), Cell::text("a")]),
        to: Bound::Included(vec![Cell::Timestamp(-9)]),
    };
    assert_eq!(select(store, after.clone(), 1000, false).await, rows[2..6]);
    assert_eq!(select(store, after, 1, false).await, rows[2..3]);
    rows.reverse();
    assert_eq!(select(store, Range::all(), 7, true).await, rows[..7]);
    assert_eq!(select(store, Range::all(), 0, true).await, []);
    let mut scanned = 0;
    store.scan(&PLAIN, &mut |_| scanned += 1).await.unwrap();
    assert_eq!(scanned, 91);
    // More than a page.
    let many: Vec<Row> = (0..2500).map(|n| row("q", n, "", n, 1)).collect();
    store.upsert(&PLAIN, &many).await.unwrap();
    let key = [Cell::text("q"), Cell::Date(-3)];
    let all = Range::all();
    let read = store.select(&PLAIN, &key, &all, 10_000, false);
    assert_eq!(read.await.unwrap(), many);
}

async fn the_pipelines_rows(store: &Arc<dyn Store>) {
    store.ensure(&fulmar_cassandra::tables::ALL).await.unwrap();
    let now_ms = i64::try_from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap();
    let start = now_ms - now_ms % 600_000;
    let mut aggregate = Aggregate {
        org: "o".into(),
        metric: "coverage".into(),
        grouping: "site+band".into(),
        entity: "o/s/5".into(),
        window_start_ms: start,
        window_ms: 600_000,
        count: 40,
        sum: -77,
        min: -9,
        max: 5,
        good_ms: 1,
        bad_ms: 2,
        ..Aggregate::default()
    };
    let write = async |a: &Aggregate| {
        let (table, row) = aggregate_row(a).unwrap();
        store.upsert(table, &[row]).await.unwrap();
    };
    write(&aggregate).await;
    let fuller = aggregate.clone();
    aggregate.count = 39;
    write(&aggregate).await;
    let day = fulmar_cassandra::tables::day_of(start);
    let key = aggregate_partition("o", "coverage", "site+band", "o/s/5", day);
    let range = Range::half_open(Cell::Timestamp(start), Cell::Timestamp(start + 1));
    let read = store
        .select(&AGGREGATES_10M, &key, &range, 10, true)
        .await
        .unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(aggregate_of(&AGGREGATES_10M, &read[0]), Some(fuller));

    let anomaly = Anomaly {
        id: "a1".into(),
        org: "o".into(),
        window_start_ms: start,
        score: -4.5,
        causes: vec![Cause {
            grouping: "ap".into(),
            entity: "o/s/ap1".into(),
            share: 0.75,
        }],
        ..Anomaly::default()
    };
    let rows = [anomaly_row(&anomaly, start * 1000)];
    store.upsert(&ANOMALIES, &rows).await.unwrap();
    let mut read = Vec::new();
    store
        .scan(&ANOMALIES, &mut |row| read.push(row))
        .await
        .unwrap();
    assert_eq!(
        read.iter().map(anomaly_of).collect::<Vec<_>>(),
        [Some(anomaly)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_law_of_cassandra() {
    let Some(url) = real("the_law_of_cassandra") else {
        return;
    };
    the_law(connect(&keyspace(&url, "law")).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_law_of_the_embedded_store() {
    let dir = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("embedded://{}", listener.local_addr().unwrap());
    let folder = dir.path().to_owned();
    let server =
        tokio::spawn(async move { embedded::run(&folder, listener, std::future::pending()).await });
    the_law(connect(&url).await.unwrap()).await;
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_promised_schema_is_there_and_another_is_refused() {
    static OTHER: Table = Table {
        name: "law_plain",
        partition: &[Column::new("p", Kind::Text)],
        clustering: &[],
        values: &[Column::new("i", Kind::Text)],
        descending: false,
        ttl_s: 0,
        window_h: 0,
    };
    let Some(url) = real("the_promised_schema") else {
        return;
    };
    let store = connect(&keyspace(&url, "schema")).await.unwrap();
    // Several workers start at once.
    let makers: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.ensure(&fulmar_cassandra::tables::ALL).await })
        })
        .collect();
    for maker in makers {
        maker.await.unwrap().unwrap();
    }
    store.ensure(&[&PLAIN]).await.unwrap();
    let clash = store.ensure(&[&OTHER]).await.unwrap_err();
    assert!(matches!(clash, StoreError::Schema { .. }), "{clash}");
    let unmade = connect(&keyspace(&url, "unmade")).await.unwrap();
    let refused = unmade.upsert(&PLAIN, &[row("p", 1, "a", 1, 1)]).await;
    assert!(
        matches!(refused, Err(StoreError::Refused { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn login_and_tls() {
    let Some(url) = real("login_and_tls") else {
        return;
    };
    let Ok(ca) = std::env::var("FULMAR_CASSANDRA_CA") else {
        println!(
            "login_and_tls skipped: FULMAR_CASSANDRA_CA is not set; run it by `cargo xtask test`"
        );
        return;
    };
    let node = url.rsplit('@').next().unwrap();
    let refused = async |url: String| match connect(&url).await {
        Ok(_) => panic!("{url} was let in"),
        Err(error) => error,
    };
    let wrong = refused(format!("cassandra://cassandra:wrong@{node}")).await;
    assert!(matches!(wrong, StoreError::Login { .. }), "{wrong}");
    assert!(!wrong.to_string().contains("wrong@"), "{wrong}");
    let none = refused(format!("cassandra://{node}")).await;
    assert!(matches!(none, StoreError::Login { .. }), "{none}");
    let untrusted = refused(format!("{url}?tls=true")).await;
    assert!(matches!(untrusted, StoreError::Tls { .. }), "{untrusted}");

    let encrypted = keyspace(&url, "tls") + "?tls=true&ca=" + &ca;
    let store = connect(&encrypted).await.unwrap();
    newer_wins(&store).await;
    // A certificate that does not carry the name.
    let name = refused(format!("{encrypted}&server_name=elsewhere")).await;
    assert!(matches!(name, StoreError::Unreachable { .. }), "{name}");
    assert!(name.to_string().contains("certificate"), "{name}");
}

#[tokio::test]
async fn nobody_there_is_told_with_the_remedy() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let node = listener.local_addr().unwrap();
    drop(listener);
    let error = match connect(&format!("cassandra://{node}")).await {
        Ok(_) => panic!("nobody listens there"),
        Err(error) => error.to_string(),
    };
    assert!(
        error.contains("start it, or correct the address"),
        "{error}"
    );
}
