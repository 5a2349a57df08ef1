//! Programs and libraries of the machine: found, or installed from Debian's packages, or an error with the remedy.
//!
//! Nothing is skipped in silence: each installation is announced with what it is for.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Result, bail};

use crate::run::{find, output, run, say};

/// Something the machine must have.
pub struct Tool {
    /// Name for people.
    pub name: &'static str,
    /// How to see that it is there.
    pub probe: Probe,
    /// Debian packages that bring it.
    pub packages: &'static [&'static str],
    /// What it is for.
    pub purpose: &'static str,
}

/// How to see that a tool is there.
pub enum Probe {
    /// One of these programs is in `$PATH`.
    Program(&'static [&'static str]),
    /// One of these files exists.
    File(&'static [&'static str]),
    /// This Python module can be imported.
    Python(&'static str),
}

/// What compiling the workspace needs beside Rust and a C compiler.
pub const BUILD: &[Tool] = &[
    Tool {
        name: "make",
        probe: Probe::Program(&["make"]),
        packages: &["make"],
        purpose: "building librdkafka",
    },
    Tool {
        name: "pkg-config",
        probe: Probe::Program(&["pkg-config", "pkgconf"]),
        packages: &["pkg-config"],
        purpose: "finding OpenSSL",
    },
    Tool {
        name: "OpenSSL headers",
        probe: Probe::File(&[
            "/usr/include/openssl/ssl.h",
            "/usr/local/include/openssl/ssl.h",
        ]),
        packages: &["libssl-dev"],
        purpose: "TLS of the Kafka client",
    },
    Tool {
        name: "zlib headers",
        probe: Probe::File(&["/usr/include/zlib.h", "/usr/local/include/zlib.h"]),
        packages: &["zlib1g-dev"],
        purpose: "compression of the Kafka client",
    },
];

/// What real Kafka and Cassandra need.
pub const JAVA: &[Tool] = &[
    Tool {
        name: "Java",
        probe: Probe::Program(&["java"]),
        packages: &["openjdk-17-jre-headless"],
        purpose: "real Kafka and Cassandra",
    },
    Tool {
        name: "Maven",
        probe: Probe::Program(&["mvn"]),
        packages: &["maven"],
        purpose: "fetching Kafka and Cassandra",
    },
];

/// What the twins of Storm and Flink in the benchmark need.
pub const JDK: &[Tool] = &[
    Tool {
        name: "a Java compiler",
        probe: Probe::Program(&["javac"]),
        packages: &["openjdk-17-jdk-headless"],
        purpose: "compiling the peers' twins",
    },
    Tool {
        name: "Maven",
        probe: Probe::Program(&["mvn"]),
        packages: &["maven"],
        purpose: "fetching Storm and Flink",
    },
];

/// What scripts in Python need.
pub const PYTHON: &[Tool] = &[Tool {
    name: "Python with venv",
    probe: Probe::Python("ensurepip"),
    packages: &["python3", "python3-venv"],
    purpose: "reading results back independently",
}];

/// What the tests need beyond that.
pub const TEST: &[Tool] = &[
    Tool {
        name: "Go",
        probe: Probe::Program(&["go"]),
        packages: &["golang-go"],
        purpose: "building the EC2 metadata mock",
    },
    Tool {
        name: "Chromium",
        probe: Probe::Program(&["chromium", "chromium-browser", "google-chrome"]),
        packages: &["chromium"],
        purpose: "looking at the web page",
    },
];

/// Finds each tool or installs it.
///
/// # Errors
/// A tool that is missing and cannot be installed, with what to do by hand.
pub fn ensure(tools: &[Tool]) -> Result<()> {
    for tool in tools.iter().filter(|t| !t.probe.holds()) {
        say(&format!(
            "{} is missing (for {}): installing {}",
            tool.name,
            tool.purpose,
            tool.packages.join(" ")
        ));
        apt(tool.packages).map_err(|e| {
            anyhow::anyhow!(
                "{} is missing (for {}) and cannot be installed: {e:#}; remedy: install the Debian package(s) {} by hand",
                tool.name,
                tool.purpose,
                tool.packages.join(" ")
            )
        })?;
        if !tool.probe.holds() {
            bail!(
                "{} is still missing after installing {}",
                tool.name,
                tool.packages.join(" ")
            );
        }
    }
    Ok(())
}

/// A C compiler cannot be guessed at: it is the one thing the README asks for beside Rust.
///
/// # Errors
/// None in `$PATH`.
pub fn c_compiler() -> Result<()> {
    if ["cc", "gcc", "clang"].iter().any(|c| find(c).is_some()) {
        return Ok(());
    }
    bail!("no C compiler in PATH; remedy: apt-get install gcc")
}

/// Installs Debian packages as root, or with sudo.
pub fn apt(packages: &[&str]) -> Result<()> {
    static UPDATED: OnceLock<()> = OnceLock::new();
    if find("apt-get").is_none() {
        bail!("apt-get is not in PATH (this is not Debian or Ubuntu)");
    }
    if UPDATED.set(()).is_ok() {
        run(apt_get()?.arg("update").arg("-qq"))?;
    }
    run(apt_get()?
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages))
}

fn apt_get() -> Result<Command> {
    let root = output(Command::new("id").arg("-u"))?.trim() == "0";
    let mut command = if root {
        Command::new("apt-get")
    } else if find("sudo").is_some() {
        let mut sudo = Command::new("sudo");
        sudo.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    } else {
        bail!("not root, and sudo is not in PATH")
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}

impl Probe {
    fn holds(&self) -> bool {
        match self {
            Self::Program(names) => names.iter().any(|n| find(n).is_some()),
            Self::File(files) => files.iter().any(|f| Path::new(f).exists()),
            Self::Python(module) => {
                output(Command::new("python3").args(["-c", &format!("import {module}")])).is_ok()
            }
        }
    }
}
