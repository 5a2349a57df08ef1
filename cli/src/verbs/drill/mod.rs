//! `fulmar drill`: rehearsed losses on the running cluster, with its health while they last and a report after.

mod chart;
mod door;
mod health;
mod limit;
mod report;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use fulmar_spot_plan::drill::Choice;

use crate::args::Common;
use crate::failure::{Done, Failure};
use crate::settings;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Let nodes vanish as machines do: their workers die, their disk is gone, and nobody is told of the end.
    Kill(Box<Kill>),
}

/// Whom to strike, how, and what to write about it.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  fulmar drill kill --random 2                              two nodes, with EC2's two minutes of notice
  fulmar drill kill --random 2 --notice 15 --back 30s
  fulmar drill kill --pool m5.large/us-east-1a --no-notice
  fulmar drill kill --zone us-east-1b --dry-run             who would go, and whether all topologies bear it
  fulmar drill kill --trace spot.csv --speed 60             a recorded hour in a minute

A drill that takes more than every topology bears, by Nimbus' own scheduler, is refused; --force does it all the same.
A supervisor refuses drills when supervisor.drill.enable is false. The report is FILE.json and FILE.html.")]
pub struct Kill {
    /// Whom.
    #[command(flatten)]
    pub whom: Whom,
    /// Notice before the end, in seconds; 120 is what EC2 gives.
    #[arg(long, value_name = "SECS", num_args = 0..=1, default_missing_value = "120", conflicts_with = "no_notice")]
    pub notice: Option<u64>,
    /// No notice: the nodes vanish at once.
    #[arg(long)]
    pub no_notice: bool,
    /// From its end until a node comes back, as a new and empty one: 30s, 2m, or never. A recording says it itself.
    #[arg(long, default_value = "30s", value_parser = back)]
    pub back: Back,
    /// A recording is played so many times faster; default: 60.
    #[arg(long)]
    pub speed: Option<f64>,
    /// Take more than the topologies bear.
    #[arg(long)]
    pub force: bool,
    /// Say who would go and whether it would be borne, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Watch for so long before the first loss: what is usual.
    #[arg(long, default_value = "10s", value_parser = settings::duration)]
    pub before: Duration,
    /// Wait at most so long after the last loss for everything to be as before.
    #[arg(long, default_value = "2m", value_parser = settings::duration)]
    pub after: Duration,
    /// Of random choices; the same seed strikes the same nodes.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Name of the report, without its ending; default: drill- and the time.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Exactly one of these.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Whom {
    /// So many nodes at random.
    #[arg(long, value_name = "N")]
    pub random: Option<usize>,
    /// All nodes of a pool, as `fulmar spot endure` names it.
    #[arg(long)]
    pub pool: Option<String>,
    /// All nodes of a zone.
    #[arg(long)]
    pub zone: Option<String>,
    /// These nodes, by id or the beginning of it.
    #[arg(long, value_delimiter = ',')]
    pub node: Vec<String>,
    /// The losses of a recording: time_s,pool,event,node,count.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

impl Whom {
    /// The choice; none for a recording.
    fn choice(&self) -> Option<Choice> {
        if let Some(n) = self.random {
            return Some(Choice::Random(n));
        }
        if let Some(pool) = &self.pool {
            return Some(Choice::Pool(pool.clone()));
        }
        if let Some(zone) = &self.zone {
            return Some(Choice::Zone(zone.clone()));
        }
        (!self.node.is_empty()).then(|| Choice::Nodes(self.node.clone()))
    }
}

/// When a node comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Back(pub Option<Duration>);

fn back(text: &str) -> Result<Back, String> {
    match text {
        "never" => Ok(Back(None)),
        text => settings::duration(text).map(|d| Back(Some(d))),
    }
}

/// The longest notice and absence that a supervisor takes.
const HOUR: Duration = Duration::from_secs(3_600);

impl Kill {
    fn notice(&self) -> Option<Duration> {
        (!self.no_notice).then(|| Duration::from_secs(self.notice.unwrap_or(120)))
    }

    fn check(&self) -> Done {
        let too_long = |flag: &str, d: Duration| {
            Failure::Usage(format!(
                "{flag} is {} s: at most {} s",
                d.as_secs(),
                HOUR.as_secs()
            ))
        };
        if self.speed.is_some() && self.whom.trace.is_none() {
            let text = "--speed is for a recording: name it with --trace FILE";
            return Err(Failure::Usage(text.to_owned()));
        }
        match (self.notice(), self.back.0) {
            (Some(d), _) if d > HOUR => Err(too_long("--notice", d)),
            (_, Some(d)) if d > HOUR => Err(too_long("--back", d)),
            _ => Ok(()),
        }
    }
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    let What::Kill(kill) = &args.what;
    kill.check()?;
    run::run(common, kill)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        kill: Kill,
    }

    fn read(words: &[&str]) -> Result<Kill, String> {
        let all = std::iter::once("drill").chain(words.iter().copied());
        let cli = Cli::try_parse_from(all).map_err(|e| e.to_string())?;
        cli.kill.check().map_err(|e| e.to_string())?;
        Ok(cli.kill)
    }

    #[test]
    fn a_notice_is_two_minutes_unless_it_is_said_otherwise() {
        let notice = |words: &[&str]| read(words).expect("is right").notice().map(|d| d.as_secs());
        assert_eq!(notice(&["--random", "2"]), Some(120));
        assert_eq!(notice(&["--random", "2", "--notice"]), Some(120));
        assert_eq!(notice(&["--random", "2", "--notice", "15"]), Some(15));
        assert_eq!(notice(&["--pool", "p", "--no-notice"]), None);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for words in [
            &[][..],
            &["--random", "2", "--pool", "p"][..],
            &["--random", "x"][..],
            &["--random", "2", "--notice", "5", "--no-notice"][..],
            &["--random", "2", "--speed", "60"][..],
            &["--random", "2", "--notice", "4000"][..],
            &["--random", "2", "--back", "2h"][..],
            &["--random", "2", "--back", "soon"][..],
        ] {
            assert!(read(words).is_err(), "{words:?}");
        }
        let never = read(&["--zone", "z", "--back", "never"]).expect("is right");
        assert_eq!(never.back, Back(None));
    }
}
