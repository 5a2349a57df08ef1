//! Who may import whom: the table in ARCHITECTURE.md compared with `cargo metadata`.
//!
//! The document is the rule: there is no second copy of the table here. Dependencies of tests
//! count too, so that a test cannot tie two rooms together by the back door.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};

use super::Tree;
use crate::run::output;

/// The heading under which the table stands.
const HEADING: &str = "## Who may import whom";

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Crates of ours that may be imported; `*` allows all.
    pub may: Vec<String>,
    /// Crates of others that may not.
    pub never: Vec<String>,
}

/// Complains of imports that the table does not allow, and of crates that it does not name.
///
/// # Errors
/// Cargo cannot be asked.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let Some(file) = tree.file("ARCHITECTURE.md") else {
        return Ok(vec!["ARCHITECTURE.md: is missing".to_owned()]);
    };
    let table = table(&file.text);
    let crates = dependencies(&tree.root)?;
    let mut found = Vec::new();
    for (name, dependencies) in &crates {
        let Some(row) = table.get(name) else {
            found.push(format!(
                "ARCHITECTURE.md: the table `{HEADING}` has no row for `{name}`"
            ));
            continue;
        };
        for dependency in dependencies {
            let ours = crates.contains_key(dependency);
            if ours && !row.may.iter().any(|m| m == "*" || m == dependency) {
                found.push(format!(
                    "{name} imports {dependency}, which ARCHITECTURE.md does not allow"
                ));
            }
            if row.never.contains(dependency) {
                found.push(format!(
                    "{name} imports {dependency}, which ARCHITECTURE.md forbids"
                ));
            }
        }
    }
    for name in table.keys().filter(|n| !crates.contains_key(*n)) {
        found.push(format!(
            "ARCHITECTURE.md: `{name}` in the table is no crate of the workspace"
        ));
    }
    Ok(found)
}

/// The rows by crate: first column names it, second whom it may import, third what of others it may not.
pub fn table(text: &str) -> BTreeMap<String, Row> {
    let section = text.split(HEADING).nth(1).unwrap_or("");
    let section = section.split("\n## ").next().unwrap_or("");
    section
        .lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|line| {
            let mut columns = line.trim_matches('|').split('|').map(ticked);
            let name = columns.next()?.into_iter().next()?;
            Some((
                name,
                Row {
                    may: columns.next()?,
                    never: columns.next().unwrap_or_default(),
                },
            ))
        })
        .collect()
}

/// The words in backticks.
fn ticked(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Direct dependencies by crate of the workspace.
fn dependencies(root: &std::path::Path) -> Result<BTreeMap<String, Vec<String>>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let text = output(
        Command::new(cargo)
            .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
            .current_dir(root),
    )?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists packages")?;
    let mut crates = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has a name")?;
        let list = package["dependencies"]
            .as_array()
            .context("a package has dependencies")?;
        let names = list
            .iter()
            .filter_map(|d| d["name"].as_str())
            .map(str::to_owned)
            .collect();
        crates.insert(name.to_owned(), names);
    }
    Ok(crates)
}
