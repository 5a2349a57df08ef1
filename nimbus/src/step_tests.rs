//! Nimbus' decisions, event by event, as a cluster would see them.

use std::collections::{BTreeMap, BTreeSet};

use fulmar_api::collector::SpoutCollector;
use fulmar_api::{
    BasicBolt, Config, Emitter, Next, Outputs, Result, Spout, TopologyBuilder, Tuple,
};

use crate::event::{Command, Event, Refusal, Submit};
use crate::model::{Node, Notice, Shape, State};
use crate::scheduler::Slot;

#[derive(Clone)]
struct Source;

impl Spout for Source {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["x"])
    }
    fn next(&mut self, _: &mut SpoutCollector<'_>) -> Result<Next> {
        Ok(Next::Idle)
    }
}

struct Sink;

impl BasicBolt for Sink {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        Ok(())
    }
}

fn submit(name: &str, workers: i64) -> Event {
    let mut t = TopologyBuilder::new(name);
    t.spout("source", Source).parallelism(2);
    t.bolt("sink", || Sink).parallelism(4).shuffle("source");
    let spec = t.build().expect("a right graph").spec;
    let mut conf = Config::new();
    conf.set("topology.workers", workers);
    let (blob_key, program_args) = ("blob".to_owned(), Vec::new());
    Event::Submit(Box::new(Submit {
        spec,
        conf,
        blob_key,
        program_args,
        inactive: false,
    }))
}

struct Cluster {
    state: State,
    now: u64,
    incarnation: u64,
    told: Vec<(&'static str, String)>,
}

impl Cluster {
    fn new(nodes: usize) -> Self {
        let mut c = Self {
            state: State::default(),
            now: 1_000_000,
            incarnation: 0,
            told: Vec::new(),
        };
        c.state.started = c.now;
        for i in 0..nodes {
            c.supervisor(i);
        }
        c
    }

    fn supervisor(&mut self, i: usize) {
        let node = Node {
            id: format!("n{i}"),
            slots: vec![6700, 6701],
            ..Node::default()
        };
        self.event(Event::Supervisor(Box::new(node)))
            .expect("registers");
    }

    fn event(&mut self, event: Event) -> std::result::Result<Vec<Command>, Refusal> {
        let out = self.state.step(event, self.now)?;
        for c in &out {
            if let Command::Tell(kind, topology, node, _) = c {
                self.told.push((kind, format!("{topology}{node}")));
            }
        }
        Ok(out)
    }

    /// Every slot that is given has a worker, and those on living nodes report what is asked.
    fn run(&mut self, dead: &[&str]) {
        for _ in 0..4 {
            let mut slots: BTreeMap<Slot, String> = BTreeMap::new();
            for t in self.state.topologies.values() {
                slots.extend(State::slots_of(t).into_iter().map(|s| (s, t.id.clone())));
            }
            self.state.workers.retain(|s, _| slots.contains_key(s));
            for (slot, topology) in slots {
                if dead.contains(&slot.node.as_str()) {
                    continue;
                }
                if !self.state.workers.contains_key(&slot) {
                    self.incarnation += 1;
                    let incarnation = self.incarnation;
                    self.event(Event::Worker {
                        slot: slot.clone(),
                        host: String::new(),
                        topology: topology.clone(),
                        incarnation,
                    })
                    .expect("registers");
                }
                let ready: Vec<_> = self.state.topologies[&topology]
                    .placed
                    .iter()
                    .filter(|p| p.target().as_ref() == Some(&slot))
                    .map(|p| p.executor())
                    .collect();
                let incarnation = self.state.workers[&slot].incarnation;
                let beat = Event::WorkerHeartbeat {
                    slot,
                    incarnation,
                    version: 0,
                    ready,
                    memory_mb: 0.0,
                    cpu_percent: 0.0,
                };
                self.event(beat).expect("is heard");
            }
            let nodes: Vec<_> = self.state.nodes.keys().cloned().collect();
            for node in nodes.into_iter().filter(|n| !dead.contains(&n.as_str())) {
                let beat = Event::SupervisorHeartbeat {
                    node,
                    memory_mb: 0.0,
                    cpu_percent: 0.0,
                };
                self.event(beat).expect("is heard");
            }
            self.now += 1_000;
            self.event(Event::Look).expect("looks");
        }
    }

    fn owners(&self, name: &str) -> BTreeMap<(i32, i32), Slot> {
        self.state
            .by_name(name)
            .expect("runs")
            .placed
            .iter()
            .map(|p| (p.executor(), p.slot()))
            .collect()
    }

    fn nodes_of(&self, name: &str) -> BTreeSet<String> {
        self.owners(name).into_values().map(|s| s.node).collect()
    }
}

#[test]
fn a_submit_is_stored_before_it_is_published() {
    let mut c = Cluster::new(2);
    let out = c.event(submit("a", 2)).expect("fits");
    let store = out
        .iter()
        .position(|c| matches!(c, Command::Store(_)))
        .expect("stored");
    let publish = out
        .iter()
        .position(|c| matches!(c, Command::Publish(_)))
        .expect("published");
    assert!(store < publish, "{out:?}");
    assert_eq!(c.nodes_of("a").len(), 2);
    assert_eq!(
        c.event(submit("a", 1)),
        Err(Refusal::AlreadyAlive("a".into()))
    );
}

#[test]
fn a_node_that_falls_silent_loses_only_its_own_work() {
    let mut c = Cluster::new(3);
    c.event(submit("a", 2)).expect("fits");
    c.run(&[]);
    let before = c.owners("a");
    let gone = before.values().next().expect("placed").node.clone();
    c.run(&[&gone]);
    c.run(&[&gone]);
    let after = c.owners("a");
    assert!(after.values().all(|s| s.node != gone));
    for (executor, slot) in before.iter().filter(|(_, s)| s.node != gone) {
        assert_eq!(&after[executor], slot);
    }
    assert!(
        c.told
            .iter()
            .any(|(kind, who)| *kind == "node_lost" && *who == gone)
    );
}

#[test]
fn a_dead_supervisor_with_live_workers_keeps_its_work() {
    let mut c = Cluster::new(2);
    c.event(submit("a", 2)).expect("fits");
    c.run(&[]);
    let before = c.owners("a");
    for _ in 0..10 {
        c.now += 1_000;
        let workers: Vec<_> = c
            .state
            .workers
            .iter()
            .map(|(s, w)| (s.clone(), w.incarnation))
            .collect();
        for (slot, incarnation) in workers {
            let beat = Event::WorkerHeartbeat {
                slot,
                incarnation,
                version: 0,
                ready: Vec::new(),
                memory_mb: 0.0,
                cpu_percent: 0.0,
            };
            c.event(beat).expect("is heard");
        }
    }
    assert_eq!(c.owners("a"), before);
}

#[test]
fn a_notice_moves_everything_and_the_replacement_is_ready_first() {
    let mut c = Cluster::new(2);
    c.event(submit("a", 2)).expect("fits");
    c.run(&[]);
    let notice = Notice {
        sentence: true,
        deadline_ms: c.now + 120_000,
        source: "imds".into(),
        since_ms: 0,
    };
    let tell = Event::Notice {
        node: "n0".into(),
        notice,
    };
    let before = c.owners("a");
    c.event(tell.clone()).expect("is heard");
    // Owners stay until the standby is open.
    assert_eq!(c.owners("a"), before);
    assert!(
        c.state
            .by_name("a")
            .expect("runs")
            .placed
            .iter()
            .any(|p| p.move_to.is_some())
    );
    c.run(&[]);
    assert_eq!(c.nodes_of("a"), BTreeSet::from(["n1".to_owned()]));
    let kinds: Vec<_> = c.told.iter().map(|(k, _)| *k).collect();
    let at = |kind| kinds.iter().position(|k| *k == kind).expect("told");
    assert!(
        at("notice") < at("moving")
            && at("moving") < at("switched")
            && at("switched") < at("drained")
    );
    assert!(c.state.nodes["n0"].drained);
    // The same notice again changes nothing; a retraction makes the node usable.
    assert!(c.event(tell).expect("is heard").is_empty());
    c.event(taken_back("n0", "imds")).expect("is heard");
    assert!(!c.state.nodes["n0"].cordoned);
}

fn taken_back(node: &str, source: &str) -> Event {
    Event::Retracted {
        node: node.into(),
        source: source.into(),
    }
}

fn advice(node: &str) -> Event {
    Event::Notice {
        node: node.into(),
        notice: Notice {
            sentence: false,
            deadline_ms: 0,
            source: "rebalance".into(),
            since_ms: 0,
        },
    }
}

#[test]
fn advice_prepares_replacements_and_moves_nothing() {
    let mut c = Cluster::new(2);
    c.event(submit("a", 1)).expect("fits");
    c.run(&[]);
    let home = c.nodes_of("a").into_iter().next().expect("runs somewhere");
    let before = c.owners("a");
    c.event(advice(&home)).expect("is heard");
    c.run(&[]);
    let prepared = |c: &Cluster| {
        let t = c.state.by_name("a").expect("runs");
        t.placed.iter().filter(|p| p.move_to.is_some()).count()
    };
    assert!(prepared(&c) > 0, "a replacement is started elsewhere");
    assert_eq!(c.owners("a"), before, "and has nothing to do yet");
    assert!(!c.state.nodes[&home].drained);
    assert!(!c.state.by_name("a").expect("runs").short);
    // Taken back: the replacement is given up, the work never moved.
    c.event(taken_back(&home, "supervisor")).expect("is heard");
    c.run(&[]);
    assert_eq!((prepared(&c), c.owners("a")), (0, before));
    assert!(!c.state.nodes[&home].cordoned);
    // A sentence makes the move.
    c.event(advice(&home)).expect("is heard");
    c.run(&[]);
    let notice = Notice {
        sentence: true,
        deadline_ms: c.now + 120_000,
        source: "imds".into(),
        since_ms: 0,
    };
    let node = home.clone();
    c.event(Event::Notice { node, notice }).expect("is heard");
    c.run(&[]);
    assert!(!c.nodes_of("a").contains(&home));
    assert!(c.state.nodes[&home].drained);
}

#[test]
fn advice_for_every_node_takes_no_work_away() {
    let mut c = Cluster::new(2);
    c.event(submit("a", 2)).expect("fits");
    c.run(&[]);
    let before = c.owners("a");
    for node in ["n0", "n1"] {
        c.event(advice(node)).expect("is heard");
    }
    c.run(&[]);
    let t = c.state.by_name("a").expect("runs");
    assert_eq!((t.short, t.missing.clone()), (false, None));
    assert_eq!(c.owners("a"), before);
}

#[test]
fn a_worker_that_crashed_gets_its_executors_back_under_a_new_epoch() {
    let mut c = Cluster::new(1);
    c.event(submit("a", 1)).expect("fits");
    c.run(&[]);
    let (slot, old) = c
        .state
        .workers
        .iter()
        .map(|(s, w)| (s.clone(), w.incarnation))
        .next()
        .expect("runs");
    let before = c.state.by_name("a").expect("runs").placed.clone();
    c.event(Event::WorkerExit {
        slot: slot.clone(),
        incarnation: old,
        how: "signal 9".into(),
    })
    .expect("is heard");
    let id = c.state.by_name("a").expect("runs").id.clone();
    let again = Event::Worker {
        slot: slot.clone(),
        host: String::new(),
        topology: id.clone(),
        incarnation: old,
    };
    assert!(
        c.event(again)
            .expect_err("was lost")
            .to_string()
            .contains("declared lost")
    );
    c.event(Event::Worker {
        slot,
        host: String::new(),
        topology: id,
        incarnation: old + 100,
    })
    .expect("registers");
    for (old, new) in before
        .iter()
        .zip(&c.state.by_name("a").expect("runs").placed)
    {
        assert_eq!((old.executor(), old.slot()), (new.executor(), new.slot()));
        assert!(new.epoch > old.epoch);
    }
}

#[test]
fn after_a_restart_a_worker_is_found_by_others_before_its_supervisor_is_back() {
    let mut c = Cluster::new(1);
    c.event(submit("a", 1)).expect("fits");
    c.run(&[]);
    let id = c.state.by_name("a").expect("runs").id.clone();
    let slot = c.state.workers.keys().next().expect("runs").clone();
    let (topologies, next_number) = (c.state.topologies.clone(), c.state.next_number);
    c.state = State {
        topologies,
        next_number,
        ..State::default()
    };
    c.event(Event::Worker {
        slot,
        host: "10.0.0.9".into(),
        topology: id.clone(),
        incarnation: 99,
    })
    .expect("registers");
    let seen = crate::wire::assignment(&c.state, &id);
    assert_eq!(
        (seen.workers[0].host.as_str(), seen.workers[0].incarnation),
        ("10.0.0.9", 99)
    );
}

/// What a Nimbus knows that starts again with what this one has stored.
fn again(c: &Cluster) -> State {
    let ids = c.state.topologies.keys();
    let stored = ids.filter_map(|id| c.state.stored(id)).collect();
    State::restored(stored, c.state.next_number, c.state.policy.clone(), c.now)
}

#[test]
fn a_restarted_nimbus_moves_nothing_while_it_waits_for_reports() {
    let mut c = Cluster::new(2);
    c.event(submit("a", 2)).expect("fits");
    c.run(&[]);
    let before = c.state.by_name("a").expect("runs").clone();
    c.state = again(&c);
    c.event(Event::Look).expect("looks");
    c.supervisor(0);
    c.supervisor(1);
    c.now += 2_000;
    c.event(Event::Look).expect("looks");
    assert_eq!(c.state.by_name("a").expect("runs").placed, before.placed);
}

#[test]
fn a_restarted_nimbus_gives_out_the_assignment_that_it_gave_out_before() {
    let mut c = Cluster::new(2);
    c.event(submit("a", 2)).expect("fits");
    c.run(&[]);
    let id = c.state.by_name("a").expect("runs").id.clone();
    let before = crate::wire::assignment(&c.state, &id);
    assert!(before.workers.iter().all(|w| w.incarnation > 0));
    c.state = again(&c);
    c.event(Event::Look).expect("looks");
    assert_eq!(crate::wire::assignment(&c.state, &id), before);
    // Each worker comes back, and nothing has changed.
    for w in &before.workers {
        let slot = Slot {
            node: w.node_id.clone(),
            port: w.port as u16,
        };
        let (topology, host, incarnation) = (id.clone(), w.host.clone(), w.incarnation);
        c.event(Event::Worker {
            slot,
            host,
            topology,
            incarnation,
        })
        .expect("is known");
        assert_eq!(crate::wire::assignment(&c.state, &id), before);
    }
}

#[test]
fn a_worker_that_does_not_come_back_after_a_restart_is_lost_with_its_node() {
    let mut c = Cluster::new(2);
    c.event(submit("a", 2)).expect("fits");
    c.run(&[]);
    let before = c.state.by_name("a").expect("runs").clone();
    let gone = c.state.workers.iter().next().expect("runs");
    let (gone, incarnation) = (gone.0.clone(), gone.1.incarnation);
    c.state = again(&c);
    let other = usize::from(gone.node == "n0");
    let end = c.now + 2 * crate::limits::GRACE_MS;
    while c.now < end {
        c.now += 500;
        c.supervisor(other);
        c.event(Event::Look).expect("looks");
    }
    assert!(c.state.lost[&before.id].contains(&incarnation));
    let after = c.state.by_name("a").expect("runs");
    assert!(after.placed.iter().all(|p| p.slot() != gone));
    // And is not forgotten by the next start: who was declared lost stays out.
    c.state = again(&c);
    let (topology, host) = (before.id.clone(), String::new());
    let refused = c.event(Event::Worker {
        slot: gone,
        host,
        topology,
        incarnation,
    });
    assert!(refused.is_err());
}

#[test]
fn a_kill_waits_and_removes_all() {
    let mut c = Cluster::new(1);
    c.event(submit("a", 1)).expect("fits");
    c.run(&[]);
    c.event(Event::Kill {
        name: "a".into(),
        wait: Some(2_000),
    })
    .expect("lives");
    assert!(c.state.by_name("a").is_some());
    c.run(&[]);
    assert!(c.state.topologies.is_empty() && c.state.workers.is_empty());
    let error = c
        .event(Event::Kill {
            name: "a".into(),
            wait: None,
        })
        .expect_err("is gone");
    assert_eq!(error, Refusal::NotAlive("a".into()));
}

#[test]
fn a_rebalance_changes_workers_and_executors() {
    let mut c = Cluster::new(2);
    c.event(submit("a", 1)).expect("fits");
    c.run(&[]);
    let bad = Shape {
        workers: None,
        executors: BTreeMap::from([("sink".to_owned(), 9)]),
    };
    let error = c
        .event(Event::Rebalance {
            name: "a".into(),
            wait: Some(0),
            shape: bad,
        })
        .expect_err("too many");
    assert!(
        error.to_string().contains("from 1 to its 4 tasks"),
        "{error}"
    );
    let shape = Shape {
        workers: Some(2),
        executors: BTreeMap::from([("sink".to_owned(), 2)]),
    };
    c.event(Event::Rebalance {
        name: "a".into(),
        wait: Some(0),
        shape,
    })
    .expect("fits");
    c.run(&[]);
    let t = c.state.by_name("a").expect("runs");
    assert_eq!((t.workers, t.placed.len()), (2, 4));
    assert!(crate::lifecycle::emits(t.status));
    assert_eq!(c.nodes_of("a").len(), 2, "the new worker has its share");
}

/// What each supervisor was told last, kept up by the commands alone.
fn hear(c: &Cluster, out: &[Command], told: &mut BTreeMap<String, BTreeSet<Slot>>) {
    for command in out {
        if let Command::Slots(node) = command {
            let given = c.state.topologies.values().flat_map(State::slots_of);
            told.insert(node.clone(), given.filter(|s| s.node == *node).collect());
        }
    }
}

#[test]
fn who_gives_a_slot_up_in_a_rebalance_is_told() {
    let mut c = Cluster::new(3);
    let mut told = BTreeMap::new();
    let out = c.event(submit("a", 6)).expect("is taken");
    hear(&c, &out, &mut told);
    c.run(&[]);
    let given: usize = told.values().map(BTreeSet::len).sum();
    assert_eq!(given, 6);
    // Four executors of the sink become one: three slots have nothing left.
    let executors = BTreeMap::from([("sink".to_owned(), 1)]);
    let shape = Shape {
        workers: None,
        executors,
    };
    let (name, wait) = ("a".to_owned(), Some(0));
    let event = Event::Rebalance { name, wait, shape };
    let out = c.event(event).expect("is taken");
    hear(&c, &out, &mut told);
    let t = c.state.by_name("a").expect("lives");
    let told: BTreeSet<Slot> = told.into_values().flatten().collect();
    assert_eq!(told, State::slots_of(t));
}

#[test]
fn a_replacement_on_a_node_that_is_to_end_itself_is_given_up() {
    let mut c = Cluster::new(2);
    c.event(submit("a", 1)).expect("fits");
    c.run(&[]);
    let (name, wait) = ("a".to_owned(), Some(0));
    let shape = Shape {
        workers: Some(2),
        ..Shape::default()
    };
    c.event(Event::Rebalance { name, wait, shape })
        .expect("fits");
    let placed = &c.state.by_name("a").expect("runs").placed;
    let target = placed.iter().find_map(|p| p.target()).expect("moves");
    assert!(placed.iter().all(|p| p.slot() != target));
    // The new worker has not registered yet, and never will: a condemned node starts nothing.
    let notice = Notice {
        sentence: true,
        deadline_ms: c.now + 120_000,
        source: "imds".into(),
        since_ms: 0,
    };
    let node = target.node.clone();
    c.event(Event::Notice { node, notice }).expect("is heard");
    let to = |c: &Cluster| -> BTreeSet<String> {
        let placed = &c.state.by_name("a").expect("runs").placed;
        let targets = placed.iter().filter_map(|p| p.target());
        targets.map(|s| s.node).collect()
    };
    assert!(!to(&c).contains(&target.node), "{:?}", to(&c));
    c.run(&[target.node.as_str()]);
    assert!(to(&c).is_empty(), "no move waits for ever");
    assert!(!c.nodes_of("a").contains(&target.node));
}
