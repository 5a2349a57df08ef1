//! Partitions: a source of numbered records in partitions, as Kafka's, whose committed position lies in a file, and
//! a bolt that writes down when each record arrived. Whoever takes a partition over goes on from what was
//! committed, so nothing is lost; what was under way comes twice.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fulmar::prelude::*;

/// A commit is written at most this often, as a Kafka spout does it.
const COMMIT: Duration = Duration::from_millis(50);

/// Records of one partition: number n is due n pauses after `partitions.start.ms`, up to `partitions.limit`.
pub struct Partition {
    index: i64,
    dir: PathBuf,
    start_ms: u64,
    pause_us: u64,
    limit: u64,
    next: u64,
    /// All numbers below it are acked.
    committed: u64,
    acked: BTreeSet<u64>,
    again: Vec<u64>,
    dirty: bool,
    wrote: Instant,
}

impl Default for Partition {
    fn default() -> Self {
        Self {
            index: 0,
            dir: PathBuf::new(),
            start_ms: 0,
            pause_us: 1,
            limit: 0,
            next: 0,
            committed: 0,
            acked: BTreeSet::new(),
            again: Vec::new(),
            dirty: false,
            wrote: Instant::now(),
        }
    }
}

/// Microseconds since the epoch.
fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |t| t.as_micros() as u64)
}

impl Partition {
    fn file(&self, kind: &str) -> PathBuf {
        self.dir.join(format!("{kind}-{}", self.index))
    }

    /// Writes the position beside the old one and puts it in its place.
    fn commit(&mut self) -> Result<()> {
        (self.dirty, self.wrote) = (false, Instant::now());
        let half = self
            .dir
            .join(format!("position-{}.{}", self.index, std::process::id()));
        let done = std::fs::write(&half, self.committed.to_string());
        let done = done.and_then(|()| std::fs::rename(&half, self.file("position")));
        done.map_err(Error::author)
    }

    fn note(&self, kind: &str, number: u64) -> Result<()> {
        append(&self.file(kind))?
            .write_all(format!("{number} {}\n", now_us()).as_bytes())
            .map_err(Error::author)
    }
}

fn append(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|e| {
        Error::msg(format!(
            "{}: {e}; set partitions.dir to a folder that can be written",
            path.display()
        ))
    })
}

impl Spout for Partition {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["partition", "number"])
    }

    fn open(&mut self, conf: &Config, context: &TaskContext) -> Result<()> {
        self.index = context.task_index as i64;
        self.dir = conf.str_or("partitions.dir", ".")?.into();
        self.start_ms = conf.int_or("partitions.start.ms", 0)?.max(0) as u64;
        self.limit = conf.int_or("partitions.limit", 1_000)?.max(0) as u64;
        let rate = conf.float_or("partitions.rate", 100.0)?;
        self.pause_us = (1e6 / rate.clamp(0.01, 1e5)) as u64;
        Ok(())
    }

    /// The position is read when the partition is this task's to read, not when it is opened as a standby.
    fn activate(&mut self) -> Result<()> {
        let text = std::fs::read_to_string(self.file("position")).unwrap_or_default();
        self.committed = text.parse().unwrap_or(0);
        self.next = self.committed;
        self.acked.clear();
        self.again.clear();
        Ok(())
    }

    fn deactivate(&mut self) -> Result<()> {
        self.commit()
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        if self.dirty && self.wrote.elapsed() >= COMMIT {
            self.commit()?;
        }
        let number = match self.again.pop() {
            Some(number) => number,
            None if self.next >= self.limit => return Ok(Next::Idle),
            None => {
                let due = self.start_ms * 1_000 + self.next * self.pause_us;
                let now = now_us();
                if due > now {
                    let wait = Duration::from_micros(due - now);
                    return Ok(Next::IdleUntil(Instant::now() + wait));
                }
                self.next += 1;
                self.next - 1
            }
        };
        out.emit_with_id(number, [self.index, number as i64])?;
        Ok(Next::Emitted)
    }

    fn ack(&mut self, id: MessageId) -> Result<()> {
        self.acked.insert(id);
        while self.acked.remove(&self.committed) {
            self.committed += 1;
            self.dirty = true;
        }
        Ok(())
    }

    fn fail(&mut self, id: MessageId, _: FailReason) -> Result<()> {
        self.again.push(id);
        self.note("failed", id)
    }
}

/// Writes each record's partition, number and time of arrival (microseconds since the epoch) to a file of this life.
#[derive(Default)]
pub struct Arrivals(Option<File>);

impl BasicBolt for Arrivals {
    fn prepare(&mut self, conf: &Config, context: &TaskContext) -> Result<()> {
        let dir = PathBuf::from(conf.str_or("partitions.dir", ".")?);
        let name = format!("arrived-{}-{}", context.task, std::process::id());
        self.0 = Some(append(&dir.join(name))?);
        Ok(())
    }

    fn execute(&mut self, input: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        let (partition, number) = (input.int("partition")?, input.int("number")?);
        match &mut self.0 {
            Some(file) => file
                .write_all(format!("{partition} {number} {}\n", now_us()).as_bytes())
                .map_err(Error::author),
            None => Err(Error::msg("the file of arrivals is not open")),
        }
    }
}

/// The topology.
///
/// # Errors
/// A setting is of another kind, or the graph has a mistake.
pub fn topology(conf: &Config) -> Result<Topology> {
    let tasks = |key: &str, default| -> Result<u32> {
        Ok(conf.int_or(key, default)?.clamp(1, 1_000) as u32)
    };
    let mut t = TopologyBuilder::new("partitions");
    t.conf("topology.max.spout.pending", 1_000_i64)
        .conf_all(conf);
    t.spout("partitions", Partition::default)
        .parallelism(tasks("partitions.count", 4)?);
    t.bolt("arrivals", Arrivals::default)
        .parallelism(tasks("partitions.bolts", 4)?)
        .fields("partitions", ["partition"]);
    t.build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Numbers that arrived, by partition.
    fn arrived(dir: &Path) -> BTreeMap<u64, BTreeSet<u64>> {
        let mut found: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for file in std::fs::read_dir(dir).unwrap().flatten() {
            if !file.file_name().to_string_lossy().starts_with("arrived-") {
                continue;
            }
            for line in std::fs::read_to_string(file.path()).unwrap().lines() {
                let mut parts = line.split(' ').map(|p| p.parse::<u64>().unwrap());
                let (partition, number) = (parts.next().unwrap(), parts.next().unwrap());
                found.entry(partition).or_default().insert(number);
            }
        }
        found
    }

    #[test]
    fn every_record_arrives_and_the_position_is_committed() {
        let dir = std::env::temp_dir().join(format!("fulmar-partitions-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        // An earlier life had read ten records of the first partition.
        std::fs::write(dir.join("position-0"), "10").unwrap();
        let mut conf = Config::new();
        conf.set("partitions.limit", 50_i64)
            .set("partitions.rate", 1e5)
            .set("partitions.count", 2_i64)
            .set("partitions.dir", dir.display().to_string());
        let cluster = LocalCluster::submit(topology(&conf).unwrap(), 1).unwrap();
        let committed = |p: u64| std::fs::read_to_string(dir.join(format!("position-{p}")));
        cluster
            .wait_until(Duration::from_secs(30), |_| {
                (0..2).all(|p| committed(p).is_ok_and(|c| c == "50"))
            })
            .unwrap();
        let found = arrived(&dir);
        assert_eq!(found[&0], (10..50).collect());
        assert_eq!(found[&1], (0..50).collect());
        drop(cluster);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
