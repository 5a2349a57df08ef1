//! No `unwrap` and no `panic!` outside tests; `expect("why it cannot happen")` where it truly cannot.
//!
//! Operating errors are returned. What can only be a programmer's mistake says so by `assert!` or `expect`.

use anyhow::Result;

use super::{Tree, code};

/// What is refused, and what to write instead.
const REFUSED: &[(&str, &str)] = &[
    (
        ".unwrap()",
        "return the error, or expect(\"why it cannot happen\")",
    ),
    (
        "panic!(",
        "return an error, or assert what a programmer must have got right",
    ),
];

/// Complains of each of them outside tests.
///
/// # Errors
/// Never.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|f| !f.is_test()) {
        let blanked = code::blank(&file.text);
        let lines = blanked.lines().take_while(|l| !l.contains("#[cfg(test)]"));
        for (number, line) in lines.enumerate() {
            for (word, instead) in REFUSED.iter().filter(|(word, _)| line.contains(word)) {
                found.push(format!(
                    "{}:{}: {word} outside tests: {instead}",
                    file.path,
                    number + 1
                ));
            }
        }
    }
    Ok(found)
}
