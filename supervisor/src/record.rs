//! What a supervisor remembers on disk: the node's id, and for each slot what runs in it, so that a
//! restarted supervisor finds its workers again and needs no Nimbus for that.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::slot::{Life, Wanted};

/// What runs in a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was wanted there.
    pub wanted: Wanted,
    /// The process; `None` between the decision to start it and its start.
    pub life: Option<Life>,
}

/// The folder of a supervisor. Only one supervisor can hold it.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens it and makes what is missing.
    ///
    /// # Errors
    /// It cannot be written, or another supervisor holds it.
    pub fn open(dir: &Path) -> Result<Folder, Error> {
        // Workers run in a folder of their own: a relative path would mean something else there.
        fs::create_dir_all(dir).map_err(|e| Error::folder(dir, &e))?;
        let dir = dir.canonicalize().map_err(|e| Error::folder(dir, &e))?;
        for below in ["workers", "blobs", "logs"] {
            let path = dir.join(below);
            fs::create_dir_all(&path).map_err(|e| Error::folder(&path, &e))?;
        }
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(|e| Error::folder(&path, &e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder { dir, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(dir.display().to_string())),
            Err(TryLockError::Error(e)) => Err(Error::folder(&path, &e)),
        }
    }

    /// The id of this node: made once, then kept.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn node_id(&self) -> Result<String, Error> {
        let path = self.dir.join("node-id");
        match fs::read_to_string(&path) {
            Ok(id) if !id.trim().is_empty() => Ok(id.trim().to_owned()),
            _ => {
                let id = uuid::Uuid::new_v4().to_string();
                replace(&path, id.as_bytes())?;
                Ok(id)
            }
        }
    }

    /// Where programs are kept.
    pub fn blobs(&self) -> PathBuf {
        self.dir.join("blobs")
    }

    /// Where logs are kept, by topology and port.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// The folder of a slot's worker.
    pub fn worker(&self, port: u16, topology: &str) -> PathBuf {
        let name = format!("{port}-{}", safe(topology));
        self.dir.join("workers").join(name)
    }

    fn slot(&self, port: u16) -> PathBuf {
        self.dir.join("workers").join(format!("{port}.json"))
    }

    /// What a slot held when it was last written; a damaged record is none.
    pub fn load(&self, port: u16) -> Option<Record> {
        read_json(&self.slot(port))
    }

    /// Remembers what a slot holds.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, port: u16, record: &Record) -> Result<(), Error> {
        let text = serde_json::to_vec(record).map_err(|e| Error::Folder {
            path: self.slot(port).display().to_string(),
            problem: e.to_string(),
        })?;
        replace(&self.slot(port), &text)
    }

    /// Forgets everything but the logs, as if the machine had gone: who comes next is another node.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn vanish(&self) -> Result<(), Error> {
        let id = self.dir.join("node-id");
        gone(&id, fs::remove_file(&id))?;
        for below in ["workers", "blobs"] {
            let path = self.dir.join(below);
            gone(&path, fs::remove_dir_all(&path))?;
        }
        Ok(())
    }

    /// Forgets what a slot held and removes its worker's folder.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn clear(&self, port: u16, topology: &str) -> Result<(), Error> {
        let remembered = self.load(port);
        if remembered.is_none_or(|r| r.wanted.topology_id == topology) {
            gone(&self.slot(port), fs::remove_file(self.slot(port)))?;
        }
        let dir = self.worker(port, topology);
        gone(&dir, fs::remove_dir_all(&dir))
    }
}

/// A name from outside as the name of a folder: it can neither leave the parent nor hide.
pub fn safe(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let text: String = name
        .chars()
        .map(|c| if keep(c) { c } else { '_' })
        .take(200)
        .collect();
    match text.trim_start_matches('.') {
        "" => "_".to_owned(),
        text => text.to_owned(),
    }
}

fn gone(path: &Path, removed: std::io::Result<()>) -> Result<(), Error> {
    match removed {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::folder(path, &e)),
        _ => Ok(()),
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let text = fs::read(path).ok()?;
    match serde_json::from_slice(&text) {
        Ok(value) => Some(value),
        Err(e) => {
            tracing::warn!(path = %path.display(), "a damaged record is left out: {e}");
            None
        }
    }
}

fn replace(path: &Path, text: &[u8]) -> Result<(), Error> {
    let half = path.with_extension("new");
    if let Some(dir) = path.parent() {
        // It may have been deleted under the supervisor.
        fs::create_dir_all(dir).map_err(|e| Error::folder(dir, &e))?;
    }
    fs::write(&half, text)
        .and_then(|()| fs::rename(&half, path))
        .map_err(|e| Error::folder(path, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            wanted: Wanted {
                topology_id: "a-1".into(),
                topology_name: "a".into(),
                blob_key: "k".into(),
                program_args: vec!["x".into()],
                graph_hash: "g".into(),
            },
            life: Some(Life {
                pid: 7,
                started: 8,
                incarnation: u64::MAX,
            }),
        }
    }

    /// Opens a folder that was let go. A child that another test has forked just now holds the lock until it runs its program.
    fn reopened(dir: &Path) -> Folder {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            match Folder::open(dir) {
                Ok(folder) => return folder,
                Err(error) => assert!(std::time::Instant::now() < end, "{error}"),
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_folder_has_one_holder_and_its_node_keeps_its_id() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(dir.path()).expect("opens");
        let id = folder.node_id().expect("makes one");
        let second = Folder::open(dir.path()).expect_err("is held");
        assert!(
            second.to_string().contains("another supervisor uses"),
            "{second}"
        );
        drop(folder);
        let again = reopened(dir.path());
        assert_eq!(again.node_id().expect("reads"), id);
        again.vanish().expect("removes");
        drop(again);
        let other = reopened(dir.path());
        assert_ne!(other.node_id().expect("makes one"), id);
    }

    #[test]
    fn what_a_slot_holds_is_read_again_unless_it_is_damaged_or_cleared() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(dir.path()).expect("opens");
        assert_eq!(folder.load(6700), None);
        folder.save(6700, &record()).expect("writes");
        assert_eq!(folder.load(6700), Some(record()));
        let worker = folder.worker(6700, "a-1");
        fs::create_dir_all(&worker).expect("a folder");
        folder.clear(6700, "b-1").expect("clears another");
        assert_eq!(folder.load(6700), Some(record()), "not b's to forget");
        folder.clear(6700, "a-1").expect("clears");
        assert!(folder.load(6700).is_none() && !worker.exists());
        fs::remove_dir_all(dir.path()).expect("somebody deletes it");
        folder.save(6702, &record()).expect("makes it anew");
        fs::write(dir.path().join("workers/6701.json"), "{").expect("writes");
        assert_eq!(folder.load(6701), None);
    }

    #[test]
    fn a_name_from_outside_stays_inside() {
        assert_eq!(safe("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(
            (safe(".."), safe(""), safe("wörd-1_2.3")),
            ("_".into(), "_".into(), "w_rd-1_2.3".into())
        );
    }
}
