//! One producer of a worker process for each set of brokers, shared by its tasks.

use std::sync::Arc;

use fulmar_api::context::TaskContext;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, OwnedHeaders};
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

use crate::error::Error;

/// Called on the producer's own thread when the broker has confirmed a record, or will not.
pub type Delivered = Box<dyn FnOnce(Result<(), String>) + Send + Sync>;

/// Tells each record's sender what became of it.
pub struct Context;

impl ClientContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Delivered>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivered: Self::DeliveryOpaque) {
        (*delivered)(result.as_ref().map(|_| ()).map_err(|(e, _)| e.to_string()));
    }
}

/// A record to be sent.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Topic.
    pub topic: String,
    /// Partition; without one the key decides.
    pub partition: Option<i32>,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Vec<u8>,
    /// Event time in ms; without one it is now.
    pub timestamp: Option<i64>,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// The shared producer.
pub struct Producer(ThreadedProducer<Context>);

impl Producer {
    /// The worker's producer for these brokers and properties.
    ///
    /// # Errors
    /// A property is not taken.
    pub fn shared(
        context: &TaskContext,
        servers: &str,
        props: &[(String, String)],
    ) -> fulmar_api::Result<Arc<Self>> {
        let name = format!("kafka-producer {servers} {props:?}");
        context
            .shared
            .get_or_make(&name, || Ok(Arc::new(Self::new(servers, props)?)))
    }

    /// A producer of one's own.
    ///
    /// # Errors
    /// A property is not taken.
    pub fn new(servers: &str, props: &[(String, String)]) -> Result<Self, Error> {
        let mut client = ClientConfig::new();
        client
            .set("linger.ms", "20")
            .set("compression.type", "lz4")
            .set("batch.num.messages", "10000");
        client
            .set("queue.buffering.max.kbytes", "65536")
            .set("queue.buffering.max.messages", "200000");
        props.iter().for_each(|(k, v)| {
            client.set(k, v);
        });
        client
            .set("bootstrap.servers", servers)
            .set("enable.idempotence", "true");
        let made = client.create_with_context(Context);
        made.map(Self).map_err(|e| Error::Property(e.to_string()))
    }

    /// Asks the brokers for a topic, so that those that do not answer are told before anything is sent.
    ///
    /// # Errors
    /// No broker answers within the time.
    pub fn check(
        &self,
        servers: &str,
        topic: &str,
        most: std::time::Duration,
    ) -> Result<(), Error> {
        use rdkafka::producer::Producer as _;
        let asked = self.0.client().fetch_metadata(Some(topic), most);
        asked.map(drop).map_err(|e| Error::Unreachable {
            servers: servers.to_owned(),
            why: e.to_string(),
        })
    }

    /// Sends a record.
    ///
    /// # Errors
    /// The producer's queue is full: the record and the callback come back, to be sent again later.
    /// Every other refusal is told to the callback.
    pub fn send(
        &self,
        record: Record,
        delivered: Delivered,
    ) -> Result<(), Box<(Record, Delivered)>> {
        let mut message: BaseRecord<'_, [u8], [u8], Box<Delivered>> =
            BaseRecord::with_opaque_to(&record.topic, Box::new(delivered))
                .payload(&record.value[..]);
        if let Some(key) = &record.key {
            message = message.key(&key[..]);
        }
        if let Some(partition) = record.partition {
            message = message.partition(partition);
        }
        if let Some(timestamp) = record.timestamp {
            message = message.timestamp(timestamp);
        }
        if !record.headers.is_empty() {
            let headers = record
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |all, (key, value)| {
                    all.insert(rdkafka::message::Header {
                        key,
                        value: Some(value),
                    })
                });
            message = message.headers(headers);
        }
        match self.0.send(message) {
            Ok(()) => Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), message)) => {
                let delivered = *message.delivery_opaque;
                Err(Box::new((record, delivered)))
            }
            Err((error, message)) => {
                (*message.delivery_opaque)(Err(error.to_string()));
                Ok(())
            }
        }
    }

    /// Waits until all is delivered.
    ///
    /// # Errors
    /// Not within the time.
    pub fn flush(&self, most: std::time::Duration) -> Result<(), Error> {
        use rdkafka::producer::Producer as _;
        self.0.flush(most).map_err(|e| Error::Broker(e.to_string()))
    }
}
