//! Topics of a pipeline: made where they are missing, refused where they do not fit.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;

use crate::error::Error;

/// How long a question to the brokers may take.
const ASK: Duration = Duration::from_secs(10);
/// How long a new topic may take until every broker knows it.
const KNOWN: Duration = Duration::from_secs(30);

/// Makes each topic that is missing, with this many partitions, and waits until the brokers know it.
///
/// # Errors
/// The brokers do not answer or refuse, or a topic is there with another number of partitions.
pub async fn ensure(
    servers: &str,
    props: &[(String, String)],
    topics: &[&str],
    partitions: i32,
) -> Result<(), Error> {
    let mut config = ClientConfig::new();
    props.iter().for_each(|(k, v)| {
        config.set(k, v);
    });
    config.set("bootstrap.servers", servers);
    let admin: AdminClient<DefaultClientContext> = config
        .create()
        .map_err(|e| Error::Property(e.to_string()))?;
    let new: Vec<_> = topics
        .iter()
        .map(|t| NewTopic::new(t, partitions, TopicReplication::Fixed(-1)))
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(KNOWN));
    let unreachable = |why: String| Error::Unreachable {
        servers: servers.to_owned(),
        why,
    };
    let made = admin
        .create_topics(&new, &options)
        .await
        .map_err(|e| unreachable(e.to_string()))?;
    for answer in made {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                return Err(Error::Broker(format!(
                    "topic \"{topic}\" cannot be made: {code}; make it by hand with {partitions} partitions"
                )));
            }
        }
    }
    let client: BaseConsumer = config
        .create()
        .map_err(|e| Error::Property(e.to_string()))?;
    for topic in topics {
        let metadata = client
            .fetch_metadata(Some(topic), ASK)
            .map_err(|e| unreachable(e.to_string()))?;
        let found = metadata.topics().iter().find(|t| t.name() == *topic);
        let found = found.map_or(0, |t| t.partitions().len());
        if found != partitions as usize {
            return Err(Error::Broker(format!(
                "topic \"{topic}\" has {found} partitions, and {partitions} are needed: delete it, or choose another cluster"
            )));
        }
    }
    Ok(())
}

/// The first of these topics that holds a message, if one does.
///
/// # Errors
/// The brokers do not answer.
pub fn first_with_messages<'a>(
    servers: &str,
    topics: &[&'a str],
    partitions: i32,
) -> Result<Option<&'a str>, Error> {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .create()
        .map_err(|e| Error::Property(e.to_string()))?;
    for topic in topics {
        for partition in 0..partitions {
            if end_of(&client, topic, partition)? > 0 {
                return Ok(Some(topic));
            }
        }
    }
    Ok(None)
}

/// The offset behind a partition's last message. A partition that was just made has no leader for a moment.
fn end_of(client: &BaseConsumer, topic: &str, partition: i32) -> Result<i64, Error> {
    let until = Instant::now() + KNOWN;
    loop {
        match client.fetch_watermarks(topic, partition, ASK) {
            Ok((_, end)) => return Ok(end),
            Err(error) if Instant::now() > until => return Err(Error::Broker(error.to_string())),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
