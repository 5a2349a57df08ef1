//! What of a topology is stored, and how the state comes back from it when Nimbus starts again.
//!
//! The workers are stored with it: a Nimbus that knew only the topology would give out an assignment that names nobody
//! until each worker had reported, and whoever took it would cut its links to workers that are well.
//! Pure: no clock, no I/O, no async.

use serde::{Deserialize, Serialize};

use crate::lifecycle;
use crate::limits::{GRACE_MS, NODE_TIMEOUT_MS};
use crate::model::{State, Topology, Worker};
use crate::scheduler::Slot;
use crate::scheduler::policy::Policy;

/// How long a kill or a rebalance waits anew, in milliseconds: when it would have been over is not stored.
const WAIT_MS: u64 = 30_000;

/// A topology as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The topology.
    pub topology: Topology,
    /// Workers that its assignment names.
    pub lives: Vec<Life>,
    /// Incarnations known lost, newest last.
    pub lost: Vec<u64>,
}

/// A worker that had registered when its topology was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Node of its slot.
    pub node: String,
    /// Port of its slot.
    pub port: u16,
    /// Where others reach it.
    pub host: String,
    /// Its incarnation.
    pub incarnation: u64,
}

impl State {
    /// What is to be stored of a topology.
    pub fn stored(&self, id: &str) -> Option<Stored> {
        let topology = self.topologies.get(id)?.clone();
        let lives = State::slots_of(&topology).into_iter().filter_map(|slot| {
            let worker = self.workers.get(&slot).filter(|w| w.topology == id)?;
            Some(Life {
                host: worker.host.clone(),
                incarnation: worker.incarnation,
                node: slot.node,
                port: slot.port,
            })
        });
        Some(Stored {
            lives: lives.collect(),
            lost: self.lost.get(id).cloned().unwrap_or_default(),
            topology,
        })
    }

    /// The state of a Nimbus that starts at `now` with what is stored. Workers are believed alive until the time is over
    /// that every node has to report; waits that were under way begin anew.
    pub fn restored(stored: Vec<Stored>, next_number: u64, policy: Policy, now: u64) -> Self {
        let mut state = State {
            started: now,
            next_number,
            policy,
            ..State::default()
        };
        for Stored {
            mut topology,
            lives,
            lost,
        } in stored
        {
            topology.status = lifecycle::after_restart(topology.status, WAIT_MS, now);
            for life in lives {
                let worker = Worker {
                    topology: topology.id.clone(),
                    host: life.host,
                    incarnation: life.incarnation,
                    heard: now,
                    since: now,
                    ..Worker::default()
                };
                // A node is silent so long after it was heard; after a start it has longer to report.
                let heard = now + (GRACE_MS - NODE_TIMEOUT_MS);
                state.heard.insert(life.node.clone(), heard);
                let (node, port) = (life.node, life.port);
                state.workers.insert(Slot { node, port }, worker);
            }
            if !lost.is_empty() {
                state.lost.insert(topology.id.clone(), lost);
            }
            state.topologies.insert(topology.id.clone(), topology);
        }
        state
    }
}
