//! Exclamation: two bolts in a row, each adding exclamation marks to words. Storm's first example.

use fulmar::prelude::*;

const WORDS: [&str; 5] = ["nathan", "mike", "jackson", "golda", "bertels"];

/// Emits names for ever, untracked.
#[derive(Clone, Default)]
pub struct Words(usize);

impl Spout for Words {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["word"])
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        self.0 += 1;
        out.emit([WORDS[self.0 % WORDS.len()]])?;
        Ok(Next::Emitted)
    }
}

/// Adds three exclamation marks.
pub struct Exclaim;

impl BasicBolt for Exclaim {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["word"])
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        out.emit([format!("{}!!!", input.str("word")?)])
    }
}

/// The topology.
///
/// # Errors
/// The graph has a mistake, which would be ours.
pub fn topology(conf: &Config) -> Result<Topology> {
    let mut t = TopologyBuilder::new("exclamation");
    t.conf_all(conf);
    t.spout("word", Words::default());
    t.bolt("exclaim1", || Exclaim)
        .parallelism(3)
        .shuffle("word");
    t.bolt("exclaim2", || Exclaim)
        .parallelism(2)
        .shuffle("exclaim1");
    t.build()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn words_pass_both_bolts() {
        let cluster = LocalCluster::submit(topology(&Config::new()).unwrap(), 2).unwrap();
        let executed = |cluster: &LocalCluster| -> u64 {
            cluster
                .stats("exclaim2")
                .iter()
                .flat_map(|s| s.inputs.values())
                .map(|i| i.0)
                .sum()
        };
        cluster
            .wait_until(Duration::from_secs(30), |_| executed(&cluster) > 1_000)
            .unwrap();
    }
}
