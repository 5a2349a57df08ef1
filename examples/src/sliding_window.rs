//! Sliding windows: sums of the last 30 numbers after each 10, and the average of each 3 sums.
//!
//! The sum is incremental: each number is read once, though three windows hold it.

use fulmar::prelude::*;

/// Emits 1, 2, 3 …; `numbers.limit` ends it after so many.
#[derive(Clone, Default)]
pub struct Numbers {
    last: i64,
    limit: Option<i64>,
    again: Vec<MessageId>,
}

impl Spout for Numbers {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["value"])
    }

    fn open(&mut self, conf: &Config, _: &TaskContext) -> Result<()> {
        self.limit = conf.int("numbers.limit")?;
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        let number = match self.again.pop() {
            Some(failed) => failed as i64,
            None if self.limit.is_some_and(|limit| self.last >= limit) => return Ok(Next::Idle),
            None => {
                self.last += 1;
                self.last
            }
        };
        out.emit_with_id(number as MessageId, [number])?;
        Ok(Next::Emitted)
    }

    fn fail(&mut self, id: MessageId, _: FailReason) -> Result<()> {
        self.again.push(id);
        Ok(())
    }
}

/// The sum of a window.
pub struct Sum;

impl Aggregator for Sum {
    type Partial = i64;

    fn outputs(&self) -> Outputs {
        Outputs::fields(["sum"])
    }

    fn lift(&self, tuple: &Tuple<'_>) -> Result<i64> {
        tuple.int("value")
    }

    fn combine(&self, older: &i64, newer: &i64) -> i64 {
        older + newer
    }

    fn lower(
        &self,
        _: &[Value],
        total: i64,
        _: &TupleWindow<'_>,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()> {
        out.emit([total])
    }
}

/// The average of a window.
pub struct Average;

impl WindowedBolt for Average {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["average"])
    }

    fn execute(
        &mut self,
        window: &TupleWindow<'_>,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()> {
        let sums = window.get().map(|t| t.float("sum"));
        let total = sums.sum::<Result<f64>>()?;
        out.emit([total / window.len() as f64])
    }
}

/// Prints its input.
pub struct Print;

impl BasicBolt for Print {
    fn execute(&mut self, input: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        println!("average of three sums: {}", input.float("average")?);
        Ok(())
    }
}

/// The topology.
///
/// # Errors
/// The graph has a mistake, which would be ours.
pub fn topology(conf: &Config) -> Result<Topology> {
    let mut t = TopologyBuilder::new("sliding-window");
    t.conf("topology.max.spout.pending", 1_000_i64)
        .conf_all(conf);
    t.spout("numbers", Numbers::default());
    t.bolt("sum", || {
        Windowed::new(Aggregate::all(Sum)).window(Count(30), Count(10))
    })
    .shuffle("numbers");
    t.bolt("average", || {
        Windowed::new(Average).tumbling_window(Count(3))
    })
    .shuffle("sum");
    t.bolt("print", || Print).shuffle("average");
    t.build()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fulmar::api::testing::BoltTester;

    use super::*;

    #[test]
    fn sums_slide() {
        let sum = Windowed::new(Aggregate::all(Sum)).window(Count(30), Count(10));
        let mut test = BoltTester::new(sum, ["value"]);
        test.prepare(&Config::new()).unwrap();
        for n in 1..=50_i64 {
            test.execute([n]).unwrap();
        }
        let sums: Vec<_> = test.emitted().iter().map(|e| e.values[0].clone()).collect();
        let sum = |from: i64, to: i64| Value::from((from..=to).sum::<i64>());
        let want = [sum(1, 10), sum(1, 20), sum(1, 30), sum(11, 40), sum(21, 50)];
        assert_eq!(sums, want);
    }

    #[test]
    fn the_topology_prints_each_third_sum() {
        let mut conf = Config::new();
        conf.set("numbers.limit", 300_i64);
        let cluster = LocalCluster::submit(topology(&conf).unwrap(), 2).unwrap();
        let executed = || -> u64 {
            let stats = cluster.stats("print");
            let inputs = stats.iter().flat_map(|s| s.inputs.values());
            inputs.map(|i| i.0).sum()
        };
        cluster
            .wait_until(Duration::from_secs(30), |_| executed() == 10)
            .unwrap();
    }
}
