//! The real recordings beside the checkout: the plan's availability lies within the interval of the replayed one.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::bands::{self, Band};
use crate::bursts::{Bursts, hits};
use crate::ledger::{Strategy, replay};
use crate::losses::Losses;
use crate::market::{self, Need};
use crate::models::{Model, Odds};
use crate::policy::Rules;
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

/// Every recording: its file's name, when it began, what it holds.
fn recordings() -> Vec<(String, String, Vec<Track>)> {
    let Some(folder) = spot().map(|s| s.join("traces")) else {
        return Vec::new();
    };
    let index = std::fs::read_to_string(folder.join("index.csv")).unwrap();
    let read = |e: trace::Entry| {
        let text = std::fs::read_to_string(folder.join(&e.file)).unwrap();
        let tracks = trace::parse(&e.file, &text, Some(e.length_s)).unwrap();
        (e.file, e.start, tracks)
    };
    trace::index("index.csv", &index)
        .unwrap()
        .into_iter()
        .map(read)
        .collect()
}

#[test]
fn the_plan_lies_in_the_interval_of_every_recording() {
    let (mut asked, mut inside) = (0, 0);
    for (name, _, tracks) in recordings() {
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
    for (name, _, tracks) in recordings() {
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

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn bursts() -> Option<Bursts> {
    let mut groups: BTreeMap<String, Vec<Track>> = BTreeMap::new();
    for (_, start, tracks) in recordings() {
        groups.entry(start).or_default().extend(tracks);
    }
    let groups: Vec<Vec<Track>> = groups.into_values().collect();
    (!groups.is_empty()).then(|| Bursts::of(&groups).unwrap())
}

#[test]
fn hits_come_at_the_rate_of_the_band() {
    let Some(bursts) = bursts() else { return };
    println!(
        "{} bursts, mean share {:.3}, companions {:.3}",
        bursts.number(),
        bursts.mean_share,
        bursts.mean_companions
    );
    // A long time, so that chance is small beside the mean.
    let (pools, years) = (20, 200.0);
    for band in [Band::new(1).unwrap(), Band::WORST] {
        let length = years * 365.0 * 86_400.0;
        let hits = hits(&bursts, &vec![band; pools], length, 5);
        let taken: f64 = hits.iter().map(|h| h.share).sum();
        let wanted = band.per_s() * length * pools as f64;
        // Steps of a burst take parts of what the earlier left, so their plain sum is a little more.
        assert!((0.95..1.25).contains(&(taken / wanted)), "{taken} {wanted}");
        assert!(hits.windows(2).all(|w| w[0].at_s <= w[1].at_s));
    }
}

#[test]
fn spreading_is_cheap_and_serves() {
    let (Some(folder), Some(bursts)) = (spot(), bursts()) else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("instance-types.csv")).unwrap();
    let types = market::types("types", &text).unwrap();
    let bands = bands::parse(
        "bands",
        &unpacked(&folder.join("spot-advisor-2025-06.csv.gz")),
    )
    .unwrap();
    let prices = unpacked(&folder.join("spot-prices.csv.gz"));
    for m in market::markets("prices", &prices, &types, &bands).unwrap() {
        for ratio in [2.0, 4.0, 8.0] {
            let need = Need {
                vcpu: 256.0,
                memory_gib: 256.0 * ratio,
            };
            let spread = replay(
                &m,
                need,
                Strategy::Spread(Rules::default()),
                &bursts,
                300.0,
                1,
            );
            println!("{} {ratio} {spread:?}", m.region);
            assert!(spread.pools >= 8 && spread.largest <= 0.2, "{spread:?}");
            assert!(
                spread.cost_share <= 0.5 && spread.served >= 0.9999,
                "{spread:?}"
            );
        }
    }
}
