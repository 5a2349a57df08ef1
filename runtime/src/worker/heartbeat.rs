//! What a worker tells Nimbus every second, and more often while something moves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fulmar_api::TaskId;
use fulmar_api::worker_file::WorkerFile;
use fulmar_engine::net::Net;
use fulmar_engine::shared::{ReportedError, Shared, lock};
use fulmar_engine::stats::TaskStats;
use fulmar_proto::nimbus as pb;
use tonic::Code;

use super::watch::Watch;

const CALM: Duration = Duration::from_secs(1);
const MOVING: Duration = Duration::from_millis(100);
/// Errors kept while Nimbus is away.
const ERRORS_MOST: usize = 256;

/// The worker's heart.
pub struct Heart {
    file: WorkerFile,
    shared: Arc<Shared>,
    net: Arc<Net>,
    watch: Arc<Watch>,
    assigned: Mutex<Assigned>,
    /// Not told yet.
    errors: Mutex<Vec<ReportedError>>,
    lost: Mutex<Vec<u64>>,
    started: Instant,
}

#[derive(Default)]
struct Assigned {
    run: Vec<pb::Executor>,
    standby: Vec<pb::Executor>,
}

impl Heart {
    /// The heart of a worker that has just started.
    pub fn new(file: WorkerFile, shared: Arc<Shared>, net: Arc<Net>, watch: Arc<Watch>) -> Self {
        Self {
            file,
            shared,
            net,
            watch,
            assigned: Mutex::default(),
            errors: Mutex::default(),
            lost: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// A newer assignment was adopted.
    pub fn assigned(&self, a: &pb::Assignment) {
        let mine = |list: &[pb::ExecutorAssignment]| {
            let of_me = |e: &&pb::ExecutorAssignment| {
                let worker = a.workers.get(e.worker as usize);
                worker.is_some_and(|w| w.incarnation == self.file.incarnation)
            };
            list.iter()
                .filter(of_me)
                .filter_map(|e| e.executor)
                .collect()
        };
        *lock(&self.assigned) = Assigned {
            run: mine(&a.executors),
            standby: mine(&a.standby),
        };
    }

    /// Whether everything assigned is open.
    pub fn is_ready(&self) -> bool {
        lock(&self.assigned).run.iter().all(|e| self.open(e))
    }

    /// Counts of every task, for metrics.
    pub fn stats(&self) -> Vec<(TaskId, TaskStats)> {
        lock(&self.shared.stats)
            .iter()
            .map(|(t, s)| (*t, s.clone()))
            .collect()
    }

    /// Tuples on their way to each task, those for other workers that were not confirmed as executed included.
    pub fn queued(&self) -> Vec<usize> {
        let load =
            |q: &std::sync::atomic::AtomicUsize| q.load(std::sync::atomic::Ordering::Relaxed);
        self.shared.queued.iter().map(load).collect()
    }

    /// Tuples dropped, by reason.
    pub fn dropped(&self) -> Vec<(&'static str, u64)> {
        self.shared
            .dropped
            .iter()
            .map(|e| (*e.key(), *e.value()))
            .collect()
    }

    /// What authors count: component, name, count.
    pub fn counters(&self) -> Vec<(String, &'static str, u64)> {
        let count = |n: &std::sync::atomic::AtomicU64| n.load(std::sync::atomic::Ordering::Relaxed);
        let all = self.shared.counters.iter();
        let mut all: Vec<_> = all
            .map(|e| (e.key().0.clone(), e.key().1, count(e.value())))
            .collect();
        all.sort_unstable();
        all
    }

    /// Beats for as long as the process lives.
    pub async fn run(self: Arc<Self>) {
        loop {
            let moving = !lock(&self.assigned).standby.is_empty() || !self.is_ready();
            self.beat().await;
            tokio::time::sleep(if moving { MOVING } else { CALM }).await;
        }
    }

    async fn beat(&self) {
        {
            let mut errors = lock(&self.errors);
            errors.extend(self.shared.take_errors());
            let over = errors.len().saturating_sub(ERRORS_MOST);
            errors.drain(..over);
            lock(&self.lost).extend(self.net.take_lost());
        }
        let Some(mut client) = self.watch.client() else {
            return;
        };
        let beat = self.compose();
        let (errors, lost) = (beat.errors.len(), beat.lost_peers.len());
        match tokio::time::timeout(CALM, client.worker_heartbeat(beat)).await {
            Ok(Ok(_)) => {
                lock(&self.errors).drain(..errors);
                lock(&self.lost).drain(..lost);
            }
            Ok(Err(status)) if status.code() == Code::NotFound => self.watch.register_again(),
            // Told again with the next one.
            Ok(Err(_)) | Err(_) => {}
        }
    }

    fn open(&self, e: &pb::Executor) -> bool {
        (e.first_task..=e.last_task).all(|t| self.shared.ready.contains_key(&t))
    }

    fn compose(&self) -> pb::WorkerHeartbeatRequest {
        let (memory_mb, cpu_percent) = usage(self.started.elapsed());
        let assigned = lock(&self.assigned);
        let all = lock(&self.shared.stats).clone();
        let ready = |list: &[pb::Executor]| list.iter().filter(|e| self.open(e)).copied().collect();
        pb::WorkerHeartbeatRequest {
            topology_id: self.file.topology_id.clone(),
            node_id: self.file.node_id.clone(),
            port: self.file.port.into(),
            incarnation: self.file.incarnation,
            version: self.watch.version(),
            running: ready(&assigned.run),
            standby_ready: ready(&assigned.standby),
            stats: assigned
                .run
                .iter()
                .map(|e| self.executor(e, &all))
                .collect(),
            errors: lock(&self.errors).iter().map(|e| self.error(e)).collect(),
            lost_peers: lock(&self.lost).clone(),
            memory_mb,
            cpu_percent,
        }
    }

    fn error(&self, e: &ReportedError) -> pb::ComponentError {
        pb::ComponentError {
            component: e.component.clone(),
            task: e.task,
            time_ms: e.time_ms,
            error: e.error.clone(),
            host: self.file.host.clone(),
            port: self.file.port.into(),
        }
    }

    /// Sums of an executor's tasks; latencies and shares are their averages.
    fn executor(
        &self,
        e: &pb::Executor,
        all: &std::collections::HashMap<TaskId, TaskStats>,
    ) -> pb::ExecutorStats {
        let plan = &self.shared.plan;
        let mut sum = pb::ExecutorStats {
            executor: Some(*e),
            component: plan
                .spec
                .component_of(e.first_task)
                .map_or_else(String::new, |c| c.0.id.clone()),
            uptime_secs: self.started.elapsed().as_secs(),
            ..Default::default()
        };
        let (mut outputs, mut inputs) = (BTreeMap::new(), BTreeMap::new());
        let tasks: Vec<&TaskStats> = (e.first_task..=e.last_task)
            .filter_map(|t| all.get(&t))
            .collect();
        for t in &tasks {
            for (stream, (emitted, transferred)) in &t.outputs {
                let o: &mut (u64, u64) = outputs.entry(stream.clone()).or_default();
                *o = (o.0 + emitted, o.1 + transferred);
            }
            for (edge, (executed, acked, failed)) in &t.inputs {
                let Some(edge) = plan.edges.get(*edge as usize) else {
                    continue;
                };
                let key = (edge.source.component.clone(), edge.source.stream.clone());
                let i: &mut (u64, u64, u64) = inputs.entry(key).or_default();
                *i = (i.0 + executed, i.1 + acked, i.2 + failed);
            }
            sum.spout_acked += t.acked;
            sum.spout_failed += t.failed;
            sum.spout_timed_out += t.timed_out;
            sum.pending += t.pending;
            let n = tasks.len() as f64;
            sum.execute_ms += t.execute_ms / n;
            sum.process_ms += t.execute_ms / n;
            sum.complete_ms += t.complete_ms / n;
            sum.capacity += t.capacity / n;
            sum.queue_fill += t.queue_fill / n;
        }
        let outputs = outputs.into_iter();
        sum.outputs = outputs
            .map(|(stream, (emitted, transferred))| pb::StreamCount {
                stream,
                emitted,
                transferred,
            })
            .collect();
        let inputs = inputs
            .into_iter()
            .map(
                |((component, stream), (executed, acked, failed))| pb::InputCount {
                    component,
                    stream,
                    executed,
                    acked,
                    failed,
                },
            );
        sum.inputs = inputs.collect();
        sum
    }
}

/// Resident memory in MB, and CPU in percent of one core since the start.
fn usage(up: Duration) -> (f64, f64) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let pages: f64 = read("/proc/self/statm")
        .split(' ')
        .nth(1)
        .and_then(|p| p.parse().ok())
        .unwrap_or(0.0);
    let stat = read("/proc/self/stat");
    // Fields 14 and 15 (user and system time in ticks of 10 ms), counted behind the name in brackets.
    let behind = stat.rsplit_once(") ").map_or("", |s| s.1);
    let ticks: f64 = behind
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<f64>().ok())
        .sum();
    (pages * 4096.0 / 1e6, ticks / up.as_secs_f64().max(0.01))
}
