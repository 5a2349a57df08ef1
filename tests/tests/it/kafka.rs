//! Spout and bolt against a real Kafka, plain and through TLS with a login.
//!
//! `FULMAR_KAFKA` names it (`cargo xtask test` starts it); without it these tests say that they are skipped.

use std::collections::BTreeSet;
use std::time::Duration;

use fulmar_api::testing::{BoltTester, SpoutTester};
use fulmar_api::value::Value;
use fulmar_api::{Config, Spout};
use fulmar_kafka::{Assignment, KafkaBolt, KafkaSpout, KafkaSpoutConfig, topics};
use fulmar_tests::wait::wait_until;

const LONG: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 3;
const RECORDS: i64 = 200;

type Props = Vec<(String, String)>;

fn variable(test: &str, name: &str) -> Option<String> {
    let found = std::env::var(name).ok();
    if found.is_none() {
        println!("{test} skipped: {name} is not set; run it by `cargo xtask test`");
    }
    found
}

fn login(ca: &str, password: &str) -> Props {
    [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanisms", "PLAIN"),
        ("sasl.username", "fulmar"),
        ("sasl.password", password),
        ("ssl.ca.location", ca),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .to_vec()
}

fn make(servers: &str, props: &Props, topic: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime
        .block_on(topics::ensure(servers, props, &[topic], PARTITIONS))
        .expect("a topic");
}

/// Sends numbered records through the bolt and waits until the broker has confirmed all.
fn write(servers: &str, props: &Props, topic: &str) {
    let bolt = KafkaBolt::new(servers, Some(topic)).props(props);
    let mut test = BoltTester::new(bolt, ["key", "value"]);
    test.prepare(&Config::new()).expect("a producer");
    for n in 0..RECORDS {
        let text = n.to_string();
        test.execute([Value::from(text.as_str()), Value::from(text.as_str())])
            .expect("sent");
    }
    wait_until("every record is confirmed", LONG, || {
        test.acked() + test.failed() == RECORDS as usize
    });
    assert_eq!(test.failed(), 0);
}

/// Reads until every record was seen, acks everything, and answers nothing that was read twice.
fn read(config: &KafkaSpoutConfig) {
    let spout = KafkaSpout::new(config.clone());
    let mut test = SpoutTester::open(spout, &Config::new()).expect("an open spout");
    test.spout().activate().expect("active");
    wait_until("every record is read", LONG, || {
        for _ in 0..100 {
            test.call_next().expect("no error");
        }
        test.emitted().len() >= RECORDS as usize
    });
    let values: BTreeSet<_> = test
        .emitted()
        .iter()
        .map(|e| e.values[4].as_bytes().expect("bytes").to_vec())
        .collect();
    assert_eq!(
        (values.len(), test.emitted().len()),
        (RECORDS as usize, RECORDS as usize)
    );
    let ids: Vec<_> = test.emitted().iter().filter_map(|e| e.id).collect();
    for id in ids {
        test.spout().ack(id).expect("acked");
    }
    test.spout().close();
}

/// After everything is acked and committed nothing is left for the next spout.
fn nothing_left(config: &KafkaSpoutConfig) {
    let lag = fulmar_kafka::reset::committed(config).expect("commits");
    let (committed, ends): (Vec<_>, Vec<_>) = lag.into_iter().map(|(_, c, e)| (c, e)).unzip();
    assert_eq!(committed, ends);
    assert_eq!(ends.iter().sum::<i64>(), RECORDS);
}

#[test]
fn what_the_bolt_writes_the_spout_reads_once_and_commits() {
    let Some(servers) = variable("real Kafka", "FULMAR_KAFKA") else {
        return;
    };
    let topic = format!("plain-{}", std::process::id());
    make(&servers, &Props::new(), &topic);
    write(&servers, &Props::new(), &topic);
    for assignment in [Assignment::ByTaskIndex, Assignment::GroupSubscription] {
        let mut config = KafkaSpoutConfig::new(&servers, &topic, &format!("{assignment:?}"));
        config.assignment = assignment;
        read(&config);
        nothing_left(&config);
    }
}

#[test]
fn the_same_through_tls_with_a_login_and_a_wrong_password_is_told() {
    let (Some(servers), Some(ca)) = (
        variable("Kafka with TLS", "FULMAR_KAFKA_TLS"),
        variable("Kafka with TLS", "FULMAR_KAFKA_CA"),
    ) else {
        return;
    };
    let props = login(&ca, "loopback-only");
    let topic = format!("tls-{}", std::process::id());
    make(&servers, &props, &topic);
    write(&servers, &props, &topic);
    let mut config = KafkaSpoutConfig::new(&servers, &topic, "tls");
    config.props = props;
    read(&config);
    nothing_left(&config);

    config.props = login(&ca, "wrong");
    let spout = KafkaSpout::new(config);
    let error = SpoutTester::open(spout, &Config::new())
        .err()
        .expect("refused")
        .to_string();
    assert!(
        error.contains(&servers) && error.contains("login"),
        "{error}"
    );
    assert!(!error.contains("wrong"), "a password in an error: {error}");
}
