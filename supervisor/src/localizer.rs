//! Programs of topologies: fetched from Nimbus in chunks, believed only when their checksum fits,
//! kept by it, and put in place whole or not at all.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fulmar_proto::nimbus::DownloadBlobRequest;
use fulmar_proto::nimbus::nimbus_client::NimbusClient;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tonic::transport::Channel;

use crate::error::Error;

/// A Nimbus that sends nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(20);

fn failed(key: &str, problem: impl ToString) -> Error {
    Error::Blob {
        key: key.to_owned(),
        problem: problem.to_string(),
    }
}

/// Where a program is kept.
///
/// # Errors
/// The key is no SHA-256, so that it could be a path to anywhere.
pub fn place(blobs: &Path, key: &str) -> Result<PathBuf, Error> {
    let digits = key
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if key.len() != 64 || !digits {
        return Err(failed(
            key,
            "the key is no lower-case SHA-256; submit again",
        ));
    }
    Ok(blobs.join(key))
}

/// Makes a program present and executable.
///
/// # Errors
/// Nimbus does not have it or does not answer, what it sends does not fit the checksum, or the disk
/// is full.
pub async fn localize(
    blobs: &Path,
    key: &str,
    most: u64,
    mut nimbus: NimbusClient<Channel>,
) -> Result<PathBuf, Error> {
    let path = place(blobs, key)?;
    if path.exists() {
        return Ok(path);
    }
    let half = blobs.join(format!("{key}.{}.part", uuid::Uuid::new_v4()));
    let fetched = fetch(&half, key, most, &mut nimbus).await;
    let placed = fetched.and_then(|()| {
        fs::set_permissions(&half, fs::Permissions::from_mode(0o755))
            .and_then(|()| fs::rename(&half, &path))
            .map_err(|e| failed(key, e))
    });
    if placed.is_err() {
        // Whatever came of it is of no use.
        let _ = fs::remove_file(&half);
    }
    placed.map(|()| path)
}

async fn fetch(
    half: &Path,
    key: &str,
    most: u64,
    nimbus: &mut NimbusClient<Channel>,
) -> Result<(), Error> {
    let request = DownloadBlobRequest {
        key: key.to_owned(),
        offset: 0,
    };
    let silent = |_| failed(key, format!("nimbus sent nothing for {SILENCE:?}"));
    let asked = tokio::time::timeout(SILENCE, nimbus.download_blob(request)).await;
    let mut chunks = asked
        .map_err(silent)?
        .map_err(|e| failed(key, e.message()))?
        .into_inner();
    let disk = |e| failed(key, format!("{}: {e}; is the disk full?", half.display()));
    if let Some(blobs) = half.parent() {
        // The supervisor's folder may have been deleted under it.
        fs::create_dir_all(blobs).map_err(disk)?;
    }
    let mut file = tokio::fs::File::create(half).await.map_err(disk)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0u64);
    loop {
        let chunk = tokio::time::timeout(SILENCE, chunks.message()).await;
        let chunk = chunk.map_err(silent)?;
        let Some(chunk) = chunk.map_err(|e| failed(key, e.message()))? else {
            break;
        };
        bytes += chunk.data.len() as u64;
        if bytes > most {
            let text = format!("larger than {most} bytes: strip the program");
            return Err(failed(key, text));
        }
        hash.update(&chunk.data);
        file.write_all(&chunk.data).await.map_err(disk)?;
    }
    file.sync_all().await.map_err(disk)?;
    let got = hex::encode(hash.finalize());
    if got != key {
        let text = format!("damaged on the way ({bytes} bytes with checksum {got}): fetched again");
        return Err(failed(key, text));
    }
    Ok(())
}

/// Removes halves that an earlier supervisor left, and the oldest programs that nobody uses.
///
/// # Errors
/// The folder cannot be read.
pub fn sweep(blobs: &Path, in_use: &BTreeSet<String>, keep: usize) -> std::io::Result<()> {
    let mut old = Vec::new();
    for entry in fs::read_dir(blobs)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".part") && !in_use.contains(&name) {
            old.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    old.sort();
    for (_, path) in old.iter().rev().skip(keep) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Removes what an earlier supervisor did not finish.
///
/// # Errors
/// The folder cannot be read.
pub fn remove_halves(blobs: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(blobs)?.flatten() {
        if entry.file_name().to_string_lossy().ends_with(".part") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_checksum_and_never_a_path() {
        let blobs = Path::new("blobs");
        assert!(place(blobs, &"a".repeat(64)).is_ok());
        for key in ["", "../../bin/sh", &"A".repeat(64), &"a".repeat(63)] {
            assert!(place(blobs, key).is_err(), "{key}");
        }
    }

    #[test]
    fn programs_in_use_stay_and_halves_go() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["used", "old", "x.part"] {
            fs::write(dir.path().join(name), "x").expect("writes");
        }
        remove_halves(dir.path()).expect("sweeps");
        sweep(dir.path(), &BTreeSet::from(["used".to_owned()]), 1).expect("sweeps");
        let count = |dir: &Path| fs::read_dir(dir).expect("reads").count();
        assert_eq!(count(dir.path()), 2);
        sweep(dir.path(), &BTreeSet::from(["used".to_owned()]), 0).expect("sweeps");
        assert!(dir.path().join("used").exists());
        assert_eq!(count(dir.path()), 1);
    }
}
