//! The real recordings beside the checkout: the plan's availability lies within the interval of the replayed one.

use std::path::PathBuf;

use crate::losses::Losses;
use crate::models::{Model, Odds};
use crate::replay::Replay;
use crate::trace::{self, Track};

/// The folder of real data (`$FULMAR_SHARED`, else beside the checkout), if it is there.
pub fn spot() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let shared =
        std::env::var_os("FULMAR_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let spot = shared.join("data/spot");
    if !spot.exists() {
        println!("skipped: no recordings at {}", spot.display());
        return None;
    }
    Some(spot)
}

/// Every recording, by the name of its file.
pub fn tracks() -> Vec<(String, Vec<Track>)> {
    let Some(folder) = spot().map(|s| s.join("traces")) else {
        return Vec::new();
    };
    let index = std::fs::read_to_string(folder.join("index.csv")).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let length = trace::length_in(&index, &name).unwrap()?;
        let text = std::fs::read_to_string(file).unwrap();
        Some((
            name.clone(),
            trace::parse(&name, &text, Some(length)).unwrap(),
        ))
    };
    files.iter().filter_map(read).collect()
}

#[test]
fn the_plan_lies_in_the_interval_of_every_recording() {
    let (mut asked, mut inside) = (0, 0);
    for (name, tracks) in tracks() {
        let losses = Losses::Tracks(tracks);
        for window in [60.0, 300.0, 1_800.0] {
            for (pools, needed) in [
                (vec![8], 6),
                (vec![16], 16),
                (vec![8; 5], 32),
                (vec![4; 10], 36),
            ] {
                let plan = Odds::new(&losses, window).served(Model::Pool, &pools, needed);
                let replay = Replay::new(&losses, pools.len(), window, 1);
                let [low, high] = replay.ci95(&replay.served(&pools, needed));
                asked += 1;
                inside += u32::from((low..=high).contains(&plan));
                assert!(
                    (low..=high).contains(&plan),
                    "{name} {window} s {pools:?}: {plan} not in {low}..{high}"
                );
            }
        }
    }
    println!("{inside} of {asked} plans lie inside");
}

#[test]
fn recordings_hold_what_their_index_says() {
    for (name, tracks) in tracks() {
        assert_eq!(tracks.len(), 1, "{name}");
        let t = &tracks[0];
        assert!(
            t.events
                .iter()
                .all(|(at, s)| *at <= t.length_s && *s > 0.0 && *s <= 1.0),
            "{name}"
        );
        assert!(
            t.outages_s.iter().all(|o| *o >= 0.0 && *o <= t.length_s),
            "{name}"
        );
        if name == "bamboo-p3.csv" {
            assert_eq!(t.events.len(), 79);
        }
    }
}
