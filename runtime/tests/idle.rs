//! An idle worker costs next to nothing. Alone in its binary: it measures the whole process.

use std::time::{Duration, Instant};

use fulmar::prelude::*;

struct Nothing;

impl Spout for Nothing {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }
    fn next(&mut self, _: &mut SpoutCollector<'_>) -> Result<Next> {
        Ok(Next::Idle)
    }
}

struct End;

impl BasicBolt for End {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        Ok(())
    }
}

/// CPU time of this process, by the kernel's ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit(')').next().unwrap();
    let ticks = |i: usize| {
        after
            .split_whitespace()
            .nth(i)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

#[test]
fn an_idle_worker_takes_next_to_nothing() {
    let mut t = TopologyBuilder::new("idle");
    t.spout("nothing", || Nothing).parallelism(2);
    t.bolt("end", || End).parallelism(8).shuffle("nothing");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    let span = Duration::from_secs(4);
    let (started, before) = (Instant::now(), cpu());
    while started.elapsed() < span {
        std::thread::park_timeout(span.saturating_sub(started.elapsed()));
    }
    let took = cpu() - before;
    drop(cluster);
    // Twice the promise, since tests are not optimised; `engine/idle/cpu` of the bench is.
    assert!(took * 50 < span, "{took:?} of CPU in {span:?}");
}
