//! What `services up` left running: one small file each, so that another call finds it.
//!
//! A process id alone may by now belong to another program; so the process must also have the service's folder in its
//! command line before it is believed in, or ended.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::java::{Service, signal};
use crate::run::say;

/// One service that runs.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// Where it listens.
    pub address: String,
    /// Variable of the environment that names the address to tests and demo.
    pub variable: String,
}

const NAMES: [&str; 2] = ["kafka", "cassandra"];

/// Remembers a service and lets it run on.
///
/// # Errors
/// The file cannot be written; then the service is stopped.
pub fn keep(home: &Path, mut service: Service) -> Result<()> {
    let record = Record {
        name: service.name.to_owned(),
        pid: service.pid(),
        address: service.address.clone(),
        variable: service.environment[0].0.to_owned(),
    };
    let file = file(home, service.name);
    let written = serde_json::to_vec(&record)
        .map_err(anyhow::Error::from)
        .and_then(|bytes| Ok(std::fs::write(&file, bytes)?))
        .with_context(|| format!("cannot write {}", file.display()));
    if written.is_err() {
        service.stop();
    }
    written
}

/// What still runs.
pub fn running(home: &Path) -> Vec<Record> {
    NAMES
        .iter()
        .filter_map(|name| serde_json::from_slice(&std::fs::read(file(home, name)).ok()?).ok())
        .filter(|record: &Record| is_ours(home, record))
        .collect()
}

/// Ends what runs and removes data.
///
/// # Errors
/// A process that does not end.
pub fn down(home: &Path) -> Result<()> {
    for record in running(home) {
        say(&format!("stopping {} (pid {})", record.name, record.pid));
        signal(record.pid, "TERM")?;
        let end = Instant::now() + Duration::from_secs(30);
        while is_ours(home, &record) {
            if Instant::now() > end {
                bail!(
                    "{} (pid {}) does not end; remedy: kill -9 {}",
                    record.name,
                    record.pid,
                    record.pid
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    for name in NAMES {
        // What is not there needs no removing.
        drop(std::fs::remove_file(file(home, name)));
        drop(std::fs::remove_dir_all(home.join(name)));
    }
    Ok(())
}

fn file(home: &Path, name: &str) -> PathBuf {
    home.join(format!("{name}.json"))
}

fn is_ours(home: &Path, record: &Record) -> bool {
    let folder = home.join(&record.name).display().to_string();
    std::fs::read(format!("/proc/{}/cmdline", record.pid))
        .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&folder))
}
