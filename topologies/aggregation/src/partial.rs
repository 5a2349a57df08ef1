//! The bolt that folds partitions: batches in, parts of windows and watermarks out.

use std::collections::BTreeMap;

use fulmar::prelude::*;
use fulmar_kafka::records;
use fulmar_proto::wifi::Estimate;
use prost::Message;

use crate::partition::{Dropped, Head, Partition, Rules};

/// Fields of a part.
pub const PART: [&str; 10] = [
    "series",
    "partition",
    "window_start",
    "window_ms",
    "count",
    "sum",
    "min",
    "max",
    "good_ms",
    "bad_ms",
];
/// Stream of watermarks: untracked, and said again with every tick.
pub const WATERMARK: &str = "watermark";

/// With `demo.sabotage: double-one` the estimate of this source offset counts twice.
const DOUBLED: i64 = 100;

/// The bolt.
pub struct Partial {
    rules: Rules,
    partitions: BTreeMap<i64, (i64, Partition<AckToken>)>,
    context: Option<TaskContext>,
    /// A fault put in so that the demo's check is itself checked.
    doubles: bool,
}

impl Partial {
    /// A bolt that follows these rules.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            partitions: BTreeMap::new(),
            context: None,
            doubles: false,
        }
    }

    fn batch(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        let (id, of) = (input.int("partition")?, input.int("partitions")?);
        let head = Head {
            epoch: input.int("epoch")?,
            fresh: input.bool("fresh")?,
            first: input.int("first")?,
            next: input.int("next")?,
            idle: input.bool("idle")?,
        };
        let (partitions, partition) = self.partitions.entry(id).or_default();
        *partitions = of;
        let before = partition.dropped;
        match partition.begin(&head) {
            Ok(old) => old.into_iter().for_each(|token| out.fail_token(token)),
            Err(why) => {
                // Ordinary after a move or a loss: the partition begins again.
                tracing::info!(partition = id, why, "a batch does not follow");
                out.fail(input);
                return Ok(());
            }
        }
        let batch = input.bytes("records")?;
        if batch.is_empty() {
            // It stands for nothing.
            out.ack(input);
            return Ok(());
        }
        let mut end = None;
        for record in records::iter(batch) {
            match Estimate::decode(record.value) {
                Ok(mut e) => {
                    end = end.max(partition.fold(&e, &self.rules));
                    if self.doubles
                        && let Some(source) = e.source.as_mut().filter(|s| s.offset == DOUBLED)
                    {
                        // Of another client of its record, so that it is not known yet.
                        source.index = u32::MAX;
                        end = end.max(partition.fold(&e, &self.rules));
                    }
                }
                Err(_) => partition.dropped.unknown += 1,
            }
        }
        partition.keep(out.keep(input), end);
        if let Some(context) = &self.context {
            count(context, before, partition.dropped);
        }
        Ok(())
    }

    fn tick(&mut self, out: &mut BoltCollector<'_>) -> Result<()> {
        let mut kept = 0;
        for (id, (of, partition)) in &mut self.partitions {
            let told = partition.tick(&self.rules, |token, part| {
                let (w, f) = (part.window, part.fold);
                out.emit(
                    token,
                    [
                        Value::from(part.series),
                        (*id).into(),
                        w.start_ms.into(),
                        w.length_ms.into(),
                        f.count.into(),
                        f.sum.into(),
                        f.min.into(),
                        f.max.into(),
                        f.good_ms.into(),
                        f.bad_ms.into(),
                    ],
                )
            });
            match told {
                Ok(done) => done.into_iter().for_each(|token| out.ack_token(token)),
                Err(error) => {
                    // What was not told would be missing: the partition begins again.
                    let held = partition.give_up();
                    held.into_iter().for_each(|token| out.fail_token(token));
                    return Err(error);
                }
            }
            kept += partition.kept();
            let watermark = partition.watermark(&self.rules).unwrap_or(i64::MIN);
            let idle = partition.is_idle();
            let values: [Value; 4] = [(*id).into(), (*of).into(), watermark.into(), idle.into()];
            out.emit_to(WATERMARK, Anchors::None, values)?;
        }
        if let Some(context) = &self.context {
            context.gauge("fulmar_aggregation_kept_batches", kept as f64);
        }
        Ok(())
    }
}

fn count(context: &TaskContext, before: Dropped, after: Dropped) {
    for (name, before, after) in [
        (
            "fulmar_aggregation_duplicates_total",
            before.duplicates,
            after.duplicates,
        ),
        ("fulmar_aggregation_late_total", before.late, after.late),
        (
            "fulmar_aggregation_stragglers_total",
            before.stragglers,
            after.stragglers,
        ),
        (
            "fulmar_aggregation_unknown_total",
            before.unknown,
            after.unknown,
        ),
    ] {
        if after > before {
            context.count(name, after - before);
        }
    }
}

impl Bolt for Partial {
    fn outputs(&self) -> Outputs {
        Outputs::fields(PART).stream(WATERMARK, ["partition", "partitions", "watermark", "idle"])
    }

    fn prepare(&mut self, conf: &Config, context: &TaskContext) -> Result<()> {
        self.context = Some(context.clone());
        self.doubles = conf.str_or("demo.sabotage", "")? == "double-one";
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
        // The next owner begins without state, so the partitions must begin again.
        let Some(context) = &self.context else { return };
        let completions = context.completions();
        for (_, partition) in self.partitions.values_mut() {
            let held = partition.give_up();
            held.into_iter().for_each(|token| completions.fail(token));
        }
    }
}

#[cfg(test)]
mod tests {
    use fulmar::api::testing::BoltTester;
    use fulmar_kafka::records::Record;
    use fulmar_proto::wifi::Source;

    use super::*;
    use crate::groupings::parse;

    fn rules() -> Rules {
        Rules {
            resolutions: vec![600_000],
            groupings: parse(&["org"]).unwrap(),
            lateness_ms: 0,
            gap_ms: 600_000,
        }
    }

    /// Estimates of all kinds of records at these minutes.
    fn batch(epoch: i64, fresh: bool, first: i64, minutes: &[i64], idle: bool) -> [Value; 8] {
        let mut bytes = Vec::new();
        let mut next = first;
        for minute in minutes {
            for kind in 1..=3 {
                let e = Estimate {
                    source: Some(Source {
                        // No gaps: the minutes of the tests go on with 10 after 2.
                        offset: if *minute < 3 { *minute } else { *minute - 7 },
                        ..Source::default()
                    }),
                    kind,
                    time_ms: minute * 60_000,
                    source_watermark_ms: minute * 60_000,
                    org: "o".into(),
                    value: *minute,
                    ..Estimate::default()
                };
                let record = Record {
                    offset: next,
                    timestamp: 0,
                    key: b"",
                    value: &e.encode_to_vec(),
                };
                records::push(&record, &mut bytes);
                next += 1;
            }
        }
        [
            Value::Int(4),
            8.into(),
            epoch.into(),
            fresh.into(),
            first.into(),
            next.into(),
            idle.into(),
            Value::Bytes(bytes.into()),
        ]
    }

    fn tester() -> BoltTester<Partial> {
        BoltTester::new(Partial::new(rules()), fulmar_kafka::batch_spout::FIELDS)
    }

    #[test]
    fn a_window_is_told_at_its_end_and_its_batches_are_acked_when_it_is_final() {
        let mut test = tester();
        test.execute(batch(0, true, 0, &[0, 1, 2], false)).unwrap();
        test.tick().unwrap();
        assert_eq!((test.emitted_on("default").len(), test.acked()), (0, 0));
        assert_eq!(test.emitted_on(WATERMARK)[0].values[2], Value::Int(120_000));
        test.execute(batch(0, false, 9, &[10], false)).unwrap();
        test.tick().unwrap();
        let told = test.emitted_on("default");
        assert_eq!((told.len(), test.acked()), (3, 0));
        assert_eq!(told[0].anchors, [0]);
        let count: Vec<_> = told.iter().map(|e| e.values[4].clone()).collect();
        assert_eq!(count, vec![Value::Int(3); 3]);
        test.execute(batch(0, false, 12, &[11], true)).unwrap();
        test.clear();
        test.tick().unwrap();
        assert_eq!(test.acked_inputs(), [0]);
        assert_eq!(
            test.emitted_on("default").len(),
            3,
            "idle: what is open is told"
        );
    }

    #[test]
    fn a_task_that_ends_fails_what_it_holds() {
        let mut test = tester();
        test.prepare(&Config::new()).unwrap();
        test.execute(batch(0, true, 0, &[0], false)).unwrap();
        test.bolt().cleanup();
        assert_eq!(test.failed(), 1);
    }

    #[test]
    fn what_does_not_follow_fails_and_a_fresh_batch_begins_anew() {
        let mut test = tester();
        test.execute(batch(0, false, 0, &[0], false)).unwrap();
        assert_eq!(test.failed(), 1, "a start in the middle");
        test.execute(batch(1, true, 0, &[0], false)).unwrap();
        test.execute(batch(1, false, 6, &[1], false)).unwrap();
        assert_eq!(test.failed(), 2, "a batch is missing");
        test.execute(batch(2, true, 0, &[0], false)).unwrap();
        assert_eq!(test.failed(), 3, "what was kept before is given back");
        test.execute(batch(2, false, 3, &[0, 1], true)).unwrap();
        test.tick().unwrap();
        let told = test.emitted_on("default");
        assert_eq!(told[0].values[4], Value::Int(2), "copies do not count");
    }
}
