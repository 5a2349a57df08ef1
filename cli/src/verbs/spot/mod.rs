//! `fulmar spot`: which losses the cluster bears, which instance types fit, what it costs.

mod choose;
mod cost;
mod endure;
pub mod files;
pub mod live;
mod metrics;
pub mod rehearse;

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
    /// Choose instance types for what topologies need.
    Choose(choose::Args),
    /// Say what each topology costs and what spot saves.
    Cost(cost::Args),
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    match &args.what {
        What::Endure(args) => endure::run(common, args),
        What::Choose(args) => choose::run(common, args),
        What::Cost(args) => cost::run(common, args),
    }
}

/// A refusal of the planner is a mistake of its caller.
pub fn refused(error: fulmar_spot_plan::Error) -> Failure {
    Failure::Usage(error.to_string())
}
