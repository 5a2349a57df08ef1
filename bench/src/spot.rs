//! The planner on real data: how fast endurance is answered, what a policy costs and serves over years of prices.
//!
//! The data are the recordings and prices beside the checkout, or others of the same form. The parts that need a live
//! cluster (notices, drains) are not here: they are measured where clusters are started.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use fulmar_spot_plan::bands::{self, Bands};
use fulmar_spot_plan::bursts::Bursts;
use fulmar_spot_plan::ledger::{Outcome, Strategy, replay};
use fulmar_spot_plan::losses::Losses;
use fulmar_spot_plan::market::{self, Market, Need, Types};
use fulmar_spot_plan::models::{Model, Odds};
use fulmar_spot_plan::policy::Rules;
use fulmar_spot_plan::replay::Replay;
use fulmar_spot_plan::topologies::{Node, Topology, Wanted, endurance};
use fulmar_spot_plan::trace::{self, Track};

use crate::report::{Figure, print};

/// How to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Three runs of each figure and one seed of the policy, instead of nine and five.
    #[arg(long)]
    quick: bool,
    /// Write one JSON object a line to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Prices, date,region,instance_type,spot_usd_per_hour, perhaps packed; default: the shared ones.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Folder of recordings with their index.csv; default: the shared ones.
    #[arg(long, value_name = "DIR")]
    traces: Option<PathBuf>,
    /// Instance types; default: instance-types.csv beside the prices, else the shared one.
    #[arg(long, value_name = "FILE")]
    types: Option<PathBuf>,
    /// Interruption bands; default: the newest spot-advisor-*.csv.gz beside the prices, else the shared one.
    #[arg(long, value_name = "FILE")]
    advisor: Option<PathBuf>,
    /// From a loss until its replacement serves, in seconds.
    #[arg(long, default_value_t = 300.0)]
    recovery: f64,
}

/// Cores of the measured need; memory is 2, 4 and 8 GiB for each.
const VCPU: f64 = 256.0;
const YEAR_S: f64 = 365.0 * 86_400.0;

/// Runs all parts.
///
/// # Errors
/// The data cannot be read, or the figures cannot be written.
pub fn run(options: &Options) -> Result<()> {
    ensure!(
        options.recovery > 0.0 && options.recovery <= 86_400.0,
        "--recovery is {} s; allowed is above 0, up to a day",
        options.recovery
    );
    let groups = recordings(options)?;
    let runs = if options.quick { 3 } else { 9 };
    let mut figures = vec![endure(runs), a_year(&groups, runs)];
    inside(&groups, options.recovery);
    figures.extend(policy(options, &groups)?);
    println!();
    print(&figures, options.json.as_deref())
}

/// 1,000 nodes in 50 pools with 100 topologies: what each endures.
fn endure(runs: usize) -> Figure {
    let node = |i: usize| Node {
        pool: i % 50,
        slots: 2 + (i % 50 / 10) as u32,
    };
    let nodes: Vec<Node> = (0..1_000).map(node).collect();
    let topology = |i: usize| Topology {
        name: format!("t{i}"),
        workers: 20 + (i % 11) as u32,
    };
    let topologies: Vec<Topology> = (0..100).map(topology).collect();
    let losses = Losses::Rate {
        per_s: (0..50)
            .map(|i| (1.0 + f64::from(i) / 10.0) / 86_400.0)
            .collect(),
        shares: vec![0.1, 0.25, 0.5, 1.0],
    };
    let wanted = Wanted {
        losses: &losses,
        window_s: 300.0,
        target: 0.9999,
        seed: 1,
    };
    let one = || {
        let begun = Instant::now();
        let found = endurance(&nodes, 50, &topologies, &wanted);
        assert_eq!(found.len(), 100, "each topology is answered");
        begun.elapsed().as_secs_f64() * 1e3
    };
    Figure {
        name: "spot/endure/1000x50x100_ms".to_owned(),
        runs: (0..runs).map(|_| one()).collect(),
        unit: "ms",
        against: None,
        note: "worst, random and pool losses of every topology, both models exact, 20,000 random orders".to_owned(),
    }
}

/// A year of all recordings over 50 pools of 1,000 nodes.
fn a_year(groups: &[Vec<Track>], runs: usize) -> Figure {
    let losses = Losses::Tracks(groups.iter().flatten().cloned().collect());
    let sizes = vec![20; 50];
    let one = |seed| {
        let begun = Instant::now();
        let served = Replay::new(&losses, sizes.len(), 300.0, seed)
            .once(YEAR_S)
            .served(&sizes, 900);
        assert!((0.0..=1.0).contains(&served[0]), "a part of the year");
        begun.elapsed().as_secs_f64() * 1e3
    };
    Figure {
        name: "spot/replay/year_ms".to_owned(),
        runs: (0..runs as u64).map(one).collect(),
        unit: "ms",
        against: None,
        note: "a year of every recording's losses over 50 pools of 20 nodes".to_owned(),
    }
}

/// Says how many plans lie in the interval of their replays.
fn inside(groups: &[Vec<Track>], window_s: f64) {
    let (mut inside, mut asked) = (0, 0);
    for track in groups.iter().flatten() {
        let losses = Losses::Tracks(vec![track.clone()]);
        for (sizes, needed) in [(vec![16], 12), (vec![8; 5], 32), (vec![4; 10], 36)] {
            let plan = Odds::new(&losses, window_s).served(Model::Pool, &sizes, needed);
            let replay = Replay::new(&losses, sizes.len(), window_s, 1);
            let [low, high] = replay.ci95(&replay.served(&sizes, needed));
            asked += 1;
            inside += u32::from((low..=high).contains(&plan));
        }
    }
    println!(
        "predicted availability inside the 95 % interval of the replayed one: {inside} of {asked}"
    );
}

/// Every region and shape of need, by every way to buy.
fn policy(options: &Options, groups: &[Vec<Track>]) -> Result<[Figure; 2]> {
    let bursts = Bursts::of(groups)?;
    let rules = Rules {
        recovery_s: options.recovery,
        ..Rules::default()
    };
    let ways = [
        ("on demand", Strategy::OnDemand),
        ("lowest price", Strategy::LowestPrice),
        ("single pool", Strategy::SinglePool),
        ("spread", Strategy::Spread(rules)),
    ];
    heading(&bursts);
    let seeds = if options.quick { 1 } else { 5 };
    let (mut cost, mut served) = (Vec::new(), Vec::new());
    for m in markets(options)? {
        for ratio in [2.0, 4.0, 8.0] {
            let need = Need {
                vcpu: VCPU,
                memory_gib: VCPU * ratio,
            };
            for (name, way) in ways {
                let outcomes: Vec<Outcome> = (0..seeds)
                    .map(|s| replay(&m, need, way, &bursts, options.recovery, s))
                    .collect();
                let worst = outcomes
                    .iter()
                    .copied()
                    .min_by(|a, b| a.served.total_cmp(&b.served))
                    .unwrap_or_default();
                println!(
                    "{:<12} {ratio:>7} {name:<13} {:>10.0} {:>10.4} {:>11.7} {:>9.1} {:>6} {:>6} {:>11.3}",
                    m.region,
                    worst.usd,
                    worst.cost_share,
                    worst.served,
                    worst.short_minutes,
                    worst.taken,
                    worst.pools,
                    worst.largest
                );
                if matches!(way, Strategy::Spread(_)) {
                    cost.extend(outcomes.iter().map(|o| o.cost_share));
                    served.extend(outcomes.iter().map(|o| o.served));
                }
            }
        }
    }
    let note = format!(
        "{VCPU} cores with 2, 4 and 8 GiB each, every region, {seeds} seeds; recovery {} s; against the cheapest on-demand type",
        options.recovery
    );
    let figure = |name: &str, runs, unit| Figure {
        name: format!("spot/policy/{name}"),
        runs,
        unit,
        against: None,
        note: note.clone(),
    };
    Ok([
        figure("cost_share", cost, "part"),
        figure("served", served, "part"),
    ])
}

fn heading(bursts: &Bursts) {
    println!(
        "{} bursts in the recordings, {:.2} of a pool each on average, {:.2} other pools with it\n",
        bursts.number(),
        bursts.mean_share,
        bursts.mean_companions
    );
    println!(
        "{:<12} {:>7} {:<13} {:>10} {:>10} {:>11} {:>9} {:>6} {:>6} {:>11}",
        "region",
        "GiB/vCPU",
        "way",
        "USD",
        "cost share",
        "served",
        "short min",
        "taken",
        "pools",
        "most in one"
    );
}

/// The folder of real data beside the checkout.
fn shared() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("FULMAR_SHARED")
        .map_or_else(|| root.join("../shared"), PathBuf::from)
        .join("data/spot")
}

fn text(path: &Path) -> Result<String> {
    let name = || {
        format!(
            "{}: name data by --prices, --traces, --types, --advisor, or set FULMAR_SHARED",
            path.display()
        )
    };
    let mut text = String::new();
    let mut file = std::fs::File::open(path).with_context(name)?;
    if path.extension().is_some_and(|e| e == "gz") {
        flate2::read::GzDecoder::new(file)
            .read_to_string(&mut text)
            .with_context(name)?;
    } else {
        file.read_to_string(&mut text).with_context(name)?;
    }
    Ok(text)
}

/// Recordings, those that began together in one group. Without an index each stands alone and ends with its last row.
fn recordings(options: &Options) -> Result<Vec<Vec<Track>>> {
    let folder = options
        .traces
        .clone()
        .unwrap_or_else(|| shared().join("traces"));
    let index = folder.join("index.csv");
    let entries = if index.exists() {
        trace::index("index.csv", &text(&index)?)?
    } else {
        Vec::new()
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| {
            format!(
                "{}: name a folder of recordings by --traces",
                folder.display()
            )
        })?
        .filter_map(|f| f.ok().map(|f| f.path()))
        .filter(|f| {
            *f != index
                && [".csv", ".csv.gz"]
                    .iter()
                    .any(|e| f.to_string_lossy().ends_with(e))
        })
        .collect();
    files.sort();
    let mut groups: BTreeMap<String, Vec<Track>> = BTreeMap::new();
    for file in files {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let entry = entries.iter().find(|e| e.file == name);
        let tracks = trace::parse(&name, &text(&file)?, entry.map(|e| e.length_s))?;
        groups
            .entry(entry.map_or(name, |e| e.start.clone()))
            .or_default()
            .extend(tracks);
    }
    Ok(groups.into_values().collect())
}

fn markets(options: &Options) -> Result<Vec<Market>> {
    let prices = options
        .prices
        .clone()
        .unwrap_or_else(|| shared().join("spot-prices.csv.gz"));
    let beside = prices.parent().unwrap_or(Path::new(".")).to_path_buf();
    let types = options
        .types
        .clone()
        .unwrap_or_else(|| match beside.join("instance-types.csv") {
            file if file.exists() => file,
            _ => shared().join("instance-types.csv"),
        });
    let newest = |folder: &Path| {
        let all = std::fs::read_dir(folder)
            .ok()?
            .filter_map(|f| f.ok().map(|f| f.path()));
        all.filter(|f| {
            f.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("spot-advisor-"))
        })
        .max()
    };
    let advisor = options
        .advisor
        .clone()
        .or_else(|| newest(&beside))
        .or_else(|| newest(&shared()));
    let types: Types = market::types("types", &text(&types)?)?;
    let bands: Bands = match advisor {
        Some(file) => bands::parse("bands", &text(&file)?)?,
        None => Bands::new(),
    };
    Ok(market::markets("prices", &text(&prices)?, &types, &bands)?)
}
