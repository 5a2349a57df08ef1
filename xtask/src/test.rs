//! `cargo xtask test`: everything that CI checks, in one run, counted on the last line.
//!
//! Plain `cargo test` on purpose: it runs doc tests too, and needs no runner that would have to be
//! compiled first on a fresh machine (several minutes on two cores). Nothing is retried.

use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::run::{cargo, run, say};
use crate::services::Running;
use crate::{ci, mock, paths, tools, web};

/// How many checks passed and failed.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub struct Counts {
    /// Checks that held.
    pub passed: u64,
    /// Checks that did not.
    pub failed: u64,
}

/// Runs format check, clippy and all tests, or only the tests named by the filter.
///
/// # Errors
/// A missing tool, with the remedy. Failing checks are no error: they are counted.
pub fn test(filter: &[String]) -> Result<ExitCode> {
    tools::c_compiler()?;
    tools::ensure(tools::BUILD)?;
    tools::ensure(tools::JAVA)?;
    tools::ensure(tools::PYTHON)?;
    tools::ensure(tools::TEST)?;
    web::build()?;
    let mut counts = Counts::default();
    if filter.is_empty() {
        counts.check("format and clippy", ci::lint());
    }
    if counts.check("build", build()) {
        counts.add(tests(filter)?);
    }
    println!("{} passed, {} failed", counts.passed, counts.failed);
    Ok(if counts.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Everything with the client of EC2, which is compiled once for all: with other features in each step it would be
/// compiled for each (docs/decisions/0003-ec2-is-a-leaf.md). Only a comparison with timely needs its twin.
const WHOLE: &[&str] = &[
    "--locked",
    "--workspace",
    "--exclude",
    "fulmar-timely-twin",
    "--features",
    "fulmar-cli/ec2",
];

/// Builds the programs that the integration tests start, and every test program.
fn build() -> Result<()> {
    run(cargo().args([
        "build",
        "--locked",
        "--bins",
        "-p",
        "fulmar-cli",
        "-p",
        "fulmar-examples",
        "--features",
        "fulmar-cli/ec2",
    ]))?;
    run(cargo()
        .arg("test")
        .args(WHOLE)
        .args(["--quiet", "--no-run"]))
}

/// Runs the tests with the world they need around them.
fn tests(filter: &[String]) -> Result<Counts> {
    let mut command = cargo();
    command
        .arg("test")
        .args(WHOLE)
        .args(["--no-fail-fast", "--"])
        .args(filter);
    let services = services()?;
    if let Some(services) = &services {
        command.envs(services.environment());
    }
    command.env("FULMAR_IMDS_MOCK", mock::ensure_installed()?);
    command.env("FULMAR_MOTO", mock::moto()?);
    if let Some(shared) = paths::shared() {
        command.env("FULMAR_SHARED", shared);
    }
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    if let Some(browser) = browsers.iter().find_map(|b| crate::run::find(b)) {
        command.env("FULMAR_CHROMIUM", browser);
    }
    say("cargo test --no-fail-fast");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let mut counts = Counts::default();
    let out = child.stdout.take().context("standard output was piped")?;
    for line in BufReader::new(out).lines() {
        let line = line?;
        println!("{line}");
        counts.add(Counts::of(&line));
    }
    // A test program that died (signal, abort) prints no result line: it must not pass for that.
    if !child.wait()?.success() && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(counts)
}

/// Starts real Kafka and Cassandra for this run, unless the environment names running ones.
fn services() -> Result<Option<Running>> {
    let named = |name| std::env::var_os(name).is_some();
    if named("FULMAR_KAFKA") && named("FULMAR_CASSANDRA") {
        return Ok(None);
    }
    Running::start(true).map(Some)
}

impl Counts {
    /// The counts in a line such as `test result: ok. 5 passed; 0 failed; 0 ignored; …`; zero elsewhere.
    pub fn of(line: &str) -> Self {
        let Some(rest) = line.trim_start().strip_prefix("test result:") else {
            return Self::default();
        };
        let number = |word: &str| {
            let before = rest.split(word).next().filter(|b| b.len() < rest.len())?;
            before.split_whitespace().next_back()?.parse().ok()
        };
        Self {
            passed: number(" passed").unwrap_or(0),
            failed: number(" failed").unwrap_or(0),
        }
    }

    /// Adds what another run counted.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Counts a step of our own; says why it failed.
    fn check(&mut self, name: &str, result: Result<()>) -> bool {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => {
                self.failed += 1;
                println!("FAILED {name}: {error:#}");
                return false;
            }
        }
        true
    }
}
