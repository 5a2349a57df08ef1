//! Notes of work to do carry a kind, unfinished code has no macro, tests neither sleep nor hide.

use anyhow::Result;

use super::{File, Tree, code};

/// The kinds that a note may have.
const KINDS: &[&str] = &["correctness", "hardening", "cleanup", "coverage", "speed"];
/// The word, in two halves so that this file does not complain of itself.
const NOTE: &str = concat!("TO", "DO");
/// Words that stand for a note without a kind.
const BARE: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("HA", "CK:"),
];
/// A test waits for a condition by a helper; the helper's one pause carries this comment.
const POLL: &str = "// poll";

/// Complains of all of these.
///
/// # Errors
/// Never.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let sources = |f: &&File| {
        [".rs", ".ts", ".svelte", ".py", ".proto", ".toml", ".sh"]
            .iter()
            .any(|e| f.path.ends_with(e))
    };
    for file in tree.files.iter().filter(sources) {
        let blanked = if file.path.ends_with(".rs") {
            code::blank(&file.text)
        } else {
            String::new()
        };
        let mut code = blanked.lines();
        let mut in_tests = file.is_test() && file.path.ends_with(".rs");
        for (number, line) in file.text.lines().enumerate() {
            let code = code.next().unwrap_or("");
            in_tests |= code.contains("#[cfg(test)]");
            for what in line_complaints(line, code, in_tests) {
                found.push(format!("{}:{}: {what}", file.path, number + 1));
            }
        }
    }
    Ok(found)
}

/// What is wrong with a line, given also without its strings and comments.
fn line_complaints(line: &str, code: &str, in_tests: bool) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices(NOTE) {
        let rest = &line[at + NOTE.len()..];
        let kind = rest
            .strip_prefix('-')
            .and_then(|r| r.split(':').next())
            .unwrap_or("");
        if !KINDS.contains(&kind) {
            found.push(format!(
                "a note without a kind: write {NOTE}-KIND: with one of {}",
                KINDS.join(", ")
            ));
        }
    }
    if let Some(word) = BARE.iter().find(|w| line.contains(*w)) {
        found.push(format!("{word} carries no kind: write {NOTE}-KIND: …"));
    }
    for word in ["todo!(", "unimplemented!("] {
        if code.contains(word) {
            found.push(format!("{word}…) is not code: build it, or leave it out"));
        }
    }
    for word in ["#[ignore", "#[should_panic"] {
        if code.contains(word) {
            found.push(format!(
                "{word}]: a test runs always and says what it expects"
            ));
        }
    }
    if in_tests
        && ["thread::sleep", "time::sleep("]
            .iter()
            .any(|w| code.contains(w))
        && !line.contains(POLL)
    {
        found.push(format!(
            "a sleeping test: wait for a condition; the helper's own pause ends with `{POLL}: why`"
        ));
    }
    found
}
