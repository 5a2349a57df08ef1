//! `fulmar version`: the version, for people and for scripts.

use serde_json::json;

use crate::args::Common;
use crate::failure::Done;
use crate::output;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the verb.
pub fn run(common: &Common) -> Done {
    let version = env!("CARGO_PKG_VERSION");
    output::say(
        common.output,
        &format!("fulmar {version}"),
        &json!({"version": version}),
    );
    Ok(())
}
