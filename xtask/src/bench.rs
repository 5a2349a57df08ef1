//! `cargo xtask bench ARGS`: builds `fulmar-bench` in release and hands it the arguments.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::run::{cargo, run};
use crate::{paths, tools};

/// Builds and runs the benchmarks; answers their exit code.
///
/// # Errors
/// A missing tool, or a failing build.
pub fn bench(args: &[String]) -> Result<ExitCode> {
    tools::c_compiler()?;
    tools::ensure(tools::BUILD)?;
    run(cargo().args(["build", "--release", "--locked", "-p", "fulmar-bench"]))?;
    if args.first().is_some_and(|a| a == "start" || a == "spot") {
        let programs = ["-p", "fulmar-cli", "-p", "fulmar-examples", "--bins"];
        run(cargo()
            .args(["build", "--release", "--locked"])
            .args(programs))?;
    }
    let status = Command::new(paths::target().join("release/fulmar-bench"))
        .args(args)
        .status()?;
    Ok(crate::demo::code(status))
}
