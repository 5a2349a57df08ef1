//! Stand-ins for AWS that nobody here wrote: the EC2 metadata mock, built from its Go module once into the cache, and
//! moto's server for EC2, SQS and EventBridge, in a Python environment of its own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::run::{run, say};
use crate::{paths, python};

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

/// The path of moto's server; installed when it is not there. Each test starts its own.
///
/// # Errors
/// No Python, or a package that cannot be installed.
pub fn moto() -> Result<PathBuf> {
    let python = python::with(&paths::root().join("tests/moto/requirements.txt"))?;
    let program = python.with_file_name("moto_server");
    if !program.exists() {
        bail!("installing moto left no {}", program.display());
    }
    Ok(program)
}
