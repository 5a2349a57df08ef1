//! `cargo xtask evaluate DOMAIN …` and `train DOMAIN …`: builds the domain's laboratory in release and hands it the arguments.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::run::{cargo, run};
use crate::{paths, tools};

/// Domain, package, program; the program takes `evaluate|train DOMAIN --data DIR …`.
const LABS: &[(&str, &str, &str)] = &[
    ("anomaly", "fulmar-anomaly", "anomaly-lab"),
    ("attribution", "fulmar-anomaly", "anomaly-lab"),
];

/// Builds and runs the domain's program; answers its exit code.
///
/// # Errors
/// An unknown domain, a missing tool, or a failing build.
pub fn lab(verb: &str, args: &[String]) -> Result<ExitCode> {
    let domain = args.first().map_or("", String::as_str);
    let Some((_, package, program)) = LABS.iter().find(|lab| lab.0 == domain) else {
        let known: Vec<&str> = LABS.iter().map(|lab| lab.0).collect();
        bail!(
            "`{domain}` is no domain; remedy: cargo xtask {verb} {} --data DIR",
            known.join("|")
        );
    };
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
        .args(args)
        .status()?;
    Ok(crate::demo::code(status))
}
