//! Two workers joined by loopback TCP: the spouts in one, the last bolts in the other, one core each.
//!
//! Both live in this process; between them is what is between two processes: frames over a socket.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fulmar::prelude::*;
use fulmar_api::spec::ComponentKind;
use fulmar_engine::net::Net;
use fulmar_engine::outbox::Placement;
use fulmar_engine::worker::bit_of;
use fulmar_engine::{Worker, WorkerOptions};
use tokio::runtime::{Handle, Runtime};

/// The running pair; dropping it ends both.
pub struct Pair {
    spouts: Worker,
    _bolts: Worker,
    _nets: [Arc<Net>; 2],
    // Last: the links end before the threads that serve them.
    _runtimes: [Runtime; 2],
}

impl Pair {
    /// Starts the topology and waits until both are linked and open.
    ///
    /// # Errors
    /// A thread or a socket cannot be made, or they do not find each other in 30 s.
    pub fn submit(topology: Topology) -> anyhow::Result<Self> {
        let runtimes = [runtime()?, runtime()?];
        let mut owners = vec![0];
        for c in &topology.spec.components {
            let owner = if c.kind == ComponentKind::Spout { 1 } else { 2 };
            owners.extend(std::iter::repeat_n(owner, c.tasks as usize));
        }
        let (mut spouts, net, at) = worker(topology.clone(), 1, runtimes[0].handle())?;
        let (mut bolts, other, beside) = worker(topology, 2, runtimes[1].handle())?;
        let peers = [(1, at), (2, beside)];
        place(&mut bolts, &other, 2, &owners, &peers)?;
        place(&mut spouts, &net, 1, &owners, &peers)?;
        let end = Instant::now() + Duration::from_secs(30);
        let open = |w: &Worker| w.tasks().all(|t| w.shared().ready.contains_key(&t));
        while !(net.connected() && other.connected() && open(&spouts) && open(&bolts)) {
            anyhow::ensure!(Instant::now() < end, "two workers not linked in 30 s");
            std::thread::park_timeout(Duration::from_millis(2));
        }
        spouts.set_active(true);
        Ok(Self {
            spouts,
            _bolts: bolts,
            _nets: [net, other],
            _runtimes: runtimes,
        })
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.spouts.set_active(false);
    }
}

/// One thread for the sockets of each, as a worker has it.
fn runtime() -> std::io::Result<Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().build()
}

fn worker(
    topology: Topology,
    incarnation: u64,
    handle: &Handle,
) -> anyhow::Result<(Worker, Arc<Net>, String)> {
    let topology_id = format!("{}-1", topology.spec.name);
    let options = WorkerOptions {
        cores: 1,
        topology_id: topology_id.clone(),
        port: 0,
        dir: ".".into(),
        incarnation,
    };
    let worker = Worker::start(topology, options)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let shared = worker.shared().clone();
    let net = Net::start(handle, listener, shared, topology_id, incarnation)?;
    Ok((worker, net, address))
}

fn place(
    worker: &mut Worker,
    net: &Arc<Net>,
    me: u64,
    owners: &[u64],
    peers: &[(u64, String)],
) -> Result<()> {
    worker.place(Placement {
        bits: owners.iter().map(|o| bit_of(*o)).collect(),
        local: owners.iter().map(|o| *o == me).collect(),
    });
    net.place(owners.to_vec(), peers);
    for (task, owner) in owners.iter().enumerate().skip(1) {
        if *owner == me {
            worker.start_task(task as TaskId, false)?;
        }
    }
    Ok(())
}
