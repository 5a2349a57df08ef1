//! `cargo xtask bench ARGS`: builds `fulmar-bench` in release, and what it runs beside it, and hands it the arguments.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::run::{cargo, run};
use crate::{paths, tools, twins};

/// Builds and runs the benchmarks; answers their exit code.
///
/// # Errors
/// A missing tool, or a failing build.
pub fn bench(args: &[String]) -> Result<ExitCode> {
    tools::c_compiler()?;
    tools::ensure(tools::BUILD)?;
    let has = |flag: &str| args.iter().any(|a| a == flag);
    let mut given = args.to_vec();
    let mut build = cargo();
    build.args([
        "build",
        "--release",
        "--locked",
        "-p",
        "fulmar-bench",
        "--bins",
    ]);
    if has("--vs-timely") {
        run(cargo().args(["build", "--release", "--locked", "-p", "fulmar-timely-twin"]))?;
        let twin = paths::target().join("release/timely-twin");
        given.push(format!("--timely-twin={}", twin.display()));
    }
    match args.first().map(String::as_str) {
        Some("start") => drop(build.args(["-p", "fulmar-cli", "-p", "fulmar-examples"])),
        Some("engine") if !has("--in-process") => drop(build.args(["-p", "fulmar-cli"])),
        _ => {}
    }
    run(&mut build)?;
    for peer in ["storm", "flink"] {
        if has(&format!("--vs-{peer}")) {
            let twin = twins::java(peer)?;
            given.push(format!("--{peer}-twin={}", twin.display()));
        }
    }
    let status = Command::new(paths::target().join("release/fulmar-bench"))
        .args(given)
        .status()?;
    Ok(crate::demo::code(status))
}
