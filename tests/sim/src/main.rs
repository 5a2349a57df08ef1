//! `fulmar-sim`: Nimbus' own decisions in a cluster that exists only in memory, with faults by seed.
//!
//! `cargo xtask sim --seeds A..B` builds this in release and runs it. A seed gives the same run on every
//! machine; the first one that breaks an invariant ends the call with exit code 1 and how to replay it.

mod check;
mod client;
mod node;
mod rng;
#[cfg(test)]
mod tests;
mod world;

use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use world::World;

#[derive(Parser)]
#[command(
    about = "Simulates Nimbus with crashes, losses, notices, restarts, and late and repeated messages"
)]
struct Args {
    /// Seeds A to B, B left out.
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    seeds: Range<u64>,
    /// Print what happens in each run.
    #[arg(long)]
    story: bool,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let parted = text.split_once("..");
    let range = parted.and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
    let range = range.filter(|r: &Range<u64>| !r.is_empty());
    range.ok_or_else(|| {
        format!("\"{text}\" is not of the form A..B with A below B, for example 0..1000")
    })
}

fn main() -> ExitCode {
    let args = Args::parse();
    let began = Instant::now();
    let (first, last) = (args.seeds.start, args.seeds.end);
    let mut steps = 0;
    for seed in args.seeds {
        let mut world = World::new(seed);
        let outcome = world.run();
        steps += world.steps;
        if args.story || outcome.is_err() {
            world.story.iter().for_each(|line| println!("{line}"));
        }
        if let Err(broken) = outcome {
            println!("seed {seed} breaks {broken}");
            println!("replay with: cargo xtask sim --seeds {seed}..{}", seed + 1);
            return ExitCode::FAILURE;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} seeds, {steps} steps of Nimbus, {seconds:.1} s: every invariant held",
        last - first
    );
    ExitCode::SUCCESS
}
