//! A real process of the `fulmar` binary: started with its output kept, killed by its pid, its log shown when a test fails.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait;

/// The `fulmar` program that `cargo xtask test` has built beside the test's own folder.
///
/// # Panics
/// When it is not there, saying how to build it.
pub fn fulmar() -> PathBuf {
    built("fulmar", "fulmar-cli")
}

/// An example's program, built the same way.
///
/// # Panics
/// When it is not there, saying how to build it.
pub fn example(name: &str) -> PathBuf {
    built(name, "fulmar-examples")
}

fn built(name: &str, package: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    let folder = own
        .parent()
        .and_then(Path::parent)
        .expect("target/debug/deps");
    let program = folder.join(name);
    assert!(
        program.exists(),
        "{} is missing: cargo build -p {package}",
        program.display()
    );
    program
}

/// A child that ends with the test.
pub struct Process {
    /// Its role, for messages.
    pub name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program with its output going to `DIR/NAME.log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command, dir: &Path) -> Self {
        let log = dir.join(format!("{name}.log"));
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log file in the test's folder");
        let copy = file.try_clone().expect("a second handle of the log");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name} ({command:?}): {e}"));
        Self {
            name: name.to_owned(),
            child,
            log,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone already.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id fits");
        kill(Pid::from_raw(pid), signal)
            .unwrap_or_else(|e| panic!("{signal} to {}: {e}", self.name));
    }

    /// kill -9, and waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub fn kill_9(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait(Duration::from_secs(10));
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When the deadline passes.
    pub fn wait(&mut self, most: Duration) -> ExitStatus {
        let name = self.name.clone();
        wait::wait_for(&format!("the end of {name}"), most, || {
            self.child.try_wait().ok().flatten()
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            // Nothing can be done here about a process that does not die of this.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!(
                "---- {} ({})\n{}",
                self.name,
                self.log.display(),
                self.log()
            );
        }
    }
}

/// Runs a program with these words to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run(program: &Path, args: &[&str]) -> Output {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}
