//! The topology's bolts: decode and refuse, and one estimator of each kind.

use fulmar::api::context::TaskContext;
use fulmar::prelude::*;
use fulmar_proto::wifi::{Kind, Source, Telemetry};
use prost::Message;

use crate::clock::Clock;
use crate::decode::{Reject, decode};
use crate::estimate::estimate;
use crate::late::Lateness;

/// Stream of refused records, ready for the Kafka bolt.
pub const REJECTED: &str = "rejected";

/// Checks each record; good ones go on as they are, bad ones to the stream of refusals, counted by reason.
#[derive(Default)]
pub struct Decode {
    context: Option<TaskContext>,
    lateness: Lateness,
    clock: Clock,
}

impl BasicBolt for Decode {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["value", "topic", "partition", "offset", "watermark"])
            .stream(REJECTED, ["key", "value", "headers"])
    }

    fn prepare(&mut self, conf: &Config, context: &TaskContext) -> Result<()> {
        self.context = Some(context.clone());
        self.lateness = Lateness::from_conf(conf)?;
        self.clock = Clock::from_conf(conf)?;
        Ok(())
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        let value = input.get("value")?.clone();
        let at = |field: &str| input.get(field).cloned();
        let watermark = input.int("watermark")?;
        let checked = decode(input.bytes("value")?, self.clock.now_ms());
        match checked.and_then(|t| self.lateness.check(t.time_ms, watermark)) {
            Ok(()) => out.emit([
                value,
                at("topic")?,
                at("partition")?,
                at("offset")?,
                watermark.into(),
            ]),
            Err(Reject { reason, error }) => {
                if let Some(context) = &self.context {
                    context.count(reason, 1);
                }
                let source = format!(
                    "{}-{}-{}",
                    input.str("topic")?,
                    input.int("partition")?,
                    input.int("offset")?
                );
                let headers = [
                    ("reason", reason.to_owned()),
                    ("error", error),
                    ("source", source),
                ];
                let headers = headers
                    .into_iter()
                    .map(|(k, v)| (k.into(), Value::from(v)))
                    .collect();
                out.emit_to(
                    REJECTED,
                    [at("key")?, value, Value::Map(std::sync::Arc::new(headers))],
                )
            }
        }
    }
}

/// With `demo.sabotage: drop-one` this record of the first task of coverage gets no estimate.
const DROPPED: u64 = 100;

/// Estimates one kind for each record.
pub struct Estimator {
    kind: Kind,
    key: String,
    /// Records until one is dropped on purpose; `None`: none is.
    until_dropped: Option<u64>,
}

impl Estimator {
    /// An estimator of this kind.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            key: String::new(),
            until_dropped: None,
        }
    }
}

impl BasicBolt for Estimator {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["key", "value", "partition", "timestamp"])
    }

    fn prepare(&mut self, conf: &Config, context: &TaskContext) -> Result<()> {
        // A fault put in so that the demo's check is itself checked.
        let wanted = conf.str_or("demo.sabotage", "")? == "drop-one";
        let here = self.kind == Kind::Coverage && context.task_index == 0;
        self.until_dropped = (wanted && here).then_some(DROPPED);
        Ok(())
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        if let Some(left) = &mut self.until_dropped {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.until_dropped = None;
                return Ok(());
            }
        }
        let bytes = input.bytes("value")?;
        // It was decoded and checked before.
        let t: Telemetry = if bytes.first() == Some(&b'{') {
            serde_json::from_slice(bytes).map_err(Error::author)?
        } else {
            Telemetry::decode(bytes).map_err(Error::author)?
        };
        let partition = input.int("partition")?;
        let source = Source {
            topic_id: input.str("topic")?.to_owned(),
            partition: i32::try_from(partition).unwrap_or(-1),
            offset: input.int("offset")?,
            index: 0,
        };
        let estimate = estimate(self.kind, &t, source, input.int("watermark")?);
        self.key.clear();
        for (i, part) in [&t.org, &t.site, &t.ap, &t.client].into_iter().enumerate() {
            if i > 0 {
                self.key.push('/');
            }
            self.key.push_str(part);
        }
        let value = Value::Bytes(estimate.encode_to_vec().into());
        // The partition of its telemetry: one log holds everything of one source record.
        out.emit([
            Value::from(self.key.as_str()),
            value,
            Value::Int(partition),
            Value::Int(t.time_ms),
        ])
    }
}

#[cfg(test)]
mod tests {
    use fulmar::api::testing::BoltTester;
    use fulmar_proto::wifi::Estimate;

    use super::*;

    fn telemetry() -> Telemetry {
        Telemetry {
            time_ms: 1_700_000_000_000,
            org: "acme".into(),
            site: "hq".into(),
            ap: "a1".into(),
            client: "c1".into(),
            band: "5".into(),
            wlan: "corp".into(),
            interval_ms: 60_000,
            ..Telemetry::default()
        }
    }

    #[test]
    fn a_bad_record_is_refused_with_its_bytes_reason_and_source() {
        let fields = [
            "topic",
            "partition",
            "offset",
            "key",
            "value",
            "timestamp",
            "watermark",
        ];
        let mut test = BoltTester::basic(Decode::default(), fields);
        test.prepare(&Config::new()).unwrap();
        let bad = Value::Bytes(b"{\"org\":1}".as_slice().into());
        test.execute([
            Value::from("wifi.telemetry"),
            3.into(),
            77.into(),
            Value::Null,
            bad.clone(),
            0.into(),
            0.into(),
        ])
        .unwrap();
        let refused = test.emitted_on(REJECTED);
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].values[1], bad);
        let Value::Map(headers) = &refused[0].values[2] else {
            panic!("headers")
        };
        assert_eq!(headers["source"], Value::from("wifi.telemetry-3-77"));
        assert_eq!(headers["reason"], Value::from("malformed"));
        assert_eq!(test.acked(), 1);

        // One that would be left out of every aggregate is refused too.
        let t = telemetry();
        let good = Value::Bytes(t.encode_to_vec().into());
        for (watermark, refused) in [(t.time_ms, 1), (t.time_ms + 700_000, 2)] {
            let (key, time) = (Value::Null, Value::from(t.time_ms));
            let (topic, value) = (Value::from("wifi.telemetry"), good.clone());
            test.execute([
                topic,
                3.into(),
                78.into(),
                key,
                value,
                time,
                watermark.into(),
            ])
            .unwrap();
            assert_eq!(test.emitted_on(REJECTED).len(), refused);
        }
        let Value::Map(headers) = &test.emitted_on(REJECTED)[1].values[2] else {
            panic!("headers")
        };
        assert_eq!(headers["reason"], Value::from("too_late"));
    }

    #[test]
    fn an_estimate_goes_to_its_telemetrys_partition_and_names_its_source() {
        let mut test = BoltTester::basic(
            Estimator::new(Kind::Coverage),
            ["value", "topic", "partition", "offset", "watermark"],
        );
        let value = Value::Bytes(telemetry().encode_to_vec().into());
        test.execute([
            value,
            Value::from("wifi.telemetry"),
            5.into(),
            42.into(),
            99.into(),
        ])
        .unwrap();
        let out = &test.emitted()[0].values;
        assert_eq!(
            (&out[0], &out[2]),
            (&Value::from("acme/hq/a1/c1"), &Value::Int(5))
        );
        let Value::Bytes(bytes) = &out[1] else {
            panic!("bytes")
        };
        let e = Estimate::decode(&bytes[..]).unwrap();
        let source = e.source.clone().unwrap();
        assert_eq!(
            (source.partition, source.offset, e.source_watermark_ms),
            (5, 42, 99)
        );
        assert_eq!(e.kind(), Kind::Coverage);
    }

    #[test]
    fn sabotage_drops_one_record_of_one_estimator() {
        let dropped = |kind, sabotage: &str| {
            let fields = ["value", "topic", "partition", "offset", "watermark"];
            let mut test = BoltTester::basic(Estimator::new(kind), fields);
            let mut conf = Config::new();
            conf.set("demo.sabotage", sabotage);
            test.prepare(&conf).unwrap();
            for offset in 0..300 {
                let value = Value::Bytes(telemetry().encode_to_vec().into());
                test.execute([value, "t".into(), 5.into(), offset.into(), 99.into()])
                    .unwrap();
            }
            assert_eq!(test.acked(), 300);
            300 - test.emitted().len()
        };
        assert_eq!(dropped(Kind::Coverage, "drop-one"), 1);
        assert_eq!(dropped(Kind::Capacity, "drop-one"), 0);
        assert_eq!(dropped(Kind::Coverage, "double-one"), 0);
    }
}
