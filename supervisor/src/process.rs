//! Processes: started in a group of their own, so that they outlive their supervisor; looked at
//! through /proc; ended by signals.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::os::unix::process::ExitStatusExt;
use tokio::process::{Child, Command};

/// How to start one.
pub struct Start<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its words.
    pub args: &'a [String],
    /// Its working directory.
    pub dir: &'a Path,
    /// Variables besides the supervisor's own.
    pub env: &'a [(String, String)],
    /// Where its standard output and its errors go; both grow at their end only, so that they can
    /// be cut while it writes.
    pub logs: (PathBuf, PathBuf),
}

/// Starts a process.
///
/// # Errors
/// A log cannot be opened, or the system cannot start the program.
pub fn start(s: &Start<'_>) -> std::io::Result<Child> {
    let log = |path: &Path| OpenOptions::new().create(true).append(true).open(path);
    Command::new(s.program)
        .args(s.args)
        .current_dir(s.dir)
        .envs(s.env.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .stdout(log(&s.logs.0)?)
        .stderr(log(&s.logs.1)?)
        .process_group(0)
        .kill_on_drop(false)
        .spawn()
}

/// How a process ended, in words.
pub fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// When a living process was started, in clock ticks since boot; `None` for one that has ended,
/// though nobody may have collected it yet.
pub fn started(pid: u32) -> Option<u64> {
    let fields = fields(pid)?;
    let dead = matches!(fields.first().map(String::as_str), Some("Z" | "X"));
    (!dead).then(|| fields.get(19)?.parse().ok())?
}

fn fields(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold blanks and brackets: the fields begin after the last one.
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_ascii_whitespace().map(str::to_owned).collect())
}

/// Whether a process leads its group, as one that [`start`] has started does; its children do not.
pub fn leads(pid: u32) -> bool {
    fields(pid).is_some_and(|f| f.get(2) == Some(&pid.to_string()))
}

/// Whether this very process lives, and not another that was given its id.
pub fn lives(pid: u32, start: u64) -> bool {
    started(pid) == Some(start)
}

fn id(pid: u32) -> Option<Pid> {
    i32::try_from(pid)
        .ok()
        .filter(|p| *p > 1)
        .map(Pid::from_raw)
}

/// Asks a process to end.
pub fn terminate(pid: u32) {
    if let Some(pid) = id(pid) {
        // A process that has ended meanwhile needs no signal.
        let _ = kill(pid, Signal::SIGTERM);
    }
}

/// Ends a process and every child that stayed in its group.
pub fn kill_group(pid: u32) {
    if let Some(pid) = id(pid) {
        // An empty group is what is wanted.
        let _ = killpg(pid, Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_known_by_its_start_and_ends_with_its_children() {
        let dir = tempfile::tempdir().expect("a folder");
        let args = ["-c", "echo $WORD; sleep 600 & wait"].map(str::to_owned);
        let env = [("WORD".to_owned(), "hello".to_owned())];
        let logs = (dir.path().join("out"), dir.path().join("err"));
        let mut child = start(&Start {
            program: Path::new("/bin/sh"),
            args: &args,
            dir: dir.path(),
            env: &env,
            logs: logs.clone(),
        })
        .expect("starts");
        let pid = child.id().expect("lives");
        let at = started(pid).expect("lives");
        assert!(lives(pid, at) && !lives(pid, at + 1));
        kill_group(pid);
        assert_eq!(how(child.wait().await.expect("ends")), "signal 9");
        assert!(!lives(pid, at));
        assert_eq!(started(u32::MAX), None);
    }

    #[test]
    fn odd_process_ids_are_never_signalled() {
        assert_eq!((id(0), id(1), id(u32::MAX)), (None, None, None));
    }
}
