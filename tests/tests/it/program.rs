//! An author's program at the command line: it describes, refuses what is wrong with the remedy, runs, and ends when told.

use std::process::{Command, Output};
use std::time::Duration;

use fulmar_tests::process::{Process, example, run};
use fulmar_tests::wait;
use nix::sys::signal::Signal;

fn word_count(args: &[&str]) -> Output {
    run(&example("word-count"), args)
}

/// Expects this exit code and this text on stderr, and nothing on stdout.
fn refused(args: &[&str], code: i32, text: &str) {
    let out = word_count(args);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(
        stderr.contains(text),
        "{args:?}: wanted {text:?} in {stderr}"
    );
    assert!(out.stdout.is_empty(), "{args:?}: errors belong on stderr");
}

#[test]
fn describing_prints_the_graph_and_is_the_same_twice() {
    let out = word_count(&["--describe"]);
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let graph: serde_json::Value =
        serde_json::from_slice(&out.stdout).expect("JSON and nothing else");
    let ids: Vec<_> = graph["components"]
        .as_array()
        .expect("components")
        .iter()
        .map(|c| c["id"].clone())
        .collect();
    assert_eq!(graph["name"], "word-count");
    assert!(ids.len() >= 3, "{ids:?}");
    assert_eq!(out.stdout, word_count(&["--describe"]).stdout);
}

#[test]
fn a_misspelled_key_is_refused_with_the_nearest_one() {
    let text = "did you mean \"topology.max.spout.pending\"?";
    refused(
        &["-c", "topology.max.spout.pendin=5", "--describe"],
        1,
        text,
    );
    refused(
        &["-c", "topology.max.spout.pendin=5", "--for", "1s"],
        1,
        text,
    );
}

#[test]
fn a_wrong_value_is_refused_with_the_kind_wanted() {
    refused(
        &["-c", "topology.workers=1.5", "--describe"],
        1,
        "wanted a whole number from 1 to 2147483647",
    );
    refused(
        &["-c", "topology.workers=", "--describe"],
        1,
        "wanted a whole number from 1 to 2147483647",
    );
    refused(&["-c", "novalue", "--describe"], 1, "key=value");
}

#[test]
fn wrong_words_are_usage_errors() {
    refused(&["--bogus"], 2, "--bogus");
    refused(&["--for", "1x"], 2, "ms, s, m, h");
}

#[test]
fn a_configuration_file_is_read_and_its_mistakes_are_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("conf.yaml");
    let path = file.to_str().expect("a UTF-8 path");
    refused(&["--config", path, "--describe"], 1, "cannot read");
    std::fs::write(&file, "topology.workers: [\n").expect("the folder is writable");
    refused(&["--config", path, "--describe"], 1, "line 1");
    std::fs::write(&file, "topology.wokers: 2\n").expect("the folder is writable");
    refused(
        &["--config", path, "--describe"],
        1,
        "did you mean \"topology.workers\"?",
    );
    std::fs::write(&file, "topology.workers: 2\n").expect("the folder is writable");
    assert!(
        word_count(&["--config", path, "--describe"])
            .status
            .success()
    );
}

#[test]
fn it_runs_for_the_time_asked_and_ends_with_zero() {
    for name in ["word-count", "exclamation"] {
        let out = run(&example(name), &["--for", "1s"]);
        assert!(
            out.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

#[test]
fn it_ends_at_once_when_interrupted() {
    let dir = tempfile::tempdir().expect("a folder");
    // A shell that runs the tests in the background has them, and all they start, ignore the signal.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=INT")
        .arg(example("word-count"));
    let mut process = Process::start("word-count", &mut command, dir.path());
    wait::wait_until("its first line", Duration::from_secs(20), || {
        process.log().contains("Ctrl-C ends it")
    });
    process.signal(Signal::SIGINT);
    process.wait(Duration::from_secs(10));
}
