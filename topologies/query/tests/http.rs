//! The service over real HTTP, on the embedded broker and the embedded store.

use std::time::{Duration, Instant};

use fulmar_cassandra::{tables, wifi};
use fulmar_kafka::broker::Broker;
use fulmar_kafka::producer::{Producer, Record};
use fulmar_proto::wifi::{Aggregate, Anomaly, Estimate, Kind};
use fulmar_query::{QueryConfig, run};
use prost::Message;
use serde_json::Value;
use tokio::net::TcpListener;

const NOW: i64 = 1_700_000_000_000;

struct Service {
    address: String,
    _broker: Broker,
    _dir: tempfile::TempDir,
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn row(n: i64) -> Aggregate {
    Aggregate {
        org: "acme".into(),
        metric: "throughput".into(),
        grouping: "org".into(),
        entity: "acme".into(),
        window_start_ms: NOW - n * 600_000,
        window_ms: 600_000,
        count: 4,
        sum: 40 + n,
        good_ms: 3,
        bad_ms: 1,
        ..Aggregate::default()
    }
}

async fn start() -> Service {
    let dir = tempfile::tempdir().unwrap();
    let (door, store) = listener().await;
    let path = dir.path().to_owned();
    tokio::spawn(async move {
        fulmar_cassandra::embedded::run(&path, door, std::future::pending()).await
    });
    let url = format!("embedded://{store}");
    let client = fulmar_cassandra::connect(&url).await.unwrap();
    client.ensure(&tables::ALL).await.unwrap();
    for n in 0..200 {
        let (table, row) = wifi::aggregate_row(&row(n)).unwrap();
        client.upsert(table, &[row]).await.unwrap();
    }
    for n in 0..5 {
        let id = format!("a{n}");
        let anomaly = Anomaly {
            id,
            org: "acme".into(),
            window_start_ms: NOW - 600_000,
            score: 7.5,
            ..Anomaly::default()
        };
        client
            .upsert(&tables::ANOMALIES, &[wifi::anomaly_row(&anomaly, 1)])
            .await
            .unwrap();
    }
    let broker = Broker::start(&[("wifi.estimates", 2)]).unwrap();
    let producer = Producer::new(&broker.bootstrap_servers(), &[]).unwrap();
    for n in 0..50_i64 {
        let mut e = Estimate {
            time_ms: NOW + n,
            org: "acme".into(),
            site: format!("s{}", n % 2),
            value: n,
            ..Estimate::default()
        };
        e.set_kind(Kind::Coverage);
        let record = Record {
            topic: "wifi.estimates".into(),
            partition: Some(0),
            value: e.encode_to_vec(),
            ..Record::default()
        };
        assert!(producer.send(record, Box::new(|r| r.unwrap())).is_ok());
    }
    tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(30)).unwrap())
        .await
        .unwrap();
    let (door, address) = listener().await;
    let config = QueryConfig {
        bootstrap_servers: broker.bootstrap_servers(),
        estimates: "wifi.estimates".into(),
        store: url,
    };
    tokio::spawn(run(config, door, std::future::pending(), || {}));
    Service {
        address,
        _broker: broker,
        _dir: dir,
    }
}

impl Service {
    async fn ask(&self, path: &str) -> (u16, Value) {
        let answer = reqwest::get(format!("http://{}{path}", self.address))
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// All pages, by the field that tells results apart.
    async fn pages(&self, path: &str, field: &str) -> Vec<Value> {
        let (mut all, mut page) = (Vec::new(), String::new());
        loop {
            let (status, answer) = self.ask(&format!("{path}{page}")).await;
            assert_eq!(status, 200, "{answer}");
            all.extend(
                answer["results"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|r| r[field].clone()),
            );
            match answer["next"].as_str() {
                Some(next) => page = format!("&page={next}"),
                None => return all,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_everything_once_newest_first() {
    let service = start().await;
    let span = format!("start={}&end={}", NOW - 10 * 86_400_000, NOW + 1_000);
    let found = service
        .pages(
            &format!("/api/v1/wifi/aggregates?org=acme&{span}&limit=7"),
            "sum",
        )
        .await;
    assert_eq!(
        found,
        (0..200).map(|n| Value::from(40 + n)).collect::<Vec<_>>()
    );
    let found = service
        .pages(
            &format!("/api/v1/wifi/anomalies?org=acme&{span}&limit=2"),
            "id",
        )
        .await;
    assert_eq!(found, ["a4", "a3", "a2", "a1", "a0"]);
    let path = format!("/api/v1/wifi/estimates?org=acme&site=s1&metric=coverage&{span}&limit=4");
    let end = Instant::now() + Duration::from_secs(30);
    let wanted: Vec<Value> = (0..50)
        .rev()
        .filter(|n| n % 2 == 1)
        .map(Value::from)
        .collect();
    while service.pages(&path, "value").await != wanted {
        assert!(Instant::now() < end, "the estimates did not come");
    }
    let (_, one) = service
        .ask(&format!("/api/v1/wifi/aggregates?org=acme&{span}&limit=1"))
        .await;
    assert_eq!(
        (&one["results"][0]["mean"], &one["results"][0]["sle"]),
        (&Value::from(10.0), &Value::from(0.75))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_and_their_sites_come_from_the_newest_estimates() {
    let service = start().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let wanted = serde_json::json!({"results": [{"org": "acme", "sites": ["s0", "s1"]}]});
    loop {
        let (status, answer) = service.ask("/api/v1/wifi/orgs").await;
        assert_eq!(status, 200, "{answer}");
        if answer == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{answer}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_the_remedy() {
    let service = start().await;
    for (path, code, text) in [
        ("/api/v1/wifi/aggregates", 400, "org is missing"),
        (
            "/api/v1/wifi/aggregates?org=a&metric=coverrage",
            400,
            "did you mean \"coverage\"",
        ),
        (
            "/api/v1/wifi/aggregates?org=a&limit=1001",
            400,
            "between 1 and 1000",
        ),
        (
            "/api/v1/wifi/aggregates?org=a&grouping=ap",
            400,
            "entity is missing",
        ),
        ("/api/v1/wifi/anomalies?org=a&page=x", 400, "page x"),
        ("/api/v1/wifi/estimates?org=a&end=never", 400, "never"),
        ("/api/v1/wifi/nothing", 404, "no such path"),
    ] {
        let (status, answer) = service.ask(path).await;
        assert_eq!(status, code, "{path}: {answer}");
        assert!(
            answer["message"].as_str().unwrap().contains(text),
            "{path}: {answer}"
        );
        assert!(!answer["remedy"].as_str().unwrap().is_empty());
    }
    let ready = reqwest::get(format!("http://{}/readyz", service.address))
        .await
        .unwrap();
    assert_eq!(ready.status(), 200);
}
