//! Nimbus, supervisors and workers as processes: the life of a topology, and deaths that lose nothing.

use std::collections::BTreeSet;
use std::path::Path;

use fulmar_tests::cluster::{Cluster, LONG};
use fulmar_tests::process::example;
use fulmar_tests::wait::wait_until;

/// Numbers that were written, each at least once.
fn written(dir: &Path) -> BTreeSet<u64> {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let text = files.map(|f| std::fs::read_to_string(f.path()).unwrap_or_default());
    text.flat_map(|t| t.lines().filter_map(|l| l.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Submits the journal with two workers and waits until all of it runs; answers its folder.
fn submit(cluster: &Cluster, limit: u64, rate: u64) -> std::path::PathBuf {
    let dir = cluster.dir.path().join("journal");
    std::fs::create_dir_all(&dir).expect("a folder");
    let program = example("journal").display().to_string();
    let conf = [
        format!("journal.dir={}", dir.display()),
        format!("journal.limit={limit}"),
        format!("journal.rate={rate}"),
    ];
    let mut args = vec![
        "submit",
        &program,
        "--wait",
        "60s",
        "-c",
        "topology.workers=2",
    ];
    conf.iter().for_each(|c| args.extend(["-c", c]));
    cluster.json(&args);
    wait_until("the first number", LONG, || !written(&dir).is_empty());
    dir
}

#[test]
fn a_topology_lives_and_ends() {
    let cluster = Cluster::start(2);
    let dir = submit(&cluster, 1_000_000, 2_000);
    let list = cluster.json(&["list"]);
    assert_eq!(list["topologies"][0]["status"], "ACTIVE");
    assert_eq!(list["topologies"][0]["health"], "ok");
    assert_eq!(cluster.workers().len(), 2);

    let again = cluster.run(&["submit", &example("journal").display().to_string()]);
    assert_eq!(
        again.status.code(),
        Some(4),
        "{}",
        String::from_utf8_lossy(&again.stderr)
    );
    assert!(String::from_utf8_lossy(&again.stderr).contains("journal"));

    cluster.json(&["deactivate", "journal"]);
    let mut before = usize::MAX;
    wait_until("quiet spouts", LONG, || {
        let now = written(&dir).len();
        std::mem::replace(&mut before, now) == now
    });
    cluster.json(&["activate", "journal"]);
    wait_until("numbers again", LONG, || written(&dir).len() > before);

    cluster.json(&["kill", "journal", "-w", "0"]);
    wait_until("the workers' end", LONG, || cluster.workers().is_empty());
    wait_until("an empty list", LONG, || {
        cluster.json(&["list"])["topologies"]
            .as_array()
            .is_some_and(Vec::is_empty)
    });
    let gone = cluster.run(&["kill", "journal"]);
    assert_eq!(
        gone.status.code(),
        Some(3),
        "{}",
        String::from_utf8_lossy(&gone.stderr)
    );
}

#[test]
fn a_worker_that_dies_is_started_again_and_nothing_is_lost() {
    let cluster = Cluster::start(2);
    let dir = submit(&cluster, 6_000, 2_000);
    let before = cluster.workers();
    let victim = *before.keys().next().expect("a worker");
    cluster.kill_worker(victim);
    wait_until("every number", LONG, || written(&dir).len() == 6_000);
    wait_until("two workers", LONG, || cluster.workers().len() == 2);
    assert!(!cluster.workers().contains_key(&victim));
}

#[test]
fn a_machine_that_vanishes_costs_nothing() {
    let mut cluster = Cluster::start(3);
    let dir = submit(&cluster, 8_000, 2_000);
    let node = *cluster.workers().values().next().expect("a worker");
    cluster.lose_node(node);
    wait_until("every number", LONG, || written(&dir).len() == 8_000);
    assert!(cluster.workers().values().all(|n| *n != node));
}

#[test]
fn nimbus_may_die_and_come_back_without_anybody_noticing() {
    let mut cluster = Cluster::start(2);
    let dir = submit(&cluster, 1_000_000, 1_000);
    let workers = cluster.workers();
    cluster.nimbus.kill_9();
    let without = written(&dir).len();
    wait_until("work without Nimbus", LONG, || {
        written(&dir).len() > without + 500
    });
    cluster.restart_nimbus();
    wait_until("Nimbus to know its workers", LONG, || {
        cluster.json(&["list"])["topologies"][0]["health"] == "ok"
    });
    let after = written(&dir).len();
    wait_until("work with it", LONG, || written(&dir).len() > after + 500);
    assert_eq!(
        cluster.workers(),
        workers,
        "no worker was restarted or moved"
    );
}

#[test]
fn a_supervisor_may_die_and_adopts_its_workers() {
    let mut cluster = Cluster::start(2);
    let dir = submit(&cluster, 1_000_000, 1_000);
    let workers = cluster.workers();
    let node = *workers.values().next().expect("a worker");
    cluster.nodes[node].process.kill_9();
    let without = written(&dir).len();
    wait_until("work without it", LONG, || {
        written(&dir).len() > without + 500
    });
    cluster.restart_supervisor(node);
    let after = written(&dir).len();
    wait_until("work with it", LONG, || written(&dir).len() > after + 3_500);
    assert_eq!(
        cluster.workers(),
        workers,
        "no worker was restarted or moved"
    );
}

#[test]
fn a_termination_warning_moves_the_work_before_the_machine_goes() {
    let cluster = Cluster::start(3);
    let dir = submit(&cluster, 12_000, 2_000);
    let node = *cluster.workers().values().next().expect("a worker");
    let deadline = std::time::SystemTime::now() + std::time::Duration::from_secs(120);
    let deadline = deadline
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_millis();
    let notice = format!(r#"{{"kind":"sentence","deadline_ms":{deadline}}}"#);
    let (file, half) = (cluster.notice_file(node), cluster.dir.path().join("half"));
    std::fs::write(&half, notice).expect("writes");
    std::fs::rename(&half, &file).expect("renames");
    wait_until("the node to be drained", LONG, || {
        cluster.events().iter().any(|e| e == "drained")
    });
    wait_until("every number", LONG, || written(&dir).len() == 12_000);
    wait_until("no worker there", LONG, || {
        cluster.workers().values().all(|n| *n != node)
    });
    let events = cluster.events();
    let at = |kind: &str| events.iter().position(|e| e == kind).unwrap_or(usize::MAX);
    assert!(
        at("notice") < at("switched") && at("switched") < at("drained"),
        "{events:?}"
    );
}
