//! A service's JVM: started with its log in a file, watched until it is ready, ended by its process id.

use std::fs::File;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Longest wait for a service to be ready.
const READY: Duration = Duration::from_secs(180);
/// Longest wait for one to end by itself.
const END: Duration = Duration::from_secs(20);
/// Lines of the log that an error shows.
const TAIL: usize = 25;

/// A service that runs.
pub struct Service {
    /// Its name: kafka, cassandra.
    pub name: &'static str,
    /// Where it listens, as its clients write it.
    pub address: String,
    /// Variables of the environment by which tests and the demo find it; the first holds the address.
    pub environment: Vec<(&'static str, String)>,
    child: Child,
}

/// How a service is started.
pub struct Plan<'a> {
    /// Its name.
    pub name: &'static str,
    /// Folder of its data and log; made if absent.
    pub dir: &'a Path,
    /// Arguments of `java`.
    pub args: Vec<String>,
    /// Port that is open when it is ready.
    pub port: u16,
    /// A text that its log must hold before it is ready.
    pub says: Option<&'static str>,
    /// What must hold of its port besides that it is open.
    pub takes: Option<fn(u16) -> bool>,
}

impl Plan<'_> {
    /// Starts the JVM and waits until it is ready.
    ///
    /// # Errors
    /// It ends or is not ready in time: with the end of its log.
    pub fn start(
        self,
        address: String,
        environment: Vec<(&'static str, String)>,
    ) -> Result<Service> {
        let log = self.dir.join("log.txt");
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new("java")
            .args(&self.args)
            .current_dir(self.dir)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            // A group of its own: an interrupt at the terminal is for us, who stop it then.
            .process_group(0)
            .spawn()
            .context("cannot start java")?;
        let mut service = Service {
            name: self.name,
            address,
            environment,
            child,
        };
        if let Err(error) = self.wait(&mut service.child, &log) {
            service.stop();
            return Err(error);
        }
        Ok(service)
    }

    fn wait(&self, child: &mut Child, log: &Path) -> Result<()> {
        let end = Instant::now() + READY;
        loop {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "{} ended at its start ({status}); the end of its log:\n{}",
                    self.name,
                    tail(log)
                );
            }
            let said = self.says.is_none_or(|text| {
                std::fs::read_to_string(log).is_ok_and(|log| log.contains(text))
            });
            let open = said && TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            if open && self.takes.is_none_or(|takes| takes(self.port)) {
                return Ok(());
            }
            if Instant::now() > end {
                bail!(
                    "{} is not ready after {READY:?}; the end of its log:\n{}",
                    self.name,
                    tail(log)
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Service {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it: asked first, killed after a while.
    pub fn stop(&mut self) {
        // It may have ended by itself; then there is nothing to tell.
        drop(signal(self.child.id(), "TERM"));
        let end = Instant::now() + END;
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// There is no such process, or it is not ours.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    crate::run::output(
        Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "kill", name])
            .arg(pid.to_string()),
    )?;
    Ok(())
}

/// All jars of a folder as a class path.
pub fn class_path(jars: &Path, before: &[PathBuf]) -> String {
    let mut parts: Vec<String> = before.iter().map(|p| p.display().to_string()).collect();
    parts.push(format!("{}/*", jars.display()));
    parts.join(":")
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}
