//! The Kafka spout: one tuple a record, at least once.
//!
//! Partition p belongs to the task with index p modulo tasks (Storm's ManualPartitioner), so that a
//! move costs no group rebalance; `group.id` serves offsets and lag. Or the group's coordinator hands partitions out
//! ([`Assignment::GroupSubscription`]). An opened spout holds nothing; it takes its partitions, from the committed
//! offsets on, when it is activated.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use fulmar_api::context::{TaskContext, Waker};
use fulmar_api::value::Value;
use fulmar_api::{Config, FailReason, MessageId, Next, Outputs, Result, Spout, SpoutCollector};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::group::{Group, Rebalance};
use crate::offsets::Offsets;
use crate::producer::{Producer, Record};
use crate::settings::{Assignment, KafkaSpoutConfig};
use crate::source::{self, broker};
use crate::watermark::Watermark;

/// Bits of an offset in a message id; the partition stands above.
const OFFSET_BITS: u32 = 44;
/// What the watermark is called in the commit's metadata.
const WATERMARK: &str = "watermark=";

/// Fields of each tuple: Storm's, then event time and watermark in ms.
pub const FIELDS: [&str; 7] = [
    "topic",
    "partition",
    "offset",
    "key",
    "value",
    "timestamp",
    "watermark",
];

#[derive(Clone, Debug)]
struct Kept {
    key: Value,
    value: Value,
    timestamp: i64,
}

#[derive(Default)]
struct Partition {
    id: i32,
    offsets: Offsets<Kept>,
    watermark: Watermark,
    paused: bool,
}

/// The spout.
pub struct KafkaSpout {
    config: KafkaSpoutConfig,
    topic: Value,
    consumer: Option<BaseConsumer<Group>>,
    /// This task's partitions, by their position in `of`.
    partitions: Vec<Partition>,
    /// Positions that earlier assignments of a group had: a late ack of theirs means nothing now.
    before: usize,
    /// Partition → position.
    of: Vec<usize>,
    assigned: bool,
    again: BinaryHeap<Reverse<(Instant, MessageId)>>,
    next_commit: Instant,
    context: Option<TaskContext>,
    dead: (Sender<MessageId>, Receiver<MessageId>),
}

impl KafkaSpout {
    /// A spout of this set-up.
    pub fn new(config: KafkaSpoutConfig) -> Self {
        Self {
            topic: Value::from(config.topic.as_str()),
            config,
            consumer: None,
            partitions: Vec::new(),
            before: 0,
            of: Vec::new(),
            assigned: false,
            again: BinaryHeap::new(),
            next_commit: Instant::now(),
            context: None,
            dead: unbounded(),
        }
    }

    fn consumer(&self) -> Result<&BaseConsumer<Group>> {
        self.consumer
            .as_ref()
            .ok_or_else(|| fulmar_api::Error::msg("the Kafka spout is not open"))
    }

    /// Takes this task's partitions, each from where the strategy says.
    fn assign(&mut self) -> Result<()> {
        let ids: Vec<_> = self.partitions.iter().map(|p| p.id).collect();
        let starts = source::assign(self.consumer()?, &self.config, &ids)?;
        for (p, (_, _, metadata)) in self.partitions.iter_mut().zip(starts) {
            let watermark = metadata.strip_prefix(WATERMARK).and_then(Watermark::parse);
            (p.offsets, p.watermark, p.paused) =
                (Offsets::default(), watermark.unwrap_or_default(), false);
        }
        self.assigned = true;
        Ok(())
    }

    /// Takes part in the group; partitions come later, from its coordinator.
    fn subscribe(&mut self) -> Result<()> {
        self.consumer()?
            .subscribe(&[&self.config.topic])
            .map_err(broker)?;
        self.assigned = true;
        Ok(())
    }

    /// Carries out what the group's coordinator decided.
    fn rebalance(&mut self, decided: Rebalance) -> Result<()> {
        if decided != Rebalance::Lost
            && let Err(error) = self.commit(CommitMode::Sync)
        {
            // What is not committed comes again, to whoever has the partition then: at least once.
            tracing::warn!(%error, topic = self.config.topic, "offsets were not committed before a rebalance");
        }
        self.again.clear();
        self.before += self.partitions.len();
        self.partitions.clear();
        self.of.clear();
        let Rebalance::Assigned(ids) = decided else {
            self.consumer()?.unassign().map_err(broker)?;
            return Ok(());
        };
        for (position, id) in ids.iter().enumerate() {
            let at = usize::try_from(*id).unwrap_or_default();
            self.of.resize(self.of.len().max(at + 1), usize::MAX);
            self.of[at] = position;
            self.partitions.push(Partition {
                id: *id,
                ..Partition::default()
            });
        }
        self.assign()
    }

    /// The partition and the offset that a message id stands for, if the partition is ours still.
    fn find(&mut self, id: MessageId) -> Option<(&mut Partition, i64)> {
        let (position, offset) = split(id);
        let partition = self
            .partitions
            .get_mut(position.checked_sub(self.before)?)?;
        Some((partition, offset))
    }

    fn commit(&mut self, mode: CommitMode) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for p in &mut self.partitions {
            let Some((offset, watermark)) = p.offsets.to_commit() else {
                continue;
            };
            let mut at = list.add_partition(&self.config.topic, p.id);
            at.set_offset(Offset::Offset(offset)).map_err(broker)?;
            if watermark != Watermark::default() {
                at.set_metadata(format!("{WATERMARK}{}", watermark.text()));
            }
        }
        if list.count() == 0 {
            return Ok(());
        }
        let committed = self.consumer()?.commit(&list, mode).map_err(broker);
        if committed.is_err() {
            self.partitions
                .iter_mut()
                .for_each(|p| p.offsets.commit_again());
        }
        Ok(committed?)
    }

    /// Emits a record that failed before, if one is due.
    fn emit_again(&mut self, out: &mut SpoutCollector<'_>) -> Result<bool> {
        while let Some(Reverse((due, id))) = self.again.peek().copied() {
            if due > Instant::now() {
                break;
            }
            self.again.pop();
            let Some((p, offset)) = self.find(id) else {
                continue;
            };
            if let Some((kept, watermark)) = p.offsets.record(offset) {
                let partition = p.id;
                emit(
                    &self.topic,
                    partition,
                    offset,
                    &kept,
                    watermark.ms(),
                    id,
                    out,
                )?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads one record; `None` when there is none now.
    fn read(&mut self, out: &mut SpoutCollector<'_>) -> Result<bool> {
        let Self {
            consumer,
            partitions,
            before,
            of,
            config,
            topic,
            ..
        } = self;
        let Some(consumer) = consumer else {
            return Ok(false);
        };
        let message = match consumer.poll(Duration::ZERO) {
            None => return Ok(false),
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                let partition = partitions.first().map(|p| p.id);
                return Err(source::broken(&config.topic, partition, &error).into());
            }
        };
        let Some(position) = of
            .get(message.partition() as usize)
            .copied()
            .filter(|p| *p < partitions.len())
        else {
            return Ok(true);
        };
        let leap = config.watermark_leap.as_millis() as i64;
        let p = &mut partitions[position];
        let (kept, time) = keep(&message, config);
        if let Some(time) = time {
            p.watermark = p.watermark.after(time, leap);
        }
        let (offset, watermark) = (message.offset(), p.watermark);
        let id = join(*before + position, offset);
        emit(topic, p.id, offset, &kept, watermark.ms(), id, out)?;
        p.offsets.read(offset, watermark, kept);
        if p.offsets.len() >= config.max_uncommitted_offsets && !p.paused {
            p.paused = true;
            consumer
                .pause(&source::one(&config.topic, p.id))
                .map_err(broker)?;
        }
        Ok(true)
    }

    fn settled(&mut self, id: MessageId) -> Result<()> {
        let few = self.config.max_uncommitted_offsets / 2;
        let Some((p, offset)) = self.find(id) else {
            return Ok(());
        };
        p.offsets.done(offset);
        if p.paused && p.offsets.len() < few {
            p.paused = false;
            let partition = p.id;
            let list = source::one(&self.config.topic, partition);
            self.consumer()?.resume(&list).map_err(broker)?;
        }
        Ok(())
    }

    /// Sends a record that failed too often to the dead-letter topic; it is done when it arrived.
    fn bury(&mut self, id: MessageId, topic: String) -> Result<()> {
        let found = self
            .find(id)
            .and_then(|(p, offset)| Some((p.id, offset, p.offsets.record(offset)?.0)));
        let (Some((partition, offset, kept)), Some(context)) = (found, &self.context) else {
            return Ok(());
        };
        let producer =
            Producer::shared(context, &self.config.bootstrap_servers, &self.config.props)?;
        let source = format!("{}-{partition}-{offset}", self.config.topic);
        let record = Record {
            topic,
            key: bytes(&kept.key),
            value: bytes(&kept.value).unwrap_or_default(),
            timestamp: Some(kept.timestamp),
            headers: vec![("source".to_owned(), source.into_bytes())],
            partition: None,
        };
        let (to, waker): (Sender<MessageId>, Waker) = (self.dead.0.clone(), context.waker());
        let sent = producer.send(
            record,
            Box::new(move |result| {
                if result.is_ok() {
                    // A spout that ended meanwhile does not commit it either.
                    let _ = to.send(id);
                }
                waker.wake();
            }),
        );
        if sent.is_err() {
            self.again
                .push(Reverse((Instant::now() + self.config.retries.most, id)));
        }
        context.count("fulmar_kafka_dead_letters_total", 1);
        Ok(())
    }
}

impl Spout for KafkaSpout {
    fn outputs(&self) -> Outputs {
        Outputs::fields(FIELDS)
    }

    fn conf(&self) -> Config {
        self.config.component()
    }

    fn open(&mut self, _: &Config, context: &TaskContext) -> Result<()> {
        let (consumer, mut ids, of) = source::open(&self.config, context)?;
        self.of = of;
        if self.config.assignment == Assignment::GroupSubscription {
            ids.clear();
        }
        self.partitions = ids
            .into_iter()
            .map(|id| Partition {
                id,
                ..Partition::default()
            })
            .collect();
        self.consumer = Some(consumer);
        self.context = Some(context.clone());
        Ok(())
    }

    fn activate(&mut self) -> Result<()> {
        if self.assigned {
            let mut list = TopicPartitionList::new();
            self.partitions.iter().filter(|p| !p.paused).for_each(|p| {
                list.add_partition(&self.config.topic, p.id);
            });
            return Ok(self.consumer()?.resume(&list).map_err(broker)?);
        }
        match self.config.assignment {
            Assignment::ByTaskIndex => self.assign(),
            Assignment::GroupSubscription => self.subscribe(),
        }
    }

    fn deactivate(&mut self) -> Result<()> {
        if self.assigned {
            let mut list = TopicPartitionList::new();
            self.partitions.iter().for_each(|p| {
                list.add_partition(&self.config.topic, p.id);
            });
            self.consumer()?.pause(&list).map_err(broker)?;
            self.commit(CommitMode::Sync)?;
        }
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        if !self.assigned {
            self.activate()?;
        }
        while let Some(decided) = self.consumer.as_ref().and_then(|c| c.context().next()) {
            self.rebalance(decided)?;
        }
        while let Ok(id) = self.dead.1.try_recv() {
            self.settled(id)?;
        }
        let now = Instant::now();
        if now >= self.next_commit {
            self.next_commit = now + self.config.offset_commit_period;
            self.commit(CommitMode::Async)?;
        }
        if self.emit_again(out)? || self.read(out)? {
            return Ok(Next::Emitted);
        }
        Ok(Next::Idle)
    }

    fn ack(&mut self, id: MessageId) -> Result<()> {
        self.settled(id)
    }

    fn fail(&mut self, id: MessageId, _: FailReason) -> Result<()> {
        let failures = self
            .find(id)
            .and_then(|(p, offset)| p.offsets.failed(offset));
        let Some(failures) = failures else {
            return Ok(());
        };
        let retries = &self.config.retries;
        match &retries.dead_letter_topic {
            Some(topic) if failures > retries.count => self.bury(id, topic.clone()),
            _ => {
                self.again
                    .push(Reverse((Instant::now() + retries.pause(failures), id)));
                Ok(())
            }
        }
    }

    fn close(&mut self) {
        if self.assigned
            && let Err(error) = self.commit(CommitMode::Sync)
        {
            // What is not committed comes again: at least once.
            tracing::warn!(%error, topic = self.config.topic, "the last offsets were not committed");
        }
        self.give_up();
        self.assigned = false;
    }
}

impl KafkaSpout {
    /// Leaves the group, if it is in one.
    fn give_up(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            consumer.context().close();
        }
    }
}

impl Drop for KafkaSpout {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn join(position: usize, offset: i64) -> MessageId {
    ((position as u64) << OFFSET_BITS) | (offset as u64 & ((1 << OFFSET_BITS) - 1))
}

fn split(id: MessageId) -> (usize, i64) {
    (
        (id >> OFFSET_BITS) as usize,
        (id & ((1 << OFFSET_BITS) - 1)) as i64,
    )
}

fn keep(message: &BorrowedMessage<'_>, config: &KafkaSpoutConfig) -> (Kept, Option<i64>) {
    let value = message.payload().unwrap_or_default();
    let timestamp = message.timestamp().to_millis().unwrap_or(0);
    let kept = Kept {
        key: message
            .key()
            .map_or(Value::Null, |k| Value::Bytes(Arc::from(k))),
        value: Value::Bytes(Arc::from(value)),
        timestamp,
    };
    (kept, (config.timestamp_extractor)(value, timestamp))
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(b) => Some(b.to_vec()),
        _ => None,
    }
}

fn emit(
    topic: &Value,
    partition: i32,
    offset: i64,
    kept: &Kept,
    watermark: i64,
    id: MessageId,
    out: &mut SpoutCollector<'_>,
) -> Result<()> {
    let values = [
        topic.clone(),
        Value::Int(partition.into()),
        Value::Int(offset),
        kept.key.clone(),
        kept.value.clone(),
        Value::Int(kept.timestamp),
        Value::Int(watermark),
    ];
    out.emit_with_id(id, values)
}
