//! The text of the word count: lines of seven words, drawn from 10,000 by Zipf's law.
//!
//! The same numbers make the same text everywhere, so that peers can be given the same file.

use std::path::Path;
use std::sync::Arc;

const WORDS: usize = 10_000;
const LINES: usize = 14_000;
/// Words of each line.
pub const PER_LINE: usize = 7;

/// All lines.
pub fn lines() -> Arc<[String]> {
    // Word n is drawn 1/n as often as the first.
    let mut upto = Vec::with_capacity(WORDS);
    let mut sum = 0.0;
    for n in 1..=WORDS {
        sum += 1.0 / n as f64;
        upto.push(sum);
    }
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let at = (state >> 11) as f64 / (1_u64 << 53) as f64 * sum;
        word(upto.partition_point(|u| *u < at).min(WORDS - 1))
    };
    let line = |_| (0..PER_LINE).map(|_| draw()).collect::<Vec<_>>().join(" ");
    (0..LINES).map(line).collect()
}

/// The words of a line, in order: as every twin splits.
pub fn words(line: &str) -> impl Iterator<Item = &str> {
    let ends = memchr::memchr_iter(b' ', line.as_bytes()).chain([line.len()]);
    let mut from = 0;
    // A space is one byte, so that what lies between two is text.
    ends.map(move |end| {
        let word = &line[from..end];
        from = end + 1;
        word
    })
}

/// The lines of a file.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> std::io::Result<Arc<[String]>> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// A word of 4 to 12 letters, different for each number.
fn word(n: usize) -> String {
    let mut rest = n;
    let mut text = String::new();
    for _ in 0..4 + n % 9 {
        text.push(char::from(b'a' + (rest % 26) as u8));
        rest = rest / 26 + n;
    }
    text + &n.to_string()
}
