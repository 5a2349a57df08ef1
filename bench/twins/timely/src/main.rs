//! The timely twin: constant → null, and the word count, on so many workers of one process, counted as everywhere else.
//! Arguments: `WORKLOAD WORKERS DIR TEXT`. Runs until it is ended.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use fulmar_bench_counting::counts::Counts;
use fulmar_bench_counting::text;
use rustc_hash::FxBuildHasher;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Inspect, Operator, Probe};
use timely::worker::Worker;

/// Records before the time goes on and the dataflow is stepped.
const ROUND: usize = 16_384;
/// Rounds that may be under way.
const AHEAD: usize = 4;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [workload, workers, dir, path] = &args[..] else {
        anyhow::bail!("WORKLOAD WORKERS DIR TEXT, not {args:?}");
    };
    let config = timely::Config::process(workers.parse()?);
    let counts = Counts::default();
    counts.report_into(Path::new(dir))?;
    let ended = match workload.as_str() {
        "null" => timely::execute(config, move |worker| null(worker, &counts)),
        "wordcount" => {
            let lines = text::read(Path::new(path))?;
            timely::execute(config, move |worker| words(worker, &counts, &lines))
        }
        other => anyhow::bail!("no workload {other}"),
    };
    // The guards wait for the workers, which run until the process is ended.
    drop(ended.map_err(anyhow::Error::msg)?);
    Ok(())
}

/// Each tuple is looked at, as a bolt's execute does.
fn null(worker: &mut Worker, counts: &Counts) {
    let mut counter = counts.one();
    let mut input = InputHandle::new();
    let probe = worker.dataflow::<usize, _, _>(|scope| {
        let stream = input.to_stream(scope).container::<Vec<&'static str>>();
        let looked = stream.inspect(move |value| {
            black_box(value);
            counter.add(1);
        });
        looked.probe().0
    });
    for time in 1.. {
        for _ in 0..ROUND {
            input.send("some data");
        }
        input.advance_to(time);
        while probe.less_than(&time.saturating_sub(AHEAD)) {
            worker.step();
        }
    }
}

fn words(worker: &mut Worker, counts: &Counts, lines: &Arc<[String]>) {
    let mut counter = counts.one();
    let mut words: HashMap<String, u64, FxBuildHasher> = HashMap::default();
    let mut input = InputHandle::new();
    let by_word = Exchange::new(|word: &String| FxBuildHasher.hash_one(word));
    let probe = worker.dataflow::<usize, _, _>(|scope| {
        let stream = input.to_stream(scope).container::<Vec<&'static str>>();
        let split = stream.flat_map(|line: &'static str| text::words(line).map(str::to_owned));
        let counted =
            split.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(by_word, "count", |_, _| {
                move |input, _| {
                    input.for_each(|_, data: &mut Vec<String>| {
                        for word in data.drain(..) {
                            match words.get_mut(&word) {
                                Some(n) => *n += 1,
                                None => drop(words.insert(word, 1)),
                            }
                            counter.add(1);
                        }
                    });
                }
            });
        counted.probe().0
    });
    // For the length of the process, which is ended from outside.
    let lines: Vec<&'static str> = lines.iter().map(|l| &*l.clone().leak()).collect();
    let mut next = lines.iter().cycle();
    for time in 1.. {
        for line in next.by_ref().take(ROUND / text::PER_LINE) {
            input.send(line);
        }
        input.advance_to(time);
        while probe.less_than(&time.saturating_sub(AHEAD)) {
            worker.step();
        }
    }
}
