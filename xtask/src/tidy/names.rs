//! Names in backticks in ARCHITECTURE.md and CONTRIBUTING.md exist: paths on disk, items in the sources.
//!
//! A link checker does not see names, and they are what rots first.

use std::collections::HashSet;

use anyhow::Result;

use super::{Tree, code};

/// Complains of names that do not exist.
///
/// # Errors
/// Never.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let items = items(tree);
    let mut found = Vec::new();
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let Some(file) = tree.file(document) else {
            found.push(format!("{document}: is missing"));
            continue;
        };
        let mut fenced = false;
        for (number, line) in file.text.lines().enumerate() {
            fenced ^= line.starts_with("```");
            if fenced {
                continue;
            }
            for name in line.split('`').skip(1).step_by(2) {
                if !exists(name, tree, &items) {
                    found.push(format!(
                        "{document}:{}: `{name}` does not exist",
                        number + 1
                    ));
                }
            }
        }
    }
    Ok(found)
}

/// Whether the name is a thing that is there; what is neither path nor item is not judged.
fn exists(name: &str, tree: &Tree, items: &HashSet<String>) -> bool {
    if name.contains([' ', '(', '<', '{', '=', '"', '*', '$', '~', '…'])
        || name.starts_with(['/', '-', '.'])
    {
        return true;
    }
    if let Some(item) = name.rsplit_once("::").map(|(_, last)| last) {
        return items.contains(item.trim_end_matches('!'));
    }
    let file = [
        ".rs", ".md", ".toml", ".proto", ".tsv", ".ts", ".py", ".yml", ".json",
    ]
    .iter()
    .any(|e| name.ends_with(e));
    if name.contains('/') || file {
        return tree.root.join(name).exists();
    }
    let camel = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
        && name.chars().any(|c| c.is_ascii_lowercase());
    !camel || items.contains(name)
}

/// Every item that the sources define, and the folders of crates.
fn items(tree: &Tree) -> HashSet<String> {
    let keywords = [
        "fn",
        "struct",
        "enum",
        "trait",
        "mod",
        "const",
        "static",
        "type",
        "macro_rules!",
        "message",
        "service",
        "rpc",
    ];
    let mut items = HashSet::new();
    for file in tree
        .files
        .iter()
        .filter(|f| f.path.ends_with(".rs") || f.path.ends_with(".proto"))
    {
        let text = if file.path.ends_with(".rs") {
            code::blank(&file.text)
        } else {
            file.text.clone()
        };
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            for pair in words.windows(2).filter(|p| keywords.contains(&p[0])) {
                let name: String = pair[1]
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                items.insert(name);
            }
            // A variant or a field: `Name,` `Name {` `Name(` `name:`.
            if let Some(first) = words.first() {
                let name: String = first
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                items.insert(name);
            }
        }
    }
    items
}
