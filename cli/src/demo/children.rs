//! The demo's processes: each is this same program with another verb, started again within a second when it dies
//! unasked, with an empty folder if its own is gone.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::dump::Dump;
use crate::failure::Failure;

/// How long a process may take to print its address, or to end when asked.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// What a process is, and how it is started.
#[derive(Clone, Debug)]
pub struct Spec {
    /// `broker`, `store`, `nimbus`, `supervisor`, `query` or `ui`.
    pub role: &'static str,
    /// Its own name.
    pub name: String,
    /// Words of its command line.
    pub words: Vec<String>,
    /// Its folder.
    pub dir: PathBuf,
    /// Its ports.
    pub ports: Vec<u16>,
    /// Whether it can go on after a death: the embedded broker holds everything in memory.
    pub restarts: bool,
}

struct Running {
    spec: Spec,
    child: Child,
}

/// All of them.
pub struct Children {
    program: PathBuf,
    outlive: bool,
    logs: PathBuf,
    running: Mutex<Vec<Running>>,
    dump: Arc<Dump>,
    restarts: Mutex<BTreeMap<String, u32>>,
}

impl Children {
    /// None yet; logs go to a folder. Those that do not outlive this process end with it even when it is killed.
    ///
    /// # Errors
    /// The program's own path is not known, or the folder cannot be made.
    pub fn new(logs: &Path, dump: Arc<Dump>, outlive: bool) -> Result<Self, Failure> {
        std::fs::create_dir_all(logs).map_err(Failure::here)?;
        Ok(Self {
            program: std::env::current_exe().map_err(Failure::here)?,
            outlive,
            logs: logs.to_owned(),
            running: Mutex::new(Vec::new()),
            dump,
            restarts: Mutex::new(BTreeMap::new()),
        })
    }

    /// Starts one.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, spec: Spec) -> Result<(), Failure> {
        let child = self.spawn(&spec)?;
        self.lock().push(Running { spec, child });
        Ok(())
    }

    fn spawn(&self, spec: &Spec) -> Result<Child, Failure> {
        let failed =
            |e: std::io::Error| Failure::Failed(format!("cannot start {}: {e}", spec.name));
        std::fs::create_dir_all(&spec.dir).map_err(failed)?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_of(&spec.name))
            .map_err(failed)?;
        let mut command = Command::new(&self.program);
        if !self.outlive {
            command.args(["--end-with", &std::process::id().to_string()]);
        }
        let child = command
            .args(&spec.words)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        self.dump.write(
            "processes",
            &json!({"role": spec.role, "name": spec.name, "pid": child.id(), "data_dir": spec.dir, "ports": spec.ports}),
        );
        Ok(child)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn log_of(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// The rest of the line that begins with these words in a process's output.
    ///
    /// # Errors
    /// It does not come, with the end of the output.
    pub fn said(&self, name: &str, prefix: &str) -> Result<String, Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            let log = std::fs::read_to_string(self.log_of(name)).unwrap_or_default();
            if let Some(found) = log.lines().find_map(|l| l.strip_prefix(prefix)) {
                return Ok(found.trim().to_owned());
            }
            if Instant::now() > end {
                return Err(Failure::Failed(format!(
                    "{name} did not start within {PATIENCE:?}: {}",
                    log.lines().last().unwrap_or("it said nothing")
                )));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Looks after them: starts again what died. Answers why the demo cannot go on, if it cannot.
    pub fn tend(&self) -> Option<String> {
        for running in self.lock().iter_mut() {
            let Ok(Some(status)) = running.child.try_wait() else {
                continue;
            };
            let name = &running.spec.name;
            if !running.spec.restarts {
                return Some(format!(
                    "the {name} died ({status}); it holds everything in memory, so the demo cannot go on; its log is {}",
                    self.log_of(name).display()
                ));
            }
            let mut restarts = self.restarts.lock().unwrap_or_else(|e| e.into_inner());
            *restarts.entry(name.clone()).or_default() += 1;
            match self.spawn(&running.spec) {
                Ok(child) => running.child = child,
                Err(failure) => return Some(failure.to_string()),
            }
        }
        None
    }

    /// How often each was started again.
    pub fn restarts(&self) -> BTreeMap<String, u32> {
        self.restarts
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .clone()
    }

    /// Name and pid of each.
    pub fn pids(&self) -> Vec<(String, u32)> {
        self.lock()
            .iter()
            .map(|r| (r.spec.name.clone(), r.child.id()))
            .collect()
    }

    /// Ends all: asks first, in the opposite order of their start, then does not ask.
    pub fn stop(&self) {
        use nix::sys::signal::{Signal, kill};
        let mut running = self.lock();
        while let Some(mut last) = running.pop() {
            let pid = nix::unistd::Pid::from_raw(last.child.id() as i32);
            // One that has ended already cannot be asked, and need not.
            let _ = kill(pid, Signal::SIGTERM);
            let end = Instant::now() + PATIENCE;
            while matches!(last.child.try_wait(), Ok(None)) {
                if Instant::now() > end {
                    let _ = last.child.kill();
                    let _ = last.child.wait();
                }
                std::thread::sleep(POLL);
            }
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.stop();
    }
}

/// These ports if all are free, else as many free ones.
///
/// # Errors
/// The machine has none.
pub fn ports(wanted: &[u16]) -> Result<Vec<u16>, Failure> {
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port));
    if wanted.iter().all(|p| bind(*p).is_ok()) {
        return Ok(wanted.to_vec());
    }
    // Held until all are found, so that none is found twice.
    let found: Result<Vec<_>, _> = wanted.iter().map(|_| bind(0)).collect();
    let found = found.map_err(Failure::here)?;
    found
        .iter()
        .map(|l| l.local_addr().map(|a| a.port()).map_err(Failure::here))
        .collect()
}
