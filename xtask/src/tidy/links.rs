//! Relative links in Markdown lead to files that exist.

use anyhow::Result;

use super::Tree;

/// Complains of links that lead nowhere.
///
/// # Errors
/// Never.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|f| f.path.ends_with(".md")) {
        let folder = tree
            .root
            .join(&file.path)
            .parent()
            .map(std::path::Path::to_owned)
            .unwrap_or_default();
        for (number, line) in file.text.lines().enumerate() {
            for target in targets(line) {
                let path = target.split('#').next().unwrap_or("");
                if !path.is_empty() && !folder.join(path).exists() {
                    found.push(format!(
                        "{}:{}: the link {target} leads nowhere",
                        file.path,
                        number + 1
                    ));
                }
            }
        }
    }
    Ok(found)
}

/// The relative targets of the links in a line.
pub fn targets(line: &str) -> Vec<&str> {
    line.match_indices("](")
        .filter_map(|(at, _)| line[at + 2..].split(')').next())
        .filter(|t| !t.contains("://") && !t.starts_with("mailto:"))
        .collect()
}
