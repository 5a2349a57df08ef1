//! What the processes of a run have written and taken: their counts, CPU time, memory and latencies, read at the edges of a window.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fulmar_bench::buckets::Buckets;

/// Everything that is known at one moment.
#[derive(Clone, Debug, Default)]
pub struct Mark {
    /// By process: its own clock in ns, and its count.
    pub counts: BTreeMap<u32, (u64, u64)>,
    /// CPU time of all processes.
    pub cpu: Duration,
    /// Resident memory of the largest process, in MiB.
    pub rss: f64,
    /// Latencies since the start.
    pub latencies: Buckets,
    at: Option<Instant>,
}

/// What happened between two marks.
#[derive(Clone, Debug)]
pub struct Window {
    /// Counts a second, each process by its own clock.
    pub rate: f64,
    /// CPU seconds per million counts.
    pub cpu: f64,
    /// MiB of the largest process at the end.
    pub rss: f64,
    /// Latencies.
    pub latencies: Buckets,
}

impl Mark {
    /// Reads the folder of a run; a process that has not written a line yet is not there.
    ///
    /// # Errors
    /// The folder cannot be read, or holds what no twin writes.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut mark = Self {
            at: Some(Instant::now()),
            ..Self::default()
        };
        for path in files(dir, "count")? {
            let (pid, text) = (pid(&path)?, std::fs::read_to_string(&path)?);
            if let Some(line) = last_line(&text) {
                mark.counts.insert(
                    pid,
                    count(line).with_context(|| path.display().to_string())?,
                );
            }
            let usage = Usage::of(pid);
            mark.cpu += usage.cpu;
            mark.rss = mark.rss.max(usage.rss_mib);
        }
        for path in files(dir, "latency")? {
            let text = std::fs::read_to_string(&path)?;
            if let Some((_, buckets)) = last_line(&text).and_then(|l| l.split_once(' ')) {
                mark.latencies = Buckets::parse(buckets).map_err(anyhow::Error::msg)?;
            }
        }
        Ok(mark)
    }

    /// All counts together.
    pub fn sum(&self) -> u64 {
        self.counts.values().map(|(_, count)| count).sum()
    }

    /// What happened from `earlier` to now.
    pub fn since(&self, earlier: &Self) -> Window {
        let mut rate = 0.0;
        for (pid, (ns, count)) in &self.counts {
            if let Some((from, before)) = earlier.counts.get(pid)
                && ns > from
            {
                rate += (count - before) as f64 / (ns - from) as f64 * 1e9;
            }
        }
        let span = match (self.at, earlier.at) {
            (Some(now), Some(then)) => (now - then).as_secs_f64(),
            _ => 0.0,
        };
        let cores = self.cpu.saturating_sub(earlier.cpu).as_secs_f64() / span.max(1e-9);
        Window {
            rate,
            cpu: cores / (rate / 1e6).max(1e-9),
            rss: self.rss,
            latencies: self.latencies.since(&earlier.latencies),
        }
    }
}

/// Files `PID.what` of a run's folder.
///
/// # Errors
/// The folder cannot be read.
pub fn files(dir: &Path, what: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let paths = entries.filter_map(|e| e.ok().map(|e| e.path()));
    Ok(paths
        .filter(|p| p.extension().is_some_and(|e| e == what))
        .collect())
}

/// The process that wrote a file.
///
/// # Errors
/// Its name does not begin with a number.
pub fn pid(path: &Path) -> Result<u32> {
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
    stem.parse()
        .with_context(|| format!("{} is not named after a process", path.display()))
}

/// The last line that was written to its end.
fn last_line(text: &str) -> Option<&str> {
    let end = text.rfind('\n')?;
    text[..end].lines().next_back()
}

fn count(line: &str) -> Result<(u64, u64)> {
    match line.split_once(' ') {
        Some((ns, count)) => Ok((ns.parse()?, count.parse()?)),
        None => bail!("{line:?} is not `ns count`"),
    }
}

/// CPU time and memory of a process.
#[derive(Default)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Resident memory.
    pub rss_mib: f64,
}

impl Usage {
    /// As `/proc` says now; zero of a process that is gone, or where there is no `/proc`.
    pub fn of(pid: u32) -> Self {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may hold blanks; what follows it begins with the state.
        let after = stat.rsplit(')').next().unwrap_or_default();
        let field = |i: usize| -> u64 {
            let found = after.split_whitespace().nth(i);
            found.and_then(|f| f.parse().ok()).unwrap_or(0)
        };
        Self {
            // utime and stime, in ticks of 10 ms.
            cpu: Duration::from_millis(10 * (field(11) + field(12))),
            // rss, in pages of 4 KiB.
            rss_mib: field(21) as f64 / 256.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_what_each_process_counted_by_its_own_clock() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("4000001.count", "1000000000 10\n2000000000 500\n");
        write("4000002.count", "77 0\n");
        write("4000001.latency", "1 5:1 \n");
        let before = Mark::read(dir.path()).unwrap();
        assert_eq!(before.sum(), 500);
        write("4000001.count", "2000000000 500\n4000000000 2500\n40000000");
        write("4000002.count", "77 0\n1000000077 300\n");
        write("4000001.latency", "1 5:1 \n2 5:1 9:2 \n3 5:");
        let window = Mark::read(dir.path()).unwrap().since(&before);
        assert_eq!(window.rate, 1_000.0 + 300.0);
        assert_eq!(window.latencies.len(), 2);
    }

    #[test]
    fn what_no_twin_writes_is_told_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("12.count"), "oops\n").unwrap();
        let error = format!("{:#}", Mark::read(dir.path()).unwrap_err());
        assert!(
            error.contains("12.count") && error.contains("oops"),
            "{error}"
        );
    }
}
