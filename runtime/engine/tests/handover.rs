//! The hand-over between threads in every order of events that there can be, by loom: no wake-up is
//! lost, no message either, and what one sender sends arrives in order, also when its core is adopted
//! in the middle of a turn.
//!
//! The engine's own files are compiled here against loom's forms of what they are built on
//! (`handover/sync.rs`). A model parks without a time limit, so a lost wake-up is a deadlock, which
//! loom reports.

use std::time::Duration;

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

use bell::Bell;
use lanes::{Cores, Lanes};
use place::Place;
use sync::{AtomicUsize, Consumer, Mutex, Ordering, lock};

#[allow(dead_code, reason = "the models need not use all of it")]
#[path = "../src/bell.rs"]
mod bell;
#[allow(dead_code, reason = "the models need not use all of it")]
#[path = "../src/lanes.rs"]
mod lanes;
#[allow(dead_code, reason = "the models need not use all of it")]
#[path = "../src/place.rs"]
mod place;
#[path = "handover/sync.rs"]
mod sync;

/// What is sent.
enum Item {
    Number(u32),
    Lane(Consumer<Item>),
}

/// One listening core, and a channel to it that knows no order.
struct World {
    bell: Bell,
    count: AtomicUsize,
    ends: Mutex<Vec<Consumer<Item>>>,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            bell: Bell::new(),
            count: AtomicUsize::new(0),
            ends: Mutex::new(Vec::new()),
        })
    }
}

impl Cores<Item> for Arc<World> {
    fn introduce(&self, _: usize, end: Consumer<Item>) {
        lock(&self.ends).push(end);
        self.count.fetch_add(1, Ordering::Release);
        self.bell.ring();
    }

    fn bell(&self, _: usize) -> &Bell {
        &self.bell
    }
}

/// Listens as a core does until so many numbers have come.
fn listen(world: &Arc<World>, wanted: usize) -> Vec<u32> {
    world.bell.enter();
    let (mut lanes, mut known, mut got) = (Lanes::new(1), 0, Vec::new());
    while got.len() < wanted {
        let mut did = false;
        let mut ring = 0;
        while ring < lanes.rings() {
            while let Some(item) = lanes.next(ring) {
                did = true;
                match item {
                    Item::Number(n) => got.push(n),
                    Item::Lane(end) => lanes.hear(end),
                }
            }
            ring += 1;
        }
        lanes.forget();
        if world.count.load(Ordering::Acquire) > known {
            did = true;
            for end in std::mem::take(&mut *lock(&world.ends)).into_iter().rev() {
                known += 1;
                lanes.hear(end);
            }
        }
        if !did {
            world.bell.park(Duration::MAX, || {
                world.count.load(Ordering::Acquire) > known || lanes.has_news()
            });
        }
    }
    got
}

/// Sends on until nothing is held back any more.
fn send_on(lanes: &mut Lanes<Item>, world: &Arc<World>) {
    while lanes.is_held_back() {
        lanes.flush(world);
        thread::yield_now();
    }
}

fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

#[test]
fn a_listener_that_goes_to_sleep_misses_nothing() {
    model(2, || {
        let world = World::new();
        let sender = world.clone();
        let sends = thread::spawn(move || {
            let mut lanes = Lanes::new(2);
            lanes.send(&sender, 0, Item::Number(1));
            lanes.send(&sender, 0, Item::Number(2));
        });
        assert_eq!(listen(&world, 2), [1, 2]);
        sends.join().unwrap();
    });
}

#[test]
fn a_full_ring_loses_nothing_and_keeps_the_order() {
    model(2, || {
        let world = World::new();
        let sender = world.clone();
        let sends = thread::spawn(move || {
            let mut lanes = Lanes::new(1);
            (1..=3).for_each(|n| lanes.send(&sender, 0, Item::Number(n)));
            send_on(&mut lanes, &sender);
            // This end goes; what is in the ring must be heard still.
        });
        assert_eq!(listen(&world, 3), [1, 2, 3]);
        sends.join().unwrap();
    });
}

#[test]
fn what_is_for_a_core_that_ended_is_dropped() {
    model(3, || {
        let world = World::new();
        let mut lanes = Lanes::new(1);
        (1..=3).for_each(|n| lanes.send(&world, 0, Item::Number(n)));
        let listener = world.clone();
        let ends = thread::spawn(move || lock(&listener.ends).clear());
        send_on(&mut lanes, &world);
        ends.join().unwrap();
    });
}

#[test]
fn a_core_that_is_adopted_in_a_turn_keeps_its_senders_order() {
    model(3, || {
        let world = World::new();
        let place = Arc::new(Place::new());
        let (turns, watched) = (place.clone(), place);
        let (sender, adopter) = (world.clone(), world.clone());
        let runs = thread::spawn(move || {
            let mut lanes = Lanes::new(4);
            lanes.send(&sender, 0, Item::Number(1));
            turns.put(lanes);
            // In the middle of the turn, from whichever core lies there.
            turns.borrow(|lanes| lanes.send(&sender, 0, Item::Number(2)));
            let mut lanes = turns.take();
            lanes.send(&sender, 0, Item::Number(3));
        });
        let mut ends = Vec::new();
        let adopted = watched.exchange(|lanes| {
            let (part, to_send) = lanes.part();
            ends = to_send;
            Some(part)
        });
        if let Some(mut lanes) = adopted {
            for (core, end) in ends {
                lanes.send(&adopter, core, Item::Lane(end));
            }
        }
        runs.join().unwrap();
        // The listener has had nothing yet: a ring that it could hear too early, it hears first now.
        assert_eq!(listen(&world, 3), [1, 2, 3]);
    });
}
