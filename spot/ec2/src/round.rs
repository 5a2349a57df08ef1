//! One round of the manager: look at EC2, decide, carry out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use fulmar_spot_plan::fleet::{Command, Fleet, Instance, Life, Look, Order, Pool, Refused, Risk};

use crate::client::Ec2;
use crate::envelope::Told;
use crate::error::{Error, Result};
use crate::events::Heard;
use crate::instances::Seen;
use crate::manager::{Cluster, Known, Pace};
use crate::order::Answer;
use crate::places::Zones;

/// After an instance was ended it may be shown for so long.
const ENDED_SHOWN_MS: u64 = 60_000;

/// Orders after one look: a manager that missed a notice meanwhile would not know it for longer.
const ORDERS_A_LOOK: usize = 10;

/// What the manager keeps between rounds: nothing of it is needed to go on after a crash.
pub struct Round {
    ec2: Ec2,
    zones: Zones,
    fleet: Fleet,
    pools: Vec<Pool>,
    risk: Risk,
    drain_ms: u64,
    heard: Arc<Heard>,
    /// Spot instances of the last look that were not known to end.
    standing: BTreeSet<String>,
    /// Instances that we ended, and when.
    ended: BTreeMap<String, u64>,
    /// Zones that are expected to have little room.
    poor: Vec<String>,
    scores_offered: bool,
    /// Orders to somebody else's fleet whose nodes are awaited, and which nodes came for which.
    awaited: VecDeque<(String, u32)>,
    brought: BTreeMap<String, String>,
    held_offered: bool,
}

impl Round {
    /// The first of a manager's life.
    pub fn new(ec2: Ec2, zones: Zones, pace: &Pace, heard: Arc<Heard>, now: u64) -> Self {
        let life = format!("{now:x}-{:x}", std::process::id());
        Self {
            held_offered: ec2.settings.held.is_some(),
            ec2,
            zones,
            fleet: Fleet::new(Vec::new(), pace.limits, &life, now),
            pools: Vec::new(),
            risk: Risk::new(pace.risk),
            drain_ms: pace.limits.drain,
            heard,
            standing: BTreeSet::new(),
            ended: BTreeMap::new(),
            poor: Vec::new(),
            scores_offered: true,
            awaited: VecDeque::new(),
            brought: BTreeMap::new(),
        }
    }

    /// Asks which zones are expected to have little room, where the endpoint has it.
    pub async fn ask_scores(&mut self, known: &Known) {
        let types: Vec<String> = known
            .wish
            .types
            .iter()
            .map(|p| p.instance_type.clone())
            .collect();
        if !self.scores_offered || types.is_empty() {
            return;
        }
        let least = known
            .wish
            .types
            .iter()
            .map(|p| p.part)
            .fold(f64::INFINITY, f64::min);
        let nodes = (known.wish.wanted / least).ceil() as u32;
        match self.ec2.poor_zones(&self.zones, &types, nodes).await {
            Ok(poor) => self.poor = poor,
            Err(Error::NotOffered(what)) => {
                tracing::info!(what, "not offered here: zones are all alike");
                self.scores_offered = false;
            }
            // The last answer holds.
            Err(error) => tracing::warn!(%error, "placement scores are not known"),
        }
    }

    /// Takes one round. Whether anything was done.
    ///
    /// # Errors
    /// EC2 could not be looked at; nothing was done.
    pub async fn take<C: Cluster>(&mut self, cluster: &C, known: &Known, now: u64) -> Result<bool> {
        let seen = self.ec2.instances().await?;
        self.repool(known);
        self.attribute(&seen);
        let look = self.look(&seen, known, now);
        let mut done = false;
        // What was ordered and answered counts at once: the next order need not wait for another look.
        for _ in 0..ORDERS_A_LOOK {
            let commands = self.fleet.step(&look, now);
            let ordered = commands.iter().any(|c| matches!(c, Command::Launch(_)));
            done |= !commands.is_empty();
            for command in commands {
                self.carry_out(cluster, command, now).await;
            }
            if !ordered {
                break;
            }
        }
        Ok(done)
    }

    fn repool(&mut self, known: &Known) {
        let zones: Vec<String> = self
            .zones
            .keys()
            .filter(|z| !self.poor.contains(z))
            .cloned()
            .collect();
        let pools = known.wish.pools(&zones);
        if pools != self.pools {
            self.pools.clone_from(&pools);
            self.fleet.repool(pools);
        }
    }

    /// Nodes of somebody else's fleet bear no order: those that are new came for the oldest one that waits.
    fn attribute(&mut self, seen: &[Seen]) {
        self.brought
            .retain(|id, _| seen.iter().any(|s| s.id == *id));
        for s in seen.iter().filter(|s| s.order.is_empty()) {
            if self.brought.contains_key(&s.id) {
                continue;
            }
            let token = match self.awaited.front_mut() {
                Some((token, waits)) => {
                    *waits -= 1;
                    let (token, last) = (token.clone(), *waits == 0);
                    if last {
                        self.awaited.pop_front();
                    }
                    token
                }
                None => String::new(),
            };
            self.brought.insert(s.id.clone(), token);
        }
    }

    fn look(&mut self, seen: &[Seen], known: &Known, now: u64) -> Look {
        self.ended.retain(|_, at| now < *at + ENDED_SHOWN_MS);
        let there: Vec<&Seen> = seen
            .iter()
            .filter(|s| !self.ended.contains_key(&s.id))
            .collect();
        let instances: Vec<Instance> = there.iter().map(|s| self.instance(s, known, now)).collect();
        let spot = |i: &&Instance| i.life == Life::Spot && !i.leaving;
        let standing: BTreeSet<String> = instances
            .iter()
            .filter(spot)
            .map(|i| i.id.clone())
            .collect();
        let ours = |id: &&String| {
            let by_us = there.iter().any(|s| s.id == **id && s.ending_ms.is_some());
            by_us || self.ended.contains_key(*id)
        };
        let taken = self
            .standing
            .difference(&standing)
            .filter(|id| !ours(id))
            .count();
        (0..taken).for_each(|_| self.risk.note(now));
        let risky = self.risk.is_high(standing.len(), now);
        self.standing = standing;
        Look {
            instances,
            wanted: known.wish.wanted,
            part_most: known.wish.part_most,
            risky,
        }
    }

    fn instance(&self, s: &Seen, known: &Known, now: u64) -> Instance {
        let mut instance = known.instance(s, &self.pools);
        if instance.order.is_empty() {
            instance.order = self.brought.get(&s.id).cloned().unwrap_or_default();
        }
        instance.leaving |= self.heard.is_sentenced(&s.id, now);
        instance
    }

    async fn carry_out<C: Cluster>(&mut self, cluster: &C, command: Command, now: u64) {
        match command {
            Command::Launch(order) => self.launch(cluster, &order, now).await,
            Command::Drain(id) => {
                let told = Told {
                    instance: id.clone(),
                    sentence: true,
                    deadline_ms: now + self.drain_ms,
                };
                cluster
                    .say(format!("{id} is let go: its work moves first"))
                    .await;
                // Without its mark another life of the manager would count it again, which costs time only.
                if let Err(error) = self.ec2.mark_ending(&id, now).await {
                    tracing::warn!(%error, id, "not marked as going");
                }
                // One that never registered has nothing to move.
                if let Err(why) = cluster.notice(&told, "fleet").await {
                    tracing::warn!(why, id, "Nimbus was not told");
                }
            }
            // Within one look it is said again.
            Command::Terminate(id) if self.ended.contains_key(&id) => {}
            Command::Terminate(id) => match self.ec2.end(&id).await {
                Ok(()) => {
                    self.ended.insert(id.clone(), now);
                    cluster.say(format!("{id} is ended")).await;
                }
                Err(error) => tracing::warn!(%error, id, "not ended, tried again"),
            },
            Command::Say(text) => cluster.say(text).await,
        }
    }

    async fn launch<C: Cluster>(&mut self, cluster: &C, order: &Order, now: u64) {
        let answer = match self.raise(order).await {
            Some(answer) => answer,
            None => self.ec2.order(order, &self.pools, &self.zones).await,
        };
        let (came, refused) = match answer {
            Ok(answer) => (answer.came, answer.refused),
            Err(error) => match error.refused() {
                Some(why) => (BTreeMap::new(), vec![why]),
                // It may have been carried out: its instances are looked for, by their tags.
                None => {
                    tracing::warn!(%error, order = order.token, "an order without an answer");
                    return;
                }
            },
        };
        let nodes: u32 = came.values().sum();
        if nodes > 0 {
            let text = format!(
                "{nodes} of {} nodes come: {}",
                order.nodes,
                self.names(&came)
            );
            cluster.say(text).await;
        }
        for command in self.fleet.answered(&order.token, &came, &refused, now) {
            if let Command::Say(text) = command {
                cluster.say(text).await;
            }
        }
    }

    /// Asks somebody else's fleet for more, if there is one and it can be asked.
    async fn raise(&mut self, order: &Order) -> Option<Result<Answer>> {
        if !self.held_offered || order.life == Life::OnDemand {
            return None;
        }
        let held = self.ec2.settings.held.clone()?;
        let by = i32::try_from(order.nodes).unwrap_or(i32::MAX);
        match self.ec2.move_target(&held, by).await {
            Ok(_) => {
                self.awaited.push_back((order.token.clone(), order.nodes));
                let pool = order.pools.first().copied().unwrap_or(0);
                Some(Ok(Answer {
                    came: BTreeMap::from([(pool, order.nodes)]),
                    refused: Vec::<Refused>::new(),
                }))
            }
            Err(Error::NotOffered(what)) => {
                tracing::warn!(what, "not offered here: instant fleets are ordered instead");
                self.held_offered = false;
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn names(&self, came: &BTreeMap<usize, u32>) -> String {
        let name = |(i, n): (&usize, &u32)| {
            let pool = self.pools.get(*i);
            let name = pool.map_or_else(String::new, |p| format!("{}/{}", p.instance_type, p.zone));
            format!("{n} of {name}")
        };
        came.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}
