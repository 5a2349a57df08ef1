//! `train --data DIR`: fits both models, writes them, and prints what they say of what they did not see.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::score::{self, Figure, accuracy, figure, macro_f1, mae, r2};
use crate::table::Table;
use crate::{calibrate, itu, itu_model, ns3};

/// Where and how.
#[derive(clap::Args)]
pub struct Options {
    /// Folder with `ns3/*.csv.gz` and `itu/*.csv.gz`.
    #[arg(long)]
    data: PathBuf,
    /// Of the draws; the same seed and data give the same files.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the models go.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/models"))]
    out: PathBuf,
}

/// Trains what there is data for.
///
/// # Errors
/// No data, or a file that cannot be read or written.
pub fn run(o: &Options) -> Result<()> {
    std::fs::create_dir_all(&o.out)?;
    let (ns3, itu) = (
        Table::read(&o.data.join("ns3"))?,
        Table::read(&o.data.join("itu"))?,
    );
    if ns3.is_none() && itu.is_none() {
        bail!("{} holds neither ns3/ nor itu/", o.data.display());
    }
    let mut figures = Vec::new();
    if let Some(table) = ns3 {
        figures.extend(live(&table, o)?);
    }
    if let Some(table) = itu {
        figures.extend(correction(&table, o)?);
    }
    println!("what the models say of deployments that were left out:");
    score::print(&figures, None)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}: {} bytes", path.display(), text.len());
    Ok(())
}

fn live(table: &Table, o: &Options) -> Result<Vec<Figure>> {
    let samples = ns3::samples(table);
    let samples: Vec<&ns3::Sample> = samples.iter().collect();
    if calibrate::probes(&samples).is_empty() {
        bail!("no probe row of ns3/ has a throughput_mbps to learn from");
    }
    let (model, left) = calibrate::train(&samples, o.seed);
    write(&o.out.join("air.model"), &model.write())?;
    let (larger, held) = calibrate::larger(&samples, o.seed);
    let of = |name: &str, unit, pairs: &[_], measure| {
        figure(format!("left out: {name}"), unit, pairs, measure)
    };
    let mut figures = vec![
        of("ns3/mae", "Mb/s", &left.with_mates, mae),
        of("ns3/r2", "1", &left.with_mates, r2),
        of("ns3/cover90", "1", &left.held, accuracy),
        of("ns3/mae, sums alone", "Mb/s", &left.alone, mae),
        of("ns3/r2, sums alone", "1", &left.alone, r2),
        of("ns3/cover90, sums alone", "1", &left.held_alone, accuracy),
        of("cause/accuracy", "1", &left.causes, accuracy),
        of("cause/macro_f1", "1", &left.causes, macro_f1),
    ];
    if !larger.is_empty() {
        figures.push(of("ns3/mae, largest quarter", "Mb/s", &larger, mae));
        figures.push(of("ns3/r2, largest quarter", "1", &larger, r2));
        figures.push(of("ns3/cover90, largest quarter", "1", &held, accuracy));
    }
    Ok(figures)
}

/// Deployments of a size are of one family: what is learnt on the others must hold there.
fn family(scenario: &str) -> &str {
    scenario.trim_end_matches(|c: char| c.is_ascii_lowercase())
}

fn correction(table: &Table, o: &Options) -> Result<Vec<Figure>> {
    let (all, lost) = itu::deployments(table);
    if lost > 0 {
        println!("itu: {lost} stations name no access point of their deployment and are left out");
    }
    let growth = itu_model::growth(o.seed);
    let forest = itu_model::train(all.iter(), &growth);
    write(&o.out.join("itu.trees"), &forest.write())?;
    let mut by_family: BTreeMap<&str, Vec<&itu::Deployment>> = BTreeMap::new();
    for d in &all {
        by_family.entry(family(&d.scenario)).or_default().push(d);
    }
    let mut figures = Vec::new();
    if by_family.len() < 2 {
        return Ok(figures);
    }
    for (name, own) in &by_family {
        let others = all.iter().filter(|d| family(&d.scenario) != *name);
        let forest = itu_model::train(others, &growth);
        let mut pairs: BTreeMap<&str, itu_model::Pairs<'_>> = BTreeMap::new();
        for d in own {
            let said = itu_model::predict(d, &forest);
            pairs.entry(&d.scenario).or_default().add(d, &said);
        }
        for (scenario, p) in pairs.iter().filter(|(_, p)| !p.stas.is_empty()) {
            let of = |what: &str, pairs: &[_]| {
                figure(format!("left out: itu/{scenario}/{what}"), "1", pairs, r2)
            };
            figures.push(of("ap_r2", &p.aps));
            figures.push(of("sta_r2", &p.stas));
        }
    }
    Ok(figures)
}
