//! The command line: what every verb shares, and the verbs.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::verbs;

/// Storm-compatible topologies on machines that may vanish.
#[derive(Parser)]
#[command(name = "fulmar", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What every verb understands.
    #[command(flatten)]
    pub common: Common,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXAMPLES: &str = "Examples:
  fulmar dev                              everything on this machine
  fulmar submit target/release/word-count a topology of your own
  fulmar list                             what runs
  fulmar kill word-count -w 5             end it, with 5 s for what is under way

Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 refused or conflict, 5 cannot reach Nimbus, 6 timed out waiting";

/// What every verb understands.
#[derive(Args, Clone)]
pub struct Common {
    /// Nimbus, as host:port; default: nimbus.seeds of the configuration, at port 6629.
    #[arg(long, global = true, env = "FULMAR_NIMBUS", value_name = "HOST:PORT")]
    pub nimbus: Option<String>,
    /// A YAML file with configuration keys, as storm.yaml.
    #[arg(long, global = true, env = "FULMAR_CONF", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one configuration key; may be repeated.
    #[arg(short = 'c', global = true, value_name = "KEY=VALUE")]
    pub conf: Vec<String>,
    /// Let a daemon listen beyond loopback although TLS is not set up (storm.security.insecure).
    #[arg(long, global = true)]
    pub insecure: bool,
    /// How answers are printed.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// How daemons log.
    #[arg(long, global = true, value_enum, default_value_t = Log::Text)]
    pub log: Log,
    /// The process with which this one ends, however that ends: the demo's children must not outlive it.
    #[arg(long, global = true, hide = true, value_name = "PID")]
    pub end_with: Option<i32>,
}

/// How answers are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs: one JSON document.
    Json,
}

/// How daemons log.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// Lines of text.
    Text,
    /// One JSON object a line.
    Json,
}

/// The verbs.
#[derive(Subcommand)]
pub enum Verb {
    /// Run Nimbus, which decides what runs where.
    Nimbus(verbs::nimbus::Args),
    /// Run a supervisor, which holds the workers of this node.
    Supervisor(verbs::supervisor::Args),
    /// Run Nimbus, supervisors and the page on this machine, for development.
    Dev(verbs::dev::Args),
    /// Run the whole pipeline on this machine and check it end to end.
    Demo(verbs::demo::Args),
    /// Submit a topology's program.
    Submit(verbs::submit::Args),
    /// List the topologies.
    List(verbs::list::Args),
    /// Show one topology: its components, workers and errors.
    Describe(verbs::describe::Args),
    /// Let a topology's spouts emit again.
    Activate(verbs::activate::Args),
    /// Stop a topology's spouts from emitting.
    Deactivate(verbs::deactivate::Args),
    /// Spread a topology anew, with another number of workers or executors if wanted.
    Rebalance(verbs::rebalance::Args),
    /// End a topology.
    Kill(verbs::kill::Args),
    /// Show what happened: submissions, losses, notices, moves.
    Events(verbs::events::Args),
    /// Show a Kafka group's committed offsets and its lag, or set them while its topology is stopped.
    Offsets(verbs::offsets::Args),
    /// Run the embedded Kafka broker, for demos and tests.
    Broker(verbs::broker::Args),
    /// Run the embedded store, which stands in for Cassandra in demos and tests.
    Store(verbs::store::Args),
    /// Run the query service of the Wi-Fi pipeline.
    Query(verbs::query::Args),
    /// Run the web page and Storm's REST.
    Ui(verbs::ui::Args),
    /// Send simulated telemetry to Kafka.
    Source(verbs::source::Args),
    /// Rehearse losses: let nodes of the running cluster vanish, and see what becomes of the topologies.
    Drill(verbs::drill::Args),
    /// Run the fleet manager on EC2, or see what it would do.
    Fleet(verbs::fleet::Args),
    /// Plan for spot instances: endurance, instance types, money.
    Spot(verbs::spot::Args),
    /// Run, or describe, a shipped topology; submit it with `fulmar submit NAME`.
    Topology(verbs::topology::Args),
    /// Print the version.
    Version(verbs::version::Args),
    /// Print completions for a shell.
    Completions(verbs::completions::Args),
}
