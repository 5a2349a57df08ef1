//! `fulmar completions`: what a shell needs to complete verbs and flags.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::{Done, Failure};

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fulmar completions bash > /etc/bash_completion.d/fulmar")]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Runs the verb.
pub fn run(args: &Args) -> Done {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fulmar", &mut text);
    match std::io::stdout().write_all(&text) {
        // Whoever reads has seen enough, as `head` has.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Failure::here),
    }
}
