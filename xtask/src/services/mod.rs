//! Real Kafka and Cassandra on this machine, without Docker: jars from Maven, one JVM each, free ports on loopback.
//!
//! `cargo xtask services up` leaves them running until `down`; tests and the real demo start their own, on fresh
//! data, and stop them at the end. Jars are cached outside the clone, data lies in a folder that may be deleted.

mod cassandra;
mod certificate;
mod java;
mod kafka;
mod login;
pub mod maven;
mod ports;
mod state;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

pub use java::Service;

use crate::run::say;
use crate::{paths, tools};

/// What to do with the services.
#[derive(Subcommand, Clone, Copy, Debug)]
pub enum Verb {
    /// Start what is not running; data is kept until `down`.
    Up,
    /// Stop them and remove their data.
    Down,
    /// Say what runs, with address and process id.
    Status,
}

/// Carries the verb out.
///
/// # Errors
/// Java or Maven missing, a download or a start that fails, with the end of the service's log.
pub fn services(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Up => up()?,
        Verb::Down => state::down(&home())?,
        Verb::Status => return status(),
    }
    status()
}

fn up() -> Result<()> {
    let home = home();
    let running = state::running(&home);
    if !running.iter().any(|r| r.name == "kafka") {
        let service = start_kafka(&home.join("kafka"), false)?;
        state::keep(&home, service)?;
    }
    if !running.iter().any(|r| r.name == "cassandra") {
        let service = start_cassandra(&home.join("cassandra"), false)?;
        state::keep(&home, service)?;
    }
    Ok(())
}

fn status() -> Result<ExitCode> {
    let running = state::running(&home());
    for record in &running {
        println!(
            "{} {} {} pid {}",
            record.name, record.variable, record.address, record.pid
        );
    }
    if running.is_empty() {
        println!("nothing is running; start it with: cargo xtask services up");
    }
    Ok(ExitCode::SUCCESS)
}

fn home() -> PathBuf {
    paths::cache().join("services")
}

/// Services of one run: stopped, and their data removed, when this is dropped.
pub struct Running {
    services: Vec<Service>,
    dir: PathBuf,
}

impl Running {
    /// Starts Kafka and Cassandra on fresh data. With `secure`, Cassandra wants a login and takes TLS beside plain, and Kafka
    /// has a listener with both beside the plain one.
    ///
    /// # Errors
    /// As for [`services`].
    pub fn start(secure: bool) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("fulmar-services-{}", std::process::id()));
        let mut running = Self {
            services: Vec::new(),
            dir,
        };
        running
            .services
            .push(start_kafka(&running.dir.join("kafka"), secure)?);
        let cassandra = start_cassandra(&running.dir.join("cassandra"), secure)?;
        running.services.push(cassandra);
        Ok(running)
    }

    /// Names and values of the environment by which they are found.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        self.services
            .iter()
            .flat_map(|s| s.environment.clone())
            .collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for service in &mut self.services {
            service.stop();
        }
        // Data that cannot be removed is in the temporary folder: not worth an error.
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

fn start_kafka(dir: &Path, secure: bool) -> Result<Service> {
    tools::ensure(tools::JAVA)?;
    let jars = maven::jars(kafka::ARTIFACTS)?;
    say("starting Kafka");
    kafka::start(dir, &jars, secure)
}

fn start_cassandra(dir: &Path, secure: bool) -> Result<Service> {
    tools::ensure(tools::JAVA)?;
    let jars = maven::jars(cassandra::ARTIFACTS)?;
    say("starting Cassandra");
    cassandra::start(dir, &jars, secure)
}
