//! What a side of the comparison is asked to run, and what a side is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::settings::Setting;

/// A workload to run.
#[derive(Clone)]
pub struct Job {
    /// One of the workloads, or `latency`.
    pub workload: String,
    /// Whether roots are acked.
    pub acked: bool,
    /// Worker processes.
    pub workers: usize,
    /// Tuples a second, for `latency`.
    pub rate: Option<f64>,
    /// Each line once, and the words' counts written down.
    pub verify: bool,
    /// How this side is set.
    pub setting: Setting,
    /// An empty folder into which its processes write.
    pub dir: PathBuf,
    /// The text of the word count.
    pub text: PathBuf,
}

impl Job {
    /// As in the settings file, for example `null/unacked/1w`.
    pub fn key(&self) -> String {
        key(&self.workload, self.acked, self.workers)
    }

    /// The workload's configuration together with the setting's own, as JSON: `bench.*` and the peer's keys.
    pub fn conf(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut conf = self.setting.conf.clone();
        let mut put = |key: &str, value: serde_json::Value| conf.insert(key.to_owned(), value);
        put("bench.dir", self.dir.display().to_string().into());
        put("bench.text", self.text.display().to_string().into());
        put("topology.workers", self.workers.into());
        if let Some(rate) = self.rate {
            put("bench.rate", rate.into());
        }
        if self.verify {
            put("bench.verify", true.into());
        }
        conf
    }
}

/// The name of a workload's variant.
pub fn key(workload: &str, acked: bool, workers: usize) -> String {
    let mode = if acked { "acked" } else { "unacked" };
    format!("{workload}/{mode}/{workers}w")
}

/// Something that runs jobs, one at a time: our cluster, or a peer.
pub trait Side {
    /// Its name and version.
    fn name(&self) -> String;
    /// How long it runs before anything counts.
    fn warm_up(&self) -> Duration;
    /// Starts a job; its processes write into the job's folder.
    ///
    /// # Errors
    /// It cannot be started.
    fn start(&mut self, job: &Job) -> Result<()>;
    /// Ends the job and waits until its processes are gone.
    ///
    /// # Errors
    /// It cannot be told to end.
    fn stop(&mut self, dir: &Path) -> Result<()>;
}
