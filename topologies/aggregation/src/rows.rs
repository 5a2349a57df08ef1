//! The bolt that merges the parts of all partitions and writes rows.

use std::time::{Duration, Instant};

use fulmar::prelude::*;
use fulmar_kafka::partitioner;
use fulmar_proto::wifi::Aggregate;
use prost::Message;

use crate::fold::Fold;
use crate::merge::{Merge, Row};
use crate::partial::WATERMARK;
use crate::series::{self, METRICS};
use crate::window::Window;

/// Final windows are remembered for so long, in ms of event time: a part that comes again is merged with the others.
const RETENTION_MS: i64 = 1_800_000;

/// How long after its start the bolt writes nothing. Its forerunner may have died with parts that it held; until
/// their partitions were told and have begun again (a loss is told within a second), what they say of their watermarks counts
/// those parts as delivered.
const SETTLE: Duration = Duration::from_secs(4);

/// With `demo.sabotage: stale-window` each so manieth window keeps an old value.
const STALE_EACH: i64 = 4;

/// The bolt.
pub struct Rows {
    since: Option<Instant>,
    context: Option<TaskContext>,
    merge: Merge<AckToken>,
    generation: u32,
    /// Partitions of the log, which are those of the topic of aggregates.
    partitions: i64,
    /// A fault put in so that the demo's check is itself checked.
    stale: bool,
}

impl Rows {
    /// Rows of this generation, of windows that are final after this lateness.
    pub fn new(lateness_ms: i64, generation: u32) -> Self {
        Self {
            since: None,
            context: None,
            merge: Merge::new(lateness_ms, RETENTION_MS),
            generation,
            partitions: 1,
            stale: false,
        }
    }

    fn part(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        let window = Window {
            start_ms: input.int("window_start")?,
            length_ms: input.int("window_ms")?,
        };
        let fold = Fold {
            count: input.int("count")?,
            sum: input.int("sum")?,
            min: input.int("min")?,
            max: input.int("max")?,
            good_ms: input.int("good_ms")?,
            bad_ms: input.int("bad_ms")?,
        };
        let (partition, series) = (input.int("partition")?, input.str("series")?);
        let token = out.keep(input);
        if let Some(old) = self.merge.arrive(partition, series, window, fold, token) {
            out.ack_token(old);
        }
        Ok(())
    }

    fn watermark(&mut self, input: &Tuple<'_>) -> Result<()> {
        if self.since.is_some_and(|since| since.elapsed() < SETTLE) {
            return Ok(());
        }
        let of = input.int("partitions")?;
        let watermark = input.int("watermark")?;
        if let (Ok(partition), Ok(partitions)) = (
            usize::try_from(input.int("partition")?),
            usize::try_from(of),
        ) {
            self.partitions = of.max(1);
            let idle = input.bool("idle")?;
            self.merge.hear(partition, partitions, watermark, idle);
        }
        Ok(())
    }

    fn tick(&mut self, out: &mut BoltCollector<'_>) -> Result<()> {
        let (generation, partitions, stale) = (self.generation, self.partitions, self.stale);
        let done = self.merge.tick(|tokens, row| {
            let Some(mut aggregate) = aggregate(&row, generation) else {
                return Ok(());
            };
            if stale && row.window.start_ms / row.window.length_ms % STALE_EACH == 0 {
                // As it was before one of its estimates came.
                aggregate.count -= 1;
                aggregate.sum -= aggregate.max;
            }
            let values = [
                Value::from(row.series),
                Value::Bytes(aggregate.encode_to_vec().into()),
                partition_of(&aggregate.org, partitions).into(),
                row.window.start_ms.into(),
            ];
            out.emit(Anchors::TokenRefs(tokens), values)
        })?;
        done.into_iter().for_each(|token| out.ack_token(token));
        if let Some(context) = &self.context {
            context.gauge(
                "fulmar_aggregation_silent_partitions",
                self.merge.silent() as f64,
            );
            context.gauge(
                "fulmar_aggregation_open_windows",
                self.merge.windows() as f64,
            );
            context.gauge(
                "fulmar_aggregation_watermark_seconds",
                self.merge.watermark() as f64 / 1e3,
            );
        }
        Ok(())
    }
}

/// The message of a row; `None` if its series has no name that [`series::key`] makes.
fn aggregate(row: &Row<'_>, generation: u32) -> Option<Aggregate> {
    let (org, metric, grouping, entity) = series::parts(row.series)?;
    let unit = METRICS.iter().find(|m| m.name == metric)?.unit;
    Some(Aggregate {
        org: org.to_owned(),
        metric: metric.to_owned(),
        grouping: grouping.to_owned(),
        entity: entity.to_owned(),
        window_start_ms: row.window.start_ms,
        window_ms: row.window.length_ms,
        count: row.fold.count,
        sum: row.fold.sum,
        min: row.fold.min,
        max: row.fold.max,
        good_ms: row.fold.good_ms,
        bad_ms: row.fold.bad_ms,
        unit: unit.to_owned(),
        generation,
        history: false,
    })
}

/// The partition of an organisation's aggregates: all of them in one, so that who reads it sees the whole organisation.
pub fn partition_of(org: &str, partitions: i64) -> i64 {
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    partitioner::partition_of(org.as_bytes(), partitions).into()
}

impl Bolt for Rows {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["key", "value", "partition", "timestamp"])
    }

    fn prepare(&mut self, conf: &Config, context: &TaskContext) -> Result<()> {
        self.stale = conf.str_or("demo.sabotage", "")? == "stale-window";
        self.since = Some(Instant::now());
        self.context = Some(context.clone());
        Ok(())
    }

    fn cleanup(&mut self) {
        // The next owner begins without state, so the partitions must tell everything again.
        if let Some(context) = &self.context {
            let completions = context.completions();
            let held = self.merge.give_up();
            held.into_iter().for_each(|token| completions.fail(token));
        }
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        if input.is_tick() {
            self.tick(out)
        } else if input.source().stream == WATERMARK {
            self.watermark(input)?;
            out.ack(input);
            Ok(())
        } else {
            self.part(input, out)
        }
    }
}
