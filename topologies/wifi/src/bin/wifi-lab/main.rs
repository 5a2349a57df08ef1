//! `wifi-lab`: trains the Wi-Fi models and evaluates them on a folder of runs with or without truth.
//!
//! `cargo xtask train wifi --data DIR` and `cargo xtask evaluate wifi --data DIR` build this in release
//! and run it.

mod calibrate;
mod conformal;
mod evaluate;
mod itu;
mod itu_features;
mod itu_model;
mod ns3;
mod score;
mod table;
mod train;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Trains and evaluates the Wi-Fi models")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Fit the models, write them, print figures of deployments left out.
    Train(train::Options),
    /// Predict every row of a folder with the committed models, and score where there is truth.
    Evaluate(evaluate::Options),
}

fn main() -> anyhow::Result<()> {
    match Args::parse().verb {
        Verb::Train(o) => train::run(&o),
        Verb::Evaluate(o) => evaluate::run(&o),
    }
}
