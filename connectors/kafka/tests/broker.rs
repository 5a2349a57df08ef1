//! Spout and bolt against the embedded broker, through the author's test collectors.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fulmar_api::testing::{BoltTester, SpoutTester};
use fulmar_api::value::Value;
use fulmar_api::{Config, FailReason, Spout};
use fulmar_kafka::broker::Broker;
use fulmar_kafka::producer::{Producer, Record};
use fulmar_kafka::records;
use fulmar_kafka::reset::{To, reset_offsets};
use fulmar_kafka::watermark::Watermark;
use fulmar_kafka::{Assignment, KafkaBatchSpout, KafkaBolt, KafkaSpout, KafkaSpoutConfig};

const LONG: Duration = Duration::from_secs(30);

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {LONG:?}");
        std::thread::sleep(Duration::from_millis(2)); // poll: librdkafka's threads do the work
    }
}

fn record(partition: i32, n: i64) -> Record {
    Record {
        topic: "in".to_owned(),
        partition: Some(partition),
        key: Some(b"k".to_vec()),
        value: n.to_string().into_bytes(),
        timestamp: Some(1_000 + n),
        headers: Vec::new(),
    }
}

/// Two partitions with this many records each.
fn filled(records: i64) -> Broker {
    let broker = Broker::start(&[("in", 2), ("dead", 1)]).unwrap();
    let producer = Producer::new(&broker.bootstrap_servers(), &[]).unwrap();
    for n in 0..records {
        for partition in 0..2 {
            assert!(
                producer
                    .send(record(partition, n), Box::new(|r| r.unwrap()))
                    .is_ok()
            );
        }
    }
    producer.flush(LONG).unwrap();
    broker
}

fn config(broker: &Broker) -> KafkaSpoutConfig {
    let mut config = KafkaSpoutConfig::new(&broker.bootstrap_servers(), "in", "group");
    config.offset_commit_period = Duration::from_millis(1);
    config
}

fn open(config: &KafkaSpoutConfig) -> SpoutTester<KafkaSpout> {
    let mut test = SpoutTester::open(KafkaSpout::new(config.clone()), &Config::new()).unwrap();
    test.spout().activate().unwrap();
    test
}

fn read(test: &mut SpoutTester<KafkaSpout>, count: usize) {
    until("records", || {
        test.call_next().unwrap();
        test.emitted().len() >= count
    });
}

fn int(values: &[Value], at: usize) -> i64 {
    values[at].as_int().unwrap()
}

#[test]
fn each_record_is_one_tuple_in_order_with_its_watermark() {
    let broker = filled(50);
    let mut test = open(&config(&broker));
    read(&mut test, 100);
    for partition in 0..2 {
        let of: Vec<_> = test
            .emitted()
            .iter()
            .filter(|e| int(&e.values, 1) == partition)
            .collect();
        let offsets: Vec<_> = of.iter().map(|e| int(&e.values, 2)).collect();
        assert_eq!(offsets, (0..50).collect::<Vec<_>>());
        // Where a log begins, eight records must agree before the watermark is theirs.
        let mut wanted = Watermark::default();
        for e in &of {
            wanted = wanted.after(1_000 + int(&e.values, 2), 60_000);
            assert_eq!(int(&e.values, 6), wanted.ms());
        }
        assert_eq!(wanted.ms(), 1_049);
        assert_eq!(of[7].values[4], Value::Bytes(b"7".as_slice().into()));
    }
}

#[test]
fn a_new_spout_goes_on_behind_what_was_acked_and_keeps_the_watermark() {
    let broker = filled(20);
    let mut first = open(&config(&broker));
    read(&mut first, 40);
    let ids: Vec<_> = first
        .emitted()
        .iter()
        .map(|e| (e.id.unwrap(), int(&e.values, 1), int(&e.values, 2)))
        .collect();
    // Of partition 0 all but offset 10, of partition 1 all.
    for (id, partition, offset) in ids {
        if (partition, offset) != (0, 10) {
            first.spout().ack(id).unwrap();
        }
    }
    first.spout().close();
    let mut second = open(&config(&broker));
    read(&mut second, 10);
    let again: Vec<_> = second
        .emitted()
        .iter()
        .map(|e| (int(&e.values, 1), int(&e.values, 2)))
        .collect();
    assert_eq!(again, (10..20).map(|o| (0, o)).collect::<Vec<_>>());
    // Offset 10 brings 1010 itself; what the commit said of before was 1009.
    assert_eq!(int(&second.emitted()[0].values, 6), 1_010);
}

#[test]
fn members_of_a_group_share_the_partitions_and_take_over_behind_what_is_acked() {
    let broker = filled(30);
    let mut config = config(&broker);
    config.assignment = Assignment::GroupSubscription;
    config.props = vec![
        ("heartbeat.interval.ms".to_owned(), "100".to_owned()),
        ("session.timeout.ms".to_owned(), "6000".to_owned()),
    ];
    let mut first = open(&config);
    read(&mut first, 60);
    let ids: Vec<_> = first.emitted().iter().map(|e| e.id.unwrap()).collect();
    ids.iter().for_each(|id| first.spout().ack(*id).unwrap());

    // A second member comes: each has one partition then, and new records come to exactly one of them.
    let mut second = open(&config);
    let producer = Producer::new(&broker.bootstrap_servers(), &[]).unwrap();
    let (mut sent, mut turn) = (30, 0);
    until("both members read", || {
        if turn % 100 == 0 {
            for partition in 0..2 {
                let told = producer.send(record(partition, sent), Box::new(|r| r.unwrap()));
                assert!(told.is_ok());
            }
            sent += 1;
        }
        turn += 1;
        for test in [&mut first, &mut second] {
            test.call_next().unwrap();
        }
        let of = |test: &SpoutTester<KafkaSpout>| {
            let last = test.emitted().last().map(|e| int(&e.values, 1));
            last.unwrap_or(-1)
        };
        let (a, b) = (of(&first), of(&second));
        a >= 0 && b >= 0 && a != b
    });

    // It goes without having acked anything: the first takes over from the commit on.
    second.spout().close();
    drop(second);
    producer.flush(LONG).unwrap();
    until("the first member has everything", || {
        first.call_next().unwrap();
        let seen = |partition| {
            let of = first
                .emitted()
                .iter()
                .filter(|e| int(&e.values, 1) == partition);
            of.map(|e| int(&e.values, 2)).collect::<BTreeSet<_>>()
        };
        (0..2).all(|p| (30..sent).all(|o| seen(p).contains(&o)))
    });
    // A late ack of an earlier assignment means nothing.
    first.spout().ack(ids[0]).unwrap();
}

#[test]
fn a_failed_record_comes_again_and_in_the_end_goes_to_the_dead_letters() {
    let broker = filled(1);
    let mut config = config(&broker);
    config.retries.initial = Duration::from_millis(1);
    config.retries.count = 2;
    config.retries.dead_letter_topic = Some("dead".to_owned());
    let mut test = open(&config);
    read(&mut test, 2);
    let (bad, good) = (test.emitted()[0].id.unwrap(), test.emitted()[1].id.unwrap());
    test.spout().ack(good).unwrap();
    for tries in 1..=3 {
        test.spout().fail(bad, FailReason::Failed).unwrap();
        if tries <= 2 {
            read(&mut test, 2 + tries);
            assert_eq!(test.emitted()[1 + tries].id, Some(bad));
        }
    }
    let mut dead = KafkaSpoutConfig::new(&broker.bootstrap_servers(), "dead", "undertaker");
    dead.props = Vec::new();
    let mut undertaker = open(&dead);
    read(&mut undertaker, 1);
    assert_eq!(
        undertaker.emitted()[0].values[4],
        Value::Bytes(b"0".as_slice().into())
    );
    // It is done now: the next spout begins behind it.
    until("the dead letter to be confirmed", || {
        test.call_next().unwrap();
        test.told().wakes > 0
    });
    test.call_next().unwrap();
    test.spout().close();
    let mut next = open(&config);
    for _ in 0..200 {
        next.call_next().unwrap();
    }
    assert!(next.emitted().is_empty());
}

#[test]
fn the_bolt_acks_when_the_broker_has_confirmed() {
    let broker = Broker::start(&[("in", 2)]).unwrap();
    let bolt = KafkaBolt::new(&broker.bootstrap_servers(), Some("in")).prop("linger.ms", "1");
    let mut test = BoltTester::new(bolt, ["key", "value", "partition", "timestamp"]);
    test.prepare(&Config::new()).unwrap();
    for n in 0..500_i64 {
        test.execute((
            "k",
            Value::Bytes(n.to_string().into_bytes().into()),
            n % 2,
            1_000 + n,
        ))
        .unwrap();
    }
    until("confirmations", || test.acked() == 500);
    let mut spout = open(&config(&broker));
    read(&mut spout, 500);
    let values: BTreeSet<i64> = spout
        .emitted()
        .iter()
        .map(|e| int(&e.values, 5) - 1_000)
        .collect();
    assert_eq!(values, (0..500).collect());
}

#[test]
fn offsets_are_reset_while_nobody_reads() {
    let broker = filled(30);
    let config = config(&broker);
    assert_eq!(reset_offsets(&config, To::Time(1_012)).unwrap().len(), 2);
    assert_eq!(
        reset_offsets(&config, To::Latest).unwrap(),
        [(0, 30), (1, 30)]
    );
    assert_eq!(
        reset_offsets(&config, To::Earliest).unwrap(),
        [(0, 0), (1, 0)]
    );
    let mut test = open(&config);
    read(&mut test, 60);
}

#[test]
fn what_is_wrong_is_said_with_the_remedy() {
    let broker = Broker::start(&[("in", 1)]).unwrap();
    let mut wrong = config(&broker);
    wrong
        .props
        .push(("security.protokoll".to_owned(), "ssl".to_owned()));
    let refused = SpoutTester::open(KafkaSpout::new(wrong), &Config::new())
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains("security.protokoll"), "{refused}");
    let bolt = KafkaBolt::new(&broker.bootstrap_servers(), None);
    let mut test = BoltTester::new(bolt, ["value"]);
    test.prepare(&Config::new()).unwrap();
    let refused = test.execute(["x"]).err().unwrap().to_string();
    assert!(refused.contains("topic"), "{refused}");
}

/// Partition, epoch, fresh, first, next, idle and the offsets within, of each batch.
type Seen = (i64, i64, bool, i64, i64, bool, Vec<i64>);

fn batches(
    test: &mut SpoutTester<KafkaBatchSpout>,
    enough: impl Fn(&[(u64, Seen)]) -> bool,
) -> Vec<(u64, Seen)> {
    let mut all = Vec::new();
    until("batches", || {
        test.call_next().unwrap();
        all = test
            .emitted()
            .iter()
            .map(|e| {
                let v = &e.values;
                let Value::Bytes(bytes) = &v[7] else {
                    panic!("bytes")
                };
                let offsets = records::iter(bytes).map(|r| r.offset).collect();
                let seen = (
                    int(v, 0),
                    int(v, 2),
                    v[3] == Value::Bool(true),
                    int(v, 4),
                    int(v, 5),
                    v[6] == Value::Bool(true),
                    offsets,
                );
                (e.id.unwrap(), seen)
            })
            .collect();
        enough(&all)
    });
    all
}

fn open_batches(config: &KafkaSpoutConfig) -> SpoutTester<KafkaBatchSpout> {
    let mut test = SpoutTester::open(KafkaBatchSpout::new(config.clone()), &Config::new()).unwrap();
    test.spout().activate().unwrap();
    test
}

fn count(all: &[(u64, Seen)]) -> usize {
    all.iter().map(|b| b.1.6.len()).sum()
}

#[test]
fn batches_are_in_order_without_gaps_and_idle_partitions_are_told() {
    let broker = filled(2_500);
    let mut test = open_batches(&config(&broker));
    let all = batches(&mut test, |all| {
        // Told again every second: whoever takes over a bolt must hear of it.
        let told = |p| all.iter().filter(|b| b.1.0 == p && b.1.5).count();
        count(all) == 5_000 && told(0) >= 2 && told(1) >= 2
    });
    for partition in 0..2 {
        let of: Vec<_> = all
            .iter()
            .map(|b| &b.1)
            .filter(|b| b.0 == partition)
            .collect();
        assert!(
            of[0].2 && of[1..].iter().all(|b| !b.2),
            "only the first is fresh"
        );
        assert!(
            of.windows(2).all(|w| w[0].4 == w[1].3),
            "each begins where the last one ended"
        );
        let offsets: Vec<_> = of.iter().flat_map(|b| b.6.clone()).collect();
        assert_eq!(offsets, (0..2_500).collect::<Vec<_>>());
    }
}

#[test]
fn a_failed_batch_lets_its_partition_begin_again_at_the_commit() {
    let broker = filled(2_500);
    let mut test = open_batches(&config(&broker));
    let all = batches(&mut test, |all| count(all) == 5_000);
    let of: Vec<_> = all.iter().filter(|b| b.1.0 == 0).cloned().collect();
    assert!(of.len() >= 3, "several batches");
    let (ok, bad) = (&of[0], &of[1]);
    test.spout().ack(ok.0).unwrap();
    test.spout().fail(bad.0, FailReason::Failed).unwrap();
    test.spout().fail(of[2].0, FailReason::Failed).unwrap();
    let seen = test.emitted().len();
    let rest = 2_500 - ok.1.4;
    let again = batches(&mut test, |all| count(&all[seen..]) as i64 == rest);
    let again: Vec<_> = again[seen..].iter().filter(|b| !b.1.6.is_empty()).collect();
    assert!(
        again.iter().all(|b| b.1.0 == 0 && b.1.1 == 1),
        "one new epoch"
    );
    assert!(again[0].1.2 && again[0].1.3 == ok.1.4);
    // An old verdict means nothing now; the rest is done, and the next spout finds nothing of it.
    test.spout().ack(bad.0).unwrap();
    again.iter().for_each(|b| test.spout().ack(b.0).unwrap());
    test.spout().close();
    let mut next = open_batches(&config(&broker));
    let next = batches(&mut next, |all| {
        count(all) == 2_500 && all.iter().any(|b| b.1.0 == 0 && b.1.5)
    });
    assert!(next.iter().all(|b| b.1.0 == 1 || b.1.6.is_empty()));
}
