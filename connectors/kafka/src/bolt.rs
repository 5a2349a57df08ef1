//! The Kafka bolt: its input becomes a record, and is acked when the broker has confirmed it.
//!
//! Input fields: `value`; and, where the stream has them, `key`, `topic`, `partition`, `timestamp`,
//! `headers`. When the producer's queue is full the bolt holds what it has and sends it as soon as
//! there is room: how much that can be is bounded by `topology.max.spout.pending`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fulmar_api::context::{Completions, TaskContext, Waker};
use fulmar_api::value::Value;
use fulmar_api::{Bolt, BoltCollector, Config, Result, Tuple};

use crate::error::Error;
use crate::producer::{Delivered, Producer, Record};

/// The bolt.
pub struct KafkaBolt {
    bootstrap_servers: String,
    topic: Option<String>,
    props: Vec<(String, String)>,
    ready: Option<Ready>,
    held: VecDeque<(Record, Delivered)>,
}

struct Ready {
    producer: Arc<Producer>,
    completions: Completions,
    waker: Waker,
    context: TaskContext,
    /// Something is held: the next delivery wakes the bolt.
    waiting: Arc<AtomicBool>,
}

impl KafkaBolt {
    /// Writes to this topic, unless an input names another one.
    pub fn new(bootstrap_servers: &str, topic: Option<&str>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.to_owned(),
            topic: topic.map(str::to_owned),
            props: Vec::new(),
            ready: None,
            held: VecDeque::new(),
        }
    }

    /// Adds a producer property by librdkafka's name.
    pub fn prop(mut self, key: &str, value: &str) -> Self {
        self.props.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Adds several; see [`props`](crate::settings::props).
    pub fn props(mut self, props: &[(String, String)]) -> Self {
        self.props.extend_from_slice(props);
        self
    }

    /// Sends what is held, until the queue is full again.
    fn send_held(&mut self) {
        let Some(ready) = &self.ready else { return };
        while let Some((record, delivered)) = self.held.pop_front() {
            if let Err(back) = ready.producer.send(record, delivered) {
                self.held.push_front(*back);
                ready.waiting.store(true, Ordering::Release);
                break;
            }
        }
    }

    fn record(&self, input: &Tuple<'_>) -> Result<Record> {
        let has = |field: &str| input.source().fields.iter().any(|f| f == field);
        let optional = |field: &str| {
            if has(field) {
                input.get(field).ok()
            } else {
                None
            }
        };
        let topic = optional("topic")
            .and_then(Value::as_str)
            .or(self.topic.as_deref());
        let topic = topic.ok_or_else(|| Error::Input {
            field: "topic",
            why: "neither the tuple nor the bolt names a topic".to_owned(),
        })?;
        let headers = match optional("headers") {
            Some(Value::Map(map)) => map
                .iter()
                .map(|(k, v)| (k.to_string(), raw(v).unwrap_or_default()))
                .collect(),
            _ => Vec::new(),
        };
        let value = raw(input.get("value")?).ok_or_else(|| Error::Input {
            field: "value",
            why: "it is neither bytes nor text".to_owned(),
        })?;
        Ok(Record {
            topic: topic.to_owned(),
            partition: optional("partition")
                .and_then(Value::as_int)
                .and_then(|p| i32::try_from(p).ok()),
            key: optional("key").and_then(raw),
            value,
            timestamp: optional("timestamp").and_then(Value::as_int),
            headers,
        })
    }
}

impl Bolt for KafkaBolt {
    fn prepare(&mut self, _: &Config, context: &TaskContext) -> Result<()> {
        self.ready = Some(Ready {
            producer: Producer::shared(context, &self.bootstrap_servers, &self.props)?,
            completions: context.completions(),
            waker: context.waker(),
            context: context.clone(),
            waiting: Arc::default(),
        });
        Ok(())
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        if input.is_tick() {
            out.ack(input);
            return Ok(());
        }
        let record = self.record(input)?;
        let Some(ready) = &self.ready else {
            return Err(fulmar_api::Error::msg("the Kafka bolt is not prepared"));
        };
        let token = out.keep(input);
        let (completions, waker) = (ready.completions.clone(), ready.waker.clone());
        let (waiting, context) = (ready.waiting.clone(), ready.context.clone());
        let delivered: Delivered = Box::new(move |result| {
            match result {
                Ok(()) => completions.ack(token),
                Err(error) => {
                    context.report_error(&Error::Broker(error).into());
                    completions.fail(token);
                }
            }
            if waiting.swap(false, Ordering::AcqRel) {
                waker.wake();
            }
        });
        self.held.push_back((record, delivered));
        self.send_held();
        Ok(())
    }

    fn woken(&mut self, _: &mut BoltCollector<'_>) -> Result<()> {
        self.send_held();
        Ok(())
    }

    fn cleanup(&mut self) {
        self.send_held();
        if let Some(ready) = &self.ready
            && let Err(error) = ready.producer.flush(std::time::Duration::from_secs(3))
        {
            // Not acked, so it comes again.
            tracing::warn!(%error, "records were not confirmed before the end");
        }
        self.send_held();
        for (_, delivered) in self.held.drain(..) {
            delivered(Err("the task ended before there was room".to_owned()));
        }
    }
}

fn raw(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(b) => Some(b.to_vec()),
        Value::Str(s) => Some(s.as_bytes().to_vec()),
        _ => None,
    }
}
