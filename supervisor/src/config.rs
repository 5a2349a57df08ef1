//! What a supervisor needs to know, and how Storm's keys say it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use fulmar_api::{Config, Value};

use crate::error::Error;
use crate::limits::LOG_MOST;
use crate::slot::Times;

const SLOTS: &str = "supervisor.slots.ports";
const CPU: &str = "supervisor.cpu.capacity";
const MEMORY: &str = "supervisor.memory.capacity.mb";
const RESOURCES: &str = "supervisor.resources.map";
const LIFE_CYCLE: &str = "supervisor.life.cycle";
const POLL: &str = "supervisor.imds.poll.millis";

/// How a supervisor is set up. [`SupervisorConfig::new`] holds the defaults.
#[derive(Clone, Debug)]
pub struct SupervisorConfig {
    /// `storm.local.dir`: node id, programs, logs and workers' folders live below it.
    pub dir: PathBuf,
    /// Name or address under which others reach this node and its workers.
    pub host: String,
    /// Every Nimbus as `host:port` of its gRPC port.
    pub nimbus: Vec<String>,
    /// `supervisor.slots.ports`. A worker's HTTP listens 1000 above.
    pub slots: Vec<u16>,
    /// `supervisor.imds.endpoint`, for example `http://169.254.169.254`; none: not asked.
    pub imds: Option<String>,
    /// `supervisor.imds.poll.millis`: 1 to 5 s.
    pub imds_poll: Duration,
    /// `supervisor.notice.file`: a file whose appearance is a notice, for drills.
    pub notice_file: Option<PathBuf>,
    /// `supervisor.instance.type`; else the metadata service's.
    pub instance_type: Option<String>,
    /// `supervisor.zone`; else the metadata service's.
    pub zone: Option<String>,
    /// `supervisor.life.cycle`: spot or on-demand; else the metadata service's.
    pub life_cycle: Option<String>,
    /// `supervisor.pool`; else instance type and zone make the pool.
    pub pool: Option<String>,
    /// What this node has, for the resource-aware scheduler: `supervisor.cpu.capacity`,
    /// `supervisor.memory.capacity.mb` and `supervisor.resources.map`.
    pub resources: BTreeMap<String, f64>,
    /// Advice that no sentence follows ends after so long.
    pub advice: Duration,
    /// Whether workers are stopped with the supervisor. Storm leaves them, and so is the default.
    pub stop_workers: bool,
    /// Times of the slots.
    pub times: Times,
    /// Bytes of each log file of a worker.
    pub log_most: u64,
    /// Variables that workers get besides this process's own.
    pub worker_env: Vec<(String, String)>,
}

/// How glibc's allocator keeps memory in a worker, unless the supervisor's own environment says otherwise. By itself it
/// opens eight arenas a core and hands little back: a worker that caught up after a loss kept half as much again as it used.
fn allocator() -> Vec<(String, String)> {
    [
        ("MALLOC_ARENA_MAX", "2"),
        ("MALLOC_MMAP_THRESHOLD_", "131072"),
        ("MALLOC_TRIM_THRESHOLD_", "131072"),
    ]
    .into_iter()
    .filter(|(name, _)| std::env::var_os(name).is_none())
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

impl SupervisorConfig {
    /// The defaults, which are Storm's where Storm has them.
    pub fn new(dir: PathBuf, host: &str, nimbus: Vec<String>, slots: Vec<u16>) -> Self {
        SupervisorConfig {
            dir,
            host: host.to_owned(),
            nimbus,
            slots,
            imds: None,
            imds_poll: Duration::from_secs(1),
            notice_file: None,
            instance_type: None,
            zone: None,
            life_cycle: None,
            pool: None,
            resources: BTreeMap::new(),
            advice: Duration::from_secs(600),
            stop_workers: false,
            times: Times {
                start: 120_000,
                silence: 30_000,
                stop: 3_000,
            },
            log_most: LOG_MOST,
            worker_env: allocator(),
        }
    }

    /// From a configuration with Storm's keys; what it does not hold keeps its default.
    ///
    /// # Errors
    /// A value is of another kind, or out of its range.
    pub fn from_conf(conf: &Config, host: &str, nimbus: Vec<String>) -> Result<Self, Error> {
        let dir = conf.str_or("storm.local.dir", "storm-local")?;
        let ports = conf.strings(SLOTS)?;
        let slots = ports
            .iter()
            .map(|p| {
                p.parse()
                    .map_err(|_| config(SLOTS, format!("{p} is no port: from 1 to 64535")))
            })
            .collect::<Result<Vec<u16>, _>>()?;
        let mut c = SupervisorConfig::new(PathBuf::from(dir), host, nimbus, slots);
        c.imds = conf.str("supervisor.imds.endpoint")?;
        c.imds_poll = conf.millis(POLL)?.unwrap_or(c.imds_poll);
        c.notice_file = conf.str("supervisor.notice.file")?.map(PathBuf::from);
        c.instance_type = conf.str("supervisor.instance.type")?;
        c.zone = conf.str("supervisor.zone")?;
        c.pool = conf.str("supervisor.pool")?;
        c.life_cycle = conf.str(LIFE_CYCLE)?;
        c.resources = resources(conf)?;
        let secs = |key, default: u64| -> Result<u64, Error> {
            Ok(conf.secs(key)?.map_or(default, |d| d.as_millis() as u64))
        };
        c.times = Times {
            start: secs("supervisor.worker.start.timeout.secs", c.times.start)?,
            silence: secs("supervisor.worker.timeout.secs", c.times.silence)?,
            stop: secs("supervisor.worker.shutdown.sleep.secs", c.times.stop)?,
        };
        Ok(c)
    }

    /// What cannot work, before anything starts.
    ///
    /// # Errors
    /// The first mistake, with its remedy.
    pub fn check(&self) -> Result<(), Error> {
        if self.nimbus.is_empty() {
            return Err(config("nimbus.seeds", "none: name at least one host"));
        }
        let mut seen = std::collections::BTreeSet::new();
        for port in &self.slots {
            if *port == 0 || *port > u16::MAX - 1_000 {
                let text = format!("{port}: from 1 to 64535, for HTTP listens 1000 above");
                return Err(config(SLOTS, text));
            }
            if !seen.insert(*port) {
                let text = format!("{port} stands there twice: leave one out");
                return Err(config(SLOTS, text));
            }
        }
        if let Some(port) = self.slots.iter().find(|p| seen.contains(&(**p + 1_000))) {
            let text = format!(
                "{port} and {}: a worker's HTTP listens 1000 above its slot; move one of them",
                port + 1_000
            );
            return Err(config(SLOTS, text));
        }
        if let Some(other) = self.life_cycle.as_deref()
            && !matches!(other, "spot" | "on-demand" | "unknown")
        {
            let text = format!("\"{other}\": spot, on-demand or unknown");
            return Err(config(LIFE_CYCLE, text));
        }
        if let Some((name, amount)) = self
            .resources
            .iter()
            .find(|(_, n)| !(0.0..=1e12).contains(*n))
        {
            let text = format!("{name} is {amount}: from 0 to 1e12");
            return Err(config(RESOURCES, text));
        }
        if !(100..=5_000).contains(&self.imds_poll.as_millis()) {
            let text = format!("{} ms: from 100 to 5000", self.imds_poll.as_millis());
            return Err(config(POLL, text));
        }
        Ok(())
    }
}

/// What a node has, by Storm's names.
fn resources(conf: &Config) -> Result<BTreeMap<String, f64>, Error> {
    let mut all = BTreeMap::new();
    if let Some(Value::Map(map)) = conf.get(RESOURCES) {
        for (name, value) in map.iter() {
            let number = value.as_float();
            let wrong = || config(RESOURCES, format!("{name} is {value}: wanted a number"));
            all.insert(name.to_string(), number.ok_or_else(wrong)?);
        }
    }
    for (key, default) in [(CPU, 400.0), (MEMORY, 4096.0)] {
        all.insert(key.to_owned(), conf.float_or(key, default)?);
    }
    Ok(all)
}

fn config(key: &'static str, problem: impl ToString) -> Error {
    Error::Config {
        key,
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Result<SupervisorConfig, Error> {
        let conf = Config::from_yaml(text).expect("reads");
        let c = SupervisorConfig::from_conf(&conf, "h", vec!["n:6629".into()])?;
        c.check().map(|()| c)
    }

    #[test]
    fn storms_keys_and_storms_defaults() {
        let c = from("").expect("defaults do");
        assert_eq!(c.slots, [6700, 6701, 6702, 6703]);
        assert_eq!(
            (c.times.start, c.times.silence, c.times.stop),
            (120_000, 30_000, 3_000)
        );
        let text = "supervisor.slots.ports: [7000, 7001]\nsupervisor.worker.timeout.secs: 5\n\
                    supervisor.notice.file: /tmp/n.json\nstorm.local.dir: d\n";
        let c = from(text).expect("fits");
        assert_eq!(
            (c.slots.as_slice(), c.times.silence),
            (&[7000, 7001][..], 5_000)
        );
        assert_eq!(c.notice_file, Some("/tmp/n.json".into()));
        assert_eq!(c.dir, PathBuf::from("d"));
        assert_eq!((c.resources[CPU], c.resources[MEMORY]), (400.0, 4096.0));
        let text = "supervisor.resources.map: {gpu.count: 2}\nsupervisor.memory.capacity.mb: 8000\n\
                    supervisor.zone: z1\nsupervisor.pool: big\nsupervisor.life.cycle: on-demand\n";
        let c = from(text).expect("fits");
        assert_eq!(
            (c.resources["gpu.count"], c.resources[MEMORY]),
            (2.0, 8000.0)
        );
        assert_eq!(
            (c.zone.as_deref(), c.pool.as_deref()),
            (Some("z1"), Some("big"))
        );
    }

    #[test]
    fn what_cannot_work_is_said_with_its_key() {
        for (text, wanted) in [
            ("supervisor.slots.ports: [x]", "no port"),
            ("supervisor.slots.ports: [65000]", "64535"),
            ("supervisor.slots.ports: [7000, 7000]", "twice"),
            ("supervisor.slots.ports: [7000, 8000]", "1000 above"),
            ("supervisor.imds.poll.millis: 60000", "5000"),
            ("supervisor.life.cycle: sometimes", "on-demand"),
            ("supervisor.resources.map: {gpu: many}", "wanted a number"),
            ("supervisor.cpu.capacity: -1", "from 0"),
            ("supervisor.imds.endpoint: 7", "supervisor.imds.endpoint"),
        ] {
            let e = from(text).expect_err(text).to_string();
            assert!(e.contains(wanted), "{text}: {e}");
        }
    }
}
