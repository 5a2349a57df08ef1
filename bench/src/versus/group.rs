//! Processes that belong to a run, in one process group: whatever ends the benchmark ends them all.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The group; dropping it ends its processes.
pub struct Group {
    leader: Child,
}

/// Waits for its parent, then ends the group: asks first, kills after a while.
const LEADER: &str = "trap '' TERM; while kill -0 \"$1\" 2>/dev/null; do sleep 1; done; kill -TERM 0; sleep 4; kill -KILL 0";

impl Group {
    /// An empty group.
    ///
    /// # Errors
    /// `sh` cannot be started.
    pub fn new() -> Result<Self> {
        let leader = Command::new("sh")
            .args(["-c", LEADER, "sh", &std::process::id().to_string()])
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        Ok(Self { leader })
    }

    /// Starts a process in the group, its output in a file.
    ///
    /// # Errors
    /// The program or the file cannot be had.
    pub fn spawn(&self, command: &mut Command, log: &Path) -> Result<Child> {
        let out = File::create(log).with_context(|| log.display().to_string())?;
        let program = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(self.leader.id() as i32)
            .spawn()
            .with_context(|| format!("cannot start {program}"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // All that they had is in temporary folders: no need to ask.
        signal(&format!("-{}", self.leader.id()), "KILL");
        // It is dead or was never ours.
        let _ = self.leader.wait();
    }
}

/// Sends a signal to a process, or to a group where the number is negative.
pub fn signal(pid: &str, name: &str) {
    // It may be gone already, which is what is wanted of it.
    let _ = Command::new("kill")
        .args(["-s", name, "--", pid])
        .stderr(Stdio::null())
        .status();
}

/// Waits for a condition.
///
/// # Errors
/// It does not hold within `longest`.
pub fn until(what: &str, longest: Duration, mut holds: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + longest;
    while !holds() {
        if Instant::now() > end {
            bail!("{what}: not within {longest:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The end of a log, for an error.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
