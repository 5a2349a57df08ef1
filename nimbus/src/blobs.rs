//! Programs as blobs: named by their SHA-256, so that the same program is kept once.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::limits::BLOB_MOST;

/// The folder of blobs.
#[derive(Clone, Debug)]
pub struct Blobs {
    dir: PathBuf,
}

/// An upload under way; what is not finished is removed.
pub struct Upload {
    file: File,
    part: PathBuf,
    blobs: Blobs,
    want: String,
    hash: Sha256,
    bytes: u64,
}

impl Blobs {
    /// Opens the folder.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(|e| fail(&dir.display().to_string(), e))?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    /// Starts an upload whose content must have this SHA-256.
    ///
    /// # Errors
    /// The checksum is not 64 hexadecimal digits, or the disk is full.
    pub fn upload(&self, sha256: &str) -> Result<Upload, Error> {
        check_key(sha256)?;
        let part = self
            .dir
            .join(format!("{sha256}.{}.part", uuid::Uuid::new_v4()));
        let file = File::create(&part).map_err(|e| self.full(&e))?;
        Ok(Upload {
            file,
            part,
            blobs: self.clone(),
            want: sha256.to_owned(),
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    /// What cannot be written is the operator's to mend, so it stands in the log too.
    fn full(&self, problem: &std::io::Error) -> Error {
        let error = Error::Disk {
            folder: self.dir.display().to_string(),
            problem: problem.to_string(),
        };
        tracing::error!("{} {error}", error.code());
        error
    }

    /// Whether a blob is there.
    pub fn contains(&self, key: &str) -> bool {
        check_key(key).is_ok() && self.dir.join(key).is_file()
    }

    /// Reads up to `most` bytes from an offset; empty at the end.
    ///
    /// # Errors
    /// There is no such blob.
    pub fn read(&self, key: &str, offset: u64, most: usize) -> Result<Vec<u8>, Error> {
        check_key(key)?;
        let mut file = File::open(self.dir.join(key)).map_err(|e| fail(key, e))?;
        file.seek(SeekFrom::Start(offset))
            .map_err(|e| fail(key, e))?;
        let mut data = Vec::new();
        file.take(most as u64)
            .read_to_end(&mut data)
            .map_err(|e| fail(key, e))?;
        Ok(data)
    }
}

impl Upload {
    /// Adds a chunk.
    ///
    /// # Errors
    /// Too large, or the disk is full.
    pub fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        self.bytes += data.len() as u64;
        if self.bytes > BLOB_MOST {
            let problem =
                format!("more than {BLOB_MOST} bytes: strip the program of its debug symbols");
            return Err(Error::Blob {
                key: self.want.clone(),
                problem,
            });
        }
        self.hash.update(data);
        self.file.write_all(data).map_err(|e| self.blobs.full(&e))
    }

    /// Checks the checksum and keeps the blob; answers its key and size.
    ///
    /// # Errors
    /// The checksum is another one: nothing is kept.
    pub fn finish(self) -> Result<(String, u64), Error> {
        let got = hex::encode(self.hash.clone().finalize());
        if got != self.want {
            let problem = format!(
                "its content has the checksum {got}: it was damaged on the way, upload it again"
            );
            return Err(Error::Blob {
                key: self.want.clone(),
                problem,
            });
        }
        self.file.sync_all().map_err(|e| self.blobs.full(&e))?;
        std::fs::rename(&self.part, self.blobs.dir.join(&got)).map_err(|e| self.blobs.full(&e))?;
        Ok((got, self.bytes))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Renamed away when finished; otherwise a leftover.
        let _ = std::fs::remove_file(&self.part);
    }
}

/// A key is a checksum and nothing else, so that no key is a path.
fn check_key(key: &str) -> Result<(), Error> {
    if key.len() == 64
        && key
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return Ok(());
    }
    let problem = "is not the lower-case hexadecimal SHA-256 of a blob (64 digits)".to_owned();
    Err(Error::Blob {
        key: key.chars().take(80).collect(),
        problem,
    })
}

fn fail(key: &str, problem: std::io::Error) -> Error {
    Error::Blob {
        key: key.to_owned(),
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_kept_once_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::open(dir.path()).expect("opens");
        let key = hex::encode(Sha256::digest(b"program"));
        for _ in 0..2 {
            let mut upload = blobs.upload(&key).expect("starts");
            upload.write(b"pro").expect("writes");
            upload.write(b"gram").expect("writes");
            assert_eq!(upload.finish().expect("fits"), (key.clone(), 7));
        }
        assert_eq!(blobs.read(&key, 3, 100).expect("reads"), b"gram");
        let mut bad = blobs.upload(&key).expect("starts");
        bad.write(b"other").expect("writes");
        assert!(
            bad.finish()
                .expect_err("differs")
                .to_string()
                .contains("damaged")
        );
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 1);
        assert!(blobs.upload("../../etc/passwd").is_err());
        assert!(!blobs.contains("../nimbus.redb"));
    }

    #[test]
    fn a_disk_that_takes_nothing_is_no_mistake_of_the_client() {
        let dir = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::open(&dir.path().join("blobs")).expect("opens");
        let key = hex::encode(Sha256::digest(b"program"));
        let mut upload = blobs.upload(&key).expect("starts");
        upload.file = File::options()
            .write(true)
            .open("/dev/full")
            .expect("opens");
        let status = tonic::Status::from(upload.write(b"program").expect_err("is full"));
        assert_eq!(status.code(), tonic::Code::Internal);
        let text = status.message();
        for part in ["No space left", "blobs", "free space"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
