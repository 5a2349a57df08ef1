//! How fast Nimbus decides: 51,810 executors over 1,000 supervisors with 66 slots each, and 300
//! topologies submitted one after another. Every decision goes through `State::step`, as in the daemon,
//! with what it publishes made ready for the wire; `submit300` also writes Nimbus' store to the disk.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use fulmar_api::spec::{ComponentKind, ComponentSpec, InputSpec, StreamSpec};
use fulmar_api::{Config, Grouping, TopologySpec};
use fulmar_nimbus::event::{Command, Event, Submit};
use fulmar_nimbus::model::{Node, State};
use fulmar_nimbus::scheduler::{Kind, Resources};
use fulmar_nimbus::store::Store;
use fulmar_nimbus::wire;

use crate::report::{Figure, print};

const NODES: usize = 1_000;
const SLOTS: u16 = 66;
const EXECUTORS: u32 = 51_810;
const POOLS: usize = 12;

/// How to measure.
#[derive(clap::Args)]
pub struct Options {
    /// One run instead of five.
    #[arg(long)]
    quick: bool,
    /// Write one JSON object a line to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// A topology that is not laid wholly, or a file that cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let runs = if options.quick { 1 } else { 5 };
    let mut figures = Vec::new();
    for (kind, name) in [(Kind::Even, ""), (Kind::Resource, "resource/")] {
        figures.extend(large(kind, name, runs)?);
    }
    figures.push(submits(runs)?);
    print(&figures, options.json.as_deref())
}

/// 1,000 supervisors in 12 pools; a quarter of each pool is on-demand.
fn cluster(kind: Kind) -> Result<State> {
    let mut state = State::default();
    state.policy.kind = kind;
    state.policy.settle = 0;
    for i in 0..NODES {
        let node = Node {
            id: format!("node-{i:04}"),
            host: format!("10.0.{}.{}", i / 250, i % 250),
            slots: (0..SLOTS).map(|p| 6_700 + p).collect(),
            pool: format!("pool-{}", i % POOLS),
            life_cycle: if (i / POOLS).is_multiple_of(4) {
                "on-demand"
            } else {
                "spot"
            }
            .to_owned(),
            resources: Resources {
                cpu: 600.0,
                memory: 8_192.0,
                ..Resources::default()
            },
            ..Node::default()
        };
        state.step(Event::Supervisor(Box::new(node)), 1_000)?;
    }
    Ok(state)
}

/// A source and `bolts` behind it, `executors` in all.
fn submit(name: &str, executors: u32, workers: u32, bolts: u32) -> Event {
    let stream = || StreamSpec {
        name: "default".to_owned(),
        fields: vec!["x".to_owned()],
        direct: false,
    };
    let part = |i: u32| executors / (bolts + 1) + u32::from(i < executors % (bolts + 1));
    let component = |i: u32| ComponentSpec {
        id: format!("component-{i}"),
        kind: if i == 0 {
            ComponentKind::Spout
        } else {
            ComponentKind::Bolt
        },
        parallelism: part(i),
        tasks: part(i),
        outputs: vec![stream()],
        inputs: (i > 0)
            .then(|| InputSpec {
                component: format!("component-{}", i - 1),
                stream: "default".to_owned(),
                grouping: Grouping::Shuffle,
            })
            .into_iter()
            .collect(),
        conf: Config::default(),
        blocking: false,
    };
    let mut conf = Config::new();
    conf.set("topology.workers", i64::from(workers));
    conf.set("topology.pool.max.share", 0.2);
    let spec = TopologySpec {
        name: name.to_owned(),
        components: (0..=bolts).map(component).collect(),
        conf: Config::default(),
    };
    Event::Submit(Box::new(Submit {
        spec,
        conf,
        blob_key: "program".to_owned(),
        program_args: Vec::new(),
        inactive: false,
    }))
}

/// One step, and what the daemon would say because of it.
fn step(state: &mut State, event: Event, now: u64, store: Option<&Store>) -> Result<Vec<Command>> {
    let out = state.step(event, now)?;
    for command in &out {
        if let (Command::Store(id), Some(store)) = (command, store) {
            let stored = state.stored(id).context("a stored topology exists")?;
            store.put(&stored, state.next_number)?;
        }
        if let Command::Publish(id) = command {
            std::hint::black_box(wire::assignment(state, id));
        }
    }
    let nodes: BTreeSet<&str> = out.iter().filter_map(slots).collect();
    std::hint::black_box(wire::slots(state, &nodes, 1));
    Ok(out)
}

fn slots(command: &Command) -> Option<&str> {
    match command {
        Command::Slots(node) => Some(node),
        _ => None,
    }
}

/// Where everything is, and whether all of it is somewhere.
fn placed(state: &State) -> Result<Vec<(String, i32, String, u16)>> {
    let mut all = Vec::new();
    for t in state.topologies.values() {
        anyhow::ensure!(t.missing.is_none(), "{}: {:?}", t.name, t.missing);
        for p in &t.placed {
            let (node, port) = p.move_to.clone().unwrap_or((p.node.clone(), p.port));
            all.push((t.id.clone(), p.first, node, port));
        }
    }
    anyhow::ensure!(all.len() == EXECUTORS as usize, "{} are laid", all.len());
    Ok(all)
}

fn moves(before: &[(String, i32, String, u16)], after: &[(String, i32, String, u16)]) -> usize {
    before.iter().zip(after).filter(|(a, b)| a != b).count()
}

/// What the first laying is.
const FIRST: &str =
    "one topology, 1,000 workers wanted, 12 pools, share 0.2; the whole step and its messages";

/// One topology of all executors: the first laying, laying again, the loss of one node.
fn large(kind: Kind, name: &str, runs: usize) -> Result<Vec<Figure>> {
    let (mut first, mut again, mut loss, mut loss_ms) = (vec![], vec![], vec![], vec![]);
    let mut lost = 0;
    for _ in 0..runs {
        let mut state = cluster(kind)?;
        let began = Instant::now();
        step(
            &mut state,
            submit("large", EXECUTORS, NODES as u32, 9),
            1_000,
            None,
        )?;
        first.push(began.elapsed().as_secs_f64() * 1e3);
        let before = placed(&state)?;
        let ids: Vec<_> = state.topologies.keys().cloned().collect();
        for id in ids {
            state.lay_again(&id, fulmar_nimbus::cluster::Why::Spread);
        }
        step(&mut state, Event::Look, 1_000, None)?;
        let after = placed(&state)?;
        again.push(moves(&before, &after) as f64);
        // Everybody but one is heard again, and then it has been silent for too long.
        for id in state.nodes.keys().skip(1).cloned().collect::<Vec<_>>() {
            let (memory_mb, cpu_percent) = (0.0, 0.0);
            let node = id;
            state.step(
                Event::SupervisorHeartbeat {
                    node,
                    memory_mb,
                    cpu_percent,
                },
                8_000,
            )?;
        }
        lost = before.iter().filter(|p| p.2 == "node-0000").count();
        let began = Instant::now();
        step(&mut state, Event::Look, 8_000, None)?;
        loss_ms.push(began.elapsed().as_secs_f64() * 1e3);
        loss.push(moves(&after, &placed(&state)?) as f64);
    }
    let figure = |what: &str, runs: Vec<f64>, unit, note: String| Figure {
        name: format!("scheduler/51810x1000/{name}{what}"),
        runs,
        unit,
        against: None,
        note,
    };
    Ok(vec![
        figure("first_ms", first, "ms", FIRST.to_owned()),
        figure(
            "again_moves",
            again,
            "executors",
            "laid again, free to move".to_owned(),
        ),
        figure(
            "one_loss_moves",
            loss,
            "executors",
            format!("{lost} executors were on the node"),
        ),
        figure(
            "one_loss_ms",
            loss_ms,
            "ms",
            "from the look that finds it silent".to_owned(),
        ),
    ])
}

/// 300 topologies of together 51,810 executors, one after another, each stored before the next.
fn submits(runs: usize) -> Result<Figure> {
    let mut seconds = Vec::new();
    for _ in 0..runs {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let mut state = cluster(Kind::Even)?;
        let began = Instant::now();
        for i in 0..300 {
            let executors = EXECUTORS / 300 + u32::from(i < EXECUTORS % 300);
            let event = submit(&format!("topology-{i}"), executors, 20, 4);
            step(&mut state, event, 1_000, Some(&store))?;
        }
        seconds.push(began.elapsed().as_secs_f64());
        placed(&state)?;
    }
    Ok(Figure {
        name: "scheduler/submit300/s".to_owned(),
        runs: seconds,
        unit: "s",
        against: None,
        note:
            "300 topologies of 172 or 173 executors and 20 workers, each written to the store first"
                .to_owned(),
    })
}
