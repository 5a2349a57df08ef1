//! What clients ask for, and what they were told: an acknowledgement must not be forgotten.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use fulmar_api::{Config, TopologySpec};
use fulmar_nimbus::event::{Event, Refusal, Submit};
use fulmar_nimbus::lifecycle::Status;
use fulmar_nimbus::model::{Shape, State};

use crate::rng::Rng;

const NAMES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];

/// What a client may believe of a topology.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Life {
    /// It was never submitted, or is gone.
    #[default]
    Absent,
    /// Its submit was acknowledged.
    Alive,
    /// Its kill was acknowledged.
    Killed,
    /// Nimbus died over the question.
    Unsure,
}

/// What clients know of one name.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Whether it lives.
    pub life: Life,
    /// Whether its spouts emit; `None` when Nimbus died over the question.
    pub active: Option<bool>,
    /// Workers wanted; `None` when Nimbus died over the question.
    pub workers: Option<usize>,
}

/// What all clients know.
#[derive(Default)]
pub struct Ledger(pub BTreeMap<&'static str, Known>);

/// What became of a question.
pub enum Outcome<'r> {
    /// It was acknowledged.
    Acknowledged,
    /// It was refused.
    Refused(&'r Refusal),
    /// Nimbus died.
    Died,
}

/// A question: its name, and the event.
pub fn ask(rng: &mut Rng) -> (&'static str, Event) {
    let name = NAMES[rng.below(NAMES.len() as u64) as usize];
    let wait = Some(rng.below(4) * 1_000);
    let workers = 1 + rng.below(3) as usize;
    let event = match rng.below(8) {
        0..=2 => submit(name, workers),
        3 => Event::Kill {
            name: name.to_owned(),
            wait,
        },
        4 | 5 => Event::Activate {
            name: name.to_owned(),
            active: rng.one_in(2),
        },
        _ => {
            let shape = Shape {
                workers: Some(workers),
                executors: BTreeMap::from([("bolt".to_owned(), 1 + rng.below(4) as u32)]),
            };
            Event::Rebalance {
                name: name.to_owned(),
                wait,
                shape,
            }
        }
    };
    (name, event)
}

fn submit(name: &str, workers: usize) -> Event {
    let json = format!(
        r#"{{"name":"{name}","components":[
            {{"id":"spout","kind":"spout","parallelism":2,"tasks":2,"outputs":[{{"name":"default","fields":["x"]}}],"inputs":[]}},
            {{"id":"bolt","kind":"bolt","parallelism":3,"tasks":4,"outputs":[],
              "inputs":[{{"component":"spout","stream":"default","grouping":"shuffle"}}]}}]}}"#
    );
    let spec: TopologySpec = serde_json::from_str(&json).expect("the text above is right");
    let mut conf = Config::new();
    conf.set("topology.workers", workers as i64);
    Event::Submit(Box::new(Submit {
        spec,
        conf,
        blob_key: "program".to_owned(),
        program_args: Vec::new(),
        inactive: false,
    }))
}

impl Ledger {
    /// Notes what became of a question. Answers which promise a refusal breaks.
    pub fn note(
        &mut self,
        name: &'static str,
        event: &Event,
        outcome: Outcome<'_>,
    ) -> Result<(), String> {
        let known = self.0.entry(name).or_default();
        match outcome {
            Outcome::Acknowledged => match event {
                Event::Submit(s) => {
                    let workers = s.conf.int_or("topology.workers", 1).unwrap_or(1) as usize;
                    *known = Known {
                        life: Life::Alive,
                        active: Some(true),
                        workers: Some(workers),
                    };
                }
                Event::Kill { .. } => known.life = Life::Killed,
                Event::Activate { active, .. } => known.active = Some(*active),
                Event::Rebalance { shape, .. } => known.workers = shape.workers,
                _ => {}
            },
            Outcome::Died => match event {
                Event::Submit(_) => {
                    *known = Known {
                        life: Life::Unsure,
                        active: None,
                        workers: None,
                    }
                }
                Event::Kill { .. } => known.life = Life::Unsure,
                Event::Activate { .. } => known.active = None,
                _ => known.workers = None,
            },
            Outcome::Refused(Refusal::NotAlive(_)) => match known.life {
                Life::Alive => {
                    return Err(format!(
                        "nothing acknowledged is forgotten: {name} was submitted, and Nimbus knows none"
                    ));
                }
                _ => known.life = Life::Absent,
            },
            Outcome::Refused(Refusal::AlreadyAlive(_)) if known.life == Life::Absent => {
                return Err(format!(
                    "nothing acknowledged is forgotten: {name} is gone, and Nimbus has one"
                ));
            }
            // Nimbus died over this name before: now we know that there is one.
            Outcome::Refused(_) => {}
        }
        Ok(())
    }

    /// Compares what clients were told with what Nimbus knows, when all has come to rest.
    pub fn compare(&self, state: &State) -> Result<(), String> {
        for (name, known) in &self.0 {
            let t = state.by_name(name);
            match (known.life, t) {
                (Life::Alive, None) => {
                    return Err(format!(
                        "nothing acknowledged is forgotten: {name} was submitted and is not there"
                    ));
                }
                (Life::Killed, Some(t)) if !matches!(t.status, Status::Killed { .. }) => {
                    return Err(format!(
                        "nothing acknowledged is forgotten: {name} was killed and is {:?}",
                        t.status
                    ));
                }
                (Life::Killed, Some(_)) => {
                    return Err(format!(
                        "a killed topology ends with no workers: {name} is still there"
                    ));
                }
                (Life::Absent, Some(_)) => {
                    return Err(format!(
                        "nothing acknowledged is forgotten: {name} was gone and is there"
                    ));
                }
                (Life::Alive, Some(t)) => {
                    let active = t.status == Status::Active;
                    if known.active.is_some_and(|a| a != active) {
                        return Err(format!(
                            "nothing acknowledged is forgotten: {name} should be active {:?} and is {:?}",
                            known.active, t.status
                        ));
                    }
                    if known.workers.is_some_and(|w| w != t.workers) {
                        return Err(format!(
                            "nothing acknowledged is forgotten: {name} should have {:?} workers and has {}",
                            known.workers, t.workers
                        ));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
