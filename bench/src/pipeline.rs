//! The parts of the Wi-Fi pipeline by themselves: estimator, aggregator and detector, records in memory, and Flink's
//! aggregation of the same records in the same run. What needs Kafka and Cassandra is measured by the demo's report, not here.

mod aggregate;
mod flink;
mod records;
mod single;

use std::path::PathBuf;

use anyhow::Result;

use crate::report::{Against, Figure, print};

/// How to measure.
#[derive(clap::Args)]
pub struct Options {
    /// One run of each figure instead of three.
    #[arg(long)]
    quick: bool,
    /// Write one JSON object a line to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Aggregate the same records with Apache Flink too.
    #[arg(long)]
    vs_flink: bool,
    /// Folder of Flink's twin; xtask builds it and says where.
    #[arg(long, hide = true)]
    flink_twin: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// Flink cannot be run, the two sides disagree on a window, or the file cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let runs = if options.quick { 1 } else { 3 };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut flink = match options.vs_flink {
        true => Some(flink::Flink::new(options.flink_twin.as_deref())?),
        false => None,
    };
    for _ in 0..runs {
        // In turn, so that both see the same machine.
        let run = aggregate::run()?;
        if let Some(flink) = &mut flink {
            theirs.push(flink.run(&run.first)?);
        }
        ours.push(run);
    }
    let figure = |name: &str, unit, runs: Vec<f64>, note: String| Figure {
        name: name.to_owned(),
        runs,
        unit,
        against: None,
        note,
    };
    let rate = |all: &[aggregate::Run]| all.iter().map(|r| r.rate).collect::<Vec<f64>>();
    let mid = |v: &[f64]| crate::report::median(v.iter().copied());
    let (mine, peers) = (rate(&ours), theirs);
    let mut figures = vec![Figure {
        against: (!peers.is_empty()).then(|| Against::Theirs(mid(&peers))),
        ..figure(
            "aggregate/rate",
            "records/s",
            mine.clone(),
            records::NOTE.to_owned(),
        )
    }];
    if !peers.is_empty() {
        figures.push(Figure {
            against: Some(Against::Ours(mid(&mine))),
            ..figure(
                "flink/aggregate/rate",
                "records/s",
                peers,
                flink::NOTE.to_owned(),
            )
        });
    }
    let bytes = aggregate::bytes_per_series()?;
    figures.push(figure(
        "aggregate/bytes_per_series",
        "bytes",
        vec![bytes.0],
        bytes.1,
    ));
    let times = |measure: fn() -> f64| (0..runs).map(|_| measure()).collect::<Vec<f64>>();
    figures.push(figure(
        "wifi/estimator/rate",
        "rows/s",
        times(single::estimates),
        "one core; throughput with its interval and cause, from records of telemetry".to_owned(),
    ));
    figures.push(figure(
        "detector/rate",
        "points/s",
        times(single::points),
        "one core; 1,000 series of five-minute points in turn, as they come".to_owned(),
    ));
    print(&figures, options.json.as_deref())
}
