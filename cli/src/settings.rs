//! Configuration and logging of one call: the file, then `-c`, then the verb's own flags.

use std::path::PathBuf;

use fulmar_api::Config;
use fulmar_api::config::keys;
use tracing_subscriber::EnvFilter;

use crate::args::{Common, Log};
use crate::failure::Failure;

/// Nimbus' gRPC port (DESIGN 8).
pub const NIMBUS_PORT: u16 = 6629;
/// The page's port (`ui.port` of Storm).
pub const UI_PORT: u16 = 8080;

/// What verbs log that say themselves, once, that brokers do not answer: librdkafka repeats it many times a second.
const QUIET: &str = "info,librdkafka=off,rdkafka=off";

/// Sets up logging to stderr; `RUST_LOG` chooses what is said, else `quiet` leaves librdkafka's own lines out.
pub fn logging(common: &Common, quiet: bool) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(if quiet { QUIET } else { "info" }));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match common.log {
        Log::Text => builder.with_ansi(false).init(),
        Log::Json => builder.json().init(),
    }
}

/// The configuration of this call.
///
/// # Errors
/// The file cannot be read, or a key is unknown or has a wrong value; all of them at once.
pub fn load(common: &Common) -> Result<Config, Failure> {
    let mut conf = match &common.config {
        Some(file) => Config::from_yaml_file(file)?,
        None => Config::new(),
    };
    common
        .conf
        .iter()
        .try_for_each(|arg| conf.set_from_arg(arg))?;
    let mistakes = keys::mistakes(&conf);
    if mistakes.is_empty() {
        Ok(conf)
    } else {
        Err(Failure::Usage(mistakes.join("; ")))
    }
}

/// Every Nimbus of the configuration, as `host:port`.
///
/// # Errors
/// As [`load`].
pub fn nimbuses(common: &Common) -> Result<Vec<String>, Failure> {
    if let Some(address) = &common.nimbus {
        return Ok(address.split(',').map(with_port).collect());
    }
    let seeds = load(common)?.strings("nimbus.seeds")?;
    Ok(seeds.iter().map(|s| with_port(s)).collect())
}

fn with_port(address: &str) -> String {
    if address.contains(':') {
        address.to_owned()
    } else {
        format!("{address}:{NIMBUS_PORT}")
    }
}

/// Where a daemon keeps its files: `--dir`, else a folder below `storm.local.dir`.
///
/// # Errors
/// As [`load`].
pub fn dir(common: &Common, given: &Option<PathBuf>, daemon: &str) -> Result<PathBuf, Failure> {
    match given {
        Some(dir) => Ok(dir.clone()),
        None => {
            Ok(PathBuf::from(load(common)?.str_or("storm.local.dir", "storm-local")?).join(daemon))
        }
    }
}

/// Reads `10s`, `500ms`, `2m`, `1h`; a bare number means seconds.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    fulmar::program::duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_a_port_means_nimbus_own() {
        assert_eq!(with_port("a"), "a:6629");
        assert_eq!(with_port("a:1"), "a:1");
    }
}
