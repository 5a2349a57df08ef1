//! Telemetry in, estimates out, through a cluster of processes and a broker of its own: every record
//! has one distinct estimate of each kind, whatever dies meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use fulmar_proto::wifi::Estimate;
use fulmar_tests::cluster::{Cluster, LONG};
use fulmar_tests::wait::wait_until;
use prost::Message;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::pipeline::{Reader, broker, confirmed, source};

#[test]
fn every_record_has_one_distinct_estimate_of_each_kind_although_a_worker_dies() {
    let cluster = Cluster::start(2);
    let (_broker, servers) = broker(&cluster);
    let conf = format!("kafka.bootstrap.servers={servers}");
    cluster.json(&["submit", "wifi", "-c", &conf, "--wait", "60s"]);

    // Hostile records among the good ones.
    let hostile: [&[u8]; 4] = [b"\xff\xff\xff", b"{\"org\":\"a\",\"colour\":1}", b"", b"{\"org\":\"a\",\"site\":\"b\",\"ap\":\"c\",\"client\":\"d\",\"band\":\"5\",\"wlan\":\"w\",\"interval_ms\":1,\"time_ms\":99999999999999}"];
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &servers)
        .create()
        .expect("a producer");
    for value in hostile {
        producer
            .send(
                BaseRecord::<(), [u8]>::to("wifi.telemetry")
                    .partition(3)
                    .payload(value),
            )
            .expect("sent");
    }
    producer.flush(LONG).expect("delivered");

    let mut source = source(&cluster, &servers, 1_500, "6s");
    let estimates = Reader::new(&servers, "wifi.estimates");
    let mut seen: BTreeMap<i32, BTreeSet<(i32, i64)>> = BTreeMap::new();
    let look = |seen: &mut BTreeMap<i32, BTreeSet<(i32, i64)>>| {
        for (partition, value, _) in estimates.take() {
            let e = Estimate::decode(&value[..]).expect("an estimate");
            let source = e.source.expect("its source");
            assert_eq!(
                source.partition, partition,
                "an estimate lies in its telemetry's partition"
            );
            assert!(
                e.source_watermark_ms >= e.time_ms - 120_000,
                "the watermark is at most two leaps behind the record itself"
            );
            seen.entry(e.kind)
                .or_default()
                .insert((source.partition, source.offset));
        }
    };
    wait_until("a third of the estimates", LONG, || {
        look(&mut seen);
        seen.values().map(BTreeSet::len).sum::<usize>() > 9_000
    });
    let victim = *cluster.workers().keys().next().expect("a worker");
    cluster.kill_worker(victim);
    source.wait(LONG);
    let records = confirmed(&source);
    assert!(records > 8_000, "{records}");
    wait_until("every estimate", LONG, || {
        look(&mut seen);
        seen.len() == 3 && seen.values().all(|s| s.len() == records)
    });

    let rejected = Reader::new(&servers, "wifi.rejected");
    let mut reasons: BTreeMap<String, String> = BTreeMap::new();
    wait_until("every refusal", LONG, || {
        for (_, _, headers) in rejected.take() {
            reasons.insert(headers["source"].clone(), headers["reason"].clone());
        }
        reasons.len() == hostile.len()
    });
    let count = |reason: &str| reasons.values().filter(|r| *r == reason).count();
    assert_eq!(
        (
            count("malformed"),
            count("missing_field"),
            count("far_future")
        ),
        (2, 1, 1),
        "{reasons:?}"
    );
    offsets_are_set_only_while_it_is_stopped(&cluster, &servers, records + hostile.len());
}

/// Read again from the start, each record has its estimates a second time.
fn offsets_are_set_only_while_it_is_stopped(cluster: &Cluster, servers: &str, records: usize) {
    let ask = [
        "offsets",
        "wifi.telemetry",
        "--group",
        "fulmar-wifi",
        "--bootstrap",
        servers,
    ];
    let committed = || {
        let shown = cluster.json(&ask);
        let partitions = shown["partitions"].as_array().cloned().unwrap_or_default();
        let sum = |key: &str| {
            partitions
                .iter()
                .filter_map(|p| p[key].as_i64())
                .sum::<i64>()
        };
        (sum("committed"), sum("end"))
    };
    let all = records as i64;
    wait_until("everything is committed", LONG, || {
        committed() == (all, all)
    });

    let set = |to: &str| cluster.run(&[&ask[..], &["--to", to]].concat());
    let refused = set("earliest");
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{why}");
    assert!(why.contains("fulmar kill wifi"), "{why}");
    assert_eq!(committed(), (all, all), "a refusal changes nothing");
    assert_eq!(set("yesterday").status.code(), Some(2));

    cluster.json(&["kill", "wifi", "-w", "0"]);
    wait_until("the topology is gone", LONG, || {
        cluster.json(&["list"])["topologies"] == serde_json::json!([])
    });
    assert!(set("earliest").status.success());
    assert_eq!(committed(), (0, all));
    let conf = format!("kafka.bootstrap.servers={servers}");
    cluster.json(&["submit", "wifi", "-c", &conf, "--wait", "60s"]);
    wait_until("everything is committed again", LONG, || {
        committed() == (all, all)
    });
}
