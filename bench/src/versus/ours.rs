//! Our side: a cluster of ours on free ports of this machine, and `bench-topology` submitted to it. Workers are processes of their
//! own, as the peers' are.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Result, bail};

use super::group::{Group, tail, until};
use super::job::{Job, Side};
use super::ports::free;
use super::readings::{files, pid};

/// Our cluster.
pub struct Ours {
    fulmar: PathBuf,
    program: PathBuf,
    nimbus: String,
    log: PathBuf,
    running: Option<String>,
    number: u32,
    dev: Child,
    // Last: what is asked to end before is killed with it.
    _group: Group,
}

impl Ours {
    /// Starts Nimbus and a supervisor with two slots.
    ///
    /// # Errors
    /// A program is not built, or does not start within 30 s.
    pub fn start(dir: &Path) -> Result<Self> {
        let (fulmar, program) = (beside("fulmar")?, beside("bench-topology")?);
        let group = Group::new()?;
        let port = free()?;
        let words = [
            "dev".to_owned(),
            format!("--port={port}"),
            format!("--supervisor-port={}", free()?),
            format!("--ui-port={}", free()?),
            format!("--slot-port={}", 20_000 + port % 5_000),
            "--supervisors=1".to_owned(),
            "--slots=2".to_owned(),
            format!("--dir={}", dir.join("fulmar").display()),
        ];
        let log = dir.join("fulmar.log");
        let dev = group.spawn(Command::new(&fulmar).args(words), &log)?;
        let ours = Self {
            fulmar,
            program,
            nimbus: format!("127.0.0.1:{port}"),
            log,
            running: None,
            number: 0,
            dev,
            _group: group,
        };
        until("a cluster of ours", Duration::from_secs(30), || {
            ours.verb(&["list", "--output", "json"]).is_ok()
        })?;
        Ok(ours)
    }

    fn verb(&self, words: &[&str]) -> Result<()> {
        let out = Command::new(&self.fulmar)
            .args(words)
            .arg(format!("--nimbus={}", self.nimbus))
            .output()?;
        if !out.status.success() {
            bail!(
                "fulmar {}: {}\n{}",
                words.join(" "),
                String::from_utf8_lossy(&out.stderr),
                tail(&self.log)
            );
        }
        Ok(())
    }
}

impl Side for Ours {
    fn name(&self) -> String {
        format!("fulmar {}", env!("CARGO_PKG_VERSION"))
    }

    fn warm_up(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn start(&mut self, job: &Job) -> Result<()> {
        self.number += 1;
        let name = format!("{}-{}", job.workload, self.number);
        let mut conf: Vec<String> = job
            .conf()
            .iter()
            .map(|(key, value)| match value.as_str() {
                Some(text) => format!("{key}={text}"),
                None => format!("{key}={value}"),
            })
            .collect();
        conf.push(format!("bench.workload={}", job.workload));
        conf.push(format!("bench.acked={}", job.acked));
        conf.push(format!("bench.spouts={}", job.setting.spouts));
        conf.push(format!("bench.bolts={}", job.setting.bolts));
        let cores = std::thread::available_parallelism().map_or(2, usize::from) / job.workers;
        conf.push(format!("topology.worker.cores={}", cores.max(1)));
        let program = self.program.display().to_string();
        let mut words = vec!["submit", &program, "--name", &name];
        for word in &conf {
            words.extend(["-c", word]);
        }
        self.verb(&words)?;
        self.running = Some(name);
        Ok(())
    }

    fn stop(&mut self, dir: &Path) -> Result<()> {
        if let Some(name) = self.running.take() {
            self.verb(&["kill", &name, "-w", "0"])?;
        }
        gone(dir)
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // It ends its workers when it is asked; the group kills what is left.
        super::group::signal(&self.dev.id().to_string(), "TERM");
        let ended = until("the end of fulmar dev", Duration::from_secs(10), || {
            !matches!(self.dev.try_wait(), Ok(None))
        });
        if ended.is_err() {
            eprintln!("bench: fulmar dev does not end when asked; it is killed");
        }
    }
}

/// Waits until the processes that wrote into a run's folder are gone; kills those that stay.
///
/// # Errors
/// The folder cannot be read.
pub fn gone(dir: &Path) -> Result<()> {
    let pids = files(dir, "count")?
        .iter()
        .map(|f| pid(f))
        .collect::<Result<Vec<_>>>()?;
    let alive = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    let left = until("the end of its workers", Duration::from_secs(20), || {
        !pids.iter().any(|p| alive(*p))
    });
    if left.is_err() {
        for pid in pids.into_iter().filter(|p| alive(*p)) {
            super::group::signal(&pid.to_string(), "KILL");
        }
    }
    Ok(())
}

/// A program that was built beside this one.
fn beside(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!(
            "{} is missing; remedy: cargo xtask bench engine, which builds it",
            path.display()
        );
    }
    Ok(path)
}
