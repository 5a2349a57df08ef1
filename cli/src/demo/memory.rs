//! The demo's processes as `/proc` shows them: resident memory, and the workers that its supervisors started.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use fulmar_api::worker_file::WorkerFile;
use serde_json::json;

use super::dump::Dump;

/// Resident MB of a process; `None` if it is gone.
pub fn rss_mb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kb: u64 = line.trim().split(' ').next()?.parse().ok()?;
    Some(kb.div_ceil(1024))
}

/// Workers seen so far, and the topology of each: its folder may be gone before it is.
#[derive(Default)]
pub struct Workers(Mutex<BTreeMap<u32, String>>);

impl Workers {
    /// Pid and topology of each worker whose folder lies below one of the demo's; new ones get a line in the dump.
    pub fn look(&self, dir: &Path, dump: &Dump) -> BTreeMap<u32, String> {
        let mut known = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let mut found = BTreeMap::new();
        for (pid, file) in running(dir) {
            if let Some(topology) = known.get(&pid) {
                found.insert(pid, topology.clone());
                continue;
            }
            let Ok(file) = WorkerFile::read(Path::new(&file)) else {
                continue;
            };
            let id = &file.topology_id;
            let topology = id.split('-').next().unwrap_or(id).to_owned();
            dump.write(
                "processes",
                &json!({
                    "role": "worker", "name": format!("{topology}-{}", file.port), "pid": pid, "data_dir": file.dir,
                    "ports": [file.port, u32::from(file.port) + 1_000], "node": file.node_id,
                }),
            );
            known.insert(pid, topology.clone());
            found.insert(pid, topology);
        }
        found
    }
}

/// Pid of each such process, and the file that tells it what it is.
fn running(dir: &Path) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|p| p.parse().ok()) else {
            continue;
        };
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else {
            continue;
        };
        let environment = String::from_utf8_lossy(&environment);
        let file = environment
            .split('\0')
            .find_map(|v| v.strip_prefix("FULMAR_WORKER="));
        if let Some(file) = file.filter(|f| Path::new(f).starts_with(dir)) {
            found.insert(pid, file.to_owned());
        }
    }
    found
}
