//! Configuration and logging of one call: the file, then `-c`, then the verb's own flags.

use std::net::IpAddr;
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

/// Refuses an address that others reach, unless they were let in by `--insecure` or `storm.security.insecure`: whoever
/// reaches a daemon may submit programs, and nothing asks who it is.
///
/// # Errors
/// The address is beyond loopback and nobody said so, or as [`load`].
pub fn guarded(common: &Common, host: &str) -> Result<(), Failure> {
    let loopback = match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost",
    };
    let insecure = common.insecure || load(common)?.bool_or("storm.security.insecure", false)?;
    if loopback || insecure {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "--host {host} is open to everyone who reaches it, and TLS is not set up: stay on 127.0.0.1, or say --insecure on a network that you trust"
    )))
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

    #[test]
    fn an_address_beyond_loopback_wants_a_word() {
        use crate::args::Cli;
        use clap::Parser;
        let common = |words: &[&str]| {
            let all = ["fulmar", "list"].iter().chain(words);
            Cli::try_parse_from(all).expect("right words").common
        };
        let (plain, open) = (common(&[]), common(&["--insecure"]));
        let by_key = common(&["-c", "storm.security.insecure=true"]);
        for host in ["127.0.0.1", "127.1.2.3", "::1", "localhost"] {
            assert!(guarded(&plain, host).is_ok(), "{host}");
        }
        for host in ["0.0.0.0", "10.0.0.7", "::", "nimbus.example"] {
            let refused = guarded(&plain, host).expect_err(host).to_string();
            assert!(refused.contains("--insecure"), "{refused}");
            assert!(guarded(&open, host).is_ok() && guarded(&by_key, host).is_ok());
        }
    }
}
