//! Word count: Storm's hello world. Sentences are split, words are counted by fields grouping.

use std::collections::HashMap;

use fulmar::prelude::*;

const SENTENCES: [&str; 4] = [
    "the cow jumped over the moon",
    "an apple a day keeps the doctor away",
    "four score and seven years ago",
    "snow white and the seven dwarfs",
];

/// Emits the sentences in turn; `sentences.limit` ends it after so many.
#[derive(Clone, Default)]
pub struct Sentences {
    next: u64,
    limit: Option<u64>,
}

impl Spout for Sentences {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["sentence"])
    }

    fn open(&mut self, conf: &Config, _: &TaskContext) -> Result<()> {
        self.limit = conf.int("sentences.limit")?.map(|n| n.max(0) as u64);
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        if self.limit.is_some_and(|limit| self.next >= limit) {
            return Ok(Next::Idle);
        }
        out.emit_with_id(self.next, [SENTENCES[self.next as usize % SENTENCES.len()]])?;
        self.next += 1;
        Ok(Next::Emitted)
    }
}

/// Splits sentences into words.
pub struct Split;

impl BasicBolt for Split {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["word"])
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        for word in input.str("sentence")?.split_whitespace() {
            out.emit([word])?;
        }
        Ok(())
    }
}

/// Counts words and emits each new count.
#[derive(Default)]
pub struct Count(HashMap<String, i64>);

impl BasicBolt for Count {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["word", "count"])
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        let word = input.str("word")?;
        let count = self.0.entry(word.to_owned()).or_default();
        *count += 1;
        out.emit((word, *count))
    }
}

/// The topology.
///
/// # Errors
/// The graph has a mistake, which would be ours.
pub fn topology(conf: &Config) -> Result<Topology> {
    let mut t = TopologyBuilder::new("word-count");
    t.conf("topology.max.spout.pending", 1_000_i64)
        .conf_all(conf);
    t.spout("sentences", Sentences::default());
    t.bolt("split", || Split)
        .parallelism(2)
        .shuffle("sentences");
    t.bolt("count", Count::default)
        .parallelism(2)
        .fields("split", ["word"]);
    t.build()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fulmar::api::testing::BoltTester;

    use super::*;

    #[test]
    fn split_emits_a_tuple_for_each_word() {
        let mut test = BoltTester::basic(Split, ["sentence"]);
        test.execute(["a storm is coming"]).unwrap();
        let words: Vec<_> = test
            .emitted()
            .iter()
            .map(|e| e.values[0].to_string())
            .collect();
        assert_eq!(words, ["a", "storm", "is", "coming"]);
        assert_eq!(test.acked(), 1);
    }

    #[test]
    fn the_topology_counts_every_word() {
        let mut conf = Config::new();
        conf.set("sentences.limit", 400_i64);
        let cluster = LocalCluster::submit(topology(&conf).unwrap(), 2).unwrap();
        let executed = |cluster: &LocalCluster| -> u64 {
            cluster
                .stats("count")
                .iter()
                .flat_map(|s| s.inputs.values())
                .map(|i| i.0)
                .sum()
        };
        // 6 + 8 + 6 + 6 words in four sentences, a hundred times.
        cluster
            .wait_until(Duration::from_secs(30), |_| executed(&cluster) == 2_600)
            .unwrap();
    }
}
