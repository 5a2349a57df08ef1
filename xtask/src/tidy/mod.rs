//! The rules of the house as checks: each answers a list of complaints, `path:line: what, and what to do`.
//!
//! They run as ordinary tests (`cargo test -p xtask`) and by `cargo xtask tidy`. A rule that is not
//! here is a wish. There is no list of exceptions; whoever needs one has to argue for it in review.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::run::output;

mod alerts;
mod code;
mod functions;
mod header;
mod imports;
mod layout;
mod links;
mod names;
mod notes;
mod panics;
mod pure;
mod size;
#[cfg(test)]
mod tests;
mod text;

/// A file of the repository: path relative to the root, and text.
pub struct File {
    /// Relative to the root, with `/`.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// What is checked: every text file that git knows or would add.
pub struct Tree {
    /// The root of the checkout.
    pub root: PathBuf,
    /// In order of path.
    pub files: Vec<File>,
}

/// A rule: its name and what it complains of.
type Rule = (&'static str, fn(&Tree) -> Result<Vec<String>>);

/// Every rule.
pub const RULES: &[Rule] = &[
    ("each source file opens with a header", header::check),
    ("files are small", size::check),
    ("functions are short", functions::check),
    (
        "crates import only what ARCHITECTURE.md allows",
        imports::check,
    ),
    ("pure files touch no clock, no I/O, no async", pure::check),
    ("names in ARCHITECTURE.md exist", names::check),
    ("notes of work to do carry a kind", notes::check),
    ("alerts name metrics that exist", alerts::check),
    ("nothing panics outside tests", panics::check),
    ("text is clean", text::check),
    ("links in Markdown resolve", links::check),
    ("the house has its rooms", layout::check),
];

/// Runs every rule and prints the complaints.
///
/// # Errors
/// Git or cargo cannot be asked.
pub fn tidy() -> Result<ExitCode> {
    let tree = Tree::read(&crate::paths::root())?;
    let mut complaints = 0;
    for (name, rule) in RULES {
        for complaint in rule(&tree)? {
            println!("{complaint}  [{name}]");
            complaints += 1;
        }
    }
    println!(
        "{} files, {} rules, {complaints} complaints",
        tree.files.len(),
        RULES.len()
    );
    Ok(if complaints == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Tree {
    /// Reads the tree; what is not UTF-8 text is passed over.
    ///
    /// # Errors
    /// Git cannot be asked.
    pub fn read(root: &Path) -> Result<Self> {
        let listed = output(
            Command::new("git")
                .args(["ls-files", "-z", "-c", "-o", "--exclude-standard"])
                .current_dir(root),
        )?;
        let mut files: Vec<File> = listed
            .split('\0')
            .filter(|path| !path.is_empty())
            .filter_map(|path| {
                let text = std::fs::read_to_string(root.join(path)).ok()?;
                Some(File {
                    path: path.to_owned(),
                    text,
                })
            })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Ok(Self {
            root: root.to_owned(),
            files,
        })
    }

    /// The Rust sources.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|f| f.path.ends_with(".rs"))
    }

    /// The file at this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|f| f.path == path)
    }
}

impl File {
    /// Whether all of it is test code.
    pub fn is_test(&self) -> bool {
        let path = format!("/{}", self.path);
        path.contains("/tests/") || path.ends_with("tests.rs") || path.ends_with(".test.ts")
    }
}
