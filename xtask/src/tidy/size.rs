//! No source file above 600 lines, no `lib.rs` of 80 or more; test files are exempt.

use anyhow::Result;

use super::Tree;

/// The most lines of a source file.
const MOST: usize = 600;
/// The most lines of a `lib.rs`: it is the table of contents.
const MOST_LIB: usize = 79;

/// Complains of files that are too long.
///
/// # Errors
/// Never.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let source = |path: &str| {
        [".rs", ".ts", ".svelte", ".py", ".css"]
            .iter()
            .any(|e| path.ends_with(e))
    };
    for file in tree
        .files
        .iter()
        .filter(|f| source(&f.path) && !f.is_test())
    {
        let most = if file.path.ends_with("/lib.rs") {
            MOST_LIB
        } else {
            MOST
        };
        let lines = file.text.lines().count();
        if lines > most {
            found.push(format!(
                "{}:1: {lines} lines, at most {most}: one idea per file",
                file.path
            ));
        }
    }
    Ok(found)
}
