//! How quickly things begin: the program itself, and a topology from its submission to its first tuple.
//!
//! Runs the release programs beside this one: `fulmar dev` on free ports, and the journal example, whose bolt writes
//! each number to a file; the time ends when the file of the first number is not empty any more.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::report::{Figure, print};

/// How to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Five runs instead of fifteen.
    #[arg(long)]
    quick: bool,
    /// Write one JSON object a line to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Longest wait for anything here.
const LONG: Duration = Duration::from_secs(60);

/// Measures.
///
/// # Errors
/// A program is missing or fails.
pub fn run(options: &Options) -> Result<()> {
    let runs = if options.quick { 5 } else { 15 };
    let program = beside("fulmar")?;
    let dir = tempfile::tempdir()?;
    let starts: Result<Vec<f64>> = (0..runs).map(|_| version(&program)).collect();
    let cluster = Cluster::start(&program, dir.path())?;
    let tuples: Result<Vec<f64>> = (0..runs).map(|n| cluster.first_tuple(n)).collect();
    let figures = [
        Figure {
            name: "start/program_ms".to_owned(),
            runs: starts?,
            unit: "ms",
            against: None,
            note: "`fulmar completions bash`, from its start to its end".to_owned(),
        },
        Figure {
            name: "start/submit_to_first_tuple_ms".to_owned(),
            runs: tuples?,
            unit: "ms",
            against: None,
            note: "`fulmar submit journal` on two workers, upload included, to the first number in the file"
                .to_owned(),
        },
    ];
    print(&figures, options.json.as_deref())
}

/// A program that was built beside this one.
fn beside(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(name);
    if !path.exists() {
        bail!(
            "{} is missing; remedy: cargo build --release -p fulmar-cli -p fulmar-examples, or cargo xtask bench start",
            path.display()
        );
    }
    Ok(path)
}

fn version(program: &Path) -> Result<f64> {
    let begun = Instant::now();
    let status = Command::new(program)
        .args(["completions", "bash"])
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("fulmar completions bash: {status}");
    }
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// `fulmar dev` with two nodes.
struct Cluster<'a> {
    program: &'a Path,
    dir: &'a Path,
    port: u16,
    dev: Child,
}

impl<'a> Cluster<'a> {
    fn start(program: &'a Path, dir: &'a Path) -> Result<Self> {
        let port = free()?;
        let words = [
            "dev".to_owned(),
            format!("--port={port}"),
            format!("--supervisor-port={}", free()?),
            format!("--ui-port={}", free()?),
            format!("--slot-port={}", 20_000 + port % 5_000),
            "--supervisors=2".to_owned(),
            format!("--dir={}", dir.join("dev").display()),
        ];
        let log = std::fs::File::create(dir.join("dev.log"))?;
        let dev = Command::new(program)
            .args(words)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let cluster = Self {
            program,
            dir,
            port,
            dev,
        };
        until("two supervisors", || {
            let list = cluster.verb(&["list", "--output", "json"]);
            list.is_ok_and(|l| l.matches("\"node_id\"").count() >= 2 || l.contains("topologies"))
        })?;
        Ok(cluster)
    }

    fn verb(&self, words: &[&str]) -> Result<String> {
        let out = Command::new(self.program)
            .args(words)
            .arg(format!("--nimbus=127.0.0.1:{}", self.port))
            .output()?;
        if !out.status.success() {
            bail!(
                "fulmar {}: {}",
                words.join(" "),
                String::from_utf8_lossy(&out.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    fn first_tuple(&self, run: usize) -> Result<f64> {
        let folder = self.dir.join(format!("journal-{run}"));
        std::fs::create_dir_all(&folder)?;
        let journal = beside("journal")?.display().to_string();
        let at = format!("journal.dir={}", folder.display());
        let name = format!("journal-{run}");
        let begun = Instant::now();
        let words = [
            "submit",
            &journal,
            "--name",
            &name,
            "-c",
            &at,
            "-c",
            "topology.workers=2",
            "-c",
            "journal.limit=10",
        ];
        self.verb(&words)?;
        until("the first tuple", || {
            let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let mut sizes = files.filter_map(|f| f.metadata().ok());
            sizes.any(|m| m.len() > 0)
        })?;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        self.verb(&["kill", &name, "-w", "0"])?;
        Ok(took)
    }
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        // It stops its workers when it is asked; what does not end then is killed.
        let asked = Command::new("kill").arg(self.dev.id().to_string()).status();
        let gone = until("the end of fulmar dev", || {
            !matches!(self.dev.try_wait(), Ok(None))
        });
        if asked.is_err() || gone.is_err() {
            let _ = self.dev.kill();
        }
    }
}

/// A port that was free a moment ago.
fn free() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + LONG;
    while !holds() {
        if Instant::now() > end {
            bail!("{what}: not within {LONG:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
