//! `cargo xtask VERB`: everything that builds, tests, checks or starts this repository.
//!
//! One command at home and in CI, written in Rust so that a fresh machine needs nothing else first.
//! Dependencies are few on purpose: this crate is compiled before anything else can happen.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod ci;
mod demo;
mod docs;
mod lab;
mod mock;
mod paths;
mod python;
mod run;
mod services;
mod setup;
mod sim;
mod test;
#[cfg(test)]
mod tests;
mod tidy;
mod tools;
mod twins;
mod web;

/// Build, test, check and start Fulmar.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What there is to do.
#[derive(Subcommand)]
enum Verb {
    /// Install what building and testing need, and say what was installed.
    Setup,
    /// Build in release and run the whole house on embedded defaults; arguments go to `fulmar demo`.
    #[command(disable_help_flag = true)]
    Demo {
        /// Arguments of `fulmar demo`; `--real` uses Kafka and Cassandra that this command starts.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Format check, clippy and every test; the last line counts them.
    Test {
        /// Run only tests whose name contains one of these words (after `--`).
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// What CI runs: the same as `test` with nothing left out.
    Ci,
    /// Format, apply clippy's suggestions, write the generated documents again.
    Fix,
    /// Check the rules of the house (ARCHITECTURE.md, CONTRIBUTING.md) and nothing else.
    Tidy,
    /// Write docs/config.md, docs/errors.md and docs/cli.md again.
    Docs,
    /// Start or stop real Kafka and Cassandra, or say what runs.
    Services {
        /// What to do.
        #[command(subcommand)]
        verb: services::Verb,
    },
    /// Build the simulation of Nimbus in release and run it; arguments go to it, for example `--seeds 0..1000`.
    #[command(disable_help_flag = true)]
    Sim {
        /// Arguments of the simulation.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Put known bugs back, one after another, and see that the simulation catches each by its invariant.
    Bite,
    /// Fit the models of a domain to a folder of data and write them (`--data DIR`, `--seed N`).
    #[command(disable_help_flag = true)]
    Train {
        /// The domain (`wifi`, `anomaly`, `attribution`), then arguments of its program.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Predict a folder of data with the committed models, and score where it holds truth
    /// (`--data DIR`, `--predictions OUT`, `--json FILE`).
    #[command(disable_help_flag = true)]
    Evaluate {
        /// The domain (`wifi`, `anomaly`, `attribution`), then arguments of its program.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Build the benchmarks in release and run them; arguments go to them.
    #[command(disable_help_flag = true)]
    Bench {
        /// Arguments of the benchmark program.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match dispatch(Args::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Setup => setup::setup(),
        Verb::Demo { args } => demo::demo(&args),
        Verb::Test { filter } => test::test(&filter),
        Verb::Ci => test::test(&[]),
        Verb::Fix => ci::fix(),
        Verb::Tidy => tidy::tidy(),
        Verb::Docs => docs::write(),
        Verb::Services { verb } => services::services(verb),
        Verb::Bench { args } => bench::bench(&args),
        Verb::Sim { args } => sim::sim(&args),
        Verb::Bite => sim::bite(),
        Verb::Train { args } => lab::run_verb("train", &args),
        Verb::Evaluate { args } => lab::run_verb("evaluate", &args),
    }
}
