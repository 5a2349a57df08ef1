//! What both spouts share: which partitions are a task's, and from where on they are read.

use std::time::{Duration, Instant};

use fulmar_api::Result;
use fulmar_api::context::TaskContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use crate::error::Error;
use crate::settings::{FirstPollOffsetStrategy, KafkaSpoutConfig};

/// How long a question to the brokers may take.
pub const ASK: Duration = Duration::from_secs(10);

/// A consumer, this task's partitions, and the position of each partition among them.
///
/// # Errors
/// A property is not taken, no broker answers, or the topic is not there.
pub fn open<C: ConsumerContext + Default>(
    config: &KafkaSpoutConfig,
    context: &TaskContext,
) -> Result<(BaseConsumer<C>, Vec<i32>, Vec<usize>)> {
    let consumer: BaseConsumer<C> = config
        .client()
        .create_with_context(C::default())
        .map_err(|e: KafkaError| Error::Property(e.to_string()))?;
    let metadata = consumer
        .fetch_metadata(Some(&config.topic), ASK)
        .map_err(|e| unreachable(config, &e))?;
    let topic = metadata
        .topics()
        .iter()
        .find(|t| t.name() == config.topic && t.error().is_none());
    let count = topic.map_or(0, |t| t.partitions().len());
    if count == 0 {
        return Err(Error::NoTopic(config.topic.clone()).into());
    }
    let (tasks, index) = (context.tasks_of_component().max(1), context.task_index);
    let of = (0..count)
        .map(|p| {
            if p % tasks == index {
                p / tasks
            } else {
                usize::MAX
            }
        })
        .collect();
    let ids = (0..count)
        .filter(|p| p % tasks == index)
        .map(|p| p as i32)
        .collect();
    Ok((consumer, ids, of))
}

/// Takes the partitions, each from where the strategy says: id, offset if it is known, and the
/// metadata of the commit.
///
/// # Errors
/// No broker answers.
pub fn assign<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    config: &KafkaSpoutConfig,
    ids: &[i32],
) -> Result<Vec<(i32, Option<i64>, String)>> {
    let committed = committed(consumer, config, ids)?;
    let mut start = TopicPartitionList::new();
    let mut found = Vec::new();
    for id in ids {
        let at = committed.find_partition(&config.topic, *id);
        let offset = at.as_ref().map_or(Offset::Invalid, |f| f.offset());
        let text = at.as_ref().map_or("", |f| f.metadata()).to_owned();
        let mut offset = first_offset(config.first_poll_offset_strategy, offset);
        if offset != Offset::End && !matches!(offset, Offset::Offset(_)) {
            // A number, so that a partition that begins again knows where.
            let (low, _) = consumer
                .fetch_watermarks(&config.topic, *id, ASK)
                .map_err(broker)?;
            offset = Offset::Offset(low);
        } else if offset == Offset::End {
            let (_, high) = consumer
                .fetch_watermarks(&config.topic, *id, ASK)
                .map_err(broker)?;
            offset = Offset::Offset(high);
        }
        start
            .add_partition_offset(&config.topic, *id, offset)
            .map_err(broker)?;
        found.push((*id, offset.to_raw().filter(|n| *n >= 0), text));
    }
    consumer.assign(&start).map_err(broker)?;
    Ok(found)
}

/// What was committed. A group that is new has no coordinator for a moment: asked again until it has.
fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    config: &KafkaSpoutConfig,
    ids: &[i32],
) -> Result<TopicPartitionList> {
    let end = Instant::now() + ASK;
    loop {
        let answer = consumer.committed_offsets(list(&config.topic, ids), ASK);
        let error = match answer {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let passing = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::NotCoordinator
                    | RDKafkaErrorCode::CoordinatorNotAvailable
                    | RDKafkaErrorCode::CoordinatorLoadInProgress
            )
        );
        if !passing || Instant::now() > end {
            return Err(unreachable(config, &error).into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn first_offset(strategy: FirstPollOffsetStrategy, committed: Offset) -> Offset {
    use FirstPollOffsetStrategy::{Earliest, Latest, UncommittedEarliest, UncommittedLatest};
    match (strategy, committed) {
        (UncommittedEarliest | UncommittedLatest, Offset::Offset(n)) => Offset::Offset(n),
        (Earliest | UncommittedEarliest, _) => Offset::Beginning,
        (Latest | UncommittedLatest, _) => Offset::End,
    }
}

/// What an error while reading means.
pub fn broken(topic: &str, partition: Option<i32>, error: &KafkaError) -> Error {
    match error {
        KafkaError::MessageConsumption(
            RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset,
        ) => {
            let (topic, why) = (topic.to_owned(), error.to_string());
            // The client does not say which partition it is; with one there is no doubt.
            Error::Evicted {
                topic,
                partition: partition.unwrap_or(-1),
                why,
            }
        }
        e => Error::Broker(e.to_string()),
    }
}

fn unreachable(config: &KafkaSpoutConfig, error: &KafkaError) -> Error {
    Error::Unreachable {
        servers: config.bootstrap_servers.clone(),
        why: error.to_string(),
    }
}

/// Any error of the client.
pub fn broker(error: KafkaError) -> Error {
    Error::Broker(error.to_string())
}

/// These partitions.
pub fn list(topic: &str, ids: &[i32]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    ids.iter().for_each(|id| {
        list.add_partition(topic, *id);
    });
    list
}

/// This partition.
pub fn one(topic: &str, id: i32) -> TopicPartitionList {
    list(topic, &[id])
}
