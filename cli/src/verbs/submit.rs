//! `fulmar submit`: describe and validate here, upload the program, hand over.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fulmar_api::config::keys::did_you_mean;
use fulmar_api::{Config, TopologySpec};
use fulmar_proto::nimbus as pb;
use indicatif::ProgressBar;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::args::Common;
use crate::client::{Client, block_on};
use crate::failure::{Done, Failure};
use crate::verbs::topology::SHIPPED;
use crate::{output, settings};

/// Bytes of one chunk of an upload.
const CHUNK: usize = 1 << 20;

/// Arguments.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  fulmar submit target/release/word-count\n  fulmar submit wifi -c kafka.bootstrap.servers=localhost:9092\n  fulmar submit target/release/word-count --name words -c topology.workers=2 --wait 30s"
)]
pub struct Args {
    /// The topology's program, whose main calls fulmar::main; or the name of a shipped topology.
    program: PathBuf,
    /// The program's own arguments, kept for its workers.
    #[arg(last = true)]
    args: Vec<String>,
    /// Another name than the program gives it.
    #[arg(long)]
    name: Option<String>,
    /// Submit it with quiet spouts.
    #[arg(long)]
    inactive: bool,
    /// Wait until everything runs, for example 30s.
    #[arg(long, value_name = "TIME", value_parser = settings::duration)]
    wait: Option<Duration>,
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    let conf = settings::load(common)?;
    let (program, words) = program(args)?;
    let mut spec = describe(&program, &words, &conf)?;
    if let Some(name) = &args.name {
        spec.name = name.clone();
    }
    let mistakes = fulmar_api::validate::mistakes(&spec);
    if !mistakes.is_empty() {
        return Err(Failure::Usage(
            fulmar_api::Error::Graph(fulmar_api::error::Mistakes(mistakes)).to_string(),
        ));
    }
    let program = std::fs::read(&program)
        .map_err(|e| Failure::Failed(format!("{}: {e}", program.display())))?;
    block_on(async {
        let mut client = Client::connect(common).await?;
        let blob_key = upload(&mut client, program).await?;
        let request = pb::SubmitTopologyRequest {
            name: spec.name.clone(),
            json_topology: serde_json::to_string(&spec).map_err(Failure::here)?,
            json_conf: conf.to_json(),
            blob_key,
            program_args: words,
            initially_inactive: args.inactive,
            graph_hash: spec.graph_hash(),
            architecture: std::env::consts::ARCH.to_owned(),
        };
        let answer = client.nimbus.submit_topology(request).await;
        let id = client.answer(answer)?.topology_id;
        if let Some(most) = args.wait {
            runs(&mut client, &spec.name, most).await?;
        }
        let short = shortage(&mut client, &id).await?;
        let (mut text, mut json) = (
            format!("{} is submitted as {id}", spec.name),
            json!({"name": spec.name, "id": id}),
        );
        if let Some(why) = short {
            text = format!("{text}\nbut it lacks room: {why}");
            json["shortage"] = json!(why);
        }
        output::say(common.output, &text, &json);
        Ok(())
    })
}

/// What the cluster lacks for it, in Nimbus' words, if it lacks something.
async fn shortage(client: &mut Client, id: &str) -> Result<Option<String>, Failure> {
    let request = pb::GetTopologyInfoRequest {
        without_windows: true,
        name_or_id: id.to_owned(),
    };
    let answer = client.nimbus.get_topology_info(request).await;
    let s = client.answer(answer)?.summary.unwrap_or_default();
    // Workers that have a slot and are still starting lack nothing.
    let short = s.health == "degraded" || (s.health == "waiting" && s.workers == 0);
    Ok(short.then_some(s.health_reason))
}

/// The program and its words: a shipped topology's program is this one.
fn program(args: &Args) -> Result<(PathBuf, Vec<String>), Failure> {
    let name = args.program.to_string_lossy().into_owned();
    if args.program.exists() || !SHIPPED.contains(&name.as_str()) {
        return Ok((args.program.clone(), args.args.clone()));
    }
    let own = std::env::current_exe().map_err(Failure::here)?;
    let words = ["topology".to_owned(), name, "--".to_owned()];
    Ok((
        own,
        words.into_iter().chain(args.args.iter().cloned()).collect(),
    ))
}

/// Asks the program for its graph; nothing is connected to.
fn describe(program: &Path, args: &[String], conf: &Config) -> Result<TopologySpec, Failure> {
    let path = std::fs::canonicalize(program).map_err(|e| {
        let name = program.to_string_lossy();
        let hint = did_you_mean(&name, SHIPPED.into_iter());
        Failure::Usage(format!(
            "{name}: {e}{hint}; give the path of a topology's program, or the name of a shipped topology: {}",
            SHIPPED.join(", ")
        ))
    })?;
    let mut command = std::process::Command::new(path);
    command
        .args(args)
        .env("FULMAR_DESCRIBE", "true")
        .env("FULMAR_DESCRIBE_CONF", conf.to_json());
    let out = command
        .output()
        .map_err(|e| Failure::Usage(format!("{} cannot be started: {e}", program.display())))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        return Err(Failure::Usage(format!(
            "{} cannot describe its topology: {}",
            program.display(),
            said.trim()
        )));
    }
    serde_json::from_slice(&out.stdout).map_err(|e| {
        Failure::Usage(format!(
            "{} did not print a topology ({e}): its main must call fulmar::main",
            program.display()
        ))
    })
}

/// Uploads the program in chunks; Nimbus checks the checksum.
async fn upload(client: &mut Client, program: Vec<u8>) -> Result<String, Failure> {
    let sha256 = hex::encode(Sha256::digest(&program));
    let bar = ProgressBar::new(program.len() as u64);
    let shown = bar.clone();
    let chunks = (0..program.len().div_ceil(CHUNK).max(1)).map(move |i| {
        let end = program.len().min((i + 1) * CHUNK);
        let data = program[i * CHUNK..end].to_vec();
        shown.inc(data.len() as u64);
        pb::BlobChunk {
            sha256: if i == 0 {
                sha256.clone()
            } else {
                String::new()
            },
            data,
        }
    });
    let chunks: Vec<_> = chunks.collect();
    let answer = client.nimbus.upload_blob(tokio_stream::iter(chunks)).await;
    bar.finish_and_clear();
    Ok(client.answer(answer)?.key)
}

/// Waits until the topology is well.
async fn runs(client: &mut Client, name: &str, most: Duration) -> Done {
    let end = Instant::now() + most;
    let mut every = tokio::time::interval(Duration::from_millis(50));
    loop {
        every.tick().await;
        let request = pb::GetTopologyInfoRequest {
            without_windows: true,
            name_or_id: name.to_owned(),
        };
        let answer = client.nimbus.get_topology_info(request).await;
        let summary = client.answer(answer)?.summary.unwrap_or_default();
        if summary.health == "ok" {
            return Ok(());
        }
        if Instant::now() > end {
            let why = format!(
                "{name} is submitted, but does not run after {most:?}: {} {}",
                summary.health, summary.health_reason
            );
            return Err(Failure::TimedOut(why));
        }
    }
}
