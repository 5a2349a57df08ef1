//! `LocalCluster`: a topology in this process, for tests and laptops (Storm's LocalCluster).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fulmar_api::topology::Topology;
use fulmar_api::{Error, Result};
use fulmar_engine::outbox::Placement;
use fulmar_engine::shared::ReportedError;
use fulmar_engine::stats::TaskStats;
use fulmar_engine::worker::bit_of;
use fulmar_engine::{Worker, WorkerOptions};

/// A topology that runs in this process. Dropping it ends it: spouts close, bolts clean up.
pub struct LocalCluster {
    worker: Worker,
}

impl LocalCluster {
    /// Starts a topology on this many event-loop threads, active.
    ///
    /// # Errors
    /// A thread cannot be started, or a component has no code.
    pub fn submit(topology: Topology, cores: usize) -> Result<Self> {
        let (tasks, name) = (
            topology.spec.executors().last().map_or(0, |e| e.1),
            topology.spec.name.clone(),
        );
        let options = WorkerOptions {
            cores,
            topology_id: format!("{name}-local"),
            port: 0,
            dir: PathBuf::from("."),
            incarnation: 1,
        };
        let mut worker = Worker::start(topology, options)?;
        worker.place(Placement::all_local(tasks as usize, bit_of(1)));
        // From the last component to the first, so that nobody emits to a task that is not there.
        for task in (1..=tasks).rev() {
            worker.start_task(task, false)?;
        }
        let mut cluster = Self { worker };
        cluster.wait_until(Duration::from_secs(30), |w| {
            (1..=tasks).all(|t| w.shared().ready.contains_key(&t))
        })?;
        cluster.worker.set_active(true);
        Ok(cluster)
    }

    /// Spouts emit again.
    pub fn activate(&mut self) {
        self.worker.set_active(true);
    }

    /// Spouts stop emitting; what is under way finishes.
    pub fn deactivate(&mut self) {
        self.worker.set_active(false);
    }

    /// Waits for a condition.
    ///
    /// # Errors
    /// It is not met in time; the message holds the errors that components reported.
    pub fn wait_until(
        &self,
        most: Duration,
        mut condition: impl FnMut(&Worker) -> bool,
    ) -> Result<()> {
        let end = Instant::now() + most;
        while !condition(&self.worker) {
            if Instant::now() > end {
                let errors: Vec<_> = self.errors().into_iter().map(|e| e.error).collect();
                return Err(Error::msg(format!(
                    "not met within {most:?}; reported: {errors:?}"
                )));
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Counts of all tasks of a component, up to a second old.
    pub fn stats(&self, component: &str) -> Vec<TaskStats> {
        let all = self.worker.stats().into_iter().map(|(_, s)| s);
        all.filter(|s| s.component == component).collect()
    }

    /// Errors that components reported since the last call.
    pub fn errors(&self) -> Vec<ReportedError> {
        self.worker.shared().take_errors()
    }

    /// Tuples dropped, with the reason.
    pub fn dropped(&self) -> Vec<(&'static str, u64)> {
        self.worker
            .shared()
            .dropped
            .iter()
            .map(|e| (*e.key(), *e.value()))
            .collect()
    }
}
