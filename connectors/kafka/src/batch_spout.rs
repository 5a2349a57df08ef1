//! The Kafka batch spout: each partition strictly in order, consecutive records as one tuple.
//!
//! For bolts whose state is a fold of the log: when any batch of a partition fails, the partition
//! begins again at the committed offset with a new epoch, whose first batch is marked `fresh`.
//! A partition without news sends an empty batch every second, by which a bolt that lost its state learns
//! of it. A bolt may keep batches for as long as it needs: the committed offset trails them.

use std::time::{Duration, Instant};

use fulmar_api::context::TaskContext;
use fulmar_api::value::Value;
use fulmar_api::{Config, FailReason, MessageId, Next, Outputs, Result, Spout, SpoutCollector};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::batches::Batches;
use crate::error::Error;
use crate::records::{self, Record};
use crate::settings::{FirstPollOffsetStrategy, KafkaSpoutConfig};
use crate::source::{self, broker};

/// Fields of each tuple. `first` and `next` are offsets: where the batch before ended, and behind the last record;
/// `partitions` is how many the topic has.
pub const FIELDS: [&str; 8] = [
    "partition",
    "partitions",
    "epoch",
    "fresh",
    "first",
    "next",
    "idle",
    "records",
];

/// Records of one batch.
const RECORDS: usize = 1_000;
/// Bytes of one batch.
const BYTES: usize = 256 << 10;
/// Messages taken from the client in one call.
const POLLS: usize = 1_000;
/// A partition without news says so this often, so that whoever takes over its bolt hears of it.
const BEAT: Duration = Duration::from_secs(1);
/// How long a seek may take.
const SEEK: Duration = Duration::from_secs(5);
/// First and longest pause before a partition begins again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

struct Partition {
    id: i32,
    batches: Batches,
    fresh: bool,
    buffer: Vec<u8>,
    count: usize,
    first: i64,
    next: i64,
    since: Instant,
    /// When the log's end was reached.
    end: Option<Instant>,
    /// When anything was emitted last.
    told: Instant,
    paused: bool,
    /// Begin again at this offset, then.
    rewind: Option<(Instant, i64)>,
    rewinds: u32,
}

/// The spout.
pub struct KafkaBatchSpout {
    config: KafkaSpoutConfig,
    consumer: Option<BaseConsumer>,
    ids: Vec<i32>,
    of: Vec<usize>,
    partitions: Vec<Partition>,
    next_commit: Instant,
    context: Option<TaskContext>,
}

impl KafkaBatchSpout {
    /// A spout of this set-up; retries and timestamps of it are not used.
    pub fn new(mut config: KafkaSpoutConfig) -> Self {
        if config.from_start {
            config.first_poll_offset_strategy = FirstPollOffsetStrategy::Earliest;
        }
        config
            .props
            .push(("enable.partition.eof".to_owned(), "true".to_owned()));
        Self {
            config,
            consumer: None,
            ids: Vec::new(),
            of: Vec::new(),
            partitions: Vec::new(),
            next_commit: Instant::now(),
            context: None,
        }
    }

    fn consumer(&self) -> Result<&BaseConsumer> {
        self.consumer
            .as_ref()
            .ok_or_else(|| fulmar_api::Error::msg("the Kafka spout is not open"))
    }

    fn assign(&mut self) -> Result<()> {
        let starts = source::assign(self.consumer()?, &self.config, &self.ids)?;
        let now = Instant::now();
        let partitions = starts.into_iter().map(|(id, offset, _)| Partition {
            id,
            batches: Batches::from(offset.unwrap_or(0)),
            fresh: true,
            buffer: Vec::new(),
            count: 0,
            first: offset.unwrap_or(-1),
            next: offset.unwrap_or(-1),
            since: now,
            end: None,
            told: now,
            paused: false,
            rewind: None,
            rewinds: 0,
        });
        self.partitions = partitions.collect();
        Ok(())
    }

    fn commit(&mut self, mode: CommitMode) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for p in &mut self.partitions {
            if let Some(offset) = p.batches.to_commit() {
                list.add_partition_offset(&self.config.topic, p.id, Offset::Offset(offset))
                    .map_err(broker)?;
                p.rewinds = 0;
            }
        }
        if list.count() == 0 {
            return Ok(());
        }
        let committed = self.consumer()?.commit(&list, mode).map_err(broker);
        if committed.is_err() {
            self.partitions
                .iter_mut()
                .for_each(|p| p.batches.commit_again());
        }
        Ok(committed?)
    }

    /// Takes what the client has into the partitions' buffers; answers whether there was anything.
    fn fill(&mut self) -> Result<bool> {
        let Self {
            consumer: Some(consumer),
            partitions,
            of,
            config,
            ..
        } = self
        else {
            return Ok(false);
        };
        let mut any = false;
        for _ in 0..POLLS {
            let message = match consumer.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => message,
                Some(Err(KafkaError::PartitionEOF(id))) => {
                    let at = of.get(id as usize).copied().unwrap_or(usize::MAX);
                    if let Some(p) = partitions.get_mut(at) {
                        p.end.get_or_insert_with(Instant::now);
                    }
                    continue;
                }
                Some(Err(error)) => {
                    return Err(source::broken(
                        &config.topic,
                        partitions.first().map(|p| p.id),
                        &error,
                    )
                    .into());
                }
            };
            let at = of
                .get(message.partition() as usize)
                .copied()
                .unwrap_or(usize::MAX);
            let Some(p) = partitions.get_mut(at).filter(|p| p.rewind.is_none()) else {
                continue;
            };
            any = true;
            if p.count == 0 {
                p.since = Instant::now();
                // Offsets have holes (transactions, compaction); where the last batch ended has none.
                if p.first < 0 {
                    p.first = message.offset();
                }
            }
            let record = Record {
                offset: message.offset(),
                timestamp: message.timestamp().to_millis().unwrap_or(0),
                key: message.key().unwrap_or_default(),
                value: message.payload().unwrap_or_default(),
            };
            records::push(&record, &mut p.buffer);
            (p.count, p.next, p.end) = (p.count + 1, message.offset() + 1, None);
            if p.count >= RECORDS || p.buffer.len() >= BYTES {
                break;
            }
        }
        Ok(any)
    }

    /// Emits the batches that are full or old enough, and tells of idle partitions.
    fn emit(&mut self, out: &mut SpoutCollector<'_>) -> Result<bool> {
        let (now, mut any) = (Instant::now(), false);
        for (position, p) in self
            .partitions
            .iter_mut()
            .enumerate()
            .filter(|(_, p)| p.rewind.is_none())
        {
            let full = p.count >= RECORDS || p.buffer.len() >= BYTES;
            let due =
                p.count > 0 && (full || now.duration_since(p.since) >= self.config.batch_linger);
            let beat = p.count == 0 && now.duration_since(p.told) >= BEAT;
            if !due && !beat {
                continue;
            }
            let ended = |since| now.duration_since(since) >= self.config.idle_after;
            let idle = p.end.is_some_and(ended);
            p.told = now;
            let number = p.batches.send(p.next, p.count);
            let values = [
                Value::Int(p.id.into()),
                Value::Int(self.of.len() as i64),
                Value::Int(p.batches.epoch().into()),
                Value::Bool(p.fresh),
                Value::Int(p.first),
                Value::Int(p.next),
                Value::Bool(idle),
                Value::Bytes(std::mem::take(&mut p.buffer).into()),
            ];
            (p.count, p.fresh, p.first, any) = (0, false, p.next, true);
            out.emit_with_id(join(position, p.batches.epoch(), number), values)?;
        }
        Ok(any)
    }

    /// Lets partitions begin again whose pause is over, and pauses or resumes those at their limit.
    fn steer(&mut self) -> Result<()> {
        let Self {
            consumer: Some(consumer),
            partitions,
            config,
            ..
        } = self
        else {
            return Ok(());
        };
        let now = Instant::now();
        for p in partitions {
            if let Some((_, mut offset)) = p.rewind.filter(|(at, _)| *at <= now) {
                if config.from_start {
                    let ends = consumer.fetch_watermarks(&config.topic, p.id, SEEK);
                    (offset, _) = ends.map_err(broker)?;
                }
                consumer
                    .seek(&config.topic, p.id, Offset::Offset(offset), SEEK)
                    .map_err(broker)?;
                (p.rewind, p.fresh, p.count, p.end) = (None, true, 0, None);
                (p.first, p.next) = (offset, offset);
                p.buffer.clear();
            }
            let (held, most) = (p.batches.records(), config.max_uncommitted_offsets);
            if !p.paused && held >= most {
                p.paused = true;
                consumer
                    .pause(&source::one(&config.topic, p.id))
                    .map_err(broker)?;
            } else if p.paused && held < most / 2 {
                p.paused = false;
                consumer
                    .resume(&source::one(&config.topic, p.id))
                    .map_err(broker)?;
            }
        }
        Ok(())
    }
}

impl Spout for KafkaBatchSpout {
    fn outputs(&self) -> Outputs {
        Outputs::fields(FIELDS)
    }

    fn conf(&self) -> Config {
        self.config.component()
    }

    fn open(&mut self, _: &Config, context: &TaskContext) -> Result<()> {
        let (consumer, ids, of) = source::open(&self.config, context)?;
        (self.consumer, self.ids, self.of) = (Some(consumer), ids, of);
        self.context = Some(context.clone());
        Ok(())
    }

    fn activate(&mut self) -> Result<()> {
        if self.partitions.is_empty() {
            return self.assign();
        }
        let running: Vec<_> = self
            .partitions
            .iter()
            .filter(|p| !p.paused)
            .map(|p| p.id)
            .collect();
        let list = source::list(&self.config.topic, &running);
        Ok(self.consumer()?.resume(&list).map_err(broker)?)
    }

    fn deactivate(&mut self) -> Result<()> {
        if !self.partitions.is_empty() {
            let list = source::list(&self.config.topic, &self.ids);
            self.consumer()?.pause(&list).map_err(broker)?;
            self.commit(CommitMode::Sync)?;
        }
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        if self.partitions.is_empty() && !self.ids.is_empty() {
            self.assign()?;
        }
        let now = Instant::now();
        if now >= self.next_commit {
            self.next_commit = now + self.config.offset_commit_period;
            self.commit(CommitMode::Async)?;
        }
        self.steer()?;
        let filled = self.fill()?;
        if self.emit(out)? {
            return Ok(Next::Emitted);
        }
        Ok(if filled {
            Next::IdleUntil(now + Duration::from_millis(1))
        } else {
            Next::Idle
        })
    }

    fn ack(&mut self, id: MessageId) -> Result<()> {
        let (position, epoch, number) = split(id);
        if let Some(p) = self.partitions.get_mut(position) {
            p.batches.done(epoch, number);
        }
        Ok(())
    }

    fn fail(&mut self, id: MessageId, _: FailReason) -> Result<()> {
        let (position, epoch, _) = split(id);
        let Some(p) = self.partitions.get_mut(position) else {
            return Ok(());
        };
        if let Some(offset) = p.batches.failed(epoch) {
            let pause = AGAIN.0.saturating_mul(1 << p.rewinds.min(10)).min(AGAIN.1);
            p.rewinds += 1;
            p.rewind = Some((Instant::now() + pause, offset));
            if let Some(context) = &self.context {
                context.count("fulmar_kafka_rewinds_total", 1);
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        if !self.partitions.is_empty()
            && let Err(error) = self.commit(CommitMode::Sync)
        {
            // What is not committed comes again.
            let error: Error = Error::Broker(error.to_string());
            tracing::warn!(%error, topic = self.config.topic, "the last offsets were not committed");
        }
        self.consumer = None;
        self.partitions.clear();
    }
}

fn join(position: usize, epoch: u16, number: u32) -> MessageId {
    ((position as u64) << 48) | (u64::from(epoch) << 32) | u64::from(number)
}

fn split(id: MessageId) -> (usize, u16, u32) {
    ((id >> 48) as usize, (id >> 32) as u16, id as u32)
}
