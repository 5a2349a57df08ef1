//! Alerts name only metrics that the daemons and verbs really export, and each says what it means and what to do.
//!
//! Exporters write names whole, or as a prefix and the rest; both are looked for in the sources.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Tree;

/// Where the rules stand.
const RULES: &str = "deploy/prometheus/fulmar.rules.yml";
/// Prefixes that an exporter adds, and the file whose strings hold the rest.
const PREFIXES: &[(&str, &str)] = &[
    ("fulmar_nimbus_", "nimbus/src/page.rs"),
    ("fulmar_supervisor_", "supervisor/src/status.rs"),
    ("fulmar_spot_", "cli/src/verbs/spot/"),
];
/// What each alert says.
const SAYS: [&str; 3] = ["summary:", "means:", "do:"];

/// Complains of alerts on metrics that nobody exports, and of alerts without words.
///
/// # Errors
/// Never.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let Some(rules) = tree.file(RULES) else {
        return Ok(vec![format!("{RULES}: is missing")]);
    };
    let mut found = Vec::new();
    for name in metrics(&rules.text) {
        if !exported(&name, tree) {
            found.push(format!(
                "{RULES}: no source exports {name}: correct the name, or export it"
            ));
        }
    }
    for alert in rules.text.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap_or("");
        for word in SAYS.iter().filter(|w| !alert.contains(*w)) {
            found.push(format!("{RULES}: {name} has no `{word}`"));
        }
    }
    Ok(found)
}

/// Names of metrics in a text: words that begin with `fulmar_`.
pub fn metrics(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|l| !l.trim_start().starts_with('#'));
    code.flat_map(|l| l.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')))
        .filter(|w| w.starts_with("fulmar_"))
        .map(str::to_owned)
        .collect()
}

fn exported(name: &str, tree: &Tree) -> bool {
    let has = |place: &str, quoted: &str| {
        tree.rust()
            .filter(|f| f.path.starts_with(place) && !f.is_test())
            .any(|f| f.text.contains(quoted))
    };
    for (prefix, place) in PREFIXES {
        if let Some(rest) = name.strip_prefix(prefix) {
            let bare = rest.strip_suffix("_total").unwrap_or(rest);
            return has(place, &format!("\"{rest}\"")) || has(place, &format!("\"{bare}\""));
        }
    }
    has("runtime/", &format!("\"{name}"))
        || has("connectors/", &format!("\"{name}\""))
        || has("topologies/", &format!("\"{name}\""))
}
