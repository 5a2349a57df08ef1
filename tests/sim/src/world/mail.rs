//! What Nimbus does with what arrives, as its door does, and what the senders hear.
//!
//! Pure: no clock, no I/O, no async.

use fulmar_nimbus::event::Event;
use fulmar_nimbus::model::{Node as Known, Notice};
use fulmar_nimbus::scheduler::Slot;
use fulmar_nimbus::wire;

use super::{Mail, SLOTS, World};
use crate::node::Process;

impl World {
    pub(super) fn deliver(&mut self, life: u64, mail: Mail) {
        // A request belongs to a connection, and that to one life of Nimbus.
        if self.nimbus.as_ref().is_none_or(|n| n.life != life) {
            return;
        }
        match mail {
            Mail::Supervisor(i) => self.hear_supervisor(i, life),
            Mail::SupervisorBeat(i) => {
                let node = self.nodes[i].id.clone();
                let known = self
                    .nimbus
                    .as_ref()
                    .is_some_and(|n| n.state.nodes.contains_key(&node));
                if !known {
                    (self.nodes[i].linked, self.nodes[i].asking) = (None, false);
                    return;
                }
                let (memory_mb, cpu_percent) = (0.0, 0.0);
                self.take(Event::SupervisorHeartbeat {
                    node,
                    memory_mb,
                    cpu_percent,
                });
            }
            Mail::Worker(i, port, incarnation, topology) => {
                self.hear_worker(i, port, incarnation, topology, life);
            }
            Mail::WorkerBeat(i, port, incarnation, version, ready) => {
                let slot = self.slot(i, port);
                let known = self
                    .nimbus
                    .as_ref()
                    .and_then(|n| n.state.workers.get(&slot));
                if known.is_none_or(|w| w.incarnation != incarnation) {
                    if let Some(p) = self.own(i, port, incarnation) {
                        (p.linked, p.asking) = (None, false);
                    }
                    return;
                }
                let (memory_mb, cpu_percent) = (0.0, 0.0);
                self.take(Event::WorkerHeartbeat {
                    slot,
                    incarnation,
                    version,
                    ready,
                    memory_mb,
                    cpu_percent,
                });
            }
            Mail::Exit(i, port, incarnation) => {
                let (slot, how) = (self.slot(i, port), "signal 9".to_owned());
                self.take(Event::WorkerExit {
                    slot,
                    incarnation,
                    how,
                });
            }
            Mail::Notice(i, deadline) => {
                let node = self.nodes[i].id.clone();
                let source = "imds".to_owned();
                self.take(match deadline {
                    Some(deadline_ms) => {
                        let notice = Notice {
                            sentence: true,
                            deadline_ms,
                            source,
                            since_ms: 0,
                        };
                        Event::Notice { node, notice }
                    }
                    None => Event::Retracted { node, source },
                });
            }
        }
    }

    fn slot(&self, i: usize, port: u16) -> Slot {
        Slot {
            node: self.nodes[i].id.clone(),
            port,
        }
    }

    fn own(&mut self, i: usize, port: u16, incarnation: u64) -> Option<&mut Process> {
        let process = self.nodes[i].processes.get_mut(&port);
        process.filter(|p| p.incarnation == incarnation)
    }

    fn hear_supervisor(&mut self, i: usize, life: u64) {
        let node = Known {
            id: self.nodes[i].id.clone(),
            host: self.nodes[i].id.clone(),
            slots: SLOTS.to_vec(),
            started_ms: self.nodes[i].started,
            ..Known::default()
        };
        let id = node.id.clone();
        if self.take(Event::Supervisor(Box::new(node))).is_none() {
            return;
        }
        let Some(nimbus) = &mut self.nimbus else {
            return;
        };
        let state = &nimbus.state;
        nimbus
            .slots
            .entry(id.clone())
            .or_insert_with(|| wire::slots_of(state, &id, 0));
        if self.nodes[i].alive && self.now >= self.nodes[i].cut_until {
            (self.nodes[i].linked, self.nodes[i].asking) = (Some(life), false);
        }
        // What stands is told to every Nimbus.
        if let Some(deadline) = self.nodes[i].deadline {
            self.post(Mail::Notice(i, Some(deadline)));
        }
    }

    fn hear_worker(&mut self, i: usize, port: u16, incarnation: u64, topology: String, life: u64) {
        let (slot, host) = (self.slot(i, port), self.nodes[i].id.clone());
        let id = topology.clone();
        match self.take(Event::Worker {
            slot,
            host,
            topology,
            incarnation,
        }) {
            None => {}
            // It ends, and its supervisor starts another life.
            Some(Err(_)) if self.own(i, port, incarnation).is_some() => self.nodes[i].end(port),
            Some(Err(_)) => {}
            Some(Ok(())) => {
                let Some(nimbus) = &mut self.nimbus else {
                    return;
                };
                let state = &nimbus.state;
                nimbus
                    .topologies
                    .entry(id.clone())
                    .or_insert_with(|| wire::assignment(state, &id));
                if let Some(p) = self.own(i, port, incarnation) {
                    (p.linked, p.asking) = (Some(life), false);
                }
            }
        }
    }
}
