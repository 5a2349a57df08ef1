//! A Python of our own with the packages that a script needs, in the cache: read by other clients than Fulmar's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{run, say};
use crate::{paths, tools};

/// The interpreter of an environment that holds what a requirements file names; made when it is not there.
///
/// # Errors
/// No Python, or a package that cannot be installed.
pub fn with(requirements: &Path) -> Result<PathBuf> {
    tools::ensure(tools::PYTHON)?;
    let wanted = std::fs::read_to_string(requirements)
        .with_context(|| format!("reading {}", requirements.display()))?;
    let name = requirements
        .parent()
        .and_then(Path::file_name)
        .map_or("scripts".into(), |n| n.to_string_lossy().into_owned());
    let home = paths::cache().join("python").join(name);
    let (program, stamp) = (home.join("bin/python"), home.join("installed.txt"));
    if std::fs::read_to_string(&stamp).is_ok_and(|s| s == wanted) && program.exists() {
        return Ok(program);
    }
    say(&format!(
        "installing Python packages for {}",
        requirements.display()
    ));
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&home))?;
    run(Command::new(&program)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ])
        .arg(requirements))?;
    std::fs::write(&stamp, wanted)?;
    Ok(program)
}
