//! The inside of one worker: its cores, and the tasks placed on them.
//!
//! Whoever decides what runs here (a local cluster, or Nimbus through the worker's shell) calls this;
//! nothing here speaks to the network.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam::channel;
use fulmar_api::context::{SharedResources, TaskContext};
use fulmar_api::grouping::GroupingFactory;
use fulmar_api::topology::Topology;
use fulmar_api::{Config, Error, Result, TaskId};

use crate::adopt::watch;
use crate::core::Core;
use crate::limits::SPARE_CORES;
use crate::outbox::{Outbox, Placement};
use crate::plan::Plan;
use crate::shared::{CoreHandle, Msg, NOWHERE, Services, Shared, lock};
use crate::spread::spread;
use crate::stats::TaskStats;
use crate::task::NewTask;

/// What a worker needs to know to start.
pub struct WorkerOptions {
    /// Event-loop threads; components that block get more.
    pub cores: usize,
    /// Id of the topology.
    pub topology_id: String,
    /// Slot port; 0 in a local cluster.
    pub port: u16,
    /// A folder of the worker's own.
    pub dir: PathBuf,
    /// This worker's incarnation.
    pub incarnation: u64,
}

/// A running worker.
pub struct Worker {
    shared: Arc<Shared>,
    topology: Topology,
    groupings: Arc<HashMap<String, GroupingFactory>>,
    options: WorkerOptions,
    resources: Arc<SharedResources>,
    watch: Option<JoinHandle<()>>,
    /// Task → core, of the tasks that are here.
    here: BTreeMap<TaskId, usize>,
    placement: Arc<Placement>,
    active: bool,
    starts: AtomicU64,
}

/// The bit that stands for an incarnation in ledgers.
pub fn bit_of(incarnation: u64) -> u64 {
    1 << (incarnation % 64)
}

impl Worker {
    /// Starts the cores; no task runs yet, and spouts are inactive.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(topology: Topology, options: WorkerOptions) -> Result<Self> {
        let plan = Arc::new(Plan::new(Arc::new(topology.spec.clone())));
        let blocking: usize = topology
            .spec
            .components
            .iter()
            .filter(|c| c.blocking)
            .map(|c| c.tasks as usize)
            .sum();
        let count = options.cores.max(1) + blocking;
        let (handles, mut receivers): (Vec<_>, Vec<_>) = (0..count + SPARE_CORES)
            .map(|_| channel::unbounded())
            .map(|(tx, rx)| (CoreHandle::new(tx), rx))
            .unzip();
        let spare = (count..).zip(receivers.split_off(count)).collect();
        let shared = Arc::new(Shared::new(plan, handles, count));
        *lock(&shared.spare) = spare;
        for (index, rx) in receivers.into_iter().enumerate() {
            let core = Core::new(index, shared.clone(), rx);
            let thread = thread(format!("fulmar-core-{index}"), move || core.run())?;
            lock(&shared.threads).push(thread);
        }
        let watched = shared.clone();
        let watch = thread("fulmar-watch".to_owned(), move || watch(&watched))?;
        let placement = Arc::new(Placement {
            bits: vec![0; topology.spec.task_ranges().last().map_or(0, |r| r.1) as usize + 1],
            local: vec![false; topology.spec.task_ranges().last().map_or(0, |r| r.1) as usize + 1],
        });
        Ok(Self {
            shared,
            groupings: Arc::new(topology.groupings.clone()),
            topology,
            options,
            resources: Arc::default(),
            watch: Some(watch),
            here: BTreeMap::new(),
            placement,
            active: false,
            starts: AtomicU64::new(0),
        })
    }

    /// What the cores share: counts, errors, the way to tasks.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Tells every task who owns what now.
    pub fn place(&mut self, placement: Placement) {
        self.placement = Arc::new(placement);
        let cores = spread(
            &self.shared.plan,
            &self.placement,
            self.options.cores.max(1),
        );
        for (task, planned) in self.shared.planned.iter().enumerate() {
            let task = task as TaskId;
            let core = self.here.get(&task).copied();
            let core = core.or_else(|| cores.get(&task).copied());
            planned.store(core.map_or(NOWHERE, |c| c as u32), Ordering::Relaxed);
        }
        self.shared.broadcast(|| Msg::Place(self.placement.clone()));
    }

    /// Starts a task here. `standby` opens it without giving it the floor.
    ///
    /// # Errors
    /// There is no such task, or its component has no code in this program.
    pub fn start_task(&mut self, task: TaskId, standby: bool) -> Result<()> {
        if self.here.contains_key(&task) {
            if !standby {
                self.shared.cores[self.here[&task]].send(Msg::Run(task));
                self.own(task, self.here[&task]);
            }
            return Ok(());
        }
        let spec = self.shared.plan.spec.clone();
        let (component, _) = spec
            .component_of(task)
            .ok_or_else(|| Error::msg(format!("there is no task {task}")))?;
        let factory = self
            .topology
            .factories
            .get(&component.id)
            .cloned()
            .ok_or_else(|| {
                Error::msg(format!(
                    "component \"{}\" has no code in this program: submit it again",
                    component.id
                ))
            })?;
        let core = self.choose_core(component.blocking, task);
        let services = Arc::new(Services {
            shared: self.shared.clone(),
            task,
            component: component.id.clone(),
            core,
        });
        let context = TaskContext::new(
            spec.clone(),
            self.options.topology_id.clone(),
            task,
            self.options.port,
            self.options.dir.clone(),
            self.resources.clone(),
            services,
        );
        let conf: Config = context.conf();
        let life = self.starts.fetch_add(1, Ordering::Relaxed);
        let seed = self.options.incarnation ^ (life << 32);
        let new = NewTask {
            factory,
            conf,
            context,
            outbox: Outbox::new(self.shared.plan.clone(), task, seed).with(self.groupings.clone()),
            standby,
            active: self.active,
            // 2^40 roots each life: what is on its way to an earlier life of the task finds nothing.
            first_root: (self.options.incarnation << 44) | (life << 40),
        };
        self.here.insert(task, core);
        self.shared.cores[core].send(Msg::Start(Box::new(new)));
        if !standby {
            self.own(task, core);
        }
        Ok(())
    }

    /// Ends a task here.
    pub fn stop_task(&mut self, task: TaskId) {
        if let Some(core) = self.here.remove(&task) {
            self.own(task, NOWHERE as usize);
            self.shared.cores[core].send(Msg::Stop(task));
        }
    }

    /// Tasks that are here, standby ones included.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.here.keys().copied()
    }

    /// Activates or deactivates the spouts.
    pub fn set_active(&mut self, active: bool) {
        self.active = active;
        self.shared.broadcast(|| Msg::Active(active));
    }

    /// These incarnations are lost: what touched them fails at once.
    pub fn lost(&self, bits: u64) {
        self.shared.broadcast(|| Msg::Lost(bits));
    }

    /// Newest counts of each task, up to a second old.
    pub fn stats(&self) -> Vec<(TaskId, TaskStats)> {
        lock(&self.shared.stats)
            .iter()
            .map(|(t, s)| (*t, s.clone()))
            .collect()
    }

    /// From now on what is for the task goes to this core; its start is ahead in the core's channel.
    fn own(&self, task: TaskId, core: usize) {
        self.shared.core_of[task as usize].store(core as u32, Ordering::Release);
    }

    /// The core that the placement means for the task; a component that blocks gets a core of its own.
    fn choose_core(&self, blocking: bool, task: TaskId) -> usize {
        let plain = self.options.cores.max(1);
        if !blocking && let Some(core) = self.shared.planned(task) {
            return core;
        }
        let load = |core: usize| self.here.values().filter(|c| **c == core).count();
        let range = if blocking {
            plain..self.shared.first_cores()
        } else {
            0..plain
        };
        range
            .min_by_key(|core| load(*core))
            .unwrap_or(task as usize % plain)
    }
}

fn thread(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name).spawn(run);
    thread.map_err(Error::author)
}

impl Drop for Worker {
    /// Ends every task (spouts close, bolts clean up) and waits for the cores.
    fn drop(&mut self) {
        self.shared.end();
        if let Some(watch) = self.watch.take() {
            watch.thread().unpark();
            let _ = watch.join();
        }
        loop {
            let next = lock(&self.shared.threads).pop();
            let Some(thread) = next else { break };
            // A core catches what author code throws; one that panicked all the same has said so.
            let _ = thread.join();
        }
    }
}
