//! How a Kafka spout is set up; names are those of Storm's KafkaSpoutConfig.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fulmar_api::Config;
use fulmar_api::value::Value;
use rdkafka::ClientConfig;

/// Key of a spout's component configuration: its topic.
pub const TOPICS: &str = "config.topics";
/// Key of a spout's component configuration: its group.
pub const GROUP: &str = "config.groupid";
/// Key of a spout's component configuration: its brokers.
pub const SERVERS: &str = "config.bootstrap.servers";

/// Where a partition begins when the spout is activated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstPollOffsetStrategy {
    /// At the first record, whatever was committed.
    Earliest,
    /// Behind the last record, whatever was committed.
    Latest,
    /// At the committed offset, else at the first record.
    #[default]
    UncommittedEarliest,
    /// At the committed offset, else behind the last record.
    UncommittedLatest,
}

/// How partitions come to the spout's tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Assignment {
    /// Partition p belongs to the task with index p modulo tasks (Storm's ManualPartitioner): a move costs no rebalance.
    #[default]
    ByTaskIndex,
    /// The group's coordinator hands them out, for those who share a topic with other consumers of the group.
    GroupSubscription,
}

/// Event time of a record, in ms since the epoch, from its value and Kafka's own timestamp; `None`
/// leaves the partition's watermark where it is.
pub type TimestampExtractor = Arc<dyn Fn(&[u8], i64) -> Option<i64> + Send + Sync>;

/// What to do with records that fail.
#[derive(Clone, Debug)]
pub struct Retries {
    /// Before the first retry; doubled for each further one.
    pub initial: Duration,
    /// The longest pause.
    pub most: Duration,
    /// Failures after which a record goes to the dead-letter topic; without one it is tried on.
    pub count: u32,
    /// The dead-letter topic.
    pub dead_letter_topic: Option<String>,
}

impl Default for Retries {
    /// Storm's: 10 ms at first, 10 s at most, without end.
    fn default() -> Self {
        let (initial, most) = (Duration::from_millis(10), Duration::from_secs(10));
        Self {
            initial,
            most,
            count: 10,
            dead_letter_topic: None,
        }
    }
}

impl Retries {
    /// The pause before the next try after this many failures.
    pub fn pause(&self, failures: u32) -> Duration {
        self.initial
            .saturating_mul(1 << failures.saturating_sub(1).min(20))
            .min(self.most)
    }
}

/// Set-up of a [`KafkaSpout`](crate::KafkaSpout).
#[derive(Clone)]
pub struct KafkaSpoutConfig {
    /// `bootstrap.servers`.
    pub bootstrap_servers: String,
    /// The topic.
    pub topic: String,
    /// `group.id`: under this name offsets are committed, and lag is seen.
    pub group_id: String,
    /// How partitions come to tasks.
    pub assignment: Assignment,
    /// Where to begin.
    pub first_poll_offset_strategy: FirstPollOffsetStrategy,
    /// `offset.commit.period.ms`.
    pub offset_commit_period: Duration,
    /// `max.uncommitted.offsets`, of one partition: above it the partition is paused.
    pub max_uncommitted_offsets: usize,
    /// The batch spout: a batch that is not full goes out after so long.
    pub batch_linger: Duration,
    /// The batch spout: a partition is idle when its log's end was reached so long ago. Longer than its producers
    /// may stand still, or what they write next comes late.
    pub idle_after: Duration,
    /// The batch spout: a partition that begins again begins at the log's start, and so does one that is taken over: for
    /// bolts whose state is a fold of the whole log. Commits serve lag only.
    pub from_start: bool,
    /// What to do with records that fail.
    pub retries: Retries,
    /// Event time of a record.
    pub timestamp_extractor: TimestampExtractor,
    /// How far one record may move its partition's watermark; see [`watermark`](crate::watermark). At most what a window
    /// waits for late records, so that no single clock makes others late.
    pub watermark_leap: Duration,
    /// Further properties by librdkafka's names, for example `security.protocol`.
    pub props: Vec<(String, String)>,
}

impl fmt::Debug for KafkaSpoutConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Properties may hold a password.
        write!(
            f,
            "KafkaSpoutConfig({} of {} as {})",
            self.topic, self.bootstrap_servers, self.group_id
        )
    }
}

impl KafkaSpoutConfig {
    /// The defaults.
    pub fn new(bootstrap_servers: &str, topic: &str, group_id: &str) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.to_owned(),
            topic: topic.to_owned(),
            group_id: group_id.to_owned(),
            assignment: Assignment::default(),
            first_poll_offset_strategy: FirstPollOffsetStrategy::default(),
            offset_commit_period: Duration::from_secs(1),
            max_uncommitted_offsets: 100_000,
            batch_linger: Duration::from_millis(20),
            idle_after: Duration::from_secs(1),
            from_start: false,
            retries: Retries::default(),
            timestamp_extractor: Arc::new(|_, timestamp| Some(timestamp)),
            watermark_leap: Duration::from_secs(60),
            props: Vec::new(),
        }
    }

    /// What the component says of itself, by the keys of Storm's Kafka spout: who asks for lag, or sets offsets, finds
    /// topic, group and brokers there. Never the other properties, which may hold a password.
    pub fn component(&self) -> Config {
        let mut conf = Config::new();
        conf.set(TOPICS, self.topic.as_str())
            .set(GROUP, self.group_id.as_str())
            .set(SERVERS, self.bootstrap_servers.as_str());
        conf
    }

    /// The client's properties. Ours come first, so that `props` can change what is a matter of taste;
    /// what the promise of at least once rests on cannot be changed.
    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "50");
        // An eighth of librdkafka's: a worker holds several clients, and a replay fills all of them.
        client
            .set("queued.max.messages.kbytes", "8192")
            .set("fetch.error.backoff.ms", "100");
        self.props.iter().for_each(|(k, v)| {
            client.set(k, v);
        });
        client
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("group.id", &self.group_id);
        client
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false");
        client
    }
}

/// Properties of the client out of a topology's configuration: what stands behind the prefix, by librdkafka's names. Keys
/// below `kafka.consumer.` are for spouts, those below `kafka.producer.` for bolts, those below `kafka.client.` for both.
///
/// # Errors
/// A value that is neither text nor a number nor a boolean.
pub fn props(conf: &Config, prefix: &str) -> Result<Vec<(String, String)>, fulmar_api::Error> {
    let mut found = Vec::new();
    for (key, value) in conf.iter() {
        let name = key
            .strip_prefix("kafka.client.")
            .or_else(|| key.strip_prefix(prefix));
        let Some(name) = name else { continue };
        let text = match value {
            Value::Str(text) => text.to_string(),
            Value::Int(n) => n.to_string(),
            Value::Float(x) => x.to_string(),
            Value::Bool(b) => b.to_string(),
            other => {
                return Err(fulmar_api::Error::config(
                    key,
                    format!("{other:?} is no property; remedy: text, a number or a boolean"),
                ));
            }
        };
        found.push((name.to_owned(), text));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let r = Retries::default();
        assert_eq!(r.pause(1), Duration::from_millis(10));
        assert_eq!(r.pause(3), Duration::from_millis(40));
        assert_eq!(r.pause(40), Duration::from_secs(10));
    }

    #[test]
    fn properties_of_the_user_are_taken_but_not_against_the_promise() {
        let mut c = KafkaSpoutConfig::new("b:1", "t", "g");
        for (k, v) in [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanisms", "PLAIN"),
            ("enable.auto.commit", "true"),
        ] {
            c.props.push((k.to_owned(), v.to_owned()));
        }
        let client = c.client();
        assert_eq!(client.get("security.protocol"), Some("SASL_SSL"));
        assert_eq!(client.get("enable.auto.commit"), Some("false"));
        assert!(!format!("{c:?}").contains("PLAIN"));
    }

    #[test]
    fn properties_come_out_of_a_topologys_configuration() {
        let mut conf = Config::new();
        conf.set("kafka.client.security.protocol", "SSL")
            .set("kafka.consumer.fetch.min.bytes", 5_i64)
            .set("kafka.producer.linger.ms", 7_i64);
        let mut found = props(&conf, "kafka.consumer.").unwrap();
        found.sort();
        let (fetch, protocol) = (("fetch.min.bytes", "5"), ("security.protocol", "SSL"));
        let want = [fetch, protocol].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(found, want);
        conf.set("kafka.client.x", Value::Null);
        assert!(props(&conf, "kafka.consumer.").is_err());
    }
}
