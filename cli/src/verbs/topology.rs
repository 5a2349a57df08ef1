//! `fulmar topology`: the programs of the shipped topologies, all in this binary.

use std::ffi::OsString;
use std::process::ExitCode;

use fulmar_api::config::keys::did_you_mean;

use crate::failure::{Done, Failure};

/// Names of the shipped topologies.
pub const SHIPPED: [&str; 3] = ["aggregation", "anomaly", "wifi"];

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  fulmar topology wifi -- --describe\n  fulmar submit wifi")]
pub struct Args {
    /// Which one.
    name: String,
    /// Words for the topology's program.
    #[arg(last = true)]
    words: Vec<OsString>,
}

/// Runs the verb.
pub fn run(args: &Args) -> Done {
    let words = [OsString::from(&args.name)]
        .into_iter()
        .chain(args.words.iter().cloned());
    let code = match args.name.as_str() {
        "aggregation" => fulmar::program::main_from(words, fulmar_aggregation::topology),
        "anomaly" => fulmar::program::main_from(words, fulmar_anomaly::topology),
        "wifi" => fulmar::program::main_from(words, fulmar_wifi::topology),
        name => {
            let hint = did_you_mean(name, SHIPPED.into_iter());
            return Err(Failure::NotFound(format!(
                "no topology \"{name}\" is shipped{hint}; there are {SHIPPED:?}"
            )));
        }
    };
    if code == ExitCode::SUCCESS {
        Ok(())
    } else {
        Err(Failure::Failed(format!("{} did not run", args.name)))
    }
}
