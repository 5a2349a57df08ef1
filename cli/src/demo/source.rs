//! The demo's telemetry: sent at a rate, never further ahead of the slowest commit than half of what the embedded
//! broker keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fulmar_kafka::partitioner::partition_of;
use fulmar_kafka::producer::{Delivered, Producer, Record};
use fulmar_proto::wifi::Telemetry;
use prost::Message;

use crate::failure::Failure;

/// Records sent between two looks at the clock.
const BURST: u64 = 64;
/// Records that may be on their way to the broker.
const UNDER_WAY: u64 = 50_000;
/// How long the last records may take to be confirmed.
const FLUSH: Duration = Duration::from_secs(30);

/// What others see of it while it runs.
#[derive(Debug)]
pub struct Sent {
    /// Records given to the producer.
    pub sent: AtomicU64,
    /// Records that the broker has confirmed.
    pub confirmed: AtomicU64,
    /// Records that it refused.
    pub failed: AtomicU64,
    /// Confirmed of each partition.
    pub of_partition: Vec<AtomicI64>,
    /// Largest event time of each partition.
    pub time_of_partition: Vec<AtomicI64>,
    /// Set while the slowest commit is too far behind.
    pub held: AtomicBool,
    /// Milliseconds for which it was held.
    pub held_ms: AtomicU64,
    /// Asked to end.
    pub stop: AtomicBool,
}

impl Sent {
    /// Nothing yet.
    pub fn new(partitions: i32) -> Self {
        let each = |start: i64| (0..partitions).map(|_| AtomicI64::new(start)).collect();
        Self {
            sent: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            of_partition: each(0),
            time_of_partition: each(i64::MIN),
            held: AtomicBool::new(false),
            held_ms: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        }
    }
}

/// What is sent, and how fast.
pub struct Source {
    /// Brokers.
    pub servers: String,
    /// Records a second.
    pub rate: u64,
    /// How long.
    pub run_for: Duration,
}

/// Sends until the time is over or it is asked to end; answers how long it took.
///
/// # Errors
/// The producer cannot be made, or the last records are not confirmed.
pub fn run(
    source: &Source,
    world: impl Iterator<Item = Telemetry>,
    state: &Arc<Sent>,
) -> Result<Duration, Failure> {
    let producer = Producer::new(&source.servers, &[]).map_err(Failure::here)?;
    let partitions = state.of_partition.len() as i32;
    let (mut world, start, mut sent) = (world, Instant::now(), 0_u64);
    let mut held = Duration::ZERO;
    while start.elapsed() < source.run_for && !state.stop.load(Ordering::Relaxed) {
        if state.held.load(Ordering::Relaxed) {
            let since = Instant::now();
            std::thread::sleep(Duration::from_millis(5));
            held += since.elapsed();
            state
                .held_ms
                .store(held.as_millis() as u64, Ordering::Relaxed);
            continue;
        }
        // Time for which it was held is not made up for: the rate is a limit.
        let active = start.elapsed().saturating_sub(held).as_secs_f64();
        let due = (active * source.rate as f64) as u64;
        let settled =
            state.confirmed.load(Ordering::Relaxed) + state.failed.load(Ordering::Relaxed);
        if sent >= due || sent.saturating_sub(settled) > UNDER_WAY {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        for t in world.by_ref().take((due - sent).min(BURST) as usize) {
            let key = format!("{}/{}/{}", t.org, t.site, t.ap);
            let partition = partition_of(key.as_bytes(), partitions);
            let record = Record {
                topic: "wifi.telemetry".to_owned(),
                partition: Some(partition),
                key: Some(key.into_bytes()),
                timestamp: Some(t.time_ms),
                value: t.encode_to_vec(),
                headers: Vec::new(),
            };
            state.time_of_partition[partition as usize].fetch_max(t.time_ms, Ordering::Relaxed);
            send(&producer, record, partition as usize, state);
            sent += 1;
        }
        state.sent.store(sent, Ordering::Relaxed);
    }
    let took = start.elapsed();
    producer.flush(FLUSH).map_err(Failure::here)?;
    Ok(took)
}

/// Sends, waiting for room where the producer's queue is full.
fn send(producer: &Producer, record: Record, partition: usize, state: &Arc<Sent>) {
    let told = state.clone();
    let delivered: Delivered = Box::new(move |result| {
        if result.is_ok() {
            told.confirmed.fetch_add(1, Ordering::Relaxed);
            told.of_partition[partition].fetch_add(1, Ordering::Relaxed);
        } else {
            told.failed.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut next = Some((record, delivered));
    while let Some((record, delivered)) = next.take() {
        if let Err(back) = producer.send(record, delivered) {
            std::thread::sleep(Duration::from_millis(5));
            next = Some(*back);
        }
    }
}
