//! `cargo xtask sim` runs the simulation of Nimbus; `cargo xtask bite` shows that it can bite.
//!
//! A known bug is a patch in `tests/sim/bugs/`, whose first line names the invariant that must catch it. It is
//! put into a copy of the sources, never into the tree that somebody works in.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{cargo, output, run, say};
use crate::{paths, tools};

/// Seeds that a known bug is looked for in.
const SEEDS: &str = "0..6000";
/// What the first line of a patch begins with.
const INVARIANT: &str = "# invariant: ";

/// Builds and runs the simulation; answers its exit code.
///
/// # Errors
/// A missing tool, or a failing build.
pub fn sim(args: &[String]) -> Result<ExitCode> {
    tools::c_compiler()?;
    run(cargo().args(["build", "--release", "--locked", "-p", "fulmar-sim"]))?;
    let status = Command::new(paths::target().join("release/fulmar-sim"))
        .args(args)
        .status()?;
    Ok(crate::demo::code(status))
}

/// Puts every known bug back; answers failure when one of them is not caught.
///
/// # Errors
/// A patch that does not fit any more, or a failing build.
pub fn bite() -> Result<ExitCode> {
    tools::c_compiler()?;
    let bugs = paths::root().join("tests/sim/bugs");
    let entries =
        std::fs::read_dir(&bugs).with_context(|| format!("cannot read {}", bugs.display()))?;
    let mut patches: Vec<_> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "patch"))
        .collect();
    patches.sort();
    ensure!(
        !patches.is_empty(),
        "there is no patch in {}",
        bugs.display()
    );
    let mut missed = 0;
    for patch in &patches {
        let caught = bug(patch)?;
        missed += usize::from(!caught);
    }
    say(&format!(
        "{} of {} known bugs are caught",
        patches.len() - missed,
        patches.len()
    ));
    Ok(if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whether the simulation catches one bug by the invariant that its patch names.
fn bug(patch: &Path) -> Result<bool> {
    let name = patch.file_stem().unwrap_or_default().to_string_lossy();
    let text = std::fs::read_to_string(patch)?;
    let Some(invariant) = text.lines().next().and_then(|l| l.strip_prefix(INVARIANT)) else {
        bail!("{} does not begin with \"{INVARIANT}\"", patch.display());
    };
    let copy = paths::target().join("bite");
    copy_sources(&copy)?;
    let mut apply = Command::new("git");
    apply.args([
        "apply",
        "--unsafe-paths",
        "--whitespace=nowarn",
        "--directory",
    ]);
    run(apply.arg(&copy).arg(patch).current_dir("/"))?;
    // Not `--locked`: the crates of the copy have a version of their own.
    run(cargo()
        .args(["build", "--release", "-p", "fulmar-sim"])
        .env("CARGO_TARGET_DIR", paths::target())
        .current_dir(&copy))?;
    let ran = Command::new(paths::target().join("release/fulmar-sim"))
        .args(["--seeds", SEEDS])
        .output()?;
    let said = String::from_utf8_lossy(&ran.stdout);
    let broken = said
        .lines()
        .find(|l| l.starts_with("seed ") && l.contains(" breaks "));
    let caught = broken.is_some_and(|l| l.contains(invariant));
    say(&match broken {
        Some(line) if caught => format!("{name}: caught, {line}"),
        Some(line) => format!("{name}: MISSED, \"{invariant}\" should catch it: {line}"),
        None => format!("{name}: MISSED, every invariant held for seeds {SEEDS}"),
    });
    Ok(caught)
}

/// Copies what git knows, as it stands, into a fresh folder.
fn copy_sources(to: &Path) -> Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    let root = paths::root();
    let files = output(
        Command::new("git")
            .args(["ls-files", "--cached"])
            .current_dir(&root),
    )?;
    for file in files.lines() {
        let (from, target) = (root.join(file), to.join(file));
        if !from.is_file() {
            continue;
        }
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(&from, &target).with_context(|| format!("cannot copy {file}"))?;
    }
    let manifest = to.join("Cargo.toml");
    let renamed = renamed(&std::fs::read_to_string(&manifest)?)?;
    std::fs::write(&manifest, renamed)?;
    Ok(())
}

/// The workspace's manifest with another version. Cargo tells crates of ours apart by their place below the
/// workspace's root and by their version; with the same version it takes what was built with a bug for what
/// the tree would give, and `cargo xtask sim` ran the last bug.
fn renamed(manifest: &str) -> Result<String> {
    let (before, after) = manifest
        .split_once("[workspace.package]\nversion = \"")
        .context("Cargo.toml does not begin [workspace.package] with the version")?;
    let (version, rest) = after
        .split_once('"')
        .context("Cargo.toml has no version in quotes")?;
    Ok(format!(
        "{before}[workspace.package]\nversion = \"{version}-bite\"{rest}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_with_a_bug_has_another_version() {
        let manifest = std::fs::read_to_string(paths::root().join("Cargo.toml")).expect("reads");
        let text = renamed(&manifest).expect("has a version");
        let changed: Vec<_> = manifest
            .lines()
            .zip(text.lines())
            .filter(|(a, b)| a != b)
            .collect();
        assert_eq!(changed.len(), 1, "{changed:?}");
        assert!(changed[0].1.ends_with("-bite\""), "{changed:?}");
        assert!(renamed("[workspace]").is_err());
    }
}
