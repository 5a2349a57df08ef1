//! One step of Nimbus: an event, the time, what follows. Everything is decided here.
//!
//! Pure: no clock, no I/O, no async.

use crate::cluster::Why;
use crate::event::{Command, Event, Refusal, Submit};
use crate::lifecycle::{self, Status, Step, Wish};
use crate::limits::{GRACE_MS, LOST_KEPT, NODE_TIMEOUT_MS};
use crate::model::{Node, Shape, State, Topology, Worker};
use crate::scheduler::Slot;
use crate::scheduler::plan::Plan;
use crate::{moves, place};

/// The commands of a step, or why it is refused.
pub type Outcome = Result<Vec<Command>, Refusal>;

impl State {
    /// Takes one event.
    ///
    /// # Errors
    /// A client asked for what cannot be; nothing has changed then.
    pub fn step(&mut self, event: Event, now: u64) -> Outcome {
        let mut out = Vec::new();
        let kind = match event {
            Event::Look => Kind::Look,
            Event::SupervisorHeartbeat { .. }
            | Event::WorkerHeartbeat { .. }
            | Event::Fleet { .. }
            | Event::Endured(_) => Kind::Beat,
            _ => Kind::Change,
        };
        match event {
            Event::Submit(submit) => self.submit(*submit, now, &mut out)?,
            Event::Kill { name, wait } => {
                let wait = wait.unwrap_or(self.default_wait(&name)?);
                self.wish(&name, Wish::Kill { wait }, now, &mut out)?;
            }
            Event::Activate { name, active } => {
                let wish = if active {
                    Wish::Activate
                } else {
                    Wish::Deactivate
                };
                self.wish(&name, wish, now, &mut out)?;
            }
            Event::Rebalance { name, wait, shape } => {
                self.rebalance(&name, wait, shape, now, &mut out)?
            }
            Event::Supervisor(node) => self.supervisor(*node, now, &mut out),
            Event::SupervisorHeartbeat {
                node,
                memory_mb,
                cpu_percent,
            } => {
                if let Some(n) = self.nodes.get_mut(&node) {
                    self.heard.insert(node, now);
                    (n.heard, n.memory_mb, n.cpu_percent) = (now, memory_mb, cpu_percent);
                }
            }
            Event::Fleet { instance, text } => tell(&mut out, "fleet", "", &instance, text),
            Event::Notice { node, notice } => self.noticed(&node, notice, now, &mut out),
            Event::Retracted { node, source } => self.retracted(&node, &source, &mut out),
            Event::WorkerExit {
                slot,
                incarnation,
                how,
            } => self.worker_gone(&slot, incarnation, &how, &mut out),
            Event::Worker {
                slot,
                host,
                topology,
                incarnation,
            } => {
                self.worker(slot, host, topology, incarnation, now, &mut out)?;
            }
            Event::WorkerHeartbeat { .. } => self.worker_beat(event, now),
            Event::Endured(endures) => self.endures = endures,
            Event::Look => {}
        }
        self.look(kind, now, &mut out);
        Ok(out)
    }

    fn worker_beat(&mut self, event: Event, now: u64) {
        let Event::WorkerHeartbeat {
            slot,
            incarnation,
            version,
            ready,
            memory_mb,
            cpu_percent,
        } = event
        else {
            return;
        };
        let known = self.workers.get_mut(&slot);
        if let Some(w) = known.filter(|w| w.incarnation == incarnation) {
            (w.heard, w.version, w.memory_mb, w.cpu_percent) =
                (now, version, memory_mb, cpu_percent);
            w.ready = ready.into_iter().collect();
            self.heard.insert(slot.node, now);
        }
    }

    fn id_of(&self, name: &str) -> Result<String, Refusal> {
        self.by_name(name)
            .map(|t| t.id.clone())
            .ok_or_else(|| Refusal::NotAlive(name.to_owned()))
    }

    /// Storm waits for the topology's message timeout.
    fn default_wait(&self, name: &str) -> Result<u64, Refusal> {
        let t = self
            .by_name(name)
            .ok_or_else(|| Refusal::NotAlive(name.to_owned()))?;
        Ok(t.conf
            .secs("topology.message.timeout.secs")
            .ok()
            .flatten()
            .map_or(30_000, |d| d.as_millis() as u64))
    }

    fn submit(&mut self, submit: Submit, now: u64, out: &mut Vec<Command>) -> Result<(), Refusal> {
        let name = submit.spec.name.clone();
        if self.by_name(&name).is_some() {
            return Err(Refusal::AlreadyAlive(name));
        }
        let workers = submit
            .conf
            .int_or("topology.workers", 1)
            .map_err(|e| Refusal::Invalid(e.to_string()))?;
        let workers = usize::try_from(workers).ok().filter(|n| *n > 0);
        let workers = workers.ok_or_else(|| {
            Refusal::Invalid("topology.workers must be at least 1: set it or leave it out".into())
        })?;
        let plan = Plan::read(&submit.spec, &submit.conf).map_err(Refusal::Invalid)?;
        self.next_number += 1;
        let id = format!("{name}-{}-{}", self.next_number, now / 1_000);
        let topology = Topology {
            id: id.clone(),
            name: name.clone(),
            graph_hash: submit.spec.graph_hash(),
            spec: submit.spec,
            conf: submit.conf,
            blob_key: submit.blob_key,
            program_args: submit.program_args,
            status: if submit.inactive {
                Status::Inactive
            } else {
                Status::Active
            },
            submitted_ms: now,
            version: 0,
            workers,
            placed: Vec::new(),
            wanted: None,
            missing: None,
            short: false,
        };
        self.topologies.insert(id.clone(), topology);
        self.plans.insert(id.clone(), plan.into());
        self.lay_again(&id, Why::Need);
        tell(
            out,
            "submitted",
            &id,
            "",
            format!("{name} was submitted as {id}"),
        );
        out.push(Command::Store(id));
        Ok(())
    }

    fn wish(
        &mut self,
        name: &str,
        wish: Wish,
        now: u64,
        out: &mut Vec<Command>,
    ) -> Result<(), Refusal> {
        let id = self.id_of(name)?;
        let Some(t) = self.topologies.get_mut(&id) else {
            return Ok(());
        };
        match lifecycle::step(t.status, wish, now) {
            Step::Refuse(why) => return Err(Refusal::Invalid(format!("{}: {why}", t.name))),
            Step::To(status) => {
                t.status = status;
                t.version += 1;
                tell(
                    out,
                    "status",
                    &id,
                    "",
                    format!("{} is {}", t.name, status.words()),
                );
                out.extend([Command::Store(id.clone()), Command::Publish(id)]);
            }
            Step::Stay | Step::Reshape(_) | Step::Remove => {}
        }
        Ok(())
    }

    fn rebalance(
        &mut self,
        name: &str,
        wait: Option<u64>,
        shape: Shape,
        now: u64,
        out: &mut Vec<Command>,
    ) -> Result<(), Refusal> {
        self.check_shape(name, &shape)?;
        let wait = wait.unwrap_or(self.default_wait(name)?);
        self.wish(name, Wish::Rebalance { wait }, now, out)?;
        let id = self.id_of(name)?;
        if let Some(t) = self.topologies.get_mut(&id) {
            t.wanted = Some(shape);
        }
        out.push(Command::Store(id));
        Ok(())
    }

    fn check_shape(&self, name: &str, shape: &Shape) -> Result<(), Refusal> {
        let t = self
            .by_name(name)
            .ok_or_else(|| Refusal::NotAlive(name.to_owned()))?;
        if shape.workers == Some(0) {
            return Err(Refusal::Invalid(
                "0 workers: the least is 1; `fulmar deactivate` stops the spouts".into(),
            ));
        }
        for (component, executors) in &shape.executors {
            let Some(c) = t.spec.component(component) else {
                let known: Vec<_> = t.spec.components.iter().map(|c| c.id.as_str()).collect();
                return Err(Refusal::Invalid(format!(
                    "there is no component \"{component}\"; there are {known:?}"
                )));
            };
            if *executors == 0 || *executors > c.tasks {
                return Err(Refusal::Invalid(format!(
                    "{executors} executors for \"{component}\": from 1 to its {} tasks",
                    c.tasks
                )));
            }
        }
        Ok(())
    }

    fn supervisor(&mut self, mut node: Node, now: u64, out: &mut Vec<Command>) {
        node.heard = now;
        let id = node.id.clone();
        (node.since, node.settled) = (now, self.policy.settle == 0);
        if let Some(old) = self.nodes.get(&id) {
            // The same machine after a restart of its supervisor: a notice stays true.
            node.notices = old.notices.clone();
            node.cordoned = old.cordoned;
            (node.since, node.settled) = (old.since, old.settled);
            if old.started_ms != node.started_ms {
                self.fault(&id, now, out);
            }
        }
        self.heard.insert(id.clone(), now);
        tell(
            out,
            "supervisor",
            "",
            &id,
            format!(
                "supervisor {id} on {} with {} slots",
                node.host,
                node.slots.len()
            ),
        );
        self.nodes.insert(id.clone(), node);
        self.room_changed(Some(&id));
        out.push(Command::Slots(id));
    }

    fn worker(
        &mut self,
        slot: Slot,
        host: String,
        topology: String,
        incarnation: u64,
        now: u64,
        out: &mut Vec<Command>,
    ) -> Result<(), Refusal> {
        let Some(t) = self.topologies.get_mut(&topology) else {
            return Err(Refusal::NotAlive(topology));
        };
        if self
            .lost
            .get(&topology)
            .is_some_and(|l| l.contains(&incarnation))
        {
            let text =
                format!("incarnation {incarnation} was declared lost: start again with a new one");
            return Err(Refusal::Invalid(text));
        }
        let old = self.workers.get(&slot).map(|w| w.incarnation);
        if old == Some(incarnation) {
            return Ok(());
        }
        if let Some(old) = old {
            lose(self.lost.entry(topology.clone()).or_default(), old);
        }
        t.version += 1;
        for p in t.placed.iter_mut().filter(|p| p.slot() == slot) {
            p.epoch = t.version;
        }
        tell(
            out,
            "worker",
            &topology,
            &slot.node,
            format!("worker {}:{} is ready", slot.node, slot.port),
        );
        out.extend([
            Command::Store(topology.clone()),
            Command::Publish(topology.clone()),
        ]);
        self.heard.insert(slot.node.clone(), now);
        let worker = Worker {
            topology,
            host,
            incarnation,
            heard: now,
            since: now,
            ..Worker::default()
        };
        self.workers.insert(slot, worker);
        Ok(())
    }

    fn worker_gone(&mut self, slot: &Slot, incarnation: u64, how: &str, out: &mut Vec<Command>) {
        if self
            .workers
            .get(slot)
            .is_none_or(|w| w.incarnation != incarnation)
        {
            return;
        }
        let Some(worker) = self.workers.remove(slot) else {
            return;
        };
        lose(
            self.lost.entry(worker.topology.clone()).or_default(),
            incarnation,
        );
        let moved = !self
            .topologies
            .get(&worker.topology)
            .is_some_and(|t| t.placed.iter().any(|p| p.slot() == *slot));
        let drained = self.nodes.get(&slot.node).is_some_and(|n| n.cordoned);
        // A worker that was told to end, once its work had gone elsewhere, is no loss.
        let (kind, text) = match (moved && how == "exit code 0", drained) {
            (true, true) => ("worker_ended", "ended after the drain".to_owned()),
            (true, false) => ("worker_ended", "ended after its work had moved".to_owned()),
            (false, _) => ("worker_lost", format!("ended: {how}")),
        };
        let text = format!("worker {}:{} {text}", slot.node, slot.port);
        tell(out, kind, &worker.topology, &slot.node, text);
        if let Some(t) = self.topologies.get_mut(&worker.topology) {
            t.version += 1;
            // Stored like every version that is published: after a restart none may be given out twice.
            out.extend([Command::Store(t.id.clone()), Command::Publish(t.id.clone())]);
        }
    }

    /// Whether anything of a node was heard lately; one that has not reported since this Nimbus
    /// started is believed for a while.
    pub fn alive(&self, id: &str, now: u64) -> bool {
        match self.heard.get(id) {
            Some(heard) => now.saturating_sub(*heard) <= NODE_TIMEOUT_MS,
            None => now.saturating_sub(self.started) <= GRACE_MS,
        }
    }

    /// What the passing of time, or the last event, has made due. Beats come by the thousand and change
    /// nothing but what waits for them.
    fn look(&mut self, kind: Kind, now: u64, out: &mut Vec<Command>) {
        let grace_over = (self.looked..now).contains(&(self.started + GRACE_MS));
        if self.looked == 0 || kind == Kind::Look && grace_over {
            self.wake();
        }
        self.looked = self.looked.max(1);
        if kind == Kind::Look {
            self.bury_nodes(now, out);
            self.settle(now);
            self.notices_end(now, out);
            self.looked = now.max(1);
        }
        if kind != Kind::Beat {
            self.live(now, out);
        }
        if kind != Kind::Beat {
            moves::give_up(self, now, out);
        }
        place::place_due(self, now, out);
        let moving: Vec<_> = self.moving.iter().cloned().collect();
        for id in moving {
            moves::finish_moves(self, &id, now, out);
        }
        if kind != Kind::Beat {
            moves::note_drained(self, out);
        }
    }

    /// After a start, and when those who have not reported until then count as dead, all is laid again.
    fn wake(&mut self) {
        let moves = |t: &&Topology| t.placed.iter().any(|p| p.move_to.is_some());
        let all = self.topologies.values();
        self.moving = all.clone().filter(moves).map(|t| t.id.clone()).collect();
        let ids: Vec<_> = all.map(|t| t.id.clone()).collect();
        ids.iter().for_each(|id| self.lay_again(id, Why::Need));
    }

    /// Nodes that have been there long enough may take running work over.
    fn settle(&mut self, now: u64) {
        let mut news = self.quarantine.ended(self.looked, now);
        for n in self.nodes.values_mut().filter(|n| !n.settled) {
            n.settled = now.saturating_sub(n.since) >= self.policy.settle;
            news |= n.settled;
        }
        if news {
            let ids: Vec<_> = self.topologies.keys().cloned().collect();
            ids.iter().for_each(|id| self.lay_again(id, Why::Spread));
        }
    }

    /// Waits of topologies that are over.
    fn live(&mut self, now: u64, out: &mut Vec<Command>) {
        let step = |t: &Topology| lifecycle::step(t.status, Wish::Look, now);
        let over = self.topologies.values().filter(|t| step(t) != Step::Stay);
        let over: Vec<_> = over.map(|t| t.id.clone()).collect();
        for id in over {
            let Some(t) = self.topologies.get_mut(&id) else {
                continue;
            };
            match lifecycle::step(t.status, Wish::Look, now) {
                Step::Remove => self.remove(&id, out),
                Step::Reshape(status) => {
                    t.status = status;
                    t.version += 1;
                    if let Some(shape) = t.wanted.take() {
                        // Executors that are cut together give slots up, and who held them must hear of it.
                        let before = State::slots_of(t).into_iter().map(|s| s.node);
                        let before: std::collections::BTreeSet<_> = before.collect();
                        moves::reshape(t, &shape);
                        out.extend(before.into_iter().map(Command::Slots));
                    }
                    let text = format!("{}: the new shape applies", t.name);
                    tell(out, "rebalanced", &id, "", text);
                    self.plans.remove(&id);
                    self.lay_again(&id, Why::Asked);
                    out.extend([Command::Store(id.clone()), Command::Publish(id)]);
                }
                _ => {}
            }
        }
    }

    fn remove(&mut self, id: &str, out: &mut Vec<Command>) {
        let Some(t) = self.topologies.remove(id) else {
            return;
        };
        self.workers.retain(|_, w| w.topology != id);
        self.lost.remove(id);
        self.plans.remove(id);
        self.moving.remove(id);
        self.room_changed(None);
        tell(out, "killed", id, "", format!("{} is gone", t.name));
        out.push(Command::Forget(id.to_owned()));
        let nodes: std::collections::BTreeSet<_> =
            State::slots_of(&t).into_iter().map(|s| s.node).collect();
        out.extend(nodes.into_iter().map(Command::Slots));
    }

    /// Nodes that fell silent lose their workers, and what was on them is laid elsewhere.
    fn bury_nodes(&mut self, now: u64, out: &mut Vec<Command>) {
        let silent: Vec<_> = self
            .heard
            .keys()
            .filter(|id| !self.alive(id, now))
            .cloned()
            .collect();
        for id in silent {
            let text = format!("{id} was not heard for {NODE_TIMEOUT_MS} ms: its work moves");
            tell(out, "node_lost", "", &id, text);
            let slots: Vec<_> = self
                .workers
                .keys()
                .filter(|s| s.node == id)
                .cloned()
                .collect();
            for slot in slots {
                let incarnation = self.workers.get(&slot).map_or(0, |w| w.incarnation);
                self.worker_gone(&slot, incarnation, "its node fell silent", out);
            }
            self.room_changed(Some(&id));
            self.heard.remove(&id);
            let known = self.nodes.remove(&id);
            // One that was sentenced was expected to go.
            if known.is_none_or(|n| !n.is_condemned()) {
                self.fault(&id, now, out);
            }
        }
    }

    /// Notes a fault of a node, and tells when it is quarantined for it.
    fn fault(&mut self, id: &str, now: u64, out: &mut Vec<Command>) {
        let limits = self.policy.quarantine;
        if let Some(until) = self.quarantine.fault(id, now, &limits) {
            let text = format!(
                "{id} comes and goes: it gets nothing new for {} s",
                (until - now) / 1_000
            );
            tell(out, "quarantined", "", id, text);
        }
    }
}

/// What kind of event a step takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Look,
    Beat,
    Change,
}

fn lose(lost: &mut Vec<u64>, incarnation: u64) {
    lost.push(incarnation);
    if lost.len() > LOST_KEPT {
        lost.remove(0);
    }
}

/// Writes into the time line.
pub fn tell(out: &mut Vec<Command>, kind: &'static str, topology: &str, node: &str, text: String) {
    out.push(Command::Tell(
        kind,
        topology.to_owned(),
        node.to_owned(),
        text,
    ));
}
