//! A file whose header promises `Pure: no clock, no I/O, no async.` keeps the promise.

use anyhow::Result;

use super::{Tree, code};

/// The sentence in the header.
const PROMISE: &str = "Pure: no clock, no I/O, no async.";
/// What breaks it, and the word that is broken.
const BROKEN_BY: &[(&str, &str)] = &[
    ("Instant::now", "clock"),
    ("SystemTime", "clock"),
    ("UNIX_EPOCH", "clock"),
    ("thread::sleep", "clock"),
    ("tokio", "async"),
    ("async fn", "async"),
    (".await", "async"),
    ("std::fs", "I/O"),
    ("std::net", "I/O"),
    ("std::io", "I/O"),
    ("std::env", "I/O"),
    ("std::process", "I/O"),
    ("println!", "I/O"),
    ("thread_rng", "chance"),
    ("rand::rng", "chance"),
];

/// Complains of promises broken.
///
/// # Errors
/// Never.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in tree.rust() {
        let header: String = file
            .text
            .lines()
            .take_while(|l| l.starts_with("//!"))
            .map(|l| format!("{}\n", &l[3..]))
            .collect();
        // A header that speaks of the promise (this one) quotes it in backticks.
        if !header.contains(PROMISE) || header.contains(&format!("`{PROMISE}`")) {
            continue;
        }
        for (number, line) in code::blank(&file.text).lines().enumerate() {
            for (word, what) in BROKEN_BY.iter().filter(|(word, _)| line.contains(word)) {
                found.push(format!(
                    "{}:{}: {word} in a file that promises no {what}: pass the value in",
                    file.path,
                    number + 1
                ));
            }
        }
    }
    Ok(found)
}
