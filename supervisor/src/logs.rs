//! Logs of workers: two files each, bounded while they are written to, and a bounded number of
//! folders of workers that have gone.
//!
//! A worker writes to its files by itself, since it outlives its supervisor; so a file is bounded by
//! copying it away and cutting it. Lines written in that moment can be lost, the disk cannot be filled.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use crate::record::safe;

/// Standard output and errors of a worker: `TOPOLOGY/PORT/worker.log` and `worker.err`.
pub fn files(logs: &Path, topology: &str, port: u16) -> (PathBuf, PathBuf) {
    let dir = folder(logs, topology, port);
    (dir.join("worker.log"), dir.join("worker.err"))
}

/// The folder of a worker's logs.
pub fn folder(logs: &Path, topology: &str, port: u16) -> PathBuf {
    logs.join(safe(topology)).join(port.to_string())
}

/// Copies a file that has grown beyond `most` bytes to `FILE.1` and cuts it.
///
/// # Errors
/// It cannot be copied or cut.
pub fn bound(path: &Path, most: u64) -> std::io::Result<bool> {
    match fs::metadata(path) {
        Ok(meta) if meta.len() > most => {}
        _ => return Ok(false),
    }
    let mut before = path.as_os_str().to_owned();
    before.push(".1");
    let copied = fs::copy(path, &before);
    // On a full disk the copy fails: then the cut is needed all the more.
    OpenOptions::new().write(true).open(path)?.set_len(0)?;
    copied.map(|_| true)
}

/// Removes the folders of workers that have gone, the oldest first, all but `keep`.
///
/// # Errors
/// The folder cannot be read.
pub fn sweep(logs: &Path, in_use: &BTreeSet<PathBuf>, keep: usize) -> std::io::Result<()> {
    let mut old = Vec::new();
    for topology in fs::read_dir(logs)?.flatten() {
        for port in fs::read_dir(topology.path())?.flatten() {
            if !in_use.contains(&port.path()) {
                old.push((port.metadata()?.modified()?, port.path()));
            }
        }
    }
    old.sort();
    for (_, path) in old.iter().rev().skip(keep) {
        fs::remove_dir_all(path)?;
        if let Some(topology) = path.parent() {
            // Stays while it holds the logs of another slot.
            let _ = fs::remove_dir(topology);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_log_that_is_written_to_is_cut_and_goes_on() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("worker.log");
        let mut writer = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .expect("opens");
        writer.write_all(b"first").expect("writes");
        assert!(!bound(&path, 5).expect("is small enough"));
        writer.write_all(b"!").expect("writes");
        assert!(bound(&path, 5).expect("is cut"));
        writer.write_all(b"second").expect("writes");
        assert_eq!(fs::read(&path).expect("reads"), b"second");
        assert_eq!(
            fs::read(dir.path().join("worker.log.1")).expect("reads"),
            b"first!"
        );
        assert!(!bound(&dir.path().join("absent"), 5).expect("is no error"));
    }

    #[test]
    fn only_the_newest_logs_of_the_gone_are_kept_and_all_of_the_living() {
        let dir = tempfile::tempdir().expect("a folder");
        let folders: Vec<_> = (0..4)
            .map(|n| folder(dir.path(), &format!("t-{n}"), 6700))
            .collect();
        for f in &folders {
            fs::create_dir_all(f).expect("a folder");
        }
        let in_use = BTreeSet::from([folders[0].clone()]);
        sweep(dir.path(), &in_use, 1).expect("sweeps");
        let left = folders.iter().filter(|f| f.exists()).count();
        assert!(folders[0].exists() && left == 2, "{left}");
        sweep(dir.path(), &in_use, 0).expect("sweeps");
        assert!(folders[0].exists() && !folders[3].exists());
        assert!(!dir.path().join("t-3").exists());
    }
}
