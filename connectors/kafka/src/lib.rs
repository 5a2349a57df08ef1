//! Spouts and bolts that speak to Kafka, through librdkafka.
//!
//! * [`spout`]: [`KafkaSpout`], one tuple a record, offsets committed only up to what is acked.
//! * [`batch_spout`]: [`KafkaBatchSpout`], each partition strictly in order, many records a tuple.
//! * [`bolt`]: [`KafkaBolt`], which acks its input when the broker has confirmed the record.
//! * [`source`], [`group`]: which partitions are a task's: by its index, or as the group's coordinator hands them out.
//! * [`offsets`], [`batches`], [`records`]: what of a partition is under way; [`watermark`]: which event time it has reached (pure).
//! * [`partitioner`]: which partition a key goes to, as Kafka has it (pure).
//! * [`settings`], [`error`]: how both are set up, and what can go wrong.
//! * [`topics`], [`reset`]: topics made where they are missing, offsets set while nothing runs.
//! * [`broker`]: the embedded broker of demos and tests.

pub mod batch_spout;
pub mod batches;
pub mod bolt;
pub mod broker;
pub mod error;
pub mod group;
pub mod offsets;
pub mod partitioner;
pub mod producer;
pub mod records;
pub mod reset;
pub mod settings;
pub mod source;
pub mod spout;
pub mod topics;
pub mod watermark;

pub use batch_spout::KafkaBatchSpout;
pub use bolt::KafkaBolt;
pub use error::Error;
pub use settings::{Assignment, FirstPollOffsetStrategy, KafkaSpoutConfig};
pub use spout::KafkaSpout;
