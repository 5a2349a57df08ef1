//! Resident memory of the demo's processes and of the workers that its supervisors started, from `/proc`.

use std::collections::BTreeMap;
use std::path::Path;

/// Resident MB of a process; `None` if it is gone.
pub fn rss_mb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kb: u64 = line.trim().split(' ').next()?.parse().ok()?;
    Some(kb.div_ceil(1024))
}

/// Workers whose folder lies below one of the demo's: pid, and the folder of the worker.
pub fn workers(dir: &Path) -> BTreeMap<u32, String> {
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
