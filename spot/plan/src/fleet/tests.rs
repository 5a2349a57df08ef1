//! The fleet manager against a provider that gives, refuses, throttles, forgets and takes, by seed.

use std::collections::BTreeMap;

use super::*;
use crate::chance::Chance;

const S: u64 = 1_000;

fn pools(n: usize) -> Vec<Pool> {
    let pool = |i: usize| Pool {
        instance_type: format!("m{}.large", i / 3),
        zone: format!("z{}", i % 3),
        part: if i.is_multiple_of(2) { 0.05 } else { 0.1 },
        on_demand_usd: if i.is_multiple_of(2) { 0.1 } else { 0.19 },
        score: i as f64,
    };
    (0..n).map(pool).collect()
}

/// A provider, and the manager that is held against it.
struct World {
    fleet: Fleet,
    pools: Vec<Pool>,
    there: Vec<Instance>,
    /// Instances that are there but are not shown before this time.
    hidden: Vec<(u64, Instance)>,
    now: u64,
    wanted: f64,
    risky: bool,
    next: u32,
    calls: usize,
    said: Vec<String>,
    gone: Vec<Instance>,
    chance: Chance,
    /// Pools that give nothing on spot.
    empty: Vec<usize>,
    throttles: bool,
    loses_answers: bool,
}

impl World {
    fn new(n: usize) -> World {
        let pools = pools(n);
        World {
            fleet: Fleet::new(pools.clone(), Limits::default(), "a", 0),
            pools,
            there: Vec::new(),
            hidden: Vec::new(),
            now: 0,
            wanted: 1.0,
            risky: false,
            next: 0,
            calls: 0,
            said: Vec::new(),
            gone: Vec::new(),
            chance: Chance::new(1),
            empty: Vec::new(),
            throttles: false,
            loses_answers: false,
        }
    }

    fn look(&mut self) -> Look {
        let now = self.now;
        let (shown, hidden) = std::mem::take(&mut self.hidden)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.hidden = hidden;
        let shown: Vec<(u64, Instance)> = shown;
        self.there.extend(shown.into_iter().map(|(_, i)| i));
        Look {
            instances: self.there.clone(),
            wanted: self.wanted,
            part_most: 0.2,
            risky: self.risky,
        }
    }

    /// One second, and all that is decided in it.
    fn tick(&mut self) {
        self.now += S;
        let look = self.look();
        for command in self.fleet.step(&look, self.now) {
            match command {
                Command::Launch(order) => self.launch(order),
                Command::Drain(id) => {
                    for i in self.there.iter_mut().filter(|i| i.id == id) {
                        (i.leaving, i.ending, i.work) = (true, true, Some(0));
                    }
                }
                Command::Terminate(id) => {
                    let at = self
                        .there
                        .iter()
                        .position(|i| i.id == id)
                        .expect("only what is there");
                    self.gone.push(self.there.remove(at));
                }
                Command::Say(text) => self.said.push(text),
            }
        }
        self.check();
    }

    fn run(&mut self, secs: u64) {
        (0..secs).for_each(|_| self.tick());
    }

    fn launch(&mut self, order: Order) {
        self.calls += 1;
        let (mut came, mut refused) = (BTreeMap::new(), Vec::new());
        if self.throttles {
            refused.push(Refused::Throttled);
        } else {
            let gives = |i: &&usize| order.life == Life::OnDemand || !self.empty.contains(*i);
            let open: Vec<usize> = order.pools.iter().filter(gives).copied().collect();
            refused.extend(
                order
                    .pools
                    .iter()
                    .filter(|i| !open.contains(i))
                    .map(|i| Refused::Capacity(*i)),
            );
            if !open.is_empty() {
                // The provider decides; the worst for us is all in one.
                let pool = open[self.chance.below(open.len())];
                came.insert(pool, order.nodes);
                for _ in 0..order.nodes {
                    self.next += 1;
                    let shown = self.now + S * self.chance.below(4) as u64;
                    self.hidden
                        .push((shown, self.instance(pool, order.life, &order.token)));
                }
            }
        }
        if !self.loses_answers {
            for command in self.fleet.answered(&order.token, &came, &refused, self.now) {
                if let Command::Say(text) = command {
                    self.said.push(text);
                }
            }
        }
    }

    fn instance(&self, pool: usize, life: Life, order: &str) -> Instance {
        Instance {
            id: format!("i-{:04}", self.next),
            pool: Some(pool),
            part: self.pools[pool].part,
            life,
            order: order.to_owned(),
            leaving: false,
            ending: false,
            advised: false,
            work: Some(1),
        }
    }

    /// Spot in one pool never exceeds its part, whatever the provider chooses.
    fn check(&self) {
        let hidden = self.hidden.iter().map(|(_, i)| i);
        for p in 0..self.pools.len() {
            let of = |i: &&Instance| i.pool == Some(p) && i.life == Life::Spot;
            let all = self.there.iter().chain(hidden.clone()).filter(of);
            let part: f64 = all.map(|i| i.part).sum();
            assert!(part <= 0.2 + 1e-9, "pool {p} holds {part} at {}", self.now);
        }
    }

    fn part(&self) -> f64 {
        self.there
            .iter()
            .filter(|i| !i.leaving)
            .map(|i| i.part)
            .sum()
    }

    fn on_demand(&self) -> usize {
        self.there
            .iter()
            .filter(|i| i.life == Life::OnDemand)
            .count()
    }
}

#[test]
fn what_is_needed_is_bought_on_spot_over_many_pools_and_then_it_is_calm() {
    let mut w = World::new(10);
    w.run(60);
    assert!(
        w.part() >= 1.0 - 1e-9 && w.part() <= 1.1 + 1e-9,
        "{}",
        w.part()
    );
    assert_eq!(w.on_demand(), 0);
    let (calls, nodes) = (w.calls, w.there.len());
    w.run(3_600);
    assert_eq!(
        (w.calls, w.there.len()),
        (calls, nodes),
        "nothing more is done"
    );
}

#[test]
fn nothing_is_ordered_until_what_was_ordered_before_is_seen() {
    let mut w = World::new(10);
    w.run(9);
    assert_eq!(
        w.calls, 0,
        "a new manager waits until the provider shows what there is"
    );
    // Killed right after an order: the next one sees its nodes by their tags.
    w.run(40);
    let nodes = w.there.len();
    w.fleet = Fleet::new(w.pools.clone(), Limits::default(), "b", w.now);
    w.run(120);
    assert_eq!(w.there.len(), nodes);
    // Answers that never come: what is there speaks, and no order is given twice.
    let mut w = World::new(10);
    w.loses_answers = true;
    w.run(400);
    assert!(w.part() >= 1.0 - 1e-9 && w.part() < 1.3, "{}", w.part());
}

#[test]
fn a_notice_is_answered_at_once_and_its_pool_is_not_overfilled() {
    let mut w = World::new(10);
    w.run(60);
    let calls = w.calls;
    let pool = w.there[0].pool;
    for i in w.there.iter_mut().filter(|i| i.pool == pool) {
        i.leaving = true;
    }
    w.run(1);
    assert!(
        w.calls > calls,
        "the replacement is ordered in the same second"
    );
    w.run(30);
    assert!(w.part() >= 1.0 - 1e-9);
    w.there.retain(|i| !i.leaving);
    w.run(30);
    assert!(w.part() >= 1.0 - 1e-9);
}

#[test]
fn pools_without_capacity_are_left_alone_and_on_demand_fills_in() {
    let mut w = World::new(10);
    w.empty = (0..10).collect();
    w.run(120);
    assert!(w.part() >= 1.0 - 1e-9, "{}", w.part());
    assert_eq!(w.on_demand(), w.there.len());
    assert!(
        w.said.iter().any(|s| s.contains("on demand")),
        "{:?}",
        w.said
    );
    assert!(w.calls < 30, "{} calls", w.calls);
    // Spot gives nothing for a day: it is tried ever more rarely, one node at a time.
    let calls = w.calls;
    w.run(86_400);
    assert!(
        w.calls - calls <= 20,
        "{} attempts in a day",
        w.calls - calls
    );
    // It gives again: nodes go back one after the other, without ever missing any.
    w.empty.clear();
    for _ in 0..86_400 {
        w.tick();
        assert!(w.part() >= 1.0 - 1e-9, "{} at {}", w.part(), w.now);
    }
    assert_eq!(w.on_demand(), 0);
}

#[test]
fn a_high_risk_buys_on_demand_and_does_not_return_while_it_lasts() {
    let mut w = World::new(10);
    w.risky = true;
    w.run(86_400);
    assert!(w.part() >= 1.0 - 1e-9 && w.on_demand() == w.there.len());
    w.risky = false;
    w.run(86_400);
    assert_eq!(w.on_demand(), 0);
}

#[test]
fn a_provider_that_throttles_is_asked_ever_more_rarely_and_told_of_once() {
    let mut w = World::new(10);
    w.throttles = true;
    w.run(3_600);
    assert!((10..60).contains(&w.calls), "{} calls", w.calls);
    let said = w
        .said
        .iter()
        .filter(|s| s.contains("too many calls"))
        .count();
    assert_eq!(said, 1);
    w.throttles = false;
    w.run(300);
    assert!(w.part() >= 1.0 - 1e-9);
}

#[test]
fn what_is_too_much_goes_after_a_while_the_least_missed_first() {
    let mut w = World::new(10);
    w.wanted = 1.5;
    w.run(120);
    for i in &mut w.there {
        i.work = Some(9);
    }
    let idle = w
        .there
        .iter()
        .position(|i| i.part < 0.06)
        .expect("a small one");
    w.there[idle].work = Some(0);
    let advised = w
        .there
        .iter()
        .rposition(|i| i.part < 0.06)
        .expect("another");
    w.there[advised].advised = true;
    let (idle, advised) = (w.there[idle].id.clone(), w.there[advised].id.clone());
    assert_ne!(idle, advised);
    w.wanted = 1.0;
    let nodes = w.there.len();
    w.run(299);
    assert_eq!(w.there.len(), nodes, "not for a passing dip");
    w.run(3_600);
    let gone: Vec<&str> = w.gone.iter().map(|i| i.id.as_str()).collect();
    assert_eq!(gone[..2], [advised, idle]);
    assert!(w.part() >= 1.0 - 1e-9 && w.part() < 1.05, "{}", w.part());
    // Nothing is needed any more.
    w.wanted = 0.0;
    w.run(20_000);
    assert!(w.there.is_empty());
}

#[test]
fn random_losses_refusals_and_restarts_never_break_the_cap_and_always_heal() {
    for seed in 0..30 {
        let mut w = World::new(8 + seed as usize % 8);
        w.chance = Chance::new(seed);
        for step in 0..2_000u64 {
            let mut chance = Chance::of(seed, step, 0);
            match chance.below(60) {
                0 => {
                    let pool = Some(chance.below(w.pools.len()));
                    w.there.retain(|i| i.pool != pool);
                }
                1 => w.throttles = !w.throttles,
                2 => {
                    w.empty = (0..w.pools.len())
                        .filter(|_| chance.below(3) == 0)
                        .collect()
                }
                3 => {
                    w.fleet = Fleet::new(
                        w.pools.clone(),
                        Limits::default(),
                        &format!("l{step}"),
                        w.now,
                    )
                }
                4 => w.loses_answers = !w.loses_answers,
                5 => w
                    .there
                    .iter_mut()
                    .for_each(|i| i.leaving |= chance.below(9) == 0),
                6 => w.there.retain(|i| !i.leaving),
                7 => w.wanted = 0.5 + chance.below(10) as f64 / 10.0,
                _ => {}
            }
            w.tick();
        }
        (w.throttles, w.loses_answers, w.wanted) = (false, false, 1.0);
        w.empty.clear();
        w.there.retain(|i| !i.leaving);
        w.run(1_200);
        assert!(w.part() >= 1.0 - 1e-9, "seed {seed}: {}", w.part());
        assert!(w.calls < 2_000, "seed {seed}: {} calls", w.calls);
    }
}

#[test]
fn a_manager_that_dies_while_it_lets_a_node_go_is_followed_by_one_that_ends_it() {
    let mut w = World::new(10);
    w.run(60);
    w.there[0].leaving = true;
    w.there[0].ending = true;
    w.there[0].work = Some(7);
    let id = w.there[0].id.clone();
    w.fleet = Fleet::new(w.pools.clone(), Limits::default(), "b", w.now);
    w.run(60);
    assert!(w.gone.is_empty(), "its work has time to move");
    w.there.iter_mut().for_each(|i| i.work = i.work.map(|_| 0));
    w.run(2);
    assert_eq!(w.gone.iter().map(|i| &i.id).collect::<Vec<_>>(), [&id]);
}

#[test]
fn pools_change_and_what_was_refused_or_ordered_is_not_forgotten() {
    let mut w = World::new(10);
    w.empty = (0..10).collect();
    w.run(12);
    let calls = w.calls;
    assert!(calls > 0);
    // The same pools in another order: they are still known to have nothing.
    w.pools.reverse();
    w.empty = (0..10).collect();
    w.fleet.repool(w.pools.clone());
    w.run(30);
    assert!(
        w.there.iter().all(|i| i.life == Life::OnDemand),
        "closed pools stay closed"
    );
    // An order that is not seen yet counts after its pools have moved.
    let mut w = World::new(10);
    w.loses_answers = true;
    while w.calls == 0 {
        w.tick();
    }
    let hidden: Vec<_> = w.hidden.iter().map(|(_, i)| i.id.clone()).collect();
    w.pools.rotate_left(3);
    for i in w
        .there
        .iter_mut()
        .chain(w.hidden.iter_mut().map(|h| &mut h.1))
    {
        i.pool = i.pool.map(|p| (p + 7) % 10);
    }
    w.fleet.repool(w.pools.clone());
    w.run(300);
    assert!(
        !hidden.is_empty() && w.part() >= 1.0 - 1e-9 && w.part() < 1.3,
        "{}",
        w.part()
    );
}
