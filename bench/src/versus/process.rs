//! Peers that are one process without daemons: Flink in its local environment, and timely.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Result, bail};

use super::group::{Group, tail};
use super::job::{Job, Side};
use super::ours::gone;

/// Which peer.
#[derive(Clone, Debug)]
pub enum Peer {
    /// The folder of the twin: `twin.jar` and `lib/`.
    Flink(PathBuf),
    /// The twin's program.
    Timely(PathBuf),
}

/// A peer, and its process while a job runs.
pub struct Process {
    peer: Peer,
    logs: PathBuf,
    running: Option<(Group, Child)>,
}

impl Process {
    /// Nothing runs yet; logs go into `dir`.
    pub fn new(peer: Peer, dir: &Path) -> Self {
        Self {
            peer,
            logs: dir.to_owned(),
            running: None,
        }
    }

    fn command(&self, job: &Job) -> Command {
        let words = [
            job.workload.clone(),
            job.setting.spouts.to_string(),
            job.dir.display().to_string(),
            job.text.display().to_string(),
        ];
        match &self.peer {
            Peer::Flink(twin) => {
                let mut java = Command::new("java");
                for package in ["java.util", "java.lang", "java.time"] {
                    java.arg(format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
                }
                let options = job.setting.conf.get("jvm").and_then(|o| o.as_array());
                java.args(options.into_iter().flatten().filter_map(|o| o.as_str()));
                let path = format!("{0}/twin.jar:{0}/lib/*", twin.display());
                java.args(["-cp", &path, "fulmar.twin.Flink"]).args(words);
                java
            }
            Peer::Timely(program) => {
                let mut timely = Command::new(program);
                timely.args(words);
                timely
            }
        }
    }
}

impl Side for Process {
    fn name(&self) -> String {
        match self.peer {
            Peer::Flink(_) => "flink 1.20.3".to_owned(),
            Peer::Timely(_) => "timely 0.32".to_owned(),
        }
    }

    fn warm_up(&self) -> Duration {
        match self.peer {
            Peer::Flink(_) => Duration::from_secs(30),
            Peer::Timely(_) => Duration::from_secs(2),
        }
    }

    fn start(&mut self, job: &Job) -> Result<()> {
        let log = self.logs.join("peer.log");
        let group = Group::new()?;
        let mut child = group.spawn(&mut self.command(job), &log)?;
        std::thread::sleep(Duration::from_millis(300));
        if let Some(status) = child.try_wait()? {
            bail!(
                "{} ended at its start ({status}):\n{}",
                self.name(),
                tail(&log)
            );
        }
        self.running = Some((group, child));
        Ok(())
    }

    fn stop(&mut self, dir: &Path) -> Result<()> {
        if let Some((group, mut child)) = self.running.take() {
            child.kill()?;
            child.wait()?;
            drop(group);
        }
        gone(dir)
    }
}
