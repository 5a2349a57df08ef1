//! The embedded broker of demos and tests: librdkafka's mock cluster.
//!
//! It speaks Kafka's protocol to any client, but lives in memory and keeps at most 5 MiB or 100,000
//! messages of each partition: nothing for production, and nothing to measure with.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::error::Error;

/// A running broker; it ends when dropped.
pub struct Broker(MockCluster<'static, DefaultProducerContext>);

impl Broker {
    /// Starts it with these topics.
    ///
    /// # Errors
    /// librdkafka cannot start it, or a topic cannot be made.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, Error> {
        let broker = |e: rdkafka::error::KafkaError| Error::Broker(e.to_string());
        let cluster = MockCluster::new(1).map_err(broker)?;
        for (topic, partitions) in topics {
            cluster
                .create_topic(topic, *partitions, 1)
                .map_err(broker)?;
        }
        Ok(Self(cluster))
    }

    /// Where clients find it.
    pub fn bootstrap_servers(&self) -> String {
        self.0.bootstrap_servers()
    }
}
