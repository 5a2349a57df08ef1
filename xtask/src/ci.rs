//! The two verbs about form: the check that CI makes, and the fix that makes it pass.

use std::process::ExitCode;

use anyhow::Result;

use crate::run::{cargo, run};
use crate::{docs, tools};

/// Format check and clippy with warnings refused.
///
/// # Errors
/// The first of them that fails.
pub fn lint() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args([
        "clippy",
        "--locked",
        "--quiet",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Writes everything that a machine can write: format, clippy's suggestions, generated documents.
///
/// # Errors
/// A command that fails.
pub fn fix() -> Result<ExitCode> {
    tools::ensure(tools::BUILD)?;
    run(cargo().args(["fmt", "--all"]))?;
    run(cargo().args([
        "clippy",
        "--all-targets",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
    ]))?;
    run(cargo().args(["fmt", "--all"]))?;
    docs::write()
}
