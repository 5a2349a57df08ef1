//! A function has at most 70 lines, from its `fn` to its closing brace; tests are exempt.
//!
//! Why: what fits on a screen is read, what does not is skimmed.

use anyhow::Result;

use super::{Tree, code};

/// The most lines of a function.
pub const MOST: usize = 70;

/// Complains of functions that are too long.
///
/// # Errors
/// Never.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|f| !f.is_test()) {
        for (line, name, length) in long(&file.text) {
            found.push(format!(
                "{}:{line}: fn {name} has {length} lines, at most {MOST}: split it by idea",
                file.path
            ));
        }
    }
    Ok(found)
}

/// Line, name and length of each function that is too long, up to the file's test module.
pub fn long(source: &str) -> Vec<(usize, String, usize)> {
    let blanked = code::blank(source);
    let lines: Vec<&str> = blanked.lines().collect();
    let tests = lines
        .iter()
        .position(|l| l.contains("#[cfg(test)]"))
        .unwrap_or(lines.len());
    let mut found = Vec::new();
    for start in 0..tests {
        if let Some(name) = named(lines[start])
            && let Some(end) = end(&lines, start)
            && end + 1 - start > MOST
        {
            found.push((start + 1, name, end + 1 - start));
        }
    }
    found
}

/// The name, if a function is defined on this line.
fn named(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|w| *w == "fn")?;
    let modifiers = ["const", "async", "unsafe", "extern", "default"];
    if !words[..at]
        .iter()
        .all(|w| modifiers.contains(w) || w.starts_with("pub") || w.ends_with(')'))
    {
        return None;
    }
    let name: String = words
        .get(at + 1)?
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

/// The line of the closing brace; none for a function without a body.
fn end(lines: &[&str], start: usize) -> Option<usize> {
    let (mut depth, mut square) = (0, 0);
    for (number, line) in lines.iter().enumerate().skip(start) {
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(number);
                    }
                }
                '[' => square += 1,
                ']' => square -= 1,
                // `[u8; 4]` in a signature is no end.
                ';' if depth == 0 && square == 0 => return None,
                _ => {}
            }
        }
    }
    None
}
