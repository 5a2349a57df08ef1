//! What is missing, and which pools may give it without any of them holding too much.
//!
//! Pure: no clock, no I/O, no async.

use super::model::{Instance, Look, Pool};

/// Sums are of parts like 0.1: what is within this of the wanted is the wanted.
pub const NEAR: f64 = 1e-9;

/// Capacity that stays: what leaves does not count.
pub fn stays(i: &&Instance) -> bool {
    !i.leaving
}

/// The part of the need that is there to stay.
pub fn there(look: &Look) -> f64 {
    look.instances.iter().filter(stays).map(|i| i.part).sum()
}

/// For each pool how many nodes more it may hold, given what is there and what was ordered and may still appear in it.
///
/// Nodes that leave count here: until they are gone they fall with their pool.
pub fn rooms(pools: &[Pool], look: &Look, coming: &[u32]) -> Vec<u32> {
    let mut held = coming.to_vec();
    held.resize(pools.len(), 0);
    for i in &look.instances {
        if let Some(at) = i.pool {
            held[at] += 1;
        }
    }
    let room = |(p, held): (&Pool, &u32)| {
        let most = (look.part_most / p.part + NEAR).floor() as u32;
        most.saturating_sub(*held)
    };
    pools.iter().zip(&held).map(room).collect()
}

/// How many nodes to order, and from which of the open pools: their parts differ, so the number is what the
/// largest of them needs, and each further order takes what is left. None of them may hold more than its room.
pub fn size(
    pools: &[Pool],
    rooms: &[u32],
    open: &[usize],
    missing: f64,
    most: u32,
) -> Option<(u32, Vec<usize>)> {
    let usable: Vec<usize> = open.iter().copied().filter(|i| rooms[*i] > 0).collect();
    let largest = usable.iter().map(|i| pools[*i].part).fold(0.0, f64::max);
    if largest <= 0.0 || missing <= NEAR {
        return None;
    }
    let wanted = (missing / largest - NEAR).ceil().max(1.0);
    // Shared among the pools that are open, so that the answer may be all of one pool.
    let share = (wanted / usable.len() as f64).ceil() as u32;
    let largest_room = usable.iter().map(|i| rooms[*i]).max().unwrap_or(0);
    let nodes = share.clamp(1, most).min(largest_room);
    let fit = usable.into_iter().filter(|i| rooms[*i] >= nodes).collect();
    Some((nodes, fit))
}

/// The fewest nodes that hold this part whichever of the answered pools gives them, and those pools.
pub fn replacement(
    pools: &[Pool],
    rooms: &[u32],
    open: &[usize],
    part: f64,
) -> Option<(u32, Vec<usize>)> {
    let needs = |i: &usize| (part / pools[*i].part - NEAR).ceil().max(1.0) as u32;
    let usable: Vec<usize> = open
        .iter()
        .copied()
        .filter(|i| rooms[*i] >= needs(i))
        .collect();
    let nodes = usable.iter().map(needs).min()?;
    let fit = usable.into_iter().filter(|i| needs(i) == nodes).collect();
    Some((nodes, fit))
}
