//! Orders: what is missing is ordered on spot, and on demand when spot does not give it; refusals are waited out.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use super::model::{Command, Life, Limits, Look, Order, Pool, Refused};
use super::rooms::{self, NEAR};

/// An order that was answered, or not yet, and whose nodes are not seen yet.
#[derive(Clone, Debug)]
struct Coming {
    order: Order,
    since: u64,
    answered: bool,
}

/// A pool that gave nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Closed {
    until: u64,
    times: u32,
}

/// The fleet manager.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub(super) limits: Limits,
    pub(super) pools: Vec<Pool>,
    /// Names this life of the manager in its tokens.
    life: String,
    started: u64,
    next: u64,
    coming: Vec<Coming>,
    closed: BTreeMap<usize, Closed>,
    quiet_until: u64,
    refusals: u32,
    told: Option<String>,
    /// Since when spot has not given what is missing.
    missing_since: Option<u64>,
    /// When spot was refused last; 0 after a return to it went well.
    pub(super) refused_at: u64,
    /// The order that is to replace a node on demand, and how often in a row such a one was refused.
    pub(super) returning: Option<String>,
    pub(super) returns_refused: u32,
    /// A return went well: nodes on demand need not stay.
    pub(super) replaces: bool,
    /// Since when there is too much, and how much it was then.
    pub(super) excess_since: Option<(u64, f64)>,
    /// Instances that are being let go, since when.
    pub(super) draining: BTreeMap<String, u64>,
}

impl Fleet {
    /// A manager that knows nothing yet. `life` differs from every other life's.
    pub fn new(pools: Vec<Pool>, limits: Limits, life: &str, now: u64) -> Self {
        Fleet {
            limits,
            pools,
            life: life.to_owned(),
            started: now,
            next: 0,
            coming: Vec::new(),
            closed: BTreeMap::new(),
            quiet_until: 0,
            refusals: 0,
            told: None,
            missing_since: None,
            refused_at: now,
            returning: None,
            returns_refused: 0,
            replaces: false,
            excess_since: None,
            draining: BTreeMap::new(),
        }
    }

    /// Takes a look and says what is to be done: at most one order at a time.
    pub fn step(&mut self, look: &Look, now: u64) -> Vec<Command> {
        let mut out = Vec::new();
        self.arrived(look, now);
        // Another life of the manager began to let these go.
        for i in look.instances.iter().filter(|i| i.ending) {
            self.draining.entry(i.id.clone()).or_insert(now);
        }
        let waits = self.coming.iter().any(|c| !c.answered);
        if now < self.started + self.limits.settle || waits {
            return out;
        }
        let missing = look.wanted - rooms::there(look) - self.coming_part();
        if missing > NEAR {
            (self.excess_since, self.replaces) = (None, false);
            let since = *self.missing_since.get_or_insert(now);
            if now >= self.quiet_until {
                self.order(look, missing, since, now, &mut out);
            }
        } else {
            self.missing_since = None;
            self.let_go(look, now, &mut out);
        }
        self.end_drained(look, now, &mut out);
        out
    }

    /// Other pools, or the same with other parts and scores. What is still to come and what was refused is kept for
    /// those that stay.
    pub fn repool(&mut self, pools: Vec<Pool>) {
        let at = |old: usize| {
            let was = &self.pools[old];
            let same = |p: &Pool| p.instance_type == was.instance_type && p.zone == was.zone;
            pools.iter().position(same)
        };
        let moved: Vec<Option<usize>> = (0..self.pools.len()).map(at).collect();
        for c in &mut self.coming {
            c.order.pools = c.order.pools.iter().filter_map(|i| moved[*i]).collect();
        }
        let closed = std::mem::take(&mut self.closed).into_iter();
        self.closed = closed.filter_map(|(i, c)| Some((moved[i]?, c))).collect();
        self.pools = pools;
    }

    /// What became of an order: nodes that came, by pool, and why others did not.
    pub fn answered(
        &mut self,
        token: &str,
        came: &BTreeMap<usize, u32>,
        refused: &[Refused],
        now: u64,
    ) -> Vec<Command> {
        let Some(at) = self.coming.iter().position(|c| c.order.token == token) else {
            return Vec::new();
        };
        let spot = self.coming[at].order.life == Life::Spot;
        let nodes: u32 = came.values().sum();
        if nodes == 0 {
            self.coming.remove(at);
        } else {
            let coming = &mut self.coming[at];
            coming.answered = true;
            coming.order.nodes = nodes;
            coming.order.pools = came.keys().copied().collect();
            self.refusals = 0;
            self.told = None;
            self.closed.retain(|pool, _| !came.contains_key(pool));
        }
        let mut out = Vec::new();
        if self.returning.as_deref() == Some(token) {
            self.returning = None;
            self.replaces = nodes > 0;
            (self.refused_at, self.returns_refused) = match nodes {
                0 => (now, self.returns_refused + 1),
                _ => (0, 0),
            };
        }
        for why in refused {
            if spot {
                self.refused_at = now;
            }
            self.refused(why, now, &mut out);
        }
        out
    }

    fn refused(&mut self, why: &Refused, now: u64, out: &mut Vec<Command>) {
        let text = match why {
            Refused::Capacity(pool) => {
                let closed = self.closed.entry(*pool).or_default();
                closed.until =
                    now + doubled(self.limits.closed, closed.times, self.limits.closed_most);
                closed.times += 1;
                return;
            }
            Refused::Throttled => "too many calls".to_owned(),
            Refused::Other(text) => text.clone(),
        };
        let wait = doubled(
            self.limits.back_off,
            self.refusals,
            self.limits.back_off_most,
        );
        self.quiet_until = now + wait;
        self.refusals += 1;
        // Once, not at each attempt.
        if self.told.as_ref() != Some(&text) {
            out.push(Command::Say(format!(
                "an order was refused: {text}; tried again in {} s",
                wait.div_ceil(1_000)
            )));
            self.told = Some(text);
        }
    }

    /// Orders whose nodes are seen, or will not be any more, are over.
    fn arrived(&mut self, look: &Look, now: u64) {
        let seen = |token: &str| look.instances.iter().filter(|i| i.order == token).count() as u32;
        let appear = self.limits.appear;
        self.coming
            .retain(|c| seen(&c.order.token) < c.order.nodes && now < c.since + appear);
        for c in &mut self.coming {
            // An answer that was lost: what is there speaks.
            c.answered |= seen(&c.order.token) > 0;
        }
    }

    /// The part of the need that was ordered and is not seen yet: of its smallest pool, since it may be that one.
    fn coming_part(&self) -> f64 {
        let of = |c: &Coming| {
            let parts = c.order.pools.iter().map(|i| self.pools[*i].part);
            f64::from(c.order.nodes) * parts.fold(f64::INFINITY, f64::min)
        };
        self.coming
            .iter()
            .filter(|c| !c.order.pools.is_empty())
            .map(of)
            .sum()
    }

    /// Nodes that may still appear in each pool.
    fn coming_nodes(&self) -> Vec<u32> {
        let mut nodes = vec![0; self.pools.len()];
        for c in &self.coming {
            c.order
                .pools
                .iter()
                .for_each(|i| nodes[*i] += c.order.nodes);
        }
        nodes
    }

    pub(super) fn open(&self, now: u64) -> Vec<usize> {
        let closed = |i: &usize| self.closed.get(i).is_some_and(|c| now < c.until);
        (0..self.pools.len()).filter(|i| !closed(i)).collect()
    }

    fn order(&mut self, look: &Look, missing: f64, since: u64, now: u64, out: &mut Vec<Command>) {
        let rooms = rooms::rooms(&self.pools, look, &self.coming_nodes());
        let open = self.open(now);
        let most = self.limits.order_most;
        let spot = rooms::size(&self.pools, &rooms, &open, missing, most);
        let waited = now >= since + self.limits.fallback;
        let why = match (look.risky, spot) {
            (true, _) => "the risk on spot is high",
            (_, None) => "no pool has anything to give, or may hold more",
            (_, Some(_)) if waited => "spot did not give it in time",
            (_, Some((nodes, pools))) => return self.launch(Life::Spot, nodes, pools, now, out),
        };
        let Some(cheapest) = self.cheapest_on_demand(&open) else {
            return;
        };
        let nodes = (missing / self.pools[cheapest].part - NEAR).ceil().max(1.0);
        let nodes = (nodes as u32).min(most);
        out.push(Command::Say(format!(
            "{nodes} nodes are bought on demand: {why}"
        )));
        self.launch(Life::OnDemand, nodes, vec![cheapest], now, out);
    }

    /// The pool that holds the need at the lowest price on demand. A pool closed for spot may give on demand, but
    /// one that is open for both is taken first.
    fn cheapest_on_demand(&self, open: &[usize]) -> Option<usize> {
        let price = |i: &usize| self.pools[*i].on_demand_usd / self.pools[*i].part;
        let by_price = |a: &usize, b: &usize| price(a).total_cmp(&price(b));
        let all = 0..self.pools.len();
        open.iter()
            .copied()
            .min_by(by_price)
            .or_else(|| all.min_by(by_price))
    }

    pub(super) fn launch(
        &mut self,
        life: Life,
        nodes: u32,
        pools: Vec<usize>,
        now: u64,
        out: &mut Vec<Command>,
    ) {
        self.next += 1;
        let order = Order {
            token: format!("{}-{}", self.life, self.next),
            life,
            nodes,
            pools,
        };
        self.coming.push(Coming {
            order: order.clone(),
            since: now,
            answered: false,
        });
        out.push(Command::Launch(order));
    }

    /// Whether nothing that was ordered is still to come.
    pub(super) fn is_calm(&self) -> bool {
        self.coming.is_empty()
    }
}

/// A time, twice as long for each time before, up to the most.
pub(super) fn doubled(first: u64, times: u32, most: u64) -> u64 {
    first.saturating_mul(1u64 << times.min(20)).min(most)
}
