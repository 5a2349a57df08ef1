//! The verbs' own parts: counting results, reading help and error enums, generated documents up to date.

use crate::docs;
use crate::paths;
use crate::test::Counts;
use crate::tidy::Tree;

#[test]
fn result_lines_are_counted() {
    let line = "test result: ok. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
    assert_eq!(
        Counts::of(line),
        Counts {
            passed: 12,
            failed: 3
        }
    );
    assert_eq!(Counts::of("test a::b ... ok"), Counts::default());
}

#[test]
fn verbs_are_read_from_a_help_page() {
    let help = "X\n\nCommands:\n  submit  Hand in\n          more\n  list    Show\n  help    Print\n\nOptions:\n  -h  y\n";
    assert_eq!(docs::verbs(help), ["submit", "list"]);
}

#[test]
fn messages_are_read_from_an_error_enum() {
    let source = "#[derive(Error)]\nenum E {\n    /// Doc.\n    #[error(\"port {port} is \\\n             \\\"in use\\\"\", port = .0)]\n    PortInUse(u16),\n    #[error(transparent)]\n    Io(x),\n}\n";
    assert_eq!(
        docs::messages(source),
        [(
            "PortInUse".to_owned(),
            "port {port} is \"in use\"".to_owned()
        )]
    );
}

fn current(name: &str, wanted: &str) {
    let found = std::fs::read_to_string(paths::root().join("docs").join(name)).unwrap_or_default();
    let differs = found.lines().zip(wanted.lines()).position(|(a, b)| a != b);
    assert!(
        found == wanted,
        "docs/{name} is out of date (line {differs:?}): run `cargo xtask docs`"
    );
}

#[test]
fn config_document_is_current() {
    current(
        "config.md",
        &docs::config(&Tree::read(&paths::root()).expect("git lists files")),
    );
}

#[test]
fn errors_document_is_current() {
    current(
        "errors.md",
        &docs::errors(&Tree::read(&paths::root()).expect("git lists files")),
    );
}

#[test]
fn cli_document_is_current() {
    let own = std::env::current_exe().expect("a test has a path");
    let folder = own
        .parent()
        .and_then(|p| p.parent())
        .expect("target/debug/deps");
    let program = folder.join("fulmar");
    assert!(
        program.exists(),
        "{} is missing: cargo build -p fulmar-cli",
        program.display()
    );
    current("cli.md", &docs::cli(&program).expect("fulmar --help"));
}
