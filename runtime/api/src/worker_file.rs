//! What a supervisor tells the program that it starts as a worker: one JSON file, whose path is in
//! `FULMAR_WORKER`. It lives here because both sides read it and neither imports the other.

use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The variable that holds the path of the file; a program that finds it runs as a worker.
pub const WORKER_ENV: &str = "FULMAR_WORKER";

/// One life of one worker: who it is, whom it reports to, where it may write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerFile {
    /// The topology that it serves.
    pub topology_id: String,
    /// Every Nimbus as `host:port`; the first that answers will do.
    pub nimbus: Vec<String>,
    /// The node that it lives on.
    pub node_id: String,
    /// Name or address under which peers reach this node.
    pub host: String,
    /// Slot port = data port; HTTP listens at port + 1000.
    pub port: u16,
    /// This life; never zero, and never the same twice. A program started again gets a new one.
    pub incarnation: u64,
    /// Its own folder: working directory, logs, this file. Removed when the slot is given to another.
    pub dir: PathBuf,
    /// Hash of the graph that was submitted; a program whose own differs must not start.
    pub graph_hash: String,
}

impl WorkerFile {
    /// The file named by [`WORKER_ENV`]; `None` when the variable is not set, so this is no worker.
    ///
    /// # Errors
    /// The variable is set and the file cannot be read.
    pub fn from_env() -> Result<Option<WorkerFile>> {
        match std::env::var_os(WORKER_ENV) {
            Some(path) => WorkerFile::read(Path::new(&path)).map(Some),
            None => Ok(None),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// There is no such file, or it does not hold a `WorkerFile`.
    pub fn read(path: &Path) -> Result<WorkerFile> {
        let text =
            std::fs::read(path).map_err(|e| Error::new(e.kind(), said(path, &e.to_string())))?;
        serde_json::from_slice(&text)
            .map_err(|e| Error::new(ErrorKind::InvalidData, said(path, &e.to_string())))
    }

    /// Writes it so that a reader sees the old file or the new one, never half of one.
    ///
    /// # Errors
    /// The folder is missing, not writable or full.
    pub fn write(&self, path: &Path) -> Result<()> {
        let half = path.with_extension("json.new");
        std::fs::write(&half, serde_json::to_vec_pretty(self)?)
            .and_then(|()| std::fs::rename(&half, path))
            .map_err(|e| Error::new(e.kind(), said(path, &e.to_string())))
    }
}

fn said(path: &Path, problem: &str) -> String {
    format!(
        "worker file {}: {problem}; a supervisor writes it, do not set {WORKER_ENV} by hand",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_damaged_file_is_named() {
        let dir = std::env::temp_dir().join(format!("fulmar-worker-file-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder");
        let path = dir.join("worker.json");
        let file = WorkerFile {
            topology_id: "a-1-1".into(),
            nimbus: vec!["127.0.0.1:6629".into()],
            node_id: "n".into(),
            host: "127.0.0.1".into(),
            port: 6700,
            incarnation: u64::MAX,
            dir: dir.clone(),
            graph_hash: "h".into(),
        };
        file.write(&path).expect("writes");
        assert_eq!(WorkerFile::read(&path).expect("reads"), file);
        std::fs::write(&path, "{").expect("writes");
        let error = WorkerFile::read(&path).expect_err("is damaged");
        assert!(error.to_string().contains("worker.json"), "{error}");
        std::fs::remove_dir_all(&dir).expect("is removed");
    }
}
