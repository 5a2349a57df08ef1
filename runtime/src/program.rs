//! `fulmar::main`: the author's program describes its topology, runs it here, or runs as a worker.
//!
//! Describing connects to nothing: it builds the graph and prints it as JSON, which is what a submit
//! sends ahead of the program itself (DESIGN 3.1).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fulmar_api::topology::Topology;
use fulmar_api::worker_file::WorkerFile;
use fulmar_api::{Config, Error, Result};

use crate::local::LocalCluster;

/// Exit codes of every Fulmar program (DESIGN 8).
mod exit {
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
}

#[derive(Parser)]
#[command(about = "A Fulmar topology: runs here, or describes itself", after_help = EXAMPLES)]
struct Args {
    /// Print the topology as JSON and end; nothing is connected to.
    #[arg(long, env = "FULMAR_DESCRIBE", value_parser = clap::builder::BoolishValueParser::new())]
    #[arg(num_args = 0..=1, default_missing_value = "true", default_value = "false")]
    describe: bool,
    /// Run for this long and end, for example 10s or 2m; without it until Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    run_for: Option<Duration>,
    /// Event-loop threads; default: cores of this machine.
    #[arg(long)]
    cores: Option<usize>,
    /// A YAML file with configuration keys, as storm.yaml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one configuration key; may be repeated.
    #[arg(short = 'c', value_name = "KEY=VALUE")]
    conf: Vec<String>,
}

const EXAMPLES: &str = "Examples:
  word-count --for 10s
  word-count -c topology.max.spout.pending=1000
  word-count --describe";

/// Runs a topology's program: started by a supervisor it is a worker; `--describe` prints the graph;
/// otherwise it runs in this process.
///
/// `build` makes the topology from the configuration given on the command line, which the topology
/// gets too. Ends with 0, with 1 when it cannot run, with 2 for wrong arguments.
pub fn main(build: impl FnOnce(&Config) -> Result<Topology>) -> ExitCode {
    main_from(std::env::args_os(), build)
}

/// As [`main`], with these words instead of the process's own: the first is the program's name. For a
/// program that holds several topologies.
pub fn main_from(
    words: impl IntoIterator<Item = OsString>,
    build: impl FnOnce(&Config) -> Result<Topology>,
) -> ExitCode {
    match WorkerFile::from_env() {
        Ok(Some(file)) => return crate::worker::main(file, build),
        Ok(None) => {}
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(exit::USAGE);
        }
    }
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            // Nothing can be done when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(&args, build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(exit::FAILED)
        }
    }
}

fn run(args: &Args, build: impl FnOnce(&Config) -> Result<Topology>) -> Result<()> {
    let conf = configuration(args)?;
    let mut topology = build(&conf)?;
    topology.spec.conf.merge(&conf);
    let mistakes = fulmar_api::validate::mistakes(&topology.spec);
    if !mistakes.is_empty() {
        return Err(Error::Graph(fulmar_api::error::Mistakes(mistakes)));
    }
    if args.describe {
        let json = serde_json::to_string_pretty(&topology.spec).map_err(Error::author)?;
        println!("{json}");
        return Ok(());
    }
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let name = topology.spec.name.clone();
    let cluster = LocalCluster::submit(topology, args.cores.unwrap_or(available))?;
    eprintln!("{name} runs in this process; Ctrl-C ends it");
    match args.run_for {
        Some(time) => std::thread::sleep(time),
        None => loop {
            std::thread::park();
        },
    }
    for error in cluster.errors() {
        eprintln!("{} (task {}): {}", error.component, error.task, error.error);
    }
    Ok(())
}

fn configuration(args: &Args) -> Result<Config> {
    let mut conf = match &args.config {
        Some(file) => Config::from_yaml_file(file)?,
        None => Config::new(),
    };
    // What `fulmar submit` was told, so that the graph is described as the workers will build it.
    if let Ok(json) = std::env::var("FULMAR_DESCRIBE_CONF") {
        conf.merge(&Config::from_json(&json)?);
    }
    args.conf
        .iter()
        .try_for_each(|arg| conf.set_from_arg(arg))?;
    Ok(conf)
}

/// Reads `10s`, `500ms`, `2m`, `1h`; a bare number means seconds.
///
/// # Errors
/// In words: what the text is instead, or the limit.
pub fn duration(text: &str) -> std::result::Result<Duration, String> {
    let at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => {
            return Err(format!(
                "\"{text}\": the unit \"{unit}\" is not one of ms, s, m, h"
            ));
        }
    };
    let number: f64 = number
        .trim()
        .parse()
        .map_err(|_| format!("\"{text}\" is not a time such as 10s or 2m"))?;
    if !(0.0..=3.2e8).contains(&(number * scale)) {
        return Err(format!("\"{text}\" is not between 0 and ten years"));
    }
    Ok(Duration::from_secs_f64(number * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("2 weeks").unwrap_err().contains("ms, s, m, h"));
        assert!(duration("-1s").unwrap_err().contains("between 0"));
    }
}
