//! `evaluate --data DIR`: predicts every row of a folder with the committed models, writes what it
//! says, and scores it where there is truth.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use fulmar_wifi::air::{Factors, Throughput};
use fulmar_wifi::cause::{CAUSES, Cause, evidence, likeliest, shares};
use fulmar_wifi::model::Model;
use fulmar_wifi::trees::Forest;

use crate::itu_model::Pairs;
use crate::ns3::Sample;
use crate::score::{self, Figure, Pair, accuracy, figure, macro_f1, mae, r2};
use crate::table::Table;
use crate::{itu, itu_model, ns3};

/// How long each run of the speed measurement takes.
const RATE_RUN: Duration = Duration::from_millis(400);

/// Where from and where to.
#[derive(clap::Args)]
pub struct Options {
    /// Folder with `ns3/*.csv.gz` and `itu/*.csv.gz`; columns of truth may be missing.
    #[arg(long)]
    data: PathBuf,
    /// Folder for `ns3.csv` and `itu.csv`; made if absent.
    #[arg(long)]
    predictions: Option<PathBuf>,
    /// One JSON object a line for each figure.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Evaluates what there is.
///
/// # Errors
/// No data, or a file that cannot be read or written.
pub fn run(o: &Options) -> Result<()> {
    let (ns3, itu) = (
        Table::read(&o.data.join("ns3"))?,
        Table::read(&o.data.join("itu"))?,
    );
    if ns3.is_none() && itu.is_none() {
        bail!("{} holds neither ns3/ nor itu/", o.data.display());
    }
    if let Some(folder) = &o.predictions {
        std::fs::create_dir_all(folder)?;
    }
    let to = |name: &str| o.predictions.as_ref().map(|f| f.join(name));
    let mut figures = Vec::new();
    if let Some(table) = ns3 {
        figures.extend(live(&ns3::samples(&table), to("ns3.csv").as_deref())?);
    }
    if let Some(table) = itu {
        figures.extend(deployments(&table, to("itu.csv").as_deref())?);
    }
    println!(
        "of rows that the models were trained on, these figures are too good: models/README.md has those of rows left out"
    );
    score::print(&figures, o.json.as_deref())
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::new(file))
}

/// Estimate and cause of a sample.
fn say(s: &Sample, model: &Model) -> (Throughput, Cause) {
    let factors = Factors::of(&s.moment, Some(&s.mates), &model.calibration);
    let said = factors.throughput(&model.calibration);
    let shares = shares(&model.weights, &evidence(&factors, &model.calibration));
    (said, likeliest(&shares, false))
}

fn live(samples: &[Sample], to: Option<&Path>) -> Result<Vec<Figure>> {
    let model = Model::built_in();
    let mut out = to.map(create).transpose()?;
    if let Some(out) = &mut out {
        writeln!(
            out,
            "deployment_id,client_id,phase,throughput_mbps,low_mbps,high_mbps,cause"
        )?;
    }
    let (mut probes, mut held, mut causes) = (Vec::new(), Vec::new(), Vec::new());
    for s in samples {
        let (t, cause) = say(s, model);
        let (low, high) = model.with_mates.around(&t, 1.0);
        if let Some(out) = &mut out {
            let [deployment, client, phase] = &s.name;
            let (mbps, label) = (t.mbps, cause.label());
            writeln!(
                out,
                "{deployment},{client},{phase},{mbps:.3},{low:.3},{high:.3},{label}"
            )?;
        }
        let pair = |said, truth| Pair {
            group: s.name[0].as_str(),
            said,
            truth,
        };
        if s.probe && s.truth.is_finite() {
            probes.push(pair(t.mbps, s.truth));
            held.push(pair(f64::from(low <= s.truth && s.truth <= high), 1.0));
        }
        if let Some(truth) = s.cause {
            let said = CAUSES.iter().position(|c| *c == cause).unwrap_or(0);
            causes.push(pair(said as f64, truth as f64));
        }
    }
    if let Some(mut out) = out {
        out.flush()?;
    }
    let mut figures = Vec::new();
    if probes.is_empty() {
        println!(
            "ns3: no probe row has a throughput_mbps; {} rows predicted, not scored",
            samples.len()
        );
    } else {
        figures.push(figure("wifi/ns3/mae".into(), "Mb/s", &probes, mae));
        figures.push(figure("wifi/ns3/r2".into(), "1", &probes, r2));
        figures.push(figure("wifi/ns3/cover90".into(), "1", &held, accuracy));
    }
    if causes.is_empty() {
        println!("ns3: no row has a cause; causes predicted, not scored");
    } else {
        figures.push(figure("wifi/cause/accuracy".into(), "1", &causes, accuracy));
        figures.push(figure("wifi/cause/macro_f1".into(), "1", &causes, macro_f1));
    }
    figures.extend(rate(samples, model));
    Ok(figures)
}

/// Time that this thread has had on a core; the clock's where the system does not say.
fn on_core(start: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = stat.and_then(|s| s.split(' ').next()?.parse::<f64>().ok());
    nanos.map_or_else(|| start.elapsed().as_secs_f64(), |n| n / 1e9)
}

/// Rows a second of one core: features, estimate, interval, and the cause where it is bad.
fn rate(samples: &[Sample], model: &Model) -> Option<Figure> {
    if samples.is_empty() {
        return None;
    }
    let mut runs = Vec::new();
    for _ in 0..5 {
        let (start, mut rows, mut sum) = (Instant::now(), 0_u64, 0.0);
        let before = on_core(start);
        while start.elapsed() < RATE_RUN {
            for s in samples {
                let factors = Factors::of(&s.moment, Some(&s.mates), &model.calibration);
                let t = factors.throughput(&model.calibration);
                sum += model.with_mates.around(&t, 1.0).1;
                if t.mbps < 10.0 {
                    let e = evidence(&factors, &model.calibration);
                    sum += shares(&model.weights, &e)[0];
                }
            }
            rows += samples.len() as u64;
        }
        std::hint::black_box(sum);
        runs.push(rows as f64 / (on_core(start) - before).max(1e-9));
    }
    runs.sort_by(f64::total_cmp);
    Some(Figure {
        name: "wifi/estimator/rate".into(),
        value: runs[runs.len() / 2],
        unit: "rows/s",
        spread: [runs[0], runs[runs.len() - 1]],
        n: runs.len(),
        note: "one thread; features with the other clients, estimate, interval, cause if bad"
            .into(),
    })
}

fn deployments(table: &Table, to: Option<&Path>) -> Result<Vec<Figure>> {
    let forest = Forest::read(include_str!("../../../models/itu.trees"))
        .map_err(|e| anyhow!("models/itu.trees: {e}; train it again"))?;
    let (all, lost) = itu::deployments(table);
    let mut out = to.map(create).transpose()?;
    if let Some(out) = &mut out {
        writeln!(out, "deployment,node,throughput_mbps")?;
    }
    let mut scenarios: BTreeMap<&str, Pairs<'_>> = BTreeMap::new();
    for d in &all {
        let said = itu_model::predict(d, &forest);
        if let Some(out) = &mut out {
            let aps = d.aps.iter().map(|a| a.node).zip(&said.1);
            let stas = d.stas.iter().map(|s| s.node).zip(&said.0);
            let mut nodes: Vec<_> = aps.chain(stas).collect();
            nodes.sort_by_key(|n| n.0);
            for (node, mbps) in nodes {
                writeln!(out, "{},{node},{mbps:.3}", d.name)?;
            }
        }
        scenarios.entry(&d.scenario).or_default().add(d, &said);
    }
    if let Some(mut out) = out {
        out.flush()?;
    }
    if lost > 0 {
        println!("itu: {lost} stations name no access point of their deployment and are left out");
    }
    let mut figures = Vec::new();
    for (scenario, p) in &scenarios {
        if p.stas.is_empty() || p.aps.is_empty() {
            println!("itu: {scenario} has no throughput_mbps; predicted, not scored");
            continue;
        }
        let name = |what: &str| format!("wifi/itu/{scenario}/{what}");
        figures.push(figure(name("ap_mae"), "Mb/s", &p.aps, mae));
        figures.push(figure(name("ap_r2"), "1", &p.aps, r2));
        figures.push(figure(name("sta_mae"), "Mb/s", &p.stas, mae));
        figures.push(figure(name("sta_r2"), "1", &p.stas, r2));
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::itu_features::COLUMNS;

    #[test]
    fn the_committed_forest_is_small_and_of_the_features_that_are_made() {
        let text = include_str!("../../../models/itu.trees");
        assert!(text.len() < 1_000_000);
        assert_eq!(Forest::read(text).unwrap().width(), COLUMNS);
    }

    #[test]
    fn every_row_is_predicted_with_truth_and_without() {
        let head = "timestamp,deployment_id,ap_id,client_id,row_kind,phase,interval_s,proto,width_mhz,client_width_mhz,nss,ap_nss,rssi_dbm,snr_db,tx_packets,tx_bytes,client_airtime_pct";
        let row = "1,d,a,x,probe,m1,1,ax,80,80,2,2,-50,40,9,1000,1";
        let base = std::env::temp_dir().join(format!("wifi-lab-{}-evaluate", std::process::id()));
        std::fs::create_dir_all(base.join("ns3")).unwrap();
        let read = |name: &str, text: String, json: Option<PathBuf>| {
            std::fs::write(base.join("ns3/a.csv"), text).unwrap();
            let predictions = base.join(name);
            run(&Options {
                data: base.clone(),
                predictions: Some(predictions.clone()),
                json,
            })
            .unwrap();
            std::fs::read_to_string(predictions.join("ns3.csv")).unwrap()
        };
        let blind = read("blind", format!("{head}\n{row}\n"), None);
        let json = base.join("figures.json");
        let text = format!("{head},throughput_mbps,cause\n{row},400,none\n{row},0,network\n");
        let scored = read("scored", text, Some(json.clone()));
        assert_eq!(blind.lines().nth(1), scored.lines().nth(1));
        assert_eq!((blind.lines().count(), scored.lines().count()), (2, 3));
        let figures = std::fs::read_to_string(&json).unwrap();
        for name in [
            "ns3/mae",
            "ns3/r2",
            "ns3/cover90",
            "cause/accuracy",
            "cause/macro_f1",
            "estimator/rate",
        ] {
            assert!(
                figures.contains(&format!("\"wifi/{name}\"")),
                "{name} in {figures}"
            );
        }
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn on_the_shared_runs_it_is_better_than_trees_alone() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/wifi/ns3");
        let Some(table) = Table::read(&folder).unwrap() else {
            println!("skipped: no shared data beside the repository");
            return;
        };
        let figures = live(&ns3::samples(&table), None).unwrap();
        let of = |name: &str| {
            figures
                .iter()
                .find(|f| f.name == name)
                .map(|f| f.value)
                .unwrap()
        };
        assert!(of("wifi/ns3/mae") < 13.0 && of("wifi/ns3/r2") > 0.62);
        assert!(of("wifi/cause/accuracy") > 0.70);
    }
}
