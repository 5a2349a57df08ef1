//! The rooms of the house stand where ARCHITECTURE.md says, and every crate takes the one lint table.

use anyhow::Result;

use super::Tree;

/// What stands at the top.
const TOP: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "rustfmt.toml",
    ".ci/run",
    "proto",
    "runtime/api",
    "runtime/engine",
    "nimbus",
    "supervisor",
    "access",
    "connectors/kafka",
    "connectors/cassandra",
    "topologies/wifi",
    "topologies/aggregation",
    "topologies/anomaly",
    "topologies/models",
    "topologies/query",
    "spot/plan",
    "spot/ec2",
    "ui",
    "cli",
    "examples",
    "tests",
    "bench",
    "deploy",
    "xtask",
    "docs/guide.md",
    "docs/operating.md",
    "docs/config.md",
    "docs/errors.md",
    "docs/cli.md",
    "docs/decisions",
];

/// Complains of rooms that are missing and of crates with lints of their own.
///
/// # Errors
/// Never.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut found: Vec<String> = TOP
        .iter()
        .filter(|p| !tree.root.join(p).exists())
        .map(|p| format!("{p}: is missing"))
        .collect();
    for file in tree
        .files
        .iter()
        .filter(|f| f.path.ends_with("/Cargo.toml"))
    {
        // What is a workspace of its own has no lints to take.
        let apart = file.text.contains("\n[workspace]\n");
        if !apart && !file.text.contains("[lints]\nworkspace = true") {
            found.push(format!(
                "{}:1: take the workspace's lints: [lints] workspace = true",
                file.path
            ));
        }
    }
    Ok(found)
}
