//! Text files hold no trailing blanks, no address of a package registry, no path of one machine.

use anyhow::Result;

use super::{File, Tree};

/// Hosts of registries, in halves so that this file does not complain of itself.
const HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("repo1.", "maven"),
    concat!("repo.", "maven"),
    concat!("proxy.", "golang"),
    concat!("deb.", "debian"),
];
/// Folders of one machine.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/fa", "rm/"),
];

/// Complains of all of these.
///
/// # Errors
/// Never.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut found = Vec::new();
    // Lock files and the licence are written by others; inputs of a fuzzer are bytes, even if they read as text.
    let ours = |f: &&File| {
        !f.path.contains("/corpus/")
            && !["Cargo.lock", "package-lock.json", "LICENSE"]
                .iter()
                .any(|n| f.path.ends_with(n))
    };
    for file in tree.files.iter().filter(ours) {
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            found.push(format!("{}: the last line is not ended", file.path));
        }
        for (number, line) in file.text.lines().enumerate() {
            let place = format!("{}:{}", file.path, number + 1);
            if line.ends_with([' ', '\t', '\r']) && !file.path.ends_with(".tsv") {
                found.push(format!("{place}: blanks at the end of the line"));
            }
            if let Some(host) = HOSTS.iter().find(|h| line.contains(*h)) {
                found.push(format!(
                    "{place}: names the registry host {host}: name the package only"
                ));
            }
            for at in PLACES.iter().flat_map(|p| line.match_indices(*p)) {
                // `../work/x` and `net/work/` are no paths of a machine.
                let before = line[..at.0].chars().next_back();
                if !before.is_some_and(|c| c.is_alphanumeric() || ".$}-_".contains(c)) {
                    found.push(format!(
                        "{place}: names {} of one machine: make it relative or configurable",
                        at.1
                    ));
                }
            }
        }
    }
    Ok(found)
}
