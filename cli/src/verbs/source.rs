//! `fulmar source`: simulated telemetry, sent to Kafka at a chosen rate.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fulmar_kafka::partitioner::partition_of;
use fulmar_kafka::producer::{Delivered, Producer, Record};
use fulmar_wifi::generator::Generator;
use fulmar_wifi::replay::Replay;
use fulmar_wifi::world::{Records, World};
use prost::Message;
use serde_json::json;

use crate::args::Common;
use crate::failure::{Done, Failure};
use crate::{output, settings};

/// Records sent between two looks at the clock.
const BURST: u64 = 64;
/// Records that may be on their way to the broker.
const UNDER_WAY: u64 = 100_000;
/// How long the brokers may take to answer at the start.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the last records may take to be confirmed.
const FLUSH: Duration = Duration::from_secs(30);

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fulmar source --bootstrap localhost:9092 --rate 2000 --for 1m")]
pub struct Args {
    /// Brokers.
    #[arg(long, default_value = "localhost:9092")]
    bootstrap: String,
    /// Topic.
    #[arg(long, default_value = "wifi.telemetry")]
    topic: String,
    /// Partitions of the topic.
    #[arg(long, default_value_t = 64)]
    partitions: i32,
    /// Records a second.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,
    /// How long.
    #[arg(long = "for", default_value = "10s", value_parser = settings::duration)]
    run_for: Duration,
    /// Event time runs so many times faster than the clock, and ends now.
    #[arg(long, default_value_t = 60)]
    speed: u32,
    /// The same seed gives the same records.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Replay recorded telemetry from this folder (*.csv.gz, columns of the ns-3 data set) instead of simulating it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    let producer = Producer::new(&args.bootstrap, &[]).map_err(Failure::here)?;
    producer
        .check(&args.bootstrap, &args.topic, ANSWER)
        .map_err(Failure::here)?;
    let (confirmed, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as i64);
    let span = args.run_for.as_millis() as i64 * i64::from(args.speed);
    // A client reports once a minute of event time, so that many clients make the rate.
    let clients =
        (args.rate * 60 / u64::from(args.speed.max(1))).clamp(1, u64::from(u32::MAX)) as u32;
    let world: Arc<dyn World> = match &args.data {
        Some(folder) => {
            let world = Replay::read(folder, args.seed, clients);
            Arc::new(world.map_err(|e| Failure::Failed(format!("--data: {e}")))?)
        }
        None => Arc::new(Generator::new(args.seed, clients, None)),
    };
    let mut world = Records::new(world, now - span);
    let (start, mut sent) = (Instant::now(), 0_u64);
    let mut partitions: BTreeMap<i32, u64> = BTreeMap::new();
    while start.elapsed() < args.run_for {
        let due = (start.elapsed().as_secs_f64() * args.rate as f64) as u64;
        let under_way = sent - confirmed.load(Ordering::Relaxed) - failed.load(Ordering::Relaxed);
        if sent >= due || under_way > UNDER_WAY {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        for t in world.by_ref().take((due - sent).min(BURST) as usize) {
            let key = format!("{}/{}/{}", t.org, t.site, t.ap);
            let partition = partition_of(key.as_bytes(), args.partitions);
            let record = Record {
                topic: args.topic.clone(),
                partition: Some(partition),
                key: Some(key.into_bytes()),
                timestamp: Some(t.time_ms),
                value: t.encode_to_vec(),
                headers: Vec::new(),
            };
            send(&producer, record, &confirmed, &failed);
            *partitions.entry(partition).or_default() += 1;
            sent += 1;
        }
    }
    producer.flush(FLUSH).map_err(Failure::here)?;
    let (confirmed, failed) = (
        confirmed.load(Ordering::Relaxed),
        failed.load(Ordering::Relaxed),
    );
    let rate = confirmed as f64 / start.elapsed().as_secs_f64();
    let json = json!({"sent": sent, "confirmed": confirmed, "failed": failed, "records_per_s": rate, "partitions": partitions});
    output::say(
        common.output,
        &format!("{confirmed} records, {rate:.0} a second"),
        &json,
    );
    if failed > 0 {
        return Err(Failure::Failed(format!(
            "{failed} of {sent} records were not confirmed"
        )));
    }
    Ok(())
}

/// Sends, waiting for room where the producer's queue is full.
fn send(producer: &Producer, record: Record, confirmed: &Arc<AtomicU64>, failed: &Arc<AtomicU64>) {
    let (yes, no) = (confirmed.clone(), failed.clone());
    let delivered: Delivered = Box::new(move |result| {
        let count = if result.is_ok() { &yes } else { &no };
        count.fetch_add(1, Ordering::Relaxed);
    });
    let mut next = Some((record, delivered));
    while let Some((record, delivered)) = next.take() {
        if let Err(back) = producer.send(record, delivered) {
            std::thread::sleep(Duration::from_millis(5));
            next = Some(*back);
        }
    }
}
