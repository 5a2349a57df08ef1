//! Pages made of known messages: sums, latencies, errors and notices are what they should be.

use fulmar_proto::nimbus as pb;
use fulmar_ui::storm::text::Window;
use fulmar_ui::storm::{component, topology, visualization};
use fulmar_ui::view;
use serde_json::json;

const NOW_SECS: u64 = 1_700_000_100;

fn counted(component: &str, spout: bool, n: u64) -> pb::ComponentStats {
    let output = |stream: &str, emitted| pb::StreamCount {
        stream: stream.into(),
        emitted,
        transferred: emitted,
    };
    let input = pb::InputCount {
        component: "s".into(),
        stream: "default".into(),
        executed: n,
        acked: n - 3,
        failed: 2,
    };
    pb::ComponentStats {
        component: component.into(),
        outputs: vec![output("default", n), output("__ack", 7)],
        inputs: if spout { Vec::new() } else { vec![input] },
        spout_acked: if spout { n - 5 } else { 0 },
        spout_failed: u64::from(spout),
        spout_timed_out: if spout { 2 } else { 0 },
        execute_ms: 0.5,
        process_ms: 0.25,
        complete_ms: if spout { 12.3456 } else { 0.0 },
    }
}

fn info() -> pb::TopologyInfo {
    let spec = json!({"name": "t", "components": [
        {"id": "s", "kind": "spout", "parallelism": 1, "tasks": 1, "outputs": [{"name": "default", "fields": ["x"]}], "inputs": []},
        {"id": "b", "kind": "bolt", "parallelism": 2, "tasks": 3, "outputs": [],
         "inputs": [{"component": "s", "stream": "default", "grouping": {"fields": ["x"]}},
                    {"component": "s", "stream": "1 more", "grouping": "global"}]}]});
    let windows = [600, 10_800, 86_400, 0].into_iter().flat_map(|secs| {
        let n = if secs == 600 { 100 } else { 1_000 };
        [counted("s", true, n), counted("b", false, n)].map(|stats| pb::WindowStats {
            secs,
            stats: Some(stats),
        })
    });
    let executor = |first_task, last_task, capacity| pb::ExecutorInfo {
        stats: Some(pb::ExecutorStats {
            executor: Some(pb::Executor {
                first_task,
                last_task,
            }),
            capacity,
            ..Default::default()
        }),
        executed_rate: 10.0,
        ..Default::default()
    };
    let error = |component: &str, at: u64, error: &str| pb::ComponentError {
        component: component.into(),
        time_ms: at * 1_000,
        error: error.into(),
        host: "h".into(),
        port: 6_700,
        ..Default::default()
    };
    pb::TopologyInfo {
        summary: Some(pb::TopologySummary {
            id: "t-1-1".into(),
            name: "t".into(),
            ..Default::default()
        }),
        json_topology: spec.to_string(),
        json_conf: r#"{"topology.message.timeout.secs": 45}"#.into(),
        executors: vec![
            executor(1, 1, 0.0),
            executor(2, 3, 0.2),
            executor(4, 4, 0.7),
        ],
        errors: vec![
            error("b", NOW_SECS - 60, "first"),
            error("b", NOW_SECS - 40, &"ä".repeat(300)),
        ],
        windows: windows.collect(),
        ..Default::default()
    }
}

fn window(asked: Option<&str>) -> Window {
    Window::read(asked).expect("a window")
}

#[test]
fn the_page_of_a_topology_adds_up() {
    let (info, window) = (info(), window(Some("600")));
    let page = |sys| {
        let page = topology::Page {
            info: &info,
            window: &window,
            sys,
            version: "1",
            now_secs: NOW_SECS,
        };
        page.json().expect("a page")
    };
    let page_of = page(false);
    let bolt = &page_of["bolts"][0];
    assert_eq!(
        (&bolt["executed"], &bolt["acked"], &bolt["failed"]),
        (&json!(100), &json!(97), &json!(2))
    );
    assert_eq!(
        (&bolt["capacity"], &bolt["executeLatency"]),
        (&json!("0.700"), &json!("0.500"))
    );
    assert_eq!((&bolt["executors"], &bolt["tasks"]), (&json!(2), &json!(3)));
    assert_eq!(
        bolt["lastError"].as_str().map(|e| e.chars().count()),
        Some(200)
    );
    assert_eq!(
        (&bolt["errorTime"], &bolt["errorLapsedSecs"]),
        (&json!(NOW_SECS - 40), &json!(40))
    );
    assert_eq!(
        (&bolt["errorHost"], &bolt["errorPort"]),
        (&json!("h"), &json!(6_700))
    );
    let spout = &page_of["spouts"][0];
    assert_eq!(
        (&spout["acked"], &spout["failed"]),
        (&json!(95), &json!(3)),
        "time-outs have failed"
    );
    assert_eq!(spout["completeLatency"], "12.346");
    assert_eq!(
        (&spout["errorTime"], &spout["errorPort"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(spout["emitted"], 100);
    assert_eq!(
        page(true)["spouts"][0]["emitted"],
        107,
        "with the system's streams"
    );
    // Storm's order of windows.
    let names = [0, 1, 2, 3].map(|i| page_of["topologyStats"][i]["window"].clone());
    assert_eq!(names, ["10800", "600", "86400", ":all-time"]);
    assert_eq!(page_of["topologyStats"][0]["emitted"], 2_000);
    assert_eq!(page_of["msgTimeout"], 45);
    assert_eq!(page_of["configuration"]["storm.id"], "t-1-1");
}

#[test]
fn the_page_of_a_component_has_its_errors_in_order() {
    let (mut info, window) = (info(), window(None));
    info.errors.reverse();
    let page = |component| {
        let page = component::Page {
            info: &info,
            component,
            window: &window,
            sys: false,
            now_secs: NOW_SECS,
        };
        page.json()
    };
    let bolt = page("b").expect("a page");
    assert_eq!(bolt["componentErrors"][0]["error"], "first");
    assert_eq!(bolt["componentErrors"][1]["errorLapsedSecs"], 40);
    let ids = [0, 1].map(|i| bolt["executorStats"][i]["id"].clone());
    assert_eq!(ids, ["[2-3]", "[4-4]"]);
    assert_eq!(bolt["inputStats"][0]["executed"], 1_000);
    // 100 tuples of 0.5 ms in ten minutes.
    assert_eq!(bolt["boltStats"][1]["capacity"], "0.000");
    let spout = page("s").expect("a page");
    assert!(
        spout["spoutSummary"][0]["completeLatency"].is_f64(),
        "a number, only here"
    );
    let refused = page("nosuch").expect_err("there is none");
    assert!(
        refused.message().contains("it has s, b"),
        "{}",
        refused.message()
    );
}

#[test]
fn the_graph_has_storms_words() {
    let info = info();
    let graph = visualization::graph(&info, &window(None), false).expect("a graph");
    let inputs = &graph["b"][":inputs"];
    assert_eq!(
        (&inputs[0][":grouping"], &inputs[1][":grouping"]),
        (&json!("fields"), &json!("fields"))
    );
    assert_eq!(inputs[1][":sani-stream"], "_s__more");
    assert_eq!(
        (&graph["s"][":latency"], &graph["b"][":latency"]),
        (&json!(12.3456), &json!(0.25))
    );
    let table = visualization::table(&info, false).expect("a table");
    assert_eq!(
        table["visualizationTable"][0].as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn notices_come_by_their_deadline_and_states_by_what_is_worst() {
    let node = |id: &str, deadline_ms, cordoned, drained| pb::SupervisorSummary {
        node_id: id.into(),
        alive: true,
        cordoned,
        drained,
        slots_used: 1,
        notices: vec![pb::Notice {
            kind: if deadline_ms > 0 { 2 } else { 1 },
            deadline_ms,
            ..Default::default()
        }],
        ..Default::default()
    };
    let cluster = pb::ClusterInfo {
        supervisors: vec![
            node("advised", 0, true, false),
            node("late", 9_000, true, true),
            node("soon", 5_000, true, false),
        ],
        ..Default::default()
    };
    let notices = view::notices(&cluster, 4_000);
    let row = |i: usize| {
        let row = &notices["notices"][i];
        json!([row["node"], row["state"], row["remaining_ms"]])
    };
    assert_eq!(row(0), json!(["soon", "draining", 1_000]));
    assert_eq!(row(1), json!(["late", "drained", 5_000]));
    assert_eq!(row(2), json!(["advised", "draining", null]));
    let lost = pb::SupervisorSummary::default();
    assert_eq!(view::state(&lost), "lost");
}

#[test]
fn live_rates_of_a_component_are_sums_and_its_capacity_the_worst() {
    let page = view::topology(&info(), 0).expect("a page");
    let bolt = &page["nodes"][1];
    assert_eq!(
        (&bolt["executed_per_s"], &bolt["capacity"]),
        (&json!(20.0), &json!(0.7))
    );
    assert_eq!(
        bolt["complete_ms"],
        json!(null),
        "nothing was acked: no mean"
    );
    assert_eq!(page["executors"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        page["errors"][0]["time_ms"],
        (NOW_SECS - 40) * 1_000,
        "the newest first"
    );
}
