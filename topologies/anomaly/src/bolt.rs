//! The bolt: the log of aggregates in, anomalies out.
//!
//! Its state is a fold of its partitions' whole logs, so a new owner reads them from their start. What is not judged
//! yet is kept: an anomaly is anchored to the oldest batch that led to it, and when it is not confirmed the partition begins again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fulmar::prelude::*;
use fulmar_kafka::records;
use fulmar_proto::wifi::{Aggregate, Anomaly};
use prost::Message;

use crate::detect::{Detector, Rules};

/// Fields of an anomaly; `written_us` grows with corrections.
pub const FIELDS: [&str; 4] = ["key", "value", "timestamp", "written_us"];

/// The bolt.
pub struct Detect {
    rules: Rules,
    quiet: Duration,
    partitions: BTreeMap<i64, Partition>,
    context: Option<TaskContext>,
}

struct Partition {
    /// Epoch and the offset that comes next.
    at: (i64, i64),
    detector: Detector,
    kept: Vec<AckToken>,
    /// When the last row came.
    since: Instant,
}

impl Detect {
    /// Judges by these rules, when no row came for `quiet`.
    pub fn new(rules: Rules, quiet: Duration) -> Self {
        Self {
            rules,
            quiet,
            partitions: BTreeMap::new(),
            context: None,
        }
    }

    fn batch(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        let (id, epoch) = (input.int("partition")?, input.int("epoch")?);
        let (first, next) = (input.int("first")?, input.int("next")?);
        if input.bool("fresh")? {
            let fresh = Partition {
                at: (epoch, next),
                detector: Detector::new(self.rules),
                kept: Vec::new(),
                since: Instant::now(),
            };
            let old = self.partitions.insert(id, fresh).map(|p| p.kept);
            old.into_iter().flatten().for_each(|t| out.fail_token(t));
        }
        let known = self.partitions.get_mut(&id);
        let fresh = input.bool("fresh")?;
        let Some(p) = known.filter(|p| fresh || p.at == (epoch, first)) else {
            // Ordinary after a move or a loss: the partition begins again.
            tracing::info!(partition = id, epoch, first, "a batch does not follow");
            out.fail(input);
            return Ok(());
        };
        p.at = (epoch, next);
        let batch = input.bytes("records")?;
        for record in records::iter(batch) {
            match decode(record.value) {
                Ok(a) => p.detector.add(&a),
                Err(error) => {
                    if let Some(context) = &self.context {
                        context.count("fulmar_anomaly_unreadable_total", 1);
                        context.report_error(&Error::msg(format!(
                            "partition {id}, offset {}: no aggregate: {error}",
                            record.offset
                        )));
                    }
                }
            }
        }
        if batch.is_empty() {
            out.ack(input);
        } else {
            p.since = Instant::now();
            p.kept.push(out.keep(input));
        }
        Ok(())
    }

    fn tick(&mut self, out: &mut BoltCollector<'_>) -> Result<()> {
        for p in self.partitions.values_mut() {
            if p.kept.is_empty() || p.since.elapsed() < self.quiet {
                continue;
            }
            for (anomaly, written_us) in p.detector.judge() {
                if let Some(context) = &self.context {
                    context.count("fulmar_anomaly_raised_total", 1);
                }
                let values = [
                    Value::from(key(&anomaly)),
                    Value::Bytes(anomaly.encode_to_vec().into()),
                    anomaly.window_start_ms.into(),
                    written_us.into(),
                ];
                if let Some(oldest) = p.kept.first_mut() {
                    out.emit(oldest, values)?;
                }
            }
            p.kept.drain(..).for_each(|token| out.ack_token(token));
        }
        Ok(())
    }
}

/// `org/metric/grouping/entity`.
fn key(a: &Anomaly) -> String {
    [&a.org, &a.metric, &a.grouping, &a.entity]
        .map(String::as_str)
        .join("/")
}

fn decode(value: &[u8]) -> std::result::Result<Aggregate, String> {
    if value.first() == Some(&b'{') {
        serde_json::from_slice(value).map_err(|e| e.to_string())
    } else {
        Aggregate::decode(value).map_err(|e| e.to_string())
    }
}

impl Bolt for Detect {
    fn outputs(&self) -> Outputs {
        Outputs::fields(FIELDS)
    }

    fn prepare(&mut self, _: &Config, context: &TaskContext) -> Result<()> {
        self.context = Some(context.clone());
        Ok(())
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        if input.is_tick() {
            self.tick(out)
        } else {
            self.batch(input, out)
        }
    }

    fn cleanup(&mut self) {
        let Some(context) = &self.context else { return };
        let completions = context.completions();
        let kept = std::mem::take(&mut self.partitions).into_values();
        kept.flat_map(|p| p.kept)
            .for_each(|token| completions.fail(token));
    }
}

#[cfg(test)]
mod tests {
    use fulmar::api::testing::BoltTester;
    use fulmar_kafka::batch_spout;
    use fulmar_kafka::records::Record;

    use super::*;

    fn batch(epoch: i64, fresh: bool, first: i64, rows: &[Aggregate]) -> [Value; 8] {
        let mut bytes = Vec::new();
        for (row, offset) in rows.iter().zip(first..) {
            let record = Record {
                offset,
                timestamp: 0,
                key: b"",
                value: &row.encode_to_vec(),
            };
            records::push(&record, &mut bytes);
        }
        [
            Value::Int(0),
            1.into(),
            epoch.into(),
            fresh.into(),
            first.into(),
            (first + rows.len() as i64).into(),
            false.into(),
            Value::Bytes(bytes.into()),
        ]
    }

    fn row(window: i64, sum: i64, history: bool) -> Aggregate {
        Aggregate {
            org: "o".into(),
            metric: "capacity".into(),
            grouping: "ap".into(),
            entity: "o/a".into(),
            window_start_ms: window * 600_000,
            window_ms: 600_000,
            count: 10,
            sum,
            history,
            ..Aggregate::default()
        }
    }

    fn tester() -> BoltTester<Detect> {
        let rules = Rules::default();
        BoltTester::new(Detect::new(rules, Duration::ZERO), batch_spout::FIELDS)
    }

    #[test]
    fn an_anomaly_is_anchored_to_its_batch_which_is_acked_after_it() {
        let mut test = tester();
        let past: Vec<_> = (0..60).map(|w| row(w, 5_000, true)).collect();
        test.execute(batch(0, true, 0, &past)).unwrap();
        test.execute(batch(0, false, 60, &[row(60, 500, false)]))
            .unwrap();
        assert_eq!(test.acked(), 0);
        test.tick().unwrap();
        assert_eq!(test.acked(), 2);
        let told = test.emitted();
        assert_eq!(
            (told.len(), told[0].anchors.as_slice()),
            (1, [0].as_slice())
        );
        assert_eq!(told[0].values[0], Value::from("o/capacity/ap/o/a"));
        let Value::Bytes(bytes) = &told[0].values[1] else {
            panic!("bytes")
        };
        let a = Anomaly::decode(&bytes[..]).unwrap();
        assert_eq!((a.value, a.expected), (50.0, 500.0));
    }

    #[test]
    fn what_does_not_follow_fails_and_a_fresh_batch_forgets_everything() {
        let mut test = tester();
        test.execute(batch(0, false, 5, &[row(1, 1, false)]))
            .unwrap();
        assert_eq!(test.failed(), 1);
        test.execute(batch(1, true, 0, &[row(1, 1, true)])).unwrap();
        test.execute(batch(1, false, 9, &[row(1, 1, true)]))
            .unwrap();
        assert_eq!(test.failed(), 2);
        test.execute(batch(2, true, 0, &[])).unwrap();
        assert_eq!((test.failed(), test.acked()), (3, 1));
        test.prepare(&Config::new()).unwrap();
        test.execute(batch(2, false, 0, &[row(1, 1, true)]))
            .unwrap();
        test.bolt().cleanup();
        assert_eq!(test.failed(), 4);
    }
}
