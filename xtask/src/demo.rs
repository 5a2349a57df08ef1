//! `cargo xtask demo`: everything a fresh machine lacks, a release build, and then `fulmar demo`.
//!
//! With `--real` it runs on Kafka and Cassandra that are started here, and what they hold at the end is read back and
//! counted again by a script with other clients (`tests/readback/readback.py`).

use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result, bail};

use crate::run::{cargo, output, run, say};
use crate::services::Running;
use crate::{paths, python, tools, web};

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
    let real = args.iter().any(|a| a == "--real");
    let mut command = Command::new(program);
    command.arg("demo");
    command.args(args.iter().filter(|a| *a != "--real"));
    let has = |name: &str| {
        let with_value = format!("{name}=");
        args.iter().any(|a| a == name || a.starts_with(&with_value))
    };
    if let Some(data) = paths::shared()
        .map(|s| s.join("data/wifi/ns3"))
        .filter(|d| d.is_dir() && !has("--data"))
    {
        say(&format!("replaying {}", data.display()));
        command.arg("--data").arg(data);
    }
    if real {
        return on_real(command, args, &has);
    }
    let status = command
        .status()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    Ok(code(status))
}

/// Records a second where two JVMs share the machine, if nothing else is asked for.
const REAL_RATE: &str = "8000";

/// The same on Kafka and Cassandra of this run, read back at the end.
fn on_real(mut command: Command, args: &[String], has: &dyn Fn(&str) -> bool) -> Result<ExitCode> {
    let folder = paths::root().join("tests/readback");
    let python = python::with(&folder.join("requirements.txt"))?;
    let services = Running::start(false)?;
    for (name, value) in services.environment() {
        match name {
            "FULMAR_KAFKA" => command.arg("--kafka").arg(value),
            "FULMAR_CASSANDRA" => command.arg("--store").arg(value),
            _ => &mut command,
        };
    }
    if !has("--rate") {
        command.args(["--rate", REAL_RATE]);
    }
    let given = args
        .iter()
        .position(|a| a == "--report")
        .and_then(|i| args.get(i + 1))
        .map(String::as_str)
        .or_else(|| args.iter().find_map(|a| a.strip_prefix("--report=")));
    let report = match given {
        Some(file) => std::path::PathBuf::from(file),
        None => {
            let file =
                std::env::temp_dir().join(format!("fulmar-real-{}.json", std::process::id()));
            command.arg("--report").arg(&file);
            file
        }
    };
    let status = command
        .status()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !status.success() {
        return Ok(code(status));
    }
    say("reading back with Python's clients");
    let read = Command::new(python)
        .arg(folder.join("readback.py"))
        .arg(&report)
        .status()
        .context("cannot start python")?;
    if has("--keep") {
        say("Kafka and Cassandra are kept running too; the report names their addresses");
        // What is not dropped is not stopped.
        std::mem::forget(services);
    }
    Ok(code(read))
}

/// The exit code of a child as ours; one that died of a signal counts as failed.
pub fn code(status: ExitStatus) -> ExitCode {
    status
        .code()
        .and_then(|c| u8::try_from(c).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}
