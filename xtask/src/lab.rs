//! `cargo xtask train|evaluate DOMAIN ARGS`: builds the domain's laboratory in release and hands it the
//! verb and the arguments. Each is a program of its own, so that this crate stays light.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::run::{cargo, run};
use crate::{paths, tools};

/// A domain's laboratory.
#[derive(Debug, PartialEq, Eq)]
struct Lab {
    domain: &'static str,
    package: &'static str,
    program: &'static str,
    /// The program serves several domains and is told which.
    told: bool,
}

const fn lab(
    domain: &'static str,
    package: &'static str,
    program: &'static str,
    told: bool,
) -> Lab {
    Lab {
        domain,
        package,
        program,
        told,
    }
}

const LABS: &[Lab] = &[
    lab("wifi", "fulmar-wifi", "wifi-lab", false),
    lab("anomaly", "fulmar-anomaly", "anomaly-lab", true),
    lab("attribution", "fulmar-anomaly", "anomaly-lab", true),
];

/// Builds and runs one; answers its exit code.
///
/// # Errors
/// No such domain, a missing tool, or a failing build.
pub fn run_verb(verb: &str, args: &[String]) -> Result<ExitCode> {
    let lab = find(args.first().map_or("", String::as_str))?;
    tools::c_compiler()?;
    tools::ensure(tools::BUILD)?;
    run(cargo().args([
        "build",
        "--release",
        "--locked",
        "-p",
        lab.package,
        "--bin",
        lab.program,
    ]))?;
    let status = Command::new(paths::target().join("release").join(lab.program))
        .arg(verb)
        .args(&args[usize::from(!lab.told)..])
        .status()?;
    Ok(crate::demo::code(status))
}

fn find(domain: &str) -> Result<&'static Lab> {
    match LABS.iter().find(|l| l.domain == domain) {
        Some(lab) => Ok(lab),
        None => {
            let all: Vec<&str> = LABS.iter().map(|l| l.domain).collect();
            bail!("no domain {domain:?}; there are {}", all.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_found_or_the_known_ones_are_named() {
        assert_eq!(find("wifi").unwrap().program, "wifi-lab");
        assert!(find("attribution").unwrap().told);
        assert!(find("wires").unwrap_err().to_string().contains("wifi"));
    }
}
