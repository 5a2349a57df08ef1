//! The `fulmar` program: every daemon and every verb in one binary.

mod args;
mod client;
mod demo;
mod failure;
mod output;
mod settings;
mod verbs;

use std::process::ExitCode;

use args::Cli;
use clap::Parser;

fn main() -> ExitCode {
    // One TLS provider in the whole binary, before anything may use it. A second install is refused, which is right.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                failure::USAGE
            } else {
                0
            });
        }
    };
    settings::logging(&cli.common);
    match verbs::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
