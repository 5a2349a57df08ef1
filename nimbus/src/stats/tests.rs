//! Counts over windows, rates, lives, errors.

use fulmar_api::TopologySpec;
use fulmar_proto::nimbus as pb;

use super::Stats;
use crate::limits::ERRORS_KEPT;

const T0: u64 = 1_700_000_000_000;

fn spec() -> TopologySpec {
    let json = r#"{"name":"a","components":[
        {"id":"s","kind":"spout","parallelism":1,"tasks":1,"outputs":[{"name":"default","fields":["x"]}],"inputs":[]},
        {"id":"b","kind":"bolt","parallelism":2,"tasks":2,"outputs":[],
         "inputs":[{"component":"s","stream":"default","grouping":"shuffle"}]}]}"#;
    serde_json::from_str(json).expect("reads")
}

fn spout(emitted: u64, acked: u64, up: u64) -> pb::ExecutorStats {
    pb::ExecutorStats {
        executor: Some(pb::Executor {
            first_task: 1,
            last_task: 1,
        }),
        component: "s".into(),
        uptime_secs: up,
        outputs: vec![pb::StreamCount {
            stream: "default".into(),
            emitted,
            transferred: emitted,
        }],
        spout_acked: acked,
        complete_ms: 20.0,
        ..Default::default()
    }
}

fn bolt(task: i32, executed: u64) -> pb::ExecutorStats {
    pb::ExecutorStats {
        executor: Some(pb::Executor {
            first_task: task,
            last_task: task,
        }),
        component: "b".into(),
        inputs: vec![pb::InputCount {
            component: "s".into(),
            stream: "default".into(),
            executed,
            acked: executed,
            failed: 0,
        }],
        execute_ms: 0.5,
        capacity: 0.25,
        ..Default::default()
    }
}

fn beat(incarnation: u64, stats: Vec<pb::ExecutorStats>) -> pb::WorkerHeartbeatRequest {
    pb::WorkerHeartbeatRequest {
        topology_id: "a-1".into(),
        incarnation,
        stats,
        ..Default::default()
    }
}

fn assignment() -> pb::Assignment {
    let executor = |first_task, last_task| pb::ExecutorAssignment {
        executor: Some(pb::Executor {
            first_task,
            last_task,
        }),
        ..Default::default()
    };
    pb::Assignment {
        workers: vec![pb::WorkerRef {
            node_id: "n".into(),
            ..Default::default()
        }],
        executors: vec![executor(1, 1), executor(2, 2), executor(3, 3)],
        ..Default::default()
    }
}

fn window(stats: &Stats, secs: u32, component: &str, now: u64) -> Option<pb::ComponentStats> {
    let all = stats.windows("a-1", now).into_iter();
    all.filter(|w| w.secs == secs)
        .filter_map(|w| w.stats)
        .find(|s| s.component == component)
}

#[test]
fn rates_are_averages_of_the_last_seconds_and_fall_to_zero_when_nothing_is_heard() {
    let mut stats = Stats::default();
    for i in 0..=20 {
        let of = vec![
            spout(i * 1_000, i * 900, i),
            bolt(2, i * 600),
            bolt(3, i * 400),
        ];
        stats.take(&spec(), &beat(7, of), T0 + i * 1_000);
    }
    let now = T0 + 20_500;
    let infos = stats.executors("a-1", &assignment(), false, now);
    assert_eq!(infos.len(), 3);
    assert_eq!(
        (infos[0].emitted_rate, infos[0].acked_rate),
        (1_000.0, 900.0)
    );
    assert_eq!(infos[1].executed_rate, 600.0);
    assert_eq!(infos[1].stats.as_ref().map(|s| s.capacity), Some(0.25));
    assert_eq!(
        infos[1].worker.as_ref().map(|w| w.node_id.as_str()),
        Some("n")
    );
    let edges = stats.edges("a-1", &spec(), now);
    assert_eq!(edges.len(), 1);
    assert_eq!((edges[0].from.as_str(), edges[0].to.as_str()), ("s", "b"));
    assert_eq!(
        (edges[0].tuples_per_s, edges[0].grouping.as_str()),
        (1_000.0, "SHUFFLE")
    );
    let later = stats.edges("a-1", &spec(), now + 60_000);
    assert_eq!(later[0].tuples_per_s, 0.0);
}

#[test]
fn a_window_forgets_what_is_older_and_all_time_does_not() {
    let mut stats = Stats::default();
    stats.take(&spec(), &beat(7, vec![spout(100, 90, 1)]), T0);
    stats.take(&spec(), &beat(7, vec![spout(150, 140, 2)]), T0 + 1_000);
    let now = T0 + 1_000;
    let emitted = |stats: &Stats, secs, now| {
        window(stats, secs, "s", now).map_or(0, |s| s.outputs[0].emitted)
    };
    assert_eq!(emitted(&stats, 600, now), 150);
    let s = window(&stats, 0, "s", now).expect("all time is there");
    assert_eq!((s.spout_acked, s.complete_ms), (140, 20.0));
    let now = T0 + 700_000;
    assert!(window(&stats, 600, "s", now).is_none());
    assert_eq!(emitted(&stats, 10_800, now), 150);
    assert_eq!(emitted(&stats, 0, now), 150);
}

#[test]
fn totals_of_hours_heard_at_once_do_not_count_as_the_last_ten_minutes() {
    let mut stats = Stats::default();
    stats.take(&spec(), &beat(7, vec![spout(5_000_000, 0, 7_200)]), T0);
    assert!(window(&stats, 600, "s", T0).is_none());
    let three_hours = window(&stats, 10_800, "s", T0).expect("shorter than three hours");
    assert_eq!(three_hours.outputs[0].emitted, 5_000_000);
    let infos = stats.executors("a-1", &assignment(), true, T0);
    assert_eq!(infos[0].emitted_rate, 0.0);
    assert_eq!(infos[0].windows.len(), 3);
}

#[test]
fn a_move_adds_the_new_life_to_the_old_one_even_when_both_report_for_a_while() {
    let mut stats = Stats::default();
    stats.take(&spec(), &beat(7, vec![spout(100, 100, 9)]), T0);
    stats.take(&spec(), &beat(8, vec![spout(10, 10, 0)]), T0 + 1_000);
    stats.take(&spec(), &beat(7, vec![spout(105, 105, 10)]), T0 + 1_100);
    stats.take(&spec(), &beat(8, vec![spout(30, 30, 1)]), T0 + 2_000);
    let s = window(&stats, 0, "s", T0 + 2_000).expect("all time");
    assert_eq!((s.outputs[0].emitted, s.spout_acked), (135, 135));
}

#[test]
fn a_rebalance_leaves_the_counts_with_the_component() {
    let mut stats = Stats::default();
    stats.take(&spec(), &beat(7, vec![bolt(2, 40), bolt(3, 60)]), T0);
    let mut one = spec();
    one.components[1].parallelism = 1;
    let mut both = bolt(2, 5);
    both.executor = Some(pb::Executor {
        first_task: 2,
        last_task: 3,
    });
    stats.take(&one, &beat(9, vec![both]), T0 + 1_000);
    let b = window(&stats, 0, "b", T0 + 1_000).expect("all time");
    assert_eq!(b.inputs[0].executed, 105);
    assert_eq!(b.execute_ms, 0.5);
}

#[test]
fn what_the_topology_does_not_have_is_refused_and_counted() {
    let mut stats = Stats::default();
    let mut liar = bolt(2, 40);
    liar.component = "s".into();
    stats.take(&spec(), &beat(7, vec![bolt(9, 1), liar]), T0);
    assert_eq!((stats.beats, stats.refused), (1, 2));
    assert!(stats.windows("a-1", T0).is_empty());
}

#[test]
fn errors_are_kept_once_and_not_for_ever() {
    let mut stats = Stats::default();
    let error = |n: u64| pb::ComponentError {
        component: "b".into(),
        time_ms: T0 + n,
        error: "é".repeat(5_000),
        ..Default::default()
    };
    for n in 0..ERRORS_KEPT as u64 + 5 {
        let mut b = beat(7, Vec::new());
        b.errors = vec![error(n), error(n)];
        stats.take(&spec(), &b, T0 + n);
    }
    let kept = stats.errors("a-1");
    assert_eq!(kept.len(), ERRORS_KEPT);
    assert_eq!(kept[0].time_ms, T0 + 5);
    assert!(kept[0].error.len() <= 4_100, "{}", kept[0].error.len());
    stats.forget("a-1");
    assert!(stats.errors("a-1").is_empty());
}

#[test]
fn a_component_that_cannot_be_opened_is_told_until_it_is_open() {
    let mut stats = Stats::default();
    let mut bad = beat(1, vec![bolt(2, 0)]);
    bad.errors = vec![pb::ComponentError {
        component: "b".into(),
        task: 2,
        error: "cannot be opened: no broker answers".into(),
        ..Default::default()
    }];
    stats.take(&spec(), &bad, 1_000);
    // The error is told once, and holds until the executor is open.
    stats.take(&spec(), &beat(1, vec![bolt(2, 0)]), 2_000);
    let why = stats.unopened("a-1").expect("is not open");
    assert!(
        why.contains("executors of \"b\"") && why.contains("no broker answers"),
        "{why}"
    );
    let mut open = beat(1, vec![bolt(2, 0)]);
    open.running = vec![pb::Executor {
        first_task: 2,
        last_task: 2,
    }];
    stats.take(&spec(), &open, 3_000);
    assert_eq!(stats.unopened("a-1"), None);
}
