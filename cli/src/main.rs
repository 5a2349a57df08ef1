//! The `fulmar` program: every daemon and every verb in one binary.

mod args;
mod client;
mod demo;
mod failure;
mod fleet;
mod output;
mod settings;
mod verbs;

use std::process::ExitCode;

use args::{Cli, Verb};
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
    let quiet = matches!(
        cli.verb,
        Verb::Source(_) | Verb::Offsets(_) | Verb::Demo(_) | Verb::Query(_)
    );
    settings::logging(&cli.common, quiet);
    if let Some(parent) = cli.common.end_with
        && let Err(failure) = end_with(parent)
    {
        return failure.tell();
    }
    match verbs::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

/// Ends this process (SIGTERM, so that a supervisor ends its workers) when its parent dies.
fn end_with(parent: i32) -> failure::Done {
    use nix::sys::{prctl, signal::Signal};
    prctl::set_pdeathsig(Signal::SIGTERM).map_err(failure::Failure::here)?;
    // One that died before this was set sends nothing.
    if nix::unistd::getppid().as_raw() == parent {
        return Ok(());
    }
    Err(failure::Failure::Failed(format!(
        "process {parent}, with which this one is to end, is gone"
    )))
}
