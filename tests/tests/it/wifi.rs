//! Telemetry in, estimates out, through a cluster of processes and a broker of its own: every record
//! has one distinct estimate of each kind, whatever dies meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use fulmar_proto::wifi::Estimate;
use fulmar_tests::cluster::{Cluster, LONG};
use fulmar_tests::process::{Process, fulmar};
use fulmar_tests::wait::{wait_for, wait_until};
use prost::Message;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

const PARTITIONS: i32 = 8;

/// Reads a topic from its beginning, again and again.
struct Reader(BaseConsumer);

impl Reader {
    fn new(servers: &str, topic: &str) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("group.id", "test")
            .create()
            .expect("a consumer");
        let mut list = TopicPartitionList::new();
        for p in 0..PARTITIONS {
            list.add_partition_offset(topic, p, Offset::Beginning)
                .expect("a partition");
        }
        consumer.assign(&list).expect("assigned");
        Self(consumer)
    }

    /// What is there now: partition, value, headers.
    fn take(&self) -> Vec<(i32, Vec<u8>, BTreeMap<String, String>)> {
        let mut all = Vec::new();
        while let Some(Ok(m)) = self.0.poll(Duration::from_millis(20)) {
            let headers = m.headers().map(|h| {
                h.iter()
                    .map(|h| {
                        (
                            h.key.to_owned(),
                            String::from_utf8_lossy(h.value.unwrap_or_default()).into_owned(),
                        )
                    })
                    .collect()
            });
            all.push((
                m.partition(),
                m.payload().unwrap_or_default().to_vec(),
                headers.unwrap_or_default(),
            ));
        }
        all
    }
}

fn broker(cluster: &Cluster) -> (Process, String) {
    let mut command = Command::new(fulmar());
    command.args(["broker", "--partitions", &PARTITIONS.to_string()]);
    let broker = Process::start("broker", &mut command, cluster.dir.path());
    let servers = wait_for("the broker's address", LONG, || {
        broker
            .log()
            .lines()
            .find_map(|l| l.strip_prefix("kafka ").map(str::to_owned))
    });
    (broker, servers)
}

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

    let mut command = Command::new(fulmar());
    command.args([
        "source",
        "--bootstrap",
        &servers,
        "--partitions",
        &PARTITIONS.to_string(),
    ]);
    command.args(["--rate", "1500", "--for", "6s", "--output", "json"]);
    let mut source = Process::start("source", &mut command, cluster.dir.path());
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
                e.source_watermark_ms >= e.time_ms,
                "the watermark counts the record itself"
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
    let log = source.log();
    let report = &log[log.find('{').expect("a report")..];
    let report: serde_json::Value = serde_json::from_str(report).expect("JSON");
    let records = report["confirmed"].as_u64().expect("a count") as usize;
    assert!(records > 8_000, "{report}");
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
}
