//! The EC2 metadata mock: AWS's own, built from its Go module once into the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::paths;
use crate::run::{run, say};

/// The module and the version that was verified.
const MODULE: &str = "github.com/aws/amazon-ec2-metadata-mock/cmd/ec2-metadata-mock@v1.13.0";

/// The path of the program; built when it is not there.
///
/// # Errors
/// Go cannot build it.
pub fn ensure_installed() -> Result<PathBuf> {
    let folder = paths::cache().join("bin");
    let program = folder.join("ec2-metadata-mock");
    if !program.exists() {
        say("building the EC2 metadata mock");
        run(Command::new("go")
            .args(["install", MODULE])
            .env("GOBIN", &folder))?;
    }
    if !program.exists() {
        bail!("`go install {MODULE}` left no {}", program.display());
    }
    Ok(program)
}
