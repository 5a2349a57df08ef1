//! The verbs, one file each.

pub mod activate;
pub mod broker;
pub mod completions;
pub mod deactivate;
pub mod demo;
pub mod describe;
pub mod dev;
pub mod drill;
pub mod events;
pub mod fleet;
pub mod kill;
pub mod list;
pub mod nimbus;
pub mod offsets;
pub mod query;
pub mod rebalance;
pub mod source;
pub mod spot;
pub mod store;
pub mod submit;
pub mod supervisor;
pub mod topology;
pub mod ui;
pub mod version;

use crate::args::{Cli, Verb};
use crate::failure::Done;

/// Runs the verb of this call.
///
/// # Errors
/// The verb's own.
pub fn run(cli: Cli) -> Done {
    let common = &cli.common;
    match cli.verb {
        Verb::Nimbus(args) => nimbus::run(common, &args),
        Verb::Supervisor(args) => supervisor::run(common, &args),
        Verb::Dev(args) => dev::run(common, &args),
        Verb::Demo(args) => demo::run(common, &args),
        Verb::Submit(args) => submit::run(common, &args),
        Verb::List(_) => list::run(common),
        Verb::Describe(args) => describe::run(common, &args),
        Verb::Activate(args) => activate::run(common, &args),
        Verb::Deactivate(args) => deactivate::run(common, &args),
        Verb::Rebalance(args) => rebalance::run(common, &args),
        Verb::Kill(args) => kill::run(common, &args),
        Verb::Events(args) => events::run(common, &args),
        Verb::Offsets(args) => offsets::run(common, &args),
        Verb::Broker(args) => broker::run(&args),
        Verb::Store(args) => store::run(common, &args),
        Verb::Query(args) => query::run(common, &args),
        Verb::Ui(args) => ui::run(common, &args),
        Verb::Source(args) => source::run(common, &args),
        Verb::Drill(args) => drill::run(common, &args),
        Verb::Fleet(args) => fleet::run(common, &args),
        Verb::Spot(args) => spot::run(common, &args),
        Verb::Topology(args) => topology::run(&args),
        Verb::Version(_) => version::run(common),
        Verb::Completions(args) => completions::run(&args),
    }
}
