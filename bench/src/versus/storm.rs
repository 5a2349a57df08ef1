//! Apache Storm: its own ZooKeeper, Nimbus and supervisor as JVMs of their own on free ports, and the twin submitted to them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::group::{Group, tail};
use super::job::{Job, Side};
use super::ours::gone;
use super::ports::free;

/// Name and version; the version is that of `bench/twins/storm/pom.xml`.
const NAME: &str = "storm 2.8.3";

const DAEMONS: [(&str, &str); 3] = [
    ("zookeeper", "org.apache.storm.command.DevZookeeper"),
    ("nimbus", "org.apache.storm.daemon.nimbus.Nimbus"),
    (
        "supervisor",
        "org.apache.storm.daemon.supervisor.Supervisor",
    ),
];

/// Storm's daemons, and what runs on them.
pub struct Storm {
    twin: PathBuf,
    home: PathBuf,
    running: Option<String>,
    number: u32,
    _group: Group,
}

impl Storm {
    /// Starts the daemons. `twin` holds `twin.jar` and `lib/`.
    ///
    /// # Errors
    /// A daemon does not come up within 60 s.
    pub fn start(twin: &Path, dir: &Path) -> Result<Self> {
        let home = dir.join("storm");
        for folder in ["conf", "logs", "extlib", "extlib-daemon"] {
            std::fs::create_dir_all(home.join(folder))?;
        }
        for lib in ["lib", "lib-worker"] {
            std::os::unix::fs::symlink(twin.join("lib"), home.join(lib))?;
        }
        std::fs::write(home.join("RELEASE"), "2.8.3\n")?;
        std::fs::write(home.join("conf/storm.yaml"), yaml(&home)?)?;
        let group = Group::new()?;
        for (name, class) in DAEMONS {
            let mut java = Command::new("java");
            // Daemons only wait here: the small compiler leaves the cores to the workers.
            java.args(["-Xmx256m", "-XX:TieredStopAtLevel=1"])
                .arg(format!("-Dstorm.home={}", home.display()))
                .arg(format!("-Dstorm.log.dir={}", home.join("logs").display()))
                .args(["-cp", &format!("{0}/conf:{0}/lib/*", home.display()), class])
                .current_dir(&home);
            // It is in the group, which ends it.
            drop(group.spawn(&mut java, &home.join(format!("logs/{name}.log")))?);
        }
        let storm = Self {
            twin: twin.to_owned(),
            home,
            running: None,
            number: 0,
            _group: group,
        };
        storm.main(&["slots", "2"]).map_err(|e| {
            let logs = DAEMONS.map(|(name, _)| tail(&storm.home.join(format!("logs/{name}.log"))));
            e.context(format!("Storm does not come up:\n{}", logs.join("\n")))
        })?;
        Ok(storm)
    }

    /// Runs a command of the twin's main class.
    fn main(&self, words: &[&str]) -> Result<()> {
        let jar = self.twin.join("twin.jar").display().to_string();
        let out = Command::new("java")
            .args(["-Xmx256m", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dstorm.home={}", self.home.display()))
            .arg(format!("-Dstorm.jar={jar}"))
            .args([
                "-cp",
                &format!("{0}/conf:{0}/lib/*:{jar}", self.home.display()),
            ])
            .arg("fulmar.twin.Main")
            .args(words)
            .current_dir(&self.home)
            .output()
            .context("cannot start java")?;
        if !out.status.success() {
            let text = String::from_utf8_lossy(&out.stderr).into_owned()
                + &String::from_utf8_lossy(&out.stdout);
            bail!("Storm's {}: {text}", words.join(" "));
        }
        Ok(())
    }
}

impl Side for Storm {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    /// Storm's JIT is still speeding up after 20 s.
    fn warm_up(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn start(&mut self, job: &Job) -> Result<()> {
        self.number += 1;
        let name = format!("{}-{}", job.workload, self.number);
        let mode = if job.acked { "acked" } else { "unacked" };
        let conf = serde_json::Value::Object(job.conf()).to_string();
        let (spouts, bolts) = (job.setting.spouts, job.setting.bolts);
        let (spouts, bolts) = match job.workload.as_str() {
            "fanin" => (4, 1),
            "fanout" => (1, 4),
            _ => (spouts, bolts),
        };
        let (spouts, bolts) = (spouts.to_string(), bolts.to_string());
        self.main(&["submit", &name, &job.workload, mode, &spouts, &bolts, &conf])?;
        self.running = Some(name);
        Ok(())
    }

    fn stop(&mut self, dir: &Path) -> Result<()> {
        if let Some(name) = self.running.take() {
            self.main(&["kill", &name])?;
        }
        gone(dir)
    }
}

/// Everything on loopback and free ports; nobody is declared dead while it is paused.
fn yaml(home: &Path) -> Result<String> {
    let (zookeeper, nimbus, supervisor) = (free()?, free()?, free()?);
    let (one, two) = (free()?, free()?);
    let home = home.display();
    Ok(format!(
        "storm.local.dir: {home}/local
storm.local.hostname: 127.0.0.1
storm.zookeeper.servers: [\"127.0.0.1\"]
storm.zookeeper.port: {zookeeper}
dev.zookeeper.path: {home}/zookeeper
storm.zookeeper.session.timeout: 120000
nimbus.seeds: [\"127.0.0.1\"]
nimbus.thrift.port: {nimbus}
supervisor.thrift.port: {supervisor}
supervisor.slots.ports: [{one}, {two}]
supervisor.worker.shutdown.sleep.secs: 1
topology.worker.max.heap.size.mb: 4096
worker.profiler.enabled: false
"
    ))
}
