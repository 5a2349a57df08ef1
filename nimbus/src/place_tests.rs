//! Placement, event by event: evictions, isolation, quarantine, nodes that return.

use std::collections::{BTreeMap, BTreeSet};

use fulmar_api::{Config, TopologySpec};

use crate::event::{Command, Event, Refusal, Submit};
use crate::model::{Node, State};
use crate::scheduler::Kind;
use crate::scheduler::policy::Policy;

const START: u64 = 1_000_000;

struct World {
    state: State,
    now: u64,
    told: Vec<(&'static str, String)>,
}

impl World {
    fn new(yaml: &str) -> Self {
        let conf = Config::from_yaml(yaml).expect("reads");
        let state = State {
            policy: Policy::read(&conf).expect("fits"),
            started: START,
            ..State::default()
        };
        let (now, told) = (START, Vec::new());
        Self { state, now, told }
    }

    fn try_event(&mut self, event: Event) -> Result<(), Refusal> {
        for c in self.state.step(event, self.now)? {
            if let Command::Tell(kind, _, _, text) = c {
                self.told.push((kind, text));
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event) {
        self.try_event(event).expect("is taken");
    }

    fn node(&mut self, id: &str, slots: u16) {
        let node = Node {
            id: id.to_owned(),
            slots: (0..slots).map(|p| 6700 + p).collect(),
            started_ms: self.now,
            ..Node::default()
        };
        self.event(Event::Supervisor(Box::new(node)));
    }

    /// A topology of `executors` in one component; `conf` is flat YAML.
    fn submit(&mut self, name: &str, executors: u32, conf: &str) -> Result<(), Refusal> {
        let json = format!(
            r#"{{"name":"{name}","components":[{{"id":"s","kind":"spout","parallelism":{executors},
                "tasks":{executors},"outputs":[],"inputs":[]}}]}}"#
        );
        let spec: TopologySpec = serde_json::from_str(&json).expect("reads");
        self.try_event(Event::Submit(Box::new(Submit {
            spec,
            conf: Config::from_yaml(conf).expect("reads"),
            blob_key: String::new(),
            program_args: Vec::new(),
            inactive: false,
        })))
    }

    /// Seconds pass; those nodes are heard each of them, and what waits for its new owner finds it ready.
    fn pass(&mut self, secs: u64, heard: &[&str]) {
        for _ in 0..secs {
            self.now += 1_000;
            for node in heard {
                let (memory_mb, cpu_percent) = (0.0, 0.0);
                let node = (*node).to_owned();
                self.event(Event::SupervisorHeartbeat {
                    node,
                    memory_mb,
                    cpu_percent,
                });
            }
            self.event(Event::Look);
            self.open_standbys();
        }
    }

    fn open_standbys(&mut self) {
        let mut ready: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for t in self.state.topologies.values() {
            for p in &t.placed {
                if let Some(slot) = p.target() {
                    ready
                        .entry((slot, t.id.clone()))
                        .or_default()
                        .push(p.executor());
                }
            }
        }
        for ((slot, topology), ready) in ready {
            let incarnation = self.now + u64::from(slot.port);
            let (host, version) = (String::new(), 0);
            let at = slot.clone();
            self.event(Event::Worker {
                slot: at,
                host,
                topology,
                incarnation,
            });
            let (memory_mb, cpu_percent) = (0.0, 0.0);
            self.event(Event::WorkerHeartbeat {
                slot,
                incarnation,
                version,
                ready,
                memory_mb,
                cpu_percent,
            });
        }
    }

    fn nodes_of(&self, name: &str) -> BTreeSet<String> {
        let t = self.state.by_name(name).expect("runs");
        t.placed.iter().map(|p| p.node.clone()).collect()
    }

    fn missing(&self, name: &str) -> String {
        self.state
            .by_name(name)
            .expect("runs")
            .missing
            .clone()
            .unwrap_or_default()
    }

    fn was_told(&self, kind: &str, text: &str) -> bool {
        self.told
            .iter()
            .any(|(k, t)| *k == kind && t.contains(text))
    }
}

#[test]
fn a_topology_of_higher_priority_evicts_a_lower_one_which_comes_back() {
    let mut w = World::new("storm.scheduler: resource");
    assert_eq!(w.state.policy.kind, Kind::Resource);
    w.node("a", 4);
    // 40 executors of 10 % fill the node's 400 points; each worker holds six of 128 MB.
    w.submit("low", 24, "topology.priority: 30").expect("fits");
    assert_eq!(w.missing("low"), "");
    w.submit("same", 24, "topology.priority: 30")
        .expect("is taken");
    assert!(
        w.missing("same").contains("have no place"),
        "{}",
        w.missing("same")
    );
    w.submit("high", 12, "topology.priority: 3").expect("fits");
    assert_eq!(
        (w.missing("high"), w.nodes_of("low").len()),
        (String::new(), 0)
    );
    assert!(w.was_told("evicted", "evicted for \"high\" of priority 3"));
    assert!(w.nodes_of("high").contains("a"));
    w.event(Event::Kill {
        name: "high".into(),
        wait: Some(0),
    });
    w.pass(1, &["a"]);
    assert_eq!(
        (w.missing("low"), w.nodes_of("low").len()),
        (String::new(), 1)
    );
}

#[test]
fn nobody_is_evicted_when_that_would_not_help() {
    let mut w = World::new("storm.scheduler: resource");
    w.node("a", 4);
    w.submit("low", 12, "topology.priority: 30").expect("fits");
    w.submit("high", 99, "topology.priority: 3")
        .expect("is taken");
    assert_eq!(w.nodes_of("low").len(), 1);
    assert!(
        w.missing("high").contains("have no place"),
        "{}",
        w.missing("high")
    );
}

#[test]
fn an_isolated_topology_gets_its_nodes_and_others_leave() {
    let mut w = World::new("isolation.scheduler.machines: {alone: 1}");
    ["a", "b"].iter().for_each(|n| w.node(n, 4));
    w.submit("others", 4, "topology.workers: 2").expect("fits");
    w.pass(1, &["a", "b"]);
    assert_eq!(w.nodes_of("others").len(), 2);
    w.submit("alone", 2, "topology.workers: 2").expect("fits");
    w.pass(4, &["a", "b"]);
    let (alone, others) = (w.nodes_of("alone"), w.nodes_of("others"));
    assert_eq!((alone.len(), others.len()), (1, 1));
    assert!(alone.is_disjoint(&others), "{alone:?} {others:?}");
    w.event(Event::Kill {
        name: "others".into(),
        wait: Some(0),
    });
    w.submit("alone2", 1, "").expect("fits");
    assert!(alone.is_disjoint(&w.nodes_of("alone2")));
}

#[test]
fn a_returned_node_is_used_once_it_has_settled() {
    let mut w = World::new("nimbus.spread.delay.secs: 10");
    w.node("a", 4);
    w.submit("t", 4, "topology.workers: 2").expect("fits");
    w.pass(20, &["a"]);
    w.node("b", 4);
    w.pass(8, &["a", "b"]);
    assert_eq!(w.nodes_of("t").len(), 1, "it has not settled");
    w.pass(6, &["a", "b"]);
    assert_eq!(w.nodes_of("t").len(), 2);
    let before = w.state.by_name("t").expect("runs").placed.clone();
    w.pass(60, &["a", "b"]);
    assert_eq!(
        w.state.by_name("t").expect("runs").placed,
        before,
        "it stays"
    );
}

#[test]
fn a_node_that_comes_and_goes_is_quarantined_until_work_lacks_slots() {
    let mut w = World::new("nimbus.quarantine.base.secs: 600");
    w.node("a", 2);
    for _ in 0..3 {
        w.node("b", 2);
        w.pass(1, &["a", "b"]);
        w.pass(5, &["a"]);
    }
    assert!(w.was_told("quarantined", "b comes and goes"));
    w.node("b", 2);
    w.submit("one", 2, "topology.workers: 2").expect("fits");
    assert_eq!(w.nodes_of("one"), BTreeSet::from(["a".to_owned()]));
    w.submit("two", 2, "topology.workers: 2").expect("fits");
    assert_eq!(w.nodes_of("two"), BTreeSet::from(["b".to_owned()]));
    assert!(w.was_told("released", "b ends early"));
}

#[test]
fn a_topology_without_a_slot_starts_when_a_supervisor_comes() {
    let mut w = World::new("");
    w.submit("t", 2, "topology.workers: 2").expect("is taken");
    assert!(
        w.missing("t").contains("no free slot"),
        "{}",
        w.missing("t")
    );
    w.node("a", 2);
    assert_eq!((w.missing("t"), w.nodes_of("t").len()), (String::new(), 1));
}

#[test]
fn a_wrong_wish_is_refused_at_the_submit() {
    let mut w = World::new("");
    for (conf, words) in [
        ("topology.pool.max.share: 0", "above 0 and at most 1"),
        (
            "topology.stable.components: [x]",
            "there is no component \"x\"",
        ),
        (
            "topology.ras.constraints: {s: {most: 1}}",
            "neither maxNodeCoLocationCnt",
        ),
        ("topology.component.cpu.pcore.percent: -5", "from 0 to"),
    ] {
        let e = w.submit("t", 1, conf).expect_err(conf).to_string();
        assert!(e.contains(words), "{conf}: {e}");
    }
    assert!(w.state.topologies.is_empty());
    let conf = "topology.ras.constraints: {s: {maxNodeCoLocationCnt: 1}}\n\
                topology.component.resources.map: {gpu.count: 1}\n";
    w.submit("t", 1, conf).expect("fits");
    let id = w.state.by_name("t").expect("runs").id.clone();
    let plan = w.state.plan(&id);
    assert_eq!(plan.components[0].per_node, Some(1));
    assert_eq!(plan.components[0].demand.generic["gpu.count"], 1.0);
}

#[test]
fn it_bears_as_many_losses_as_there_are_nodes_to_spare() {
    let mut w = World::new("");
    ["a", "b", "c", "d"].iter().for_each(|n| w.node(n, 2));
    w.submit("t", 4, "topology.workers: 4").expect("fits");
    // Eight slots, four are needed: two of the nodes may go.
    let id = w.state.by_name("t").expect("runs").id.clone();
    assert_eq!(
        crate::endure::endures(&w.state, w.now),
        BTreeMap::from([(id, 2)])
    );
    w.submit("u", 4, "topology.workers: 4").expect("fits");
    let found = crate::endure::endures(&w.state, w.now);
    assert_eq!(found.values().copied().collect::<Vec<_>>(), [0, 0]);
    w.node("e", 2);
    let found = crate::endure::endures(&w.state, w.now);
    // The older one is served first when two go.
    assert_eq!(found.values().copied().collect::<Vec<_>>(), [2, 1]);
}
