//! `anomaly-lab evaluate anomaly|attribution`: how good detection and attribution are on labelled folders; `cargo xtask evaluate` runs it.
//!
//! Folders without truth are predicted all the same; what could not be scored is said. The forms of input and
//! output are described in the README beside this crate.

use std::path::PathBuf;
use std::process::ExitCode;

mod attribution;
mod cases;
mod detection;
mod events;
mod failure;
mod nab;
mod report;
mod rows;
mod time;
mod vus;

use failure::Failure;
use report::Report;

const USAGE: &str =
    "usage: anomaly-lab evaluate anomaly|attribution --data DIR [--predictions OUT] [--json FILE]";

/// What was asked for.
struct Ask {
    domain: String,
    data: PathBuf,
    predictions: Option<PathBuf>,
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match asked(std::env::args().skip(1)).and_then(|ask| run(&ask)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("anomaly-lab: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn asked(mut args: impl Iterator<Item = String>) -> Result<Ask, Failure> {
    let usage = |what: String| Failure::Usage(format!("{what}; {USAGE}"));
    let verb = args.next().unwrap_or_default();
    let domain = args.next().unwrap_or_default();
    if verb == "train" {
        return Err(Failure::Usage(format!(
            "nothing is learnt ahead for `{domain}`: each series and each case is its own past; remedy: evaluate"
        )));
    }
    if verb != "evaluate" || !["anomaly", "attribution"].contains(&domain.as_str()) {
        return Err(usage(format!("`{verb} {domain}` is not known")));
    }
    let (mut data, mut predictions, mut json) = (None, None, None);
    while let Some(flag) = args.next() {
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (flag, args.next()),
        };
        let value = value.ok_or_else(|| usage(format!("{flag} has no value")))?;
        match flag.as_str() {
            "--data" => data = Some(value.into()),
            "--predictions" => predictions = Some(value.into()),
            "--json" => json = Some(value.into()),
            _ => return Err(usage(format!("{flag} is not known"))),
        }
    }
    let data = data.ok_or_else(|| usage("--data is missing".to_owned()))?;
    Ok(Ask {
        domain,
        data,
        predictions,
        json,
    })
}

fn run(ask: &Ask) -> Result<(), Failure> {
    let mut report = Report::default();
    let out = ask.predictions.as_deref();
    match ask.domain.as_str() {
        "attribution" => attribution::evaluate(&ask.data, out, &mut report)?,
        _ => detection::evaluate(&ask.data, out, &mut report)?,
    }
    report.print();
    match &ask.json {
        Some(file) => report.write(file),
        None => Ok(()),
    }
}
