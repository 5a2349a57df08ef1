//! `cargo xtask train|evaluate DOMAIN ARGS`: builds the domain's laboratory in release and hands it the
//! verb and the arguments. Each is a program of its own, so that this crate stays light.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::run::{cargo, run};
use crate::{paths, tools};

/// Domain, package, program.
const LABS: &[(&str, &str, &str)] = &[("wifi", "fulmar-wifi", "wifi-lab")];

/// Builds and runs one; answers its exit code.
///
/// # Errors
/// No such domain, a missing tool, or a failing build.
pub fn run_verb(verb: &str, args: &[String]) -> Result<ExitCode> {
    let (package, program) = find(args.first().map_or("", String::as_str))?;
    tools::c_compiler()?;
    tools::ensure(tools::BUILD)?;
    run(cargo().args([
        "build",
        "--release",
        "--locked",
        "-p",
        package,
        "--bin",
        program,
    ]))?;
    let status = Command::new(paths::target().join("release").join(program))
        .arg(verb)
        .args(&args[1..])
        .status()?;
    Ok(crate::demo::code(status))
}

/// Package and program of a domain.
fn find(domain: &str) -> Result<(&'static str, &'static str)> {
    match LABS.iter().find(|l| l.0 == domain) {
        Some((_, package, program)) => Ok((package, program)),
        None => {
            let all: Vec<&str> = LABS.iter().map(|l| l.0).collect();
            bail!("no domain {domain:?}; there is {}", all.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_found_or_the_known_ones_are_named() {
        assert_eq!(find("wifi").unwrap(), ("fulmar-wifi", "wifi-lab"));
        assert!(find("wires").unwrap_err().to_string().contains("wifi"));
    }
}
