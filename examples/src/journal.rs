//! Journal: numbers are emitted, emitted again when they fail, and written to a file before they are
//! acked. Whatever dies meanwhile, every number is there in the end.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use fulmar::prelude::*;

/// Emits 1 to `journal.limit`, about `journal.rate` a second, and again what failed.
pub struct Numbers {
    next: u64,
    limit: u64,
    again: VecDeque<u64>,
    pause: Duration,
    due: Instant,
}

impl Default for Numbers {
    fn default() -> Self {
        let again = VecDeque::new();
        Self {
            next: 1,
            limit: 0,
            again,
            pause: Duration::ZERO,
            due: Instant::now(),
        }
    }
}

impl Spout for Numbers {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["number"])
    }

    fn open(&mut self, conf: &Config, _: &TaskContext) -> Result<()> {
        self.limit = conf.int_or("journal.limit", 1_000)?.max(0) as u64;
        let rate = conf.float_or("journal.rate", 1_000.0)?;
        self.pause = Duration::from_secs_f64(1.0 / rate.clamp(0.01, 1e9));
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        let number = match self.again.pop_front() {
            Some(number) => number,
            None if self.next > self.limit => return Ok(Next::Idle),
            None if self.due > Instant::now() => return Ok(Next::IdleUntil(self.due)),
            None => {
                self.due += self.pause;
                self.next += 1;
                self.next - 1
            }
        };
        out.emit_with_id(number, [number as i64])?;
        Ok(Next::Emitted)
    }

    fn fail(&mut self, id: MessageId, _: FailReason) -> Result<()> {
        self.again.push_back(id);
        Ok(())
    }
}

/// Doubles nothing and loses nothing: a step between, so that tuples cross workers twice.
pub struct Pass;

impl BasicBolt for Pass {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["number"])
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
        out.emit([input.int("number")?])
    }
}

/// Writes each number to a file of its task in `journal.dir`.
#[derive(Default)]
pub struct Journal(Option<File>);

impl BasicBolt for Journal {
    fn prepare(&mut self, conf: &Config, context: &TaskContext) -> Result<()> {
        let dir = conf.str_or("journal.dir", ".")?;
        let path = Path::new(&dir).join(format!("journal-{}.txt", context.task));
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|e| {
            Error::msg(format!(
                "{}: {e}; set journal.dir to a folder that can be written",
                path.display()
            ))
        })?;
        self.0 = Some(file);
        Ok(())
    }

    fn execute(&mut self, input: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        let number = input.int("number")?;
        match &mut self.0 {
            // One write of one line: lines of several lives of a task never mix.
            Some(file) => file
                .write_all(format!("{number}\n").as_bytes())
                .map_err(Error::author),
            None => Err(Error::msg("the journal is not open")),
        }
    }
}

/// The topology.
///
/// # Errors
/// The graph has a mistake, which would be ours.
pub fn topology(conf: &Config) -> Result<Topology> {
    let mut t = TopologyBuilder::new("journal");
    t.conf("topology.max.spout.pending", 1_000_i64)
        .conf_all(conf);
    t.spout("numbers", Numbers::default);
    t.bolt("pass", || Pass).parallelism(2).shuffle("numbers");
    t.bolt("journal", Journal::default)
        .parallelism(2)
        .shuffle("pass");
    t.build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_is_written() {
        let dir = std::env::temp_dir().join(format!("fulmar-journal-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let mut conf = Config::new();
        conf.set("journal.limit", 500_i64)
            .set("journal.rate", 1e6)
            .set("journal.dir", dir.display().to_string());
        let cluster = LocalCluster::submit(topology(&conf).unwrap(), 1).unwrap();
        let read = || -> BTreeSet<u64> {
            let files = std::fs::read_dir(&dir).unwrap();
            let text = files.map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap());
            text.flat_map(|t| t.lines().map(|l| l.parse().unwrap()).collect::<Vec<_>>())
                .collect()
        };
        cluster
            .wait_until(Duration::from_secs(30), |_| read().len() == 500)
            .unwrap();
        drop(cluster);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
