//! A few seeds in every test run; `cargo xtask sim` runs thousands.

use crate::world::World;

#[test]
fn a_few_seeds_hold_every_invariant() {
    for seed in 0..12 {
        let mut world = World::new(seed);
        if let Err(broken) = world.run() {
            panic!("seed {seed} breaks {broken}\n{}", world.story.join("\n"));
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let story = |seed| {
        let mut world = World::new(seed);
        // What it is called here does not matter.
        let _ = world.run();
        world.story
    };
    assert_eq!(story(7), story(7));
    assert_ne!(story(7), story(8));
}
