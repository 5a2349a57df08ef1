//! `fulmar-bench`: what the engine does on this machine, counted in the topology's own code.
//!
//! `cargo xtask bench engine [--quick] [--json FILE]` builds this in release and runs it.

mod engine;
mod living;
mod report;
mod scheduler;
mod spot;
mod start;
mod versus;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Benchmarks of Fulmar; every figure is counted in user code")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Tuples per second inside one worker.
    Engine(engine::Options),
    /// Endurance, replays of recordings and prices.
    Spot(spot::Options),
    /// How quickly the program starts, and a topology after its submission.
    Start(start::Options),
    /// How fast Nimbus decides.
    Scheduler(scheduler::Options),
}

fn main() -> anyhow::Result<()> {
    match Args::parse().what {
        What::Engine(options) => engine::run(&options),
        What::Spot(options) => spot::run(&options),
        What::Start(options) => start::run(&options),
        What::Scheduler(options) => scheduler::run(&options),
    }
}
