//! What can go wrong with Kafka, each with its remedy.

/// An error of a Kafka spout or bolt.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// KAF001: no broker answers.
    #[error(
        "Kafka at {servers} does not answer: {why}; check bootstrap.servers, that the brokers run, and the TLS and login properties if they want them"
    )]
    Unreachable {
        /// Bootstrap servers.
        servers: String,
        /// What the client says.
        why: String,
    },
    /// KAF002: the topic is not there.
    #[error("topic \"{0}\" does not exist: create it, or correct the name")]
    NoTopic(String),
    /// KAF003: a property that the client does not take.
    #[error("Kafka property refused: {0}")]
    Property(String),
    /// KAF004: the committed offset is not in the log any more.
    #[error(
        "{topic}-{partition}: {why}; records were deleted before they were processed: raise the topic's retention, or reset the offsets while the topology is stopped"
    )]
    Evicted {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// What the broker says.
        why: String,
    },
    /// KAF005: the broker refuses something.
    #[error("Kafka: {0}")]
    Broker(String),
    /// KAF006: an input that is no record.
    #[error("the input's field \"{field}\" cannot be sent to Kafka: {why}")]
    Input {
        /// Field.
        field: &'static str,
        /// What is wrong.
        why: String,
    },
}

impl From<Error> for fulmar_api::Error {
    fn from(error: Error) -> Self {
        fulmar_api::Error::author(error)
    }
}
