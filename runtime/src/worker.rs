//! A worker process: the author's program, started by a supervisor, doing what Nimbus assigned to it.
//!
//! It binds its slot's port, registers with Nimbus, builds its topology with the configuration that
//! Nimbus holds, and from then on follows the assignment. Without Nimbus it goes on with what it has.

mod assignment;
mod heartbeat;
mod http;
mod watch;

use std::net::{TcpListener, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fulmar_api::topology::Topology;
use fulmar_api::worker_file::WorkerFile;
use fulmar_api::{Config, Error, Result};
use fulmar_engine::net::Net;
use fulmar_engine::{Worker, WorkerOptions};
use fulmar_proto::nimbus as pb;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use assignment::{Changes, Placed};
use heartbeat::Heart;
use watch::Watch;

/// How long tasks may take to close when the worker is told to end.
const CLOSE_MOST: Duration = Duration::from_secs(5);
/// How long peers may take to confirm what this worker sent last.
const RETIRE_MOST: Duration = Duration::from_secs(2);
/// How often the worker looks whether its peers are reached, so that spouts may begin.
const LOOK: Duration = Duration::from_millis(10);

/// Runs as the worker that the file describes, until SIGTERM or SIGINT.
pub fn main(file: WorkerFile, build: impl FnOnce(&Config) -> Result<Topology>) -> ExitCode {
    // A program that has set up its own logging keeps it.
    let _ = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("fulmar-net")
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(run(&file, build));
            runtime.shutdown_timeout(Duration::from_millis(100));
            ended
        }
        Err(e) => Err(Error::author(e)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the worker cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn run(file: &WorkerFile, build: impl FnOnce(&Config) -> Result<Topology>) -> Result<()> {
    let slot = bind(&file.host, file.port)?;
    // Slots above 64535 have no room for an HTTP port; they run without one.
    let http = file
        .port
        .checked_add(1000)
        .map(|p| bind(&file.host, p))
        .transpose()?;
    let signals = |kind| signal(kind).map_err(Error::author);
    let (mut term, mut int) = (
        signals(SignalKind::terminate())?,
        signals(SignalKind::interrupt())?,
    );
    let (tx, mut assignments) = mpsc::channel(16);
    let watch = Arc::new(Watch::new(file.clone()));
    tokio::spawn(watch.clone().run(tx));
    let first = tokio::select! {
        first = assignments.recv() => first,
        _ = term.recv() => return Ok(()),
        _ = int.recv() => return Ok(()),
    };
    let Some(first) = first else { return Ok(()) };
    let mut shell = Shell::start(file, build, &first, slot, watch)?;
    if let Some(listener) = http {
        http::serve(listener, shell.heart.clone())?;
    }
    shell.apply(first);
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(assignment) = assignments.recv() => shell.apply(assignment),
            _ = look.tick() => shell.look(),
            _ = term.recv() => break,
            _ = int.recv() => break,
        }
    }
    shell.end().await;
    Ok(())
}

/// Binds, or says what to do.
fn bind(host: &str, port: u16) -> Result<TcpListener> {
    let address = (host, port)
        .to_socket_addrs()
        .ok()
        .and_then(|mut a| a.next());
    let address = address.ok_or_else(|| {
        Error::msg(format!(
            "the host \"{host}\" of this node has no address: set supervisor.host"
        ))
    })?;
    TcpListener::bind(address).map_err(|e| {
        Error::msg(format!(
            "port {port} of {host}: {e}; another process holds it: end it, or take another port in supervisor.slots.ports"
        ))
    })
}

struct Shell {
    worker: Worker,
    net: Arc<Net>,
    placed: Placed,
    heart: Arc<Heart>,
    watch: Arc<Watch>,
    want_active: bool,
    active: bool,
}

impl Shell {
    fn start(
        file: &WorkerFile,
        build: impl FnOnce(&Config) -> Result<Topology>,
        first: &pb::Assignment,
        slot: TcpListener,
        watch: Arc<Watch>,
    ) -> Result<Self> {
        let conf = Config::from_json(&first.json_conf)?;
        let mut topology = build(&conf)?;
        let hash = topology.spec.graph_hash();
        if hash != file.graph_hash {
            return Err(Error::msg(format!(
                "this program's graph ({hash}) is not the one that was submitted ({}): submit it again",
                file.graph_hash
            )));
        }
        // Parallelism as rebalances left it.
        topology.spec = serde_json::from_str(&first.json_topology).map_err(Error::author)?;
        topology.spec.conf.merge(&conf);
        let cores = conf.int_or("topology.worker.cores", 1)?.max(1) as usize;
        let options = WorkerOptions {
            cores,
            topology_id: file.topology_id.clone(),
            port: file.port,
            dir: file.dir.clone(),
            incarnation: file.incarnation,
        };
        let worker = Worker::start(topology, options)?;
        let handle = tokio::runtime::Handle::current();
        let (shared, id) = (worker.shared().clone(), file.topology_id.clone());
        let net = Net::start(&handle, slot, shared.clone(), id, file.incarnation)
            .map_err(Error::author)?;
        let heart = Arc::new(Heart::new(file.clone(), shared, net.clone(), watch.clone()));
        tokio::spawn(heart.clone().run());
        let placed = Placed::new(file.incarnation);
        Ok(Self {
            worker,
            net,
            placed,
            heart,
            watch,
            want_active: false,
            active: false,
        })
    }

    /// Does what a newer assignment asks.
    fn apply(&mut self, assignment: pb::Assignment) {
        let tasks = self.worker.shared().queued.len();
        let Some(changes) = self.placed.adopt(&assignment, tasks) else {
            return;
        };
        tracing::info!(version = assignment.version, run = ?changes.run, standby = ?changes.standby, "assignment");
        self.watch.adopted(assignment.version);
        let Changes {
            owners,
            placement,
            peers,
            run,
            standby,
            active,
            lost,
        } = changes;
        self.net.place(owners, &peers);
        self.net.declare_lost(&lost);
        self.worker.place(placement);
        let gone: Vec<_> = self
            .worker
            .tasks()
            .filter(|t| !run.contains(t) && !standby.contains(t))
            .collect();
        gone.into_iter().for_each(|t| self.worker.stop_task(t));
        // From the last to the first: bolts are there before the spouts that feed them.
        let all = standby
            .iter()
            .map(|t| (*t, true))
            .chain(run.iter().rev().map(|t| (*t, false)));
        for (task, standby) in all {
            if let Err(error) = self.worker.start_task(task, standby) {
                self.worker.shared().report("", task, error.to_string());
            }
        }
        self.want_active = active;
        if !active && self.active {
            self.active = false;
            self.worker.set_active(false);
        }
        self.heart.assigned(&assignment);
        self.look();
    }

    /// Spouts begin when every task has an owner and every owner is reached.
    fn look(&mut self) {
        if self.want_active && !self.active && self.net.connected() {
            self.active = true;
            self.worker.set_active(true);
        }
    }

    /// Closes the tasks, lets the last frames arrive and says goodbye.
    async fn end(self) {
        let Self { worker, net, .. } = self;
        tracing::info!("the worker ends");
        let closed = tokio::task::spawn_blocking(move || drop(worker));
        if tokio::time::timeout(CLOSE_MOST, closed).await.is_err() {
            tracing::warn!("tasks did not close within {CLOSE_MOST:?}");
        }
        net.retire(RETIRE_MOST).await;
    }
}
