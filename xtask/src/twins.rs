//! The peers' twins of the benchmark: jars by Maven, our Java compiled against them, all kept outside the clone by what they are
//! made of.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{output, say};
use crate::services::maven;
use crate::{paths, tools};

/// A folder with `twin.jar` and `lib/` of the twin in `bench/twins/NAME`; made when it is not there.
///
/// # Errors
/// No Java compiler or Maven, a fetch that fails, or a twin that does not compile.
pub fn java(name: &str) -> Result<PathBuf> {
    tools::ensure(tools::JDK)?;
    let twins = paths::root().join("bench/twins");
    let pom = twins.join(name).join("pom.xml");
    let project = std::fs::read_to_string(&pom).with_context(|| pom.display().to_string())?;
    let jars = maven::jars_of(&format!("{name}-twin-{:016x}", hash(&[&project])), &project)?;
    let mut sources = Vec::new();
    for folder in ["common", name] {
        sources.extend(java_files(&twins.join(folder))?);
    }
    let texts = sources.iter().map(std::fs::read_to_string);
    let mut texts = texts.collect::<std::io::Result<Vec<_>>>()?;
    texts.push(project);
    let made_of = hash(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let folder = paths::cache().join(format!("twins/{name}-{made_of:016x}"));
    if !folder.is_dir() {
        say(&format!("compiling the twin of {name}"));
        compile(&folder, &jars, &sources)?;
    }
    Ok(folder)
}

/// Compiles into a folder beside the wanted one and renames it, so that nothing half-made stays.
fn compile(folder: &Path, jars: &Path, sources: &[PathBuf]) -> Result<()> {
    let half = folder.with_extension(format!("part{}", std::process::id()));
    let classes = half.join("classes");
    std::fs::create_dir_all(&classes).with_context(|| classes.display().to_string())?;
    std::os::unix::fs::symlink(jars, half.join("lib"))?;
    let mut javac = Command::new("javac");
    javac
        .args(["-nowarn", "-cp"])
        .arg(format!("{}/*", jars.display()))
        .arg("-d")
        .arg(&classes)
        .args(sources);
    let mut jar = Command::new("jar");
    jar.arg("cf")
        .arg(half.join("twin.jar"))
        .arg("-C")
        .arg(&classes)
        .arg(".");
    let made = output(&mut javac).and_then(|_| output(&mut jar));
    if made.is_ok() && std::fs::rename(&half, folder).is_ok() {
        return Ok(());
    }
    drop(std::fs::remove_dir_all(&half));
    // Two of us may have compiled at once: the first one stays.
    made.map(drop)
}

fn java_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.filter_map(|e| e.ok().map(|e| e.path()));
    let mut files: Vec<PathBuf> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "java"))
        .collect();
    files.sort();
    Ok(files)
}

fn hash(texts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    hasher.finish()
}
