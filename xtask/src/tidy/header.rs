//! Each source file opens with a header that says in words what it is.
//!
//! Presence is checked, and three words at least; truth is for the reader. A file that holds no code
//! has nothing to explain.

use anyhow::Result;

use super::{File, Tree};

/// Complains of source files without a header.
///
/// # Errors
/// Never.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    Ok(tree.files.iter().filter_map(complaint).collect())
}

fn complaint(file: &File) -> Option<String> {
    let opening: &[&str] = match file.path.rsplit('.').next()? {
        "rs" => &["//! "],
        "proto" => &["// "],
        "ts" | "js" => &["// ", "/** ", "/* "],
        "svelte" => &["<!-- "],
        "css" => &["/* "],
        "py" => &["\"\"\"", "# "],
        _ => return None,
    };
    let first = file
        .text
        .lines()
        .find(|l| !l.starts_with("#!/") && !l.trim().is_empty())
        .unwrap_or("");
    let words = opening
        .iter()
        .find_map(|o| first.strip_prefix(o))
        .map(|rest| rest.split_whitespace().count());
    match words {
        Some(3..) => None,
        Some(_) if file.text.lines().count() == 1 => None,
        _ => Some(format!(
            "{}:1: no header: open with `{}` and a sentence that says what this file does and why so",
            file.path,
            opening[0].trim_end()
        )),
    }
}
