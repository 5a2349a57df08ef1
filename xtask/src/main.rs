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
mod run;
mod services;
mod setup;
mod test;
#[cfg(test)]
mod tests;
mod tidy;
mod tools;
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
    /// Judge what was learnt, or a rule, on a folder: `evaluate DOMAIN --data DIR [--predictions OUT] [--json FILE]`.
    #[command(disable_help_flag = true)]
    Evaluate {
        /// The domain and the arguments of its program.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Train a domain's model again: `train DOMAIN --data DIR`.
    #[command(disable_help_flag = true)]
    Train {
        /// The domain and the arguments of its program.
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
        Verb::Evaluate { args } => lab::lab("evaluate", &args),
        Verb::Train { args } => lab::lab("train", &args),
        Verb::Bench { args } => bench::bench(&args),
    }
}
