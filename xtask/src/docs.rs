//! The generated documents: config.md from the registry of keys, errors.md from the error enums, cli.md from `--help`.
//!
//! Written by `cargo xtask docs` (and `fix`); a test compares them with what would be written.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::paths;
use crate::run::{cargo, output, run};
use crate::tidy::Tree;

/// What every generated document says first.
const NOTE: &str =
    "<!-- Written by `cargo xtask docs`; a test refuses it when it is out of date. -->\n";

/// Writes the three documents.
///
/// # Errors
/// The build fails, or a file cannot be written.
pub fn write() -> Result<ExitCode> {
    run(cargo().args(["build", "--locked", "-p", "fulmar-cli", "--bin", "fulmar"]))?;
    let tree = Tree::read(&paths::root())?;
    let docs = paths::root().join("docs");
    std::fs::create_dir_all(&docs)?;
    std::fs::write(docs.join("config.md"), config(&tree))?;
    std::fs::write(docs.join("errors.md"), errors(&tree))?;
    std::fs::write(
        docs.join("cli.md"),
        cli(&paths::target().join("debug/fulmar"))?,
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Configuration: each known key with its kind and default.
pub fn config(tree: &Tree) -> String {
    let mut text = format!(
        "# Configuration\n\n{NOTE}\nFlat, dotted keys as in Apache Storm's `storm.yaml`. An unknown key is refused with the nearest known one.\n"
    );
    for (title, path) in [
        (
            "Keys of Storm and of the runtime",
            "runtime/api/src/config/storm_keys.tsv",
        ),
        (
            "Keys of the shipped connectors and topologies",
            "runtime/api/src/config/fulmar_keys.tsv",
        ),
    ] {
        let _ = write!(
            text,
            "\n## {title}\n\n| key | kind | default |\n|---|---|---|\n"
        );
        let rows = tree.file(path).map_or("", |f| f.text.as_str());
        for row in rows
            .lines()
            .filter(|l| !l.starts_with('#') && !l.trim().is_empty())
        {
            let mut columns = row.split('\t');
            let (key, kind) = (columns.next().unwrap_or(""), columns.next().unwrap_or(""));
            let default = columns.next().unwrap_or("").trim().replace('|', "\\|");
            let default = if default.is_empty() {
                "–".to_owned()
            } else {
                format!("`{default}`")
            };
            let _ = writeln!(text, "| `{key}` | {kind} | {default} |");
        }
    }
    text
}

/// Errors: each variant of each error enum with its message.
pub fn errors(tree: &Tree) -> String {
    let mut text = format!(
        "# Errors\n\n{NOTE}\nEach crate has one enum; a message says the value, the limit and the remedy.\n`{{…}}` is filled in when it happens.\n"
    );
    for file in tree
        .rust()
        .filter(|f| !f.is_test() && !f.path.starts_with("xtask/"))
    {
        let found = messages(&file.text);
        if !found.is_empty() {
            let _ = write!(
                text,
                "\n## {}\n\n| error | message |\n|---|---|\n",
                file.path
            );
            for (name, message) in found {
                let _ = writeln!(text, "| {name} | {} |", message.replace('|', "\\|"));
            }
        }
    }
    text
}

/// Name and message of what carries a thiserror attribute with a message of its own.
pub fn messages(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, marker) in source.match_indices("#[error(") {
        let rest = &source[at + marker.len()..];
        let Some(literal) = rest.trim_start().strip_prefix('"') else {
            continue;
        };
        let Some((message, after)) = unquote(literal) else {
            continue;
        };
        let Some(after) = after.split_once(")]").map(|(_, after)| after) else {
            continue;
        };
        let line = after
            .lines()
            .map(str::trim)
            .find(|l| !l.is_empty() && !l.starts_with(['#', '/']));
        let words = line
            .unwrap_or("")
            .trim_start_matches("pub ")
            .trim_start_matches("struct ");
        let name: String = words.chars().take_while(|c| c.is_alphanumeric()).collect();
        if !name.is_empty() {
            found.push((name, message));
        }
    }
    found
}

/// The text of a string literal whose opening quote is already taken, and what follows it.
fn unquote(literal: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = literal.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, &literal[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => text.push(' '),
                '\n' => {
                    let rest = chars.as_str();
                    let blanks = rest.len() - rest.trim_start().len();
                    for _ in 0..rest[..blanks].chars().count() {
                        chars.next();
                    }
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    None
}

/// The command line: the help of every verb, as the program prints it.
///
/// # Errors
/// The program cannot be run.
pub fn cli(program: &Path) -> Result<String> {
    let mut text = format!("# Command line\n\n{NOTE}");
    let help = help(program, &[])?;
    let _ = write!(text, "\n```text\n{}\n```\n", help.trim_end());
    for verb in verbs(&help) {
        let page = self::help(program, &[verb.as_str()])?;
        let _ = write!(
            text,
            "\n## fulmar {verb}\n\n```text\n{}\n```\n",
            page.trim_end()
        );
    }
    Ok(text
        .lines()
        .map(|l| format!("{}\n", l.trim_end()))
        .collect())
}

fn help(program: &Path, verb: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command
        .args(verb)
        .arg("--help")
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        .env_remove("FULMAR_WORKER");
    output(&mut command).with_context(|| format!("asking {} for its help", program.display()))
}

/// The verbs that a help page lists under `Commands:`.
pub fn verbs(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|l| *l != "Commands:")
        .skip(1)
        .take_while(|l| l.starts_with("  ") || l.is_empty())
        .filter(|l| l.starts_with("  ") && !l.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next())
        .filter(|v| *v != "help")
        .map(str::to_owned)
        .collect()
}
