//! `fulmar completions`: what a shell needs to complete verbs and flags.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Done;

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fulmar completions bash > /etc/bash_completion.d/fulmar")]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Runs the verb.
pub fn run(args: &Args) -> Done {
    clap_complete::generate(
        args.shell,
        &mut Cli::command(),
        "fulmar",
        &mut std::io::stdout(),
    );
    Ok(())
}
