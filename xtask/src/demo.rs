//! `cargo xtask demo`: everything a fresh machine lacks, a release build, and then `fulmar demo`.

use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result, bail};

use crate::run::{cargo, output, run, say};
use crate::{paths, tools, web};

/// Builds in release and runs the demo; answers its exit code.
///
/// # Errors
/// A missing tool with the remedy, or a failing build.
pub fn demo(args: &[String]) -> Result<ExitCode> {
    tools::c_compiler()?;
    tools::ensure(tools::BUILD)?;
    if let Err(error) = web::build() {
        say(&format!(
            "no built web page ({error:#}); the plain server-rendered page is served instead"
        ));
    }
    run(cargo().args([
        "build",
        "--release",
        "--locked",
        "-p",
        "fulmar-cli",
        "--bin",
        "fulmar",
    ]))?;
    let program = paths::target().join("release/fulmar");
    // A program that does not know the verb must not pass for a demo that went well.
    let help = output(Command::new(&program).args(["demo", "--help"]))?;
    if !help.contains("--report") {
        bail!("this version of `fulmar` has no `demo` yet: CHANGELOG.md lists what can be used");
    }
    let mut command = Command::new(program);
    command.arg("demo").args(args);
    let own_data = args
        .iter()
        .any(|a| a == "--data" || a.starts_with("--data="));
    if let Some(data) = paths::shared()
        .map(|s| s.join("data/wifi/ns3"))
        .filter(|d| d.is_dir() && !own_data)
    {
        say(&format!("replaying {}", data.display()));
        command.arg("--data").arg(data);
    }
    let status = command
        .status()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    Ok(code(status))
}

/// The exit code of a child as ours; one that died of a signal counts as failed.
pub fn code(status: ExitStatus) -> ExitCode {
    status
        .code()
        .and_then(|c| u8::try_from(c).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}
