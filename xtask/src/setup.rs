//! `cargo xtask setup`: everything that building and testing need, installed once and announced.

use std::process::ExitCode;

use anyhow::Result;

use crate::{run, tools, web};

/// Installs what building and testing need.
///
/// # Errors
/// A tool that cannot be had, with the remedy.
pub fn setup() -> Result<ExitCode> {
    tools::c_compiler()?;
    tools::ensure(tools::BUILD)?;
    tools::ensure(tools::JAVA)?;
    tools::ensure(tools::PYTHON)?;
    tools::ensure(tools::TEST)?;
    web::node()?;
    run::say("everything is there; next: cargo xtask demo, or cargo xtask test");
    Ok(ExitCode::SUCCESS)
}
