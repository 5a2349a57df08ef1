//! The web server on a real cluster: Storm's REST by the shape of a real Storm's answers, actions, and the page in a browser.

use std::path::PathBuf;
use std::process::Command;

use fulmar_tests::cluster::{Cluster, LONG};
use fulmar_tests::http::Ui;
use fulmar_tests::process::{Process, example};
use fulmar_tests::shape::{differences, differences_of_common};
use fulmar_tests::wait::{wait_for, wait_until};
use serde_json::Value;

/// The journal on two workers, with counts of all its components.
fn running() -> (Cluster, Ui, String) {
    let cluster = Cluster::start(2);
    let ui = Ui::start(&cluster);
    let dir = cluster.dir.path().join("journal");
    std::fs::create_dir_all(&dir).expect("a folder");
    let (program, folder) = (
        example("journal").display().to_string(),
        format!("journal.dir={}", dir.display()),
    );
    let mut args = vec!["submit", &program, "--wait", "60s", "-c", &folder];
    for conf in [
        "topology.workers=2",
        "journal.limit=1000000000",
        "journal.rate=500",
    ] {
        args.extend(["-c", conf]);
    }
    cluster.json(&args);
    let (_, all) = ui.get("/api/v1/topology/summary");
    let id = all["topologies"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    wait_until("counts of every component", LONG, || {
        let (_, page) = ui.get(&format!("/api/v1/topology/{id}"));
        let bolts = page["bolts"].as_array().cloned().unwrap_or_default();
        page["spouts"][0]["acked"].as_u64() > Some(0)
            && bolts.len() == 2
            && bolts.iter().all(|b| b["executed"].as_u64() > Some(0))
    });
    (cluster, ui, id)
}

/// Recordings of a real Storm, where they are.
fn recordings() -> Option<PathBuf> {
    let shared = std::env::var_os("FULMAR_SHARED").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = shared.unwrap_or(beside).join("conformance/storm-rest");
    if !folder.is_dir() {
        println!(
            "skipped: no recordings of a real Storm at {}",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

/// Status and body of the recording with this number.
fn recorded(folder: &std::path::Path, number: &str) -> (u16, Value) {
    let prefix = format!("{number}-");
    let file = std::fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .find(|f| f.file_name().to_string_lossy().starts_with(&prefix))
        .unwrap_or_else(|| panic!("no recording {number}"));
    let text = std::fs::read_to_string(file.path()).expect("a text");
    let whole: Value = serde_json::from_str(&text).expect("JSON");
    let status = whole["status"].as_u64().expect("a status") as u16;
    (status, whole["body"].clone())
}

#[test]
fn answers_have_the_shape_of_a_real_storms() {
    let Some(folder) = recordings() else { return };
    let (_cluster, ui, id) = running();
    let (_, supervisors) = ui.get("/api/v1/supervisor/summary");
    // The one that has workers: both do.
    let node = supervisors["supervisors"][0]["id"].as_str().expect("an id");
    let t = format!("/api/v1/topology/{id}");
    let cases = [
        ("02", "/api/v1/cluster/summary".to_owned()),
        ("03", "/api/v1/nimbus/summary".to_owned()),
        ("04", "/api/v1/supervisor/summary".to_owned()),
        ("05", format!("/api/v1/supervisor?id={node}")),
        (
            "06",
            "/api/v1/supervisor?host=127.0.0.1&sys=true".to_owned(),
        ),
        ("09", "/api/v1/owner-resources".to_owned()),
        ("11", "/api/v1/owner-resources/nobody".to_owned()),
        ("12", "/api/v1/history/summary".to_owned()),
        ("13", "/api/v1/topology/summary".to_owned()),
        ("14", t.clone()),
        ("15", format!("{t}?window=600")),
        ("18", format!("{t}?window=:all-time")),
        ("19", format!("{t}?sys=true")),
        ("23", format!("{t}?window=601")),
        ("32", format!("/api/v1/topology-workers/{id}")),
        ("34", format!("{t}/metrics")),
        ("35", format!("{t}/lag")),
        ("40", format!("{t}/component/numbers")),
        ("42", format!("{t}/component/pass")),
    ];
    for (number, path) in &cases {
        let (status, storm) = recorded(&folder, number);
        let (own_status, own) = ui.get(path);
        assert_eq!((own_status, status), (200, 200), "{path}: {own}");
        let found = differences(&storm, &own);
        assert!(found.is_empty(), "{number} {path}: {found:#?}");
    }
    // Keyed by component: spout against spout, bolt against bolt.
    let (_, storm) = recorded(&folder, "38");
    let (_, own) = ui.get(&format!("{t}/visualization"));
    let mut found = differences(&storm["split"], &own["pass"]);
    // Ackers feed a Storm spout; here there are none.
    let mut spout = storm["spout"].clone();
    spout[":inputs"] = Value::Array(Vec::new());
    found.extend(differences(&spout, &own["numbers"]));
    assert!(found.is_empty(), "38: {found:#?}");
    let (_, storm) = recorded(&folder, "01");
    let (_, own) = ui.get("/api/v1/cluster/configuration");
    let found = differences_of_common(&storm, &own);
    assert!(found.is_empty(), "01: {found:#?}");
}

#[test]
fn mistakes_have_the_shape_of_a_real_storms() {
    let Some(folder) = recordings() else { return };
    let (_cluster, ui, id) = running();
    let t = format!("/api/v1/topology/{id}");
    let gets = [
        ("07", "/api/v1/supervisor".to_owned()),
        ("08", "/api/v1/supervisor?id=nosuch".to_owned()),
        ("22", format!("{t}?window=bogus")),
        ("24", format!("{t}?window=")),
        ("30", "/api/v1/topology/nosuch-1-1".to_owned()),
        ("31", "/api/v1/topology/journal".to_owned()),
        ("33", "/api/v1/topology-workers/nosuch-1-1".to_owned()),
        ("36", "/api/v1/topology/nosuch-1-1/lag".to_owned()),
        ("47", format!("{t}/component/nosuch")),
        ("50", format!("{t}/component/pass?window=bogus")),
        (
            "51",
            "/api/v1/topology/nosuch-1-1/component/split".to_owned(),
        ),
        ("54", "/api/v1/nosuch".to_owned()),
        ("123", format!("{t}/activate")),
    ];
    let posts = [
        ("57", "/api/v1/cluster/summary".to_owned()),
        ("121", "/api/v1/topology/nosuch-1-1/activate".to_owned()),
        ("131", format!("{t}/rebalance/abc")),
        ("133", format!("{t}/kill/abc")),
        ("134", "/api/v1/topology/nosuch-1-1/kill/1".to_owned()),
    ];
    let asked = gets
        .iter()
        .map(|(number, path)| (number, path, ui.get(path)))
        .chain(posts.iter().map(|(n, p)| (n, p, ui.post(p, None))));
    for (number, path, (own_status, own)) in asked {
        let (status, storm) = recorded(&folder, number);
        assert_eq!(own_status, status, "{number} {path}: {own}");
        assert_eq!(own["error"], storm["error"], "{number} {path}: {own}");
        let said = own["errorMessage"].as_str().unwrap_or_default();
        assert!(!said.is_empty(), "{number} {path}: {own}");
    }
    // The intended shape of what Storm 2 fails to answer.
    let (status, table) = ui.get(&format!("{t}/visualization-init"));
    assert_eq!(status, 200);
    let stream = &table["visualizationTable"][0][0];
    assert_eq!(
        (&stream["stream"], &stream["checked"]),
        (&"default".into(), &true.into())
    );
}

#[test]
fn actions_act_and_no_other_page_may_ask_for_them() {
    let (_cluster, ui, id) = running();
    let t = format!("/api/v1/topology/{id}");
    let status = || {
        ui.get(&t).1["status"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };

    let (code, body) = ui.post(&format!("{t}/deactivate"), Some("http://elsewhere.example"));
    assert_eq!(code, 403, "{body}");
    assert_eq!(status(), "ACTIVE");
    let own = ui.base.clone();
    for (operation, path, after) in [
        ("deactivate", "deactivate", "INACTIVE"),
        ("activate", "activate", "ACTIVE"),
        ("rebalance", "rebalance/0", "ACTIVE"),
    ] {
        let (code, body) = ui.post(&format!("{t}/{path}"), Some(&own));
        assert_eq!(code, 200, "{operation}: {body}");
        assert_eq!(body["topologyOperation"], operation);
        assert_eq!(
            (&body["topologyId"], &body["status"]),
            (&id.as_str().into(), &"success".into())
        );
        wait_until(&format!("{after} after {operation}"), LONG, || {
            status() == after
        });
    }
    let (code, _) = ui.post(&format!("{t}/kill/0"), None);
    assert_eq!(code, 200);
    wait_until("the end of the topology", LONG, || ui.get(&t).0 == 500);
    let (_, history) = ui.get("/api/v1/history/summary");
    assert_eq!(history["topo-history"][0], id.as_str(), "it is remembered");
}

#[test]
fn a_termination_warning_is_told_with_its_times() {
    let (cluster, ui, _) = running();
    let (_, before) = ui.get("/api/v1/fulmar/notices");
    assert_eq!(before["notices"], Value::Array(Vec::new()));
    let deadline = before["now_ms"].as_u64().expect("a time") / 1_000 + 120;
    let notice = format!(
        r#"{{"kind":"sentence","deadline_ms":{}}}"#,
        deadline * 1_000
    );
    // Whole at once: a half-written notice is none.
    let half = cluster.dir.path().join("half");
    std::fs::write(&half, notice).expect("writes");
    std::fs::rename(&half, cluster.notice_file(0)).expect("renames");

    let row = wait_for("the notice", LONG, || {
        let (_, now) = ui.get("/api/v1/fulmar/notices");
        now["notices"].as_array()?.first().cloned()
    });
    assert_eq!(row["kind"], "termination", "{row}");
    assert_eq!(row["deadline_ms"], deadline * 1_000, "{row}");
    assert!(row["remaining_ms"].as_u64() <= Some(120_000), "{row}");
    let node = row["node"].as_str().expect("a node").to_owned();
    wait_until("the node to be drained", LONG, || {
        let (_, page) = ui.get("/api/v1/fulmar/cluster");
        let all = page["supervisors"].as_array().cloned().unwrap_or_default();
        all.iter()
            .any(|s| s["id"] == node.as_str() && s["state"] == "drained")
    });
    let (_, told) = ui.get("/api/v1/fulmar/events");
    let events = told["events"].as_array().expect("a list");
    let time_of = |kind: &str| {
        let event = events.iter().find(|e| e["kind"] == kind);
        event
            .and_then(|e| e["time_ms"].as_u64())
            .unwrap_or_else(|| panic!("no {kind}: {told}"))
    };
    let times = ["notice", "switched", "drained"].map(time_of);
    assert!(times.is_sorted(), "{times:?}");
    let last = events.last().expect("an event")["seq"]
        .as_u64()
        .expect("a number");
    let (_, news) = ui.get(&format!("/api/v1/fulmar/events?since={last}"));
    let news = news["events"].as_array().expect("a list");
    assert!(
        news.iter().all(|e| e["seq"].as_u64() > Some(last)),
        "nothing is told twice: {news:?}"
    );
}

/// The page as a browser builds it.
fn rendered(browser: &std::ffi::OsStr, ui: &Ui, folder: &std::path::Path, view: &str) -> String {
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        // Less than the plain page takes to ask again, or the browser would never come to an end.
        .arg("--virtual-time-budget=4000")
        .arg(format!("--user-data-dir={}", folder.display()))
        .arg(format!("{}/{view}", ui.base));
    let dom = tempfile::tempdir().expect("a folder");
    let mut process = Process::start("browser", &mut command, dom.path());
    process.wait(LONG);
    process.log()
}

#[test]
fn the_page_shows_the_cluster_and_a_live_graph_in_a_browser() {
    let Some(browser) = std::env::var_os("FULMAR_CHROMIUM") else {
        println!("skipped: FULMAR_CHROMIUM names no browser (`cargo xtask test` sets it)");
        return;
    };
    let (cluster, ui, id) = running();
    let folder = cluster.dir.path().join("browser");
    let (_, page) = ui.get("/api/v1/fulmar/cluster");
    let nodes: Vec<_> = page["supervisors"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    assert_eq!(nodes.len(), 2);
    let shows = |view: &str, wanted: &[&str]| {
        let mut last = String::new();
        // A loaded machine may need more than one look for the first answers to come.
        wait_until(&format!("{view} to show {wanted:?}"), LONG, || {
            last = rendered(&browser, &ui, &folder, view);
            wanted.iter().all(|w| last.contains(w))
        });
    };
    if !fulmar_ui_is_built(&ui) {
        shows("", &["journal", "127.0.0.1", "Supervisors"]);
        return;
    }
    shows(
        "#/cluster",
        &["journal", "2 ready", "every executor has a worker"],
    );
    let ids: Vec<_> = nodes.iter().filter_map(|n| n["id"].as_str()).collect();
    let titles: Vec<_> = ids.iter().map(|id| format!("title=\"{id}\"")).collect();
    shows("#/supervisors", &[&titles[0], &titles[1], "slots in use"]);
    let graph = [
        "numbers",
        "class=\"edge-rate",
        "data-to=\"pass\"",
        "/s</text>",
        "Deactivate",
    ];
    shows(&format!("#/topology/{id}"), &graph);
    shows("#/events", &["submitted", "journal was submitted as"]);
    // There is no query service here, and the page says what to do.
    shows("#/wifi", &["No Wi-Fi data", "fulmar query"]);
}

/// Whether the program holds the built page, or serves the plain one.
fn fulmar_ui_is_built(ui: &Ui) -> bool {
    ui.process
        .log()
        .lines()
        .any(|l| l.starts_with("ui http://") && !l.contains("plain page"))
}
