//! Drills on a running cluster: who is struck, what is refused, what the report says.

use std::path::Path;

use fulmar_tests::cluster::{Cluster, LONG};
use fulmar_tests::process::example;
use fulmar_tests::wait::wait_until;
use serde_json::Value;

/// Submits the partitions example on two workers, for longer than any test lasts, and waits for its first record.
fn submit(cluster: &Cluster) {
    let dir = cluster.dir.path().join("records");
    std::fs::create_dir_all(&dir).expect("a folder");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let program = example("partitions").display().to_string();
    let conf = [
        format!("partitions.dir={}", dir.display()),
        format!(
            "partitions.start.ms={}",
            now.expect("after 1970").as_millis()
        ),
        "partitions.limit=100000".to_owned(),
        "topology.workers=2".to_owned(),
    ];
    let mut args = vec!["submit", &program, "--wait", "60s"];
    conf.iter().for_each(|c| args.extend(["-c", c]));
    cluster.json(&args);
    wait_until("a committed position", LONG, || {
        dir.join("position-0").exists()
    });
}

fn drill(cluster: &Cluster, words: &[&str]) -> std::process::Output {
    let mut all = vec!["drill", "kill"];
    all.extend(words);
    cluster.run(&all)
}

fn read(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).expect("the report");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_drilled_node_has_its_notice_and_comes_back_as_another() {
    let cluster = Cluster::start(3);
    submit(&cluster);
    let report = cluster.dir.path().join("report");
    let report_name = report.display().to_string();
    let words = [
        "--random",
        "1",
        "--notice",
        "4",
        "--back",
        "1s",
        "--before",
        "2s",
        "--after",
        "1s",
        "--seed",
        "3",
        "--report",
        &report_name,
    ];
    let out = drill(&cluster, &words);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    // Whether all is as usual a second later depends on the machine; what is reported does not.
    assert!(matches!(out.status.code(), Some(0 | 1)), "{said}");
    assert!(
        said.contains("nodes") && said.contains("partitions"),
        "it shows the health while it lasts: {said}"
    );
    let found = read(&report.with_extension("json"));
    assert_eq!(found["struck"].as_array().map(Vec::len), Some(1), "{found}");
    let struck = &found["struck"][0];
    let notice = struck["ends_s"].as_f64().zip(struck["at_s"].as_f64());
    assert!(
        notice.is_some_and(|(end, at)| (end - at - 4.0).abs() < 1e-6),
        "{struck}"
    );
    let outcome = &found["outcomes"][0];
    assert_eq!(outcome["topology"], "partitions");
    let page = std::fs::read_to_string(report.with_extension("html")).expect("the page");
    assert!(page.contains("1 of 3 nodes") && page.contains("<svg"));
    // Three nodes again, one of them another.
    let node = found["struck"][0]["node"].as_str().expect("an id");
    wait_until("the node to be back as another", LONG, || {
        let events = cluster.events();
        events.iter().filter(|e| *e == "supervisor").count() == 4
    });
    let text = String::from_utf8_lossy(&cluster.run(&["events"]).stdout).into_owned();
    assert!(
        text.contains(&format!("{node} will be terminated")),
        "{text}"
    );
}

#[test]
fn a_drill_beyond_what_is_borne_is_refused_and_a_rehearsal_touches_nothing() {
    let cluster = Cluster::start(2);
    submit(&cluster);
    let before = cluster.workers();
    // Two nodes with two slots each, two workers: one node may go, both may not.
    let out = drill(&cluster, &["--random", "2", "--no-notice"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(4), "{said}");
    assert!(
        said.contains("partitions") && said.contains("--force"),
        "{said}"
    );
    let out = drill(&cluster, &["--random", "2", "--dry-run"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        out.status.success() && said.contains("NOT borne by partitions"),
        "{said}"
    );
    let out = drill(&cluster, &["--random", "1", "--dry-run"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("every topology bears it"), "{said}");
    for (words, code, wanted) in [
        (&["--random", "3"][..], 2, "1 to 2"),
        (&["--zone", "mars"][..], 2, "no living node"),
        (&["--random", "1", "--notice", "9999"][..], 2, "3600"),
        (&["--trace", "/nowhere.csv"][..], 2, "/nowhere.csv"),
        (&[][..], 2, "required"),
    ] {
        let out = drill(&cluster, words);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(wanted), "{words:?}: {said}");
    }
    assert_eq!(cluster.workers(), before, "nobody was touched");
}
