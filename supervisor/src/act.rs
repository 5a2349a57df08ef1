//! What the owner does with processes and programs: start, adopt, watch, fetch.

use std::path::Path;
use std::time::Duration;

use fulmar_api::worker_file::{WORKER_ENV, WorkerFile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::error::Error;
use crate::event::Input;
use crate::limits::BLOB_MOST;
use crate::owner::Owner;
use crate::process::{self, Start};
use crate::record::Record;
use crate::slot::{Event, Life, Wanted};
use crate::{localizer, logs};

/// A worker is asked for its health this often.
const PROBE: Duration = Duration::from_millis(500);
/// And has so long to answer.
const PROBE_MOST: Duration = Duration::from_secs(2);
/// An adopted process, which cannot be waited for, is looked at this often.
const LOOK: Duration = Duration::from_millis(50);

/// A worker's file in its folder.
const FILE: &str = "worker.json";

impl Owner {
    /// Takes over what an earlier supervisor left: living workers are adopted, dead ones are reported
    /// and start again, without any Nimbus.
    pub fn restore(&mut self) {
        for port in self.ports() {
            let Some(record) = self.folder.load(port) else {
                continue;
            };
            let wanted = record.wanted;
            let file = self.folder.worker(port, &wanted.topology_id).join(FILE);
            let living = record.life.filter(|l| process::lives(l.pid, l.started));
            // Started, and its supervisor killed before it could write that down.
            let living = living.or_else(|| find(&file));
            if let Some(life) = living {
                self.story(format!(
                    "worker of {} on {port} runs, process {}: adopted",
                    wanted.topology_name, life.pid
                ));
                let record = Record {
                    wanted: wanted.clone(),
                    life: Some(life),
                };
                self.save(port, &record);
                self.step(port, Event::Adopt(wanted, life));
                self.watch_adopted(port, life);
                continue;
            }
            if let Some(life) = record.life {
                // Not through the machine: its process id may be another's by now.
                let how = "ended while its supervisor was away".to_owned();
                self.ended(port, &wanted, life, how);
            }
            self.step(port, Event::Wanted(Some(wanted)));
        }
    }

    fn save(&self, port: u16, record: &Record) {
        if let Err(e) = self.folder.save(port, record) {
            tracing::warn!(port, "{} {e}", e.code());
        }
    }

    /// Fetches a program, once for all slots that want it.
    pub(crate) fn localize(&mut self, key: String) {
        if !self.fetching.insert(key.clone()) {
            return;
        }
        let (blobs, out, mut client) = (self.folder.blobs(), self.out.clone(), self.client.clone());
        self.fetchers.spawn(async move {
            let here = localizer::place(&blobs, &key).map(|path| path.exists().then_some(path));
            let result = match here {
                Ok(Some(path)) => Ok(path),
                Err(e) => Err(e),
                Ok(None) => {
                    let linked = client.wait_for(Option::is_some).await;
                    let Some(client) = linked.ok().and_then(|c| c.clone()) else {
                        return;
                    };
                    localizer::localize(&blobs, &key, BLOB_MOST, client).await
                }
            };
            let result = result.map_err(|e| format!("{} {e}", e.code()));
            // Nobody listens any more: the supervisor is ending.
            let _ = out.send(Input::Localized(key, result)).await;
        });
    }

    /// Starts a worker.
    pub(crate) fn launch(&mut self, port: u16, wanted: &Wanted) {
        match self.start(port, wanted) {
            Ok((life, child)) => {
                self.totals.launches += 1;
                self.story(format!(
                    "worker of {} on {port} started, process {}",
                    wanted.topology_name, life.pid
                ));
                self.step(port, Event::Launched(life));
                self.watch_child(port, life, child);
            }
            Err(e) => {
                self.totals.launch_failures += 1;
                self.story(format!("{} {e}", e.code()));
                self.step(port, Event::LaunchFailed);
            }
        }
    }

    fn start(&mut self, port: u16, wanted: &Wanted) -> Result<(Life, Child), Error> {
        let dir = self.folder.worker(port, &wanted.topology_id);
        let logs = logs::files(&self.folder.logs(), &wanted.topology_id, port);
        let made = [Some(dir.as_path()), logs.0.parent()];
        for path in made.into_iter().flatten() {
            std::fs::create_dir_all(path).map_err(|e| Error::folder(path, &e))?;
        }
        let incarnation = incarnation();
        let file = WorkerFile {
            topology_id: wanted.topology_id.clone(),
            nimbus: self.config.nimbus.clone(),
            node_id: self.node_id.clone(),
            host: self.config.host.clone(),
            port,
            incarnation,
            dir: dir.clone(),
            graph_hash: wanted.graph_hash.clone(),
        };
        let path = dir.join(FILE);
        file.write(&path).map_err(|e| Error::folder(&path, &e))?;
        let mut record = Record {
            wanted: wanted.clone(),
            life: None,
        };
        self.folder.save(port, &record)?;
        let mut env = self.config.worker_env.clone();
        env.push((WORKER_ENV.to_owned(), path.display().to_string()));
        let failed = |problem: String| Error::Launch {
            port,
            topology: wanted.topology_name.clone(),
            problem,
        };
        let child = process::start(&Start {
            program: &localizer::place(&self.folder.blobs(), &wanted.blob_key)?,
            args: &wanted.program_args,
            dir: &dir,
            env: &env,
            logs,
        })
        .map_err(|e| failed(e.to_string()))?;
        // A child that has not been waited for keeps its id, also when it has ended already.
        let pid = child
            .id()
            .ok_or_else(|| failed("it has no process id".into()))?;
        let life = Life {
            pid,
            started: process::started(pid).unwrap_or(0),
            incarnation,
        };
        record.life = Some(life);
        self.save(port, &record);
        Ok((life, child))
    }

    fn watch_child(&mut self, port: u16, life: Life, mut child: Child) {
        let out = self.out.clone();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let ended = child.wait().await;
            let how = ended.map_or_else(|e| e.to_string(), process::how);
            let _ = out.send(Input::Exited(port, life.incarnation, how)).await;
        });
        self.watch_health(port, life, tasks);
    }

    fn watch_adopted(&mut self, port: u16, life: Life) {
        let out = self.out.clone();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let mut every = interval(LOOK);
            while process::lives(life.pid, life.started) {
                every.tick().await;
            }
            let how = "ended; how is unknown, for its supervisor had restarted".to_owned();
            let _ = out.send(Input::Exited(port, life.incarnation, how)).await;
        });
        self.watch_health(port, life, tasks);
    }

    fn watch_health(&mut self, port: u16, life: Life, mut tasks: tokio::task::JoinSet<()>) {
        let (out, host) = (self.out.clone(), self.config.host.clone());
        tasks.spawn(async move {
            let mut every = interval(PROBE);
            every.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                every.tick().await;
                let healthy = timeout(PROBE_MOST, is_healthy(&host, port)).await;
                if !matches!(healthy, Ok(Ok(true))) {
                    continue;
                }
                if out
                    .send(Input::Heard(port, life.incarnation))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        self.watchers.insert(port, tasks);
    }
}

/// Asks a worker's `/healthz`, which it answers 1000 above its slot (DESIGN 8).
async fn is_healthy(host: &str, port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((host, port + 1_000)).await?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.") && answer.ends_with(b" 200"))
}

/// A name for a new life that no other has had: milliseconds since the epoch, and 22 bits of chance.
fn incarnation() -> u64 {
    let chance = uuid::Uuid::new_v4().as_u128() as u64 & ((1 << 22) - 1);
    (crate::link::now_ms() << 22) | chance
}

/// The leader of a group whose process was started with this worker file.
fn find(file: &Path) -> Option<Life> {
    let worker = WorkerFile::read(file).ok()?;
    let entry = format!("{WORKER_ENV}={}", file.display()).into_bytes();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let env = std::fs::read(process.path().join("environ")).unwrap_or_default();
        if env.split(|b| *b == 0).any(|e| e == entry)
            && process::leads(pid)
            && let Some(started) = process::started(pid)
        {
            let incarnation = worker.incarnation;
            return Some(Life {
                pid,
                started,
                incarnation,
            });
        }
    }
    None
}
