//! The web page's bundle: `ui/web` built by Vite, cached by content outside the clone.
//!
//! The cache's key is the content of `ui/web`, so a second clone of the same tree needs no Node at all.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{find, output, run, say};
use crate::{paths, tools};

/// The oldest Node that Vite 8 runs on.
const NODE: (u32, u32) = (20, 19);

/// Builds `ui/web/dist`, or takes it from the cache.
///
/// # Errors
/// No usable Node, or a failing build.
pub fn build() -> Result<()> {
    let web = paths::root().join("ui/web");
    if !web.join("package.json").exists() {
        return Ok(());
    }
    let dist = web.join("dist");
    let key = key(&web)?;
    let cached = paths::cache().join("web").join(&key);
    let stamp = dist.join(".built-from");
    if std::fs::read_to_string(&stamp).is_ok_and(|s| s == key) {
        return Ok(());
    }
    if !cached.is_dir() {
        node()?;
        run(Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(&web))?;
        run(Command::new("npm").args(["run", "build"]).current_dir(&web))?;
        if !dist.join("index.html").exists() {
            bail!("`npm run build` in ui/web left no dist/index.html");
        }
        std::fs::write(&stamp, &key)?;
        let part = cached.with_extension(format!("part-{}", std::process::id()));
        copy(&dist, &part)?;
        // Another clone may have been quicker: its copy is as good.
        if std::fs::rename(&part, &cached).is_err() {
            std::fs::remove_dir_all(&part)?;
        }
        return Ok(());
    }
    if dist.exists() {
        std::fs::remove_dir_all(&dist)?;
    }
    copy(&cached, &dist)?;
    std::fs::write(&stamp, &key).context("writing the stamp of ui/web/dist")
}

/// Finds a Node that is new enough, or installs Debian's and looks again.
///
/// # Errors
/// None to be had, with the remedy.
pub fn node() -> Result<()> {
    if version().is_some_and(|v| v >= NODE) && find("npm").is_some() {
        return Ok(());
    }
    say("Node is missing or older than 20.19 (for the web page): installing nodejs npm");
    let installed = tools::apt(&["nodejs", "npm"]);
    match version() {
        Some(v) if v >= NODE && find("npm").is_some() => Ok(()),
        found => {
            let found = found.map_or("none".to_owned(), |(a, b)| format!("{a}.{b}"));
            let why = installed
                .err()
                .map_or(String::new(), |e| format!(" ({e:#})"));
            bail!(
                "the web page needs Node 20.19 or newer with npm, found {found}{why}; remedy: install Node 20 or newer"
            )
        }
    }
}

fn version() -> Option<(u32, u32)> {
    let text = output(Command::new("node").arg("--version")).ok()?;
    let mut parts = text.trim().trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A hash of every file of `ui/web` that the build reads.
fn key(web: &Path) -> Result<String> {
    let mut files = Vec::new();
    collect(web, &mut files)?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.strip_prefix(web).unwrap_or(&file).hash(&mut hasher);
        std::fs::read(&file)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        if matches!(name.as_str(), "node_modules" | "dist") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(
            path.file_name()
                .context("an entry of a folder has a name")?,
        );
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
