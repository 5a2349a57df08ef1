//! Flink's side: `bench/twins/flink/Aggregate.java` in one JVM on all cores, counted at its source.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::aggregate::Sums;

/// How it runs.
pub const NOTE: &str = "Flink 1.20.3, local environment on all cores, object reuse, keys made ahead, state on the heap; 20 s of warm-up, 10 s counted";
const WARM_UP: Duration = Duration::from_secs(20);
const COUNTED: Duration = Duration::from_secs(10);
/// Until the first window of a cold JVM came out.
const FIRST: Duration = Duration::from_secs(60);

/// The twin.
pub struct Flink {
    twin: PathBuf,
}

impl Flink {
    /// The folder with `twin.jar` and `lib/`.
    ///
    /// # Errors
    /// It is not there.
    pub fn new(twin: Option<&Path>) -> Result<Self> {
        let twin = twin.context(
            "no twin of Flink was built; run it as `cargo xtask bench pipeline --vs-flink`",
        )?;
        ensure!(
            twin.join("twin.jar").is_file(),
            "{} holds no twin.jar",
            twin.display()
        );
        Ok(Self {
            twin: twin.to_owned(),
        })
    }

    /// Records a second; its first window must say what ours says.
    ///
    /// # Errors
    /// The JVM ends or stays silent, or its rows differ from ours.
    pub fn run(&mut self, ours: &Sums) -> Result<f64> {
        let dir = tempfile::tempdir()?;
        let mut java = Command::new("java");
        for package in ["java.util", "java.lang", "java.time"] {
            java.arg(format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let path = format!("{0}/twin.jar:{0}/lib/*", self.twin.display());
        java.args(["-Xmx2g", "-cp", &path, "fulmar.twin.Aggregate"])
            .arg(cores.to_string())
            .arg(dir.path());
        let log = dir.path().join("log");
        let out = std::fs::File::create(&log)?;
        java.stdout(out.try_clone()?).stderr(out);
        let mut child = java.spawn().context("cannot start java")?;
        let rate = watch(dir.path(), ours);
        // It runs until it is ended.
        child.kill()?;
        child.wait()?;
        rate.with_context(|| {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(15)..].join("\n")
        })
    }
}

fn watch(dir: &Path, ours: &Sums) -> Result<f64> {
    let began = Instant::now();
    let first = loop {
        if let Some(sums) = first_window(dir)? {
            break sums;
        }
        if began.elapsed() > FIRST {
            bail!("Flink has not written its first window within {FIRST:?}");
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    ensure!(
        first == *ours,
        "of the first window Flink says {first:?}, we say {ours:?}"
    );
    std::thread::sleep(WARM_UP.saturating_sub(began.elapsed()));
    let before = count(dir)?;
    std::thread::sleep(COUNTED);
    let (ns, records) = count(dir)?;
    ensure!(ns > before.0, "Flink's counts have stopped");
    Ok((records - before.1) as f64 / (ns - before.0) as f64 * 1e9)
}

/// What all slots together say of the first window, once a later one has ended.
fn first_window(dir: &Path) -> Result<Option<Sums>> {
    let Ok(text) = std::fs::read_to_string(dir.join("first")) else {
        return Ok(None);
    };
    let numbers: Vec<i64> = text
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    match numbers[..] {
        [rows, count, sum, min, max] => Ok(Some(Sums {
            rows,
            count,
            sum,
            min,
            max,
        })),
        _ => bail!("{text:?} is not five numbers"),
    }
}

/// The process's clock in ns and its count, from the last whole line.
fn count(dir: &Path) -> Result<(u64, u64)> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "count") {
            let text = std::fs::read_to_string(&path)?;
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let line = whole.lines().next_back().and_then(|l| l.split_once(' '));
            let (ns, count) = line.context("Flink has counted nothing yet")?;
            return Ok((ns.parse()?, count.parse()?));
        }
    }
    bail!("Flink has written no counts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_twin_writes_is_read_and_only_whole_lines_count() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(first_window(dir.path()).unwrap(), None);
        assert!(count(dir.path()).is_err());
        std::fs::write(dir.path().join("first"), "2 30 400 5 6 ").unwrap();
        std::fs::write(dir.path().join("77.count"), "1000 5\n2000 9\n30").unwrap();
        let first = first_window(dir.path()).unwrap().unwrap();
        assert_eq!((first.rows, first.sum, first.max), (2, 400, 6));
        assert_eq!(count(dir.path()).unwrap(), (2_000, 9));
    }
}
