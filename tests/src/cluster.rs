//! A cluster of real processes on loopback: Nimbus, supervisors, and whatever workers they start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, fulmar};
use crate::{ports, wait};

/// How long anything may take here before the test fails.
pub const LONG: Duration = Duration::from_secs(60);

/// One node.
pub struct Node {
    /// Its supervisor.
    pub process: Process,
    /// Its folder.
    pub dir: PathBuf,
    slots: Vec<u16>,
    port: u16,
}

/// The cluster. Dropping it kills everything, workers included.
pub struct Cluster {
    /// Everything's folder.
    pub dir: TempDir,
    /// Nimbus.
    pub nimbus: Process,
    nimbus_port: u16,
    /// The nodes.
    pub nodes: Vec<Node>,
}

impl Cluster {
    /// Starts Nimbus and this many supervisors with two slots each.
    pub fn start(nodes: usize) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let nimbus_port = ports::free(1)[0];
        let nimbus = start_nimbus(dir.path(), nimbus_port);
        let mut cluster = Self {
            dir,
            nimbus,
            nimbus_port,
            nodes: Vec::new(),
        };
        (0..nodes).for_each(|_| cluster.add_node());
        cluster
    }

    /// Starts one more supervisor.
    pub fn add_node(&mut self) {
        let n = self.nodes.len() + 1;
        let dir = self.dir.path().join(format!("node-{n}"));
        let (slots, port) = (ports::free_slots(2), ports::free(1)[0]);
        let process = self.start_supervisor(&dir, &slots, port, n);
        self.nodes.push(Node {
            process,
            dir,
            slots,
            port,
        });
    }

    /// Starts a node's supervisor again, with its folder as it is.
    pub fn restart_supervisor(&mut self, node: usize) {
        let (dir, slots, port) = {
            let n = &self.nodes[node];
            (n.dir.clone(), n.slots.clone(), n.port)
        };
        self.nodes[node].process = self.start_supervisor(&dir, &slots, port, node + 1);
    }

    /// Starts Nimbus again on its port, with its folder as it is.
    pub fn restart_nimbus(&mut self) {
        self.nimbus = start_nimbus(self.dir.path(), self.nimbus_port);
    }

    fn start_supervisor(&self, dir: &Path, slots: &[u16], port: u16, n: usize) -> Process {
        let slots: Vec<_> = slots.iter().map(ToString::to_string).collect();
        let mut command = Command::new(fulmar());
        command.args([
            "supervisor",
            "--nimbus",
            &self.address(),
            "--port",
            &port.to_string(),
        ]);
        command
            .args(["--slots", &slots.join(",")])
            .arg("--dir")
            .arg(dir);
        command.arg("--notice-file").arg(self.notice_file(n - 1));
        Process::start(&format!("supervisor-{n}"), &mut command, self.dir.path())
    }

    /// The file whose appearance is a termination notice of a node.
    pub fn notice_file(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("notice-{}.json", node + 1))
    }

    /// Nimbus' address.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.nimbus_port)
    }

    /// Runs a verb of the command line.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(fulmar());
        command
            .args(args)
            .env("FULMAR_NIMBUS", self.address())
            .env("RUST_LOG", "warn");
        command.output().expect("fulmar starts")
    }

    /// Runs a verb that must succeed, and reads its JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.extend(["--output", "json"]);
        let out = self.run(&all);
        assert!(
            out.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        serde_json::from_slice(&out.stdout).expect("JSON and nothing else")
    }

    /// Kinds of what happened so far, in order.
    pub fn events(&self) -> Vec<String> {
        let events = self.json(&["events", "--limit", "1000"]);
        let list = events["events"].as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|e| e["kind"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Worker processes of this cluster: pid and the node's index.
    pub fn workers(&self) -> BTreeMap<u32, usize> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir("/proc").expect("Linux").flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|p| p.parse::<u32>().ok())
            else {
                continue;
            };
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment).into_owned();
            let file = environment
                .split('\0')
                .find_map(|v| v.strip_prefix("FULMAR_WORKER="));
            let node = file.and_then(|f| {
                self.nodes
                    .iter()
                    .position(|n| Path::new(f).starts_with(&n.dir))
            });
            if let Some(node) = node {
                found.insert(pid, node);
            }
        }
        found
    }

    /// kill -9 of one worker.
    pub fn kill_worker(&self, pid: u32) {
        kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("the worker was there");
    }

    /// kill -9 of a supervisor and its workers, and its folder is gone: a machine that vanishes.
    pub fn lose_node(&mut self, node: usize) {
        self.nodes[node].process.kill_9();
        for (pid, at) in self.workers() {
            if at == node {
                self.kill_worker(pid);
            }
        }
        let dir = self.nodes[node].dir.clone();
        wait::wait_until("the node's folder to go", LONG, || {
            let _ = std::fs::remove_dir_all(&dir);
            !dir.exists()
        });
    }
}

fn start_nimbus(dir: &Path, port: u16) -> Process {
    let mut command = Command::new(fulmar());
    command
        .args(["nimbus", "--port", &port.to_string(), "--dir"])
        .arg(dir.join("nimbus"));
    let nimbus = Process::start("nimbus", &mut command, dir);
    wait::wait_until("Nimbus to listen", LONG, || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    nimbus
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &self.nodes {
                show_logs(&node.dir);
            }
        }
        // Supervisors first, else they would start the workers again.
        for node in &mut self.nodes {
            if node.process.is_running() {
                node.process.kill_9();
            }
        }
        for pid in self.workers().into_keys() {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
    }
}

/// Prints the workers' logs below a folder, for a test that failed.
fn show_logs(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            show_logs(&path);
        } else if path
            .extension()
            .is_some_and(|e| e == "log" || e == "err" || e == "out")
        {
            eprintln!(
                "---- {}\n{}",
                path.display(),
                std::fs::read_to_string(&path).unwrap_or_default()
            );
        }
    }
}
