//! `fulmar demo`: the main job on one machine, checked end to end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::args::{Common, Output};
use crate::client::block_on;
use crate::demo::{self, Plan};
use crate::failure::{Done, Failure};
use crate::settings;
use crate::verbs::nimbus::ended;

/// Faults that can be put in.
const SABOTAGE: [&str; 3] = ["drop-one", "double-one", "stale-window"];

/// Arguments.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  fulmar demo\n  fulmar demo --for 60s --headless --report report.json\n  fulmar demo --sabotage drop-one   (must exit 1)"
)]
pub struct Args {
    /// How long telemetry is sent.
    #[arg(long = "for", default_value = "60s", value_parser = at_least_a_second)]
    run_for: Duration,
    /// Telemetry records a second.
    #[arg(long, default_value_t = 22_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,
    /// The same seed gives the same world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Replay recorded telemetry from this folder (*.csv.gz, columns of the ns-3 data set) instead of simulating it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Lines of progress instead of one that rewrites itself.
    #[arg(long)]
    headless: bool,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write records, estimates and rows, for others to recount.
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    /// Put a fault in, to see that the check finds it.
    #[arg(long, value_parser = SABOTAGE)]
    sabotage: Option<String>,
    /// Leave everything running at the end.
    #[arg(long)]
    keep: bool,
    /// Brokers to use instead of the embedded one; the topics are made, or must be empty and have 64 partitions.
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Store to use instead of the embedded one: cassandra://….
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// How long telemetry is sent: less than a second makes nothing that could be counted.
fn at_least_a_second(text: &str) -> Result<Duration, String> {
    let time = settings::duration(text)?;
    if time < Duration::from_secs(1) {
        return Err(format!(
            "{text} is below the least of 1s; 60s closes four windows"
        ));
    }
    Ok(time)
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    if let Some(file) = &args.report {
        // Before anything is started, so that no run is in vain.
        let opened = std::fs::File::options()
            .create(true)
            .append(true)
            .open(file);
        opened.map_err(|e| {
            let file = file.display();
            Failure::Usage(format!(
                "--report {file}: {e}; give a file in a folder that exists and can be written"
            ))
        })?;
    }
    let plan = Plan {
        run_for: args.run_for,
        rate: args.rate,
        seed: args.seed,
        data: args.data.clone(),
        headless: args.headless,
        keep: args.keep,
        dump: args.dump.clone(),
        kafka: args.kafka.clone(),
        store: args.store.clone(),
        sabotage: args.sabotage.clone(),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let report = block_on(async {
        tokio::spawn(async move {
            ended().await;
            told.store(true, Ordering::Relaxed);
        });
        tokio::task::spawn_blocking(move || demo::run(&plan, &stop))
            .await
            .map_err(Failure::here)?
    })?;
    let json = serde_json::to_value(&report).map_err(Failure::here)?;
    if let Some(file) = &args.report {
        std::fs::write(file, format!("{json:#}\n"))
            .map_err(|e| Failure::Failed(format!("--report {}: {e}", file.display())))?;
    }
    match common.output {
        Output::Json => println!("{json:#}"),
        Output::Table => print!("\n{}", report.words()),
    }
    if report.ok {
        Ok(())
    } else {
        Err(Failure::Failed(format!(
            "the demo failed: {}",
            report.reasons.join("; ")
        )))
    }
}
