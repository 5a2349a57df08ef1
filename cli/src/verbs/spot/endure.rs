//! `fulmar spot endure`: how many losses a cluster bears and what a target needs, of the running cluster or of one
//! that a file describes.

use std::path::{Path, PathBuf};

use fulmar_spot_plan::losses::Losses;
use fulmar_spot_plan::whatif::{Answer, Events, Extra, Question};

use super::{files, live, refused};
use crate::args::{Common, Output};
use crate::failure::{Done, Failure};
use crate::output;

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  fulmar spot endure                               the running cluster
  fulmar spot endure --target 99.99 --advisor bands.csv --region us-east-1
  fulmar spot endure --what-if cluster.json --output json

cluster.json: {\"nodes\":40, \"pools\":[{\"name\":\"m5.large/us-east-1a\",\"nodes\":8},…], \"needed\":32, \"window_s\":120,
  \"target\":0.9999, \"events\":{\"per_pool_per_day\":0.2,\"shares\":[1.0]}}   or   \"events\":{\"trace\":\"FILE\"}
  window_s: from a loss until its replacement serves. shares: parts of the pool's nodes that an event takes.
  trace: rows of time_s,pool,event,node,count; `length_s` is taken from an index.csv beside it.")]
pub struct Args {
    /// Answer for the cluster that this file describes instead of the running one.
    #[arg(long, value_name = "FILE")]
    what_if: Option<PathBuf>,
    /// Part of the time in which the needed nodes shall serve: 0.9999, or in percent 99.99.
    #[arg(long, value_parser = target)]
    target: Option<f64>,
    /// Seed of the replay and of random losses; the same seed answers the same.
    #[arg(long)]
    seed: Option<u64>,
    /// What the running cluster does not say by itself.
    #[command(flatten)]
    pub live: live::Options,
}

/// 0.9999, or 99.99 for the same in percent.
fn target(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|e| format!("{e}; write 99.99 or 0.9999"))?;
    let part = if number > 1.0 { number / 100.0 } else { number };
    if part > 0.0 && part < 1.0 {
        Ok(part)
    } else {
        Err(
            "allowed is above 0 and below 100 percent; no number of nodes promises all of the time"
                .to_owned(),
        )
    }
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    let Some(file) = &args.what_if else {
        return live::run(common, &args.live, args.target, args.seed);
    };
    let mut question: Question = serde_json::from_str(&files::text(file)?).map_err(|e| {
        Failure::Usage(format!(
            "{}: {e}; `fulmar spot endure --help` shows the form",
            file.display()
        ))
    })?;
    question.target = args.target.unwrap_or(question.target);
    question.seed = args.seed.unwrap_or(question.seed);
    question.check().map_err(refused)?;
    let losses = losses(&question, file)?;
    let answer = question.answer(&losses).map_err(refused)?;
    print(common.output, &question, &answer)
}

fn losses(question: &Question, file: &Path) -> Result<Losses, Failure> {
    match (&question.events, question.stated()) {
        (_, Some(stated)) => Ok(stated),
        (Events::Trace { trace }, None) => {
            let tracks = files::tracks(&files::beside(trace, file))?;
            Ok(question.follow(tracks))
        }
        (Events::Rate { .. }, None) => Err(Failure::Usage("events hold no rate".to_owned())),
    }
}

/// Prints an answer: the three models as rows, the pools, then the words.
pub fn print(form: Output, question: &Question, answer: &Answer) -> Done {
    let json = serde_json::to_value(answer).map_err(Failure::here)?;
    if form == Output::Json {
        println!("{json:#}");
        return Ok(());
    }
    let row = |name: &str, e: &Extra, note: String| {
        let percent = e
            .extra_percent
            .map_or("–".to_owned(), |p| format!("{p:.1} %"));
        vec![
            name.to_owned(),
            e.extra_nodes
                .map_or("not by nodes".to_owned(), |n| n.to_string()),
            percent,
            format!("{:.6} %", 100.0 * e.availability),
            note,
        ]
    };
    let replay = &answer.replay;
    let interval = format!(
        "{} runs of {:.1} days, 95 % between {:.6} and {:.6} %",
        replay.runs,
        replay.length_s / 86_400.0,
        100.0 * replay.ci95[0],
        100.0 * replay.ci95[1]
    );
    let rows = vec![
        row("independent nodes", &answer.independent, "exact".to_owned()),
        row("pools", &answer.pool, "exact".to_owned()),
        row("replay", &replay.extra, interval),
    ];
    let target = format!("for {} %", (1e10 * question.target).round() / 1e8);
    let columns = ["model", "extra nodes", &target, "served as it is", "how"];
    output::print(form, &columns, rows, &json);
    if !answer.k_pools.is_empty() {
        println!();
        let rows = answer.k_pools.iter().take(5).map(|k| {
            let percent = |p: f64| format!("{p:.1} %");
            vec![
                k.k.to_string(),
                percent(k.lost_percent),
                percent(k.extra_percent),
            ]
        });
        output::print(
            form,
            &["pools lost", "of the nodes", "extra that bears it"],
            rows.collect(),
            &json,
        );
    }
    println!("\n{}", answer.why);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_part_or_percent() {
        assert_eq!(target("0.9999"), Ok(0.9999));
        assert_eq!(target("99.99"), Ok(99.99 / 100.0));
        assert!(
            ["0", "100", "1", "x", "-3", "nan"]
                .iter()
                .all(|t| target(t).is_err())
        );
    }
}
