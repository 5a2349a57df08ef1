//! What a process counts, in the topology's own code: each counter on a cache line of its own, and all of them written to a file
//! that the benchmark reads. `bench/twins/common/Meter.java` has the same rule and form for the peers.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Error, Result, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A count on a cache line of its own, so that counting does not slow the neighbour.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicU64);

/// The counts of all tasks that count.
#[derive(Clone, Default)]
pub struct Counts(Arc<All>);

#[derive(Default)]
struct All {
    counts: Mutex<Vec<Arc<Count>>>,
    reported: AtomicBool,
}

impl Counts {
    /// A counter for one more task.
    pub fn one(&self) -> Counter {
        let count = Arc::new(Count::default());
        let mut all = self.0.counts.lock().unwrap_or_else(|e| e.into_inner());
        all.push(count.clone());
        Counter(0, count)
    }

    /// All counts together.
    pub fn sum(&self) -> u64 {
        let all = self.0.counts.lock().unwrap_or_else(|e| e.into_inner());
        all.iter().map(|c| c.0.load(Ordering::Relaxed)).sum()
    }

    /// From now on this process writes `ns sum` to `PID.count` in this folder, ten times a second.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn report_into(&self, dir: &Path) -> Result<()> {
        if self.0.reported.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let counts = self.clone();
        every(dir, "count", 100, move || counts.sum().to_string())
    }
}

/// One task's counter, in the open.
pub struct Counter(u64, Arc<Count>);

impl Counter {
    /// Counts; by the task's own thread only.
    pub fn add(&mut self, n: u64) {
        self.0 += n;
        self.1.0.store(self.0, Ordering::Relaxed);
    }
}

/// Writes a line, after its time in nanoseconds, to `DIR/PID.what` every so often, for as long as the process lives.
///
/// # Errors
/// The file cannot be made.
pub fn every(
    dir: &Path,
    what: &str,
    ms: u64,
    says: impl Fn() -> String + Send + 'static,
) -> Result<()> {
    let path = dir.join(format!("{}.{what}", std::process::id()));
    let mut file = File::create(&path).map_err(|e| {
        let told = format!("{}: {e}; give a folder that can be written", path.display());
        Error::new(e.kind(), told)
    })?;
    std::thread::spawn(move || {
        let (started, mut line) = (Instant::now(), String::new());
        loop {
            line.clear();
            // Writing into a string cannot fail.
            let _ = writeln!(line, "{} {}", started.elapsed().as_nanos(), says());
            if file.write_all(line.as_bytes()).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(ms));
        }
    });
    Ok(())
}
