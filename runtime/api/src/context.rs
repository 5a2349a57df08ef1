//! What a task knows about itself and its topology: Storm's TopologyContext.

use std::any::Any;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::TaskId;
use crate::config::Config;
use crate::error::Error;
use crate::spec::TopologySpec;
use crate::token::AckToken;

/// What the engine offers a task beyond plain data.
pub trait TaskServices: Send + Sync {
    /// Makes the executor look at this task soon, from any thread.
    fn wake(&self);
    /// Settles a kept token on the task's executor, from any thread.
    fn settle(&self, token: AckToken, ok: bool);
    /// Shows an error on the page and in the log, throttled as in Storm.
    fn report_error(&self, error: &Error);
    /// Adds to a counter of the task.
    fn count(&self, name: &'static str, n: u64);
    /// Sets a gauge of the task.
    fn gauge(&self, name: &'static str, value: f64);
    /// Records a value of a histogram of the task.
    fn record(&self, name: &'static str, value: f64);
}

/// Given to `open` and `prepare`; cheap to clone and keep.
#[derive(Clone)]
pub struct TaskContext {
    /// Description of the whole topology.
    pub topology: Arc<TopologySpec>,
    /// Id of the topology, for example `wifi-1-1764000000`.
    pub topology_id: String,
    /// Component of this task.
    pub component: String,
    /// This task's id.
    pub task: TaskId,
    /// Position of this task among its component's tasks, from 0.
    pub task_index: usize,
    /// Port of the worker's slot; 0 in a local cluster.
    pub worker_port: u16,
    /// A folder of the worker's own.
    pub worker_dir: PathBuf,
    /// Resources shared by the tasks of this worker, by name.
    pub shared: Arc<SharedResources>,
    services: Arc<dyn TaskServices>,
}

/// Resources that tasks of one worker share, such as a client.
#[derive(Default)]
pub struct SharedResources {
    map: Mutex<HashMap<String, Arc<dyn Any + Send + Sync>>>,
}

impl SharedResources {
    /// The resource of this name, made by `make` if it is not there yet.
    pub fn get_or_make<T: Any + Send + Sync>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Arc<T>, Error>,
    ) -> Result<Arc<T>, Error> {
        let mut map = self
            .map
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(found) = map.get(name) {
            return found.clone().downcast::<T>().map_err(|_| {
                Error::msg(format!(
                    "shared resource \"{name}\" is of another type; choose another name"
                ))
            });
        }
        let made = make()?;
        map.insert(name.to_owned(), made.clone());
        Ok(made)
    }
}

impl TaskContext {
    /// Makes a context; for engines and test collectors.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        topology: Arc<TopologySpec>,
        topology_id: String,
        task: TaskId,
        worker_port: u16,
        worker_dir: PathBuf,
        shared: Arc<SharedResources>,
        services: Arc<dyn TaskServices>,
    ) -> Self {
        let (component, task_index) = topology
            .component_of(task)
            .map_or((String::new(), 0), |(c, i)| (c.id.clone(), i));
        Self {
            topology,
            topology_id,
            component,
            task,
            task_index,
            worker_port,
            worker_dir,
            shared,
            services,
        }
    }

    /// Number of tasks of this task's component.
    pub fn tasks_of_component(&self) -> usize {
        self.topology.tasks_of(&self.component).len()
    }

    /// This component's configuration: the topology's with the component's overrides.
    pub fn conf(&self) -> Config {
        let mut conf = self.topology.conf.clone();
        if let Some(component) = self.topology.component(&self.component) {
            conf.merge(&component.conf);
        }
        conf
    }

    /// Wakes this task from a thread of its own: an idle spout is asked again, a bolt's `woken` is
    /// called.
    pub fn waker(&self) -> Waker {
        Waker(self.services.clone())
    }

    /// Settles kept tokens from any thread.
    pub fn completions(&self) -> Completions {
        Completions(self.services.clone())
    }

    /// Shows an error of this task on the page and in the log, throttled as in Storm.
    pub fn report_error(&self, error: &Error) {
        self.services.report_error(error);
    }

    /// Adds to a counter of this task; it reaches `/metrics`.
    pub fn count(&self, name: &'static str, n: u64) {
        self.services.count(name, n);
    }

    /// Sets a gauge of this task; it reaches `/metrics`.
    pub fn gauge(&self, name: &'static str, value: f64) {
        self.services.gauge(name, value);
    }

    /// Records a value in a histogram of this task; it reaches `/metrics`.
    pub fn record(&self, name: &'static str, value: f64) {
        self.services.record(name, value);
    }
}

/// Wakes one task.
#[derive(Clone)]
pub struct Waker(Arc<dyn TaskServices>);

impl Waker {
    /// Makes the executor look at the task soon.
    pub fn wake(&self) {
        self.0.wake();
    }
}

/// Settles kept tokens of one task, from any thread, each on the task's own executor.
#[derive(Clone)]
pub struct Completions(Arc<dyn TaskServices>);

impl Completions {
    /// Acks a kept input.
    pub fn ack(&self, token: AckToken) {
        self.0.settle(token, true);
    }

    /// Fails a kept input.
    pub fn fail(&self, token: AckToken) {
        self.0.settle(token, false);
    }
}
