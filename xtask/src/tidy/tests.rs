//! Each rule holds for this repository, and bites on a tree made to break it.

use super::{File, RULES, Tree, code, functions, imports, links};

fn tree(path: &str, text: &str) -> Tree {
    let root = crate::paths::root();
    Tree {
        root,
        files: vec![File {
            path: path.to_owned(),
            text: text.to_owned(),
        }],
    }
}

fn complaints(rule: &str, path: &str, text: &str) -> Vec<String> {
    let (_, check) = RULES
        .iter()
        .find(|(name, _)| name.contains(rule))
        .expect("a rule of that name");
    check(&tree(path, text)).expect("the rule runs")
}

fn holds(rule: &str) {
    let (_, check) = RULES
        .iter()
        .find(|(name, _)| name.contains(rule))
        .expect("a rule of that name");
    let found =
        check(&Tree::read(&crate::paths::root()).expect("git lists files")).expect("the rule runs");
    assert!(
        found.is_empty(),
        "{} complaints:\n{}",
        found.len(),
        found.join("\n")
    );
}

macro_rules! rules {
    ($($test:ident: $rule:literal,)*) => {
        $(#[test] fn $test() { holds($rule); })*
        #[test]
        fn every_rule_is_a_test() {
            assert_eq!([$($rule),*].len(), RULES.len());
        }
    };
}

rules! {
    headers: "header",
    sizes: "files are small",
    function_lengths: "functions are short",
    import_table: "crates import",
    pure_files: "pure files",
    names_in_documents: "names in ARCHITECTURE",
    notes_and_tests: "notes of work",
    no_panics: "nothing panics",
    clean_text: "text is clean",
    markdown_links: "links in Markdown",
    rooms: "has its rooms",
    alert_names: "alerts name metrics",
}

#[test]
fn an_alert_on_what_nobody_exports_is_seen() {
    let rules = "  - alert: A\n    expr: fulmar_nimbus_dreams > 0\n    summary: means: do:\n";
    let found = complaints("alerts", "deploy/prometheus/fulmar.rules.yml", rules);
    assert!(
        found.len() == 1 && found[0].contains("fulmar_nimbus_dreams"),
        "{found:?}"
    );
}

#[test]
fn a_missing_header_is_seen() {
    assert_eq!(
        complaints("header", "a/src/b.rs", "fn main() {}\n").len(),
        1
    );
    assert_eq!(
        complaints("header", "a/src/b.rs", "//! short\nfn f() {}\n").len(),
        1
    );
    assert!(complaints("header", "a/src/b.rs", "//! Counts words of lines.\n").is_empty());
}

#[test]
fn a_long_file_and_a_long_function_are_seen() {
    let long = "// x\n".repeat(601);
    assert_eq!(complaints("files are small", "a/src/b.rs", &long).len(), 1);
    assert!(complaints("files are small", "a/tests/b.rs", &long).is_empty());
    assert_eq!(
        complaints("files are small", "a/src/lib.rs", &"//\n".repeat(80)).len(),
        1
    );
    let function = format!(
        "pub async fn f(x: [u8; 2]) {{\n{}}}\n",
        "    g();\n".repeat(69)
    );
    assert_eq!(functions::long(&function), vec![(1, "f".to_owned(), 71)]);
    let braces = "fn f() {\n let s = \"{{{\";\n let c = '{';\n // {\n}\nfn g() {}\n";
    assert!(functions::long(braces).is_empty());
}

#[test]
fn a_broken_promise_of_purity_is_seen() {
    let text = "//! A thing.\n//!\n//! Pure: no clock, no I/O, no async.\nfn f() { std::time::Instant::now(); }\n";
    assert_eq!(complaints("pure files", "a/src/b.rs", text).len(), 1);
    let spoken = text.replace("std::time::Instant::now()", "\"Instant::now\"");
    assert!(complaints("pure files", "a/src/b.rs", &spoken).is_empty());
}

#[test]
fn notes_without_a_kind_and_lazy_tests_are_seen() {
    let note = concat!("// TO", "DO: later\n");
    assert_eq!(complaints("notes", "a/src/b.rs", note).len(), 1);
    assert!(complaints("notes", "a/src/b.rs", concat!("// TO", "DO-speed: later\n")).is_empty());
    assert_eq!(
        complaints("notes", "a/src/b.rs", concat!("#[ig", "nore]\n")).len(),
        1
    );
    let sleep = concat!("std::thread::sle", "ep(x);\n");
    assert_eq!(complaints("notes", "a/tests/b.rs", sleep).len(), 1);
    assert!(complaints("notes", "a/src/b.rs", sleep).is_empty());
}

#[test]
fn a_panic_outside_tests_is_seen() {
    let text = "fn f() { g().unwrap(); }\n#[cfg(test)]\nmod t { fn h() { g().unwrap(); } }\n";
    assert_eq!(complaints("nothing panics", "a/src/b.rs", text).len(), 1);
    assert!(complaints("nothing panics", "a/src/tests.rs", text).is_empty());
    assert!(complaints("nothing panics", "a/src/b.rs", "// g().unwrap()\n").is_empty());
}

#[test]
fn unclean_text_is_seen() {
    assert_eq!(complaints("text is clean", "a.md", "a \n").len(), 1);
    assert_eq!(complaints("text is clean", "a.md", "a").len(), 1);
    assert_eq!(
        complaints("text is clean", "a.md", concat!("see crates", ".io\n")).len(),
        1
    );
    assert_eq!(
        complaints("text is clean", "a.md", concat!("in /wo", "rk/x\n")).len(),
        1
    );
    assert!(complaints("text is clean", "a.md", concat!("in net/wo", "rk/x\n")).is_empty());
}

#[test]
fn the_import_table_is_read_and_compared() {
    let text = "## Who may import whom\n\n| crate | may | never |\n|---|---|---|\n| `a` | `b`, `c` | `tokio` |\n## Next\n| `z` | | |\n";
    let table = imports::table(text);
    assert_eq!(table.len(), 1);
    assert_eq!(table["a"].may, ["b", "c"]);
    assert_eq!(table["a"].never, ["tokio"]);
    // Not one crate of the workspace has a row in this table, and `a` is no crate.
    assert!(complaints("crates import", "ARCHITECTURE.md", text).len() > 20);
}

#[test]
fn a_name_that_does_not_exist_is_seen() {
    let text =
        "See `xtask/src/main.rs` and `xtask/src/nowhere.rs`, `NoSuchThing`, `a::no_such_item`.\n";
    let found = complaints("names in ARCHITECTURE", "ARCHITECTURE.md", text);
    // CONTRIBUTING.md is missing from the made tree: the fourth complaint.
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn links_and_strings_are_parsed() {
    assert_eq!(
        links::targets("[a](b.md) and [c](d/e.md#f)"),
        ["b.md", "d/e.md#f"]
    );
    assert_eq!(
        complaints("links", "README.md", "[a](nowhere.md)\n").len(),
        1
    );
    assert_eq!(
        code::blank("a \"b\\\"c\" 'd' r#\"e\"# // f\n/* g /* h */ i */ &'j k"),
        format!(
            "a {} {} {} {}\n{} &'j k",
            " ".repeat(6),
            " ".repeat(3),
            " ".repeat(6),
            " ".repeat(4),
            " ".repeat(17)
        )
    );
}
