//! `fulmar spot`: which losses the cluster bears, which instance types fit, what it costs.

mod endure;
mod files;
mod live;
mod rehearse;

use crate::args::Common;
use crate::failure::{Done, Failure};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Say which losses the cluster, or a described one, endures, and what a target needs.
    Endure(endure::Args),
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    match &args.what {
        What::Endure(args) => endure::run(common, args),
    }
}

/// A refusal of the planner is a mistake of its caller.
fn refused(error: fulmar_spot_plan::Error) -> Failure {
    Failure::Usage(error.to_string())
}
