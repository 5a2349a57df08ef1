//! What is shown follows from the status.

use super::*;

fn status() -> Status {
    Status {
        node_id: "n".into(),
        host: "h".into(),
        port: 6628,
        version: "0",
        started_ms: 1_000,
        nimbus: Some("a:6629".into()),
        nimbus_problem: None,
        condemned: false,
        drained: false,
        drill: None,
        assignment_version: 1,
        notices: vec![],
        slots: vec![SlotStatus {
            port: 6700,
            state: Stage::Running.name(),
            topology_id: Some("t-1".into()),
            topology_name: Some("t".into()),
            pid: Some(7),
            incarnation: Some(u64::MAX),
            failures: 0,
        }],
        pool: String::new(),
        resources: [("supervisor.cpu.capacity".to_owned(), 200.0)].into(),
        identity: Identity::default(),
        load: Load {
            memory_used_bytes: 3_000_000,
            cpu_used_percent: 50.0,
        },
        totals: Totals {
            launches: 2,
            ..Totals::default()
        },
        story: vec![],
    }
}

#[test]
fn a_heartbeat_a_registration_and_metrics_say_the_same() {
    let s = status();
    let beat = s.heartbeat(6_000);
    assert_eq!((beat.uptime_secs, beat.memory_used_mb), (5, 3.0));
    assert_eq!(beat.slots[0].state, "RUNNING");
    let registration = s.registration();
    assert_eq!(registration.slot_ports, [6700]);
    assert_eq!(registration.running[0].incarnation, u64::MAX);
    assert_eq!(registration.life_cycle, "unknown");
    assert_eq!(registration.resources["supervisor.cpu.capacity"], 200.0);
    let metrics = s.metrics(6_000);
    for line in [
        "fulmar_supervisor_worker_launches_total 2",
        "fulmar_supervisor_node_memory_used_bytes 3000000",
        "fulmar_supervisor_node_cpu_used_ratio 0.5",
        "fulmar_supervisor_slots{state=\"RUNNING\"} 1",
        "fulmar_supervisor_slots{state=\"EMPTY\"} 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} in\n{metrics}");
    }
    let json = serde_json::to_value(&s).expect("writes");
    assert_eq!(json["slots"][0]["incarnation"], u64::MAX.to_string());
}

#[test]
fn it_is_ready_while_a_nimbus_hears_it_and_no_sentence_stands() {
    let mut s = status();
    assert_eq!(s.unready(), None);
    s.condemned = true;
    assert!(s.unready().is_some_and(|why| why.contains("to end")));
    (s.nimbus, s.nimbus_problem) = (None, Some("refused".into()));
    assert_eq!(s.unready(), Some("refused".into()));
}
