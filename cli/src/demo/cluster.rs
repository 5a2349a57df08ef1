//! The demo's cluster: which processes there are, how topologies get onto it, and what it tells of its events.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::children::{Children, Spec, ports};
use crate::failure::Failure;
use crate::verbs::broker::TOPICS;

/// Supervisors.
pub const NODES: u16 = 2;
/// How long a store that was named may take to answer.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(8);
/// Slots of each: one node can hold everything when the other is taken away.
const SLOTS: u16 = 8;

/// Addresses of what runs.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Nimbus' gRPC.
    pub nimbus: String,
    /// Kafka's brokers.
    pub kafka: String,
    /// The store.
    pub store: String,
    /// The page.
    pub page: String,
    /// Files whose appearance is a termination warning of a node.
    pub notices: Vec<PathBuf>,
}

fn spec(role: &'static str, name: &str, dir: &Path, ports: Vec<u16>, words: Vec<String>) -> Spec {
    Spec {
        role,
        name: name.to_owned(),
        words: [role.to_owned()].into_iter().chain(words).collect(),
        dir: dir.join(name),
        ports,
        restarts: true,
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// Starts everything but what is given by its address.
///
/// # Errors
/// A process does not start.
pub fn start(
    children: &Children,
    dir: &Path,
    kafka: Option<&str>,
    store: Option<&str>,
    partitions: i32,
) -> Result<Cluster, Failure> {
    if let Some(store) = store {
        answers(store)?;
    }
    let kafka = match kafka {
        Some(kafka) => {
            topics(kafka, partitions)?;
            kafka.to_owned()
        }
        None => {
            let words = words(["--partitions", &partitions.to_string()]);
            let mut broker = spec("broker", "broker", dir, Vec::new(), words);
            broker.restarts = false;
            children.start(broker)?;
            children.said("broker", "kafka ")?
        }
    };
    let store = match store {
        Some(store) => store.to_owned(),
        None => {
            let port = ports(&[9043])?[0];
            let mut own = spec(
                "store",
                "store",
                dir,
                vec![port],
                words(["--port", &port.to_string()]),
            );
            own.words
                .extend(words(["--dir", &own.dir.display().to_string()]));
            children.start(own)?;
            children.said("store", "store ")?
        }
    };
    let port = ports(&[6629])?[0];
    let nimbus = format!("127.0.0.1:{port}");
    let mut daemon = spec(
        "nimbus",
        "nimbus",
        dir,
        vec![port],
        words(["--port", &port.to_string()]),
    );
    daemon
        .words
        .extend(words(["--dir", &daemon.dir.display().to_string()]));
    children.start(daemon)?;
    let mut notices = Vec::new();
    for n in 0..NODES {
        let notice = dir.join(format!("notice-{}.json", n + 1));
        supervisor(children, dir, &nimbus, n, &notice)?;
        notices.push(notice);
    }
    let page = doors(children, dir, &nimbus, &kafka, &store)?;
    Ok(Cluster {
        nimbus,
        kafka,
        store,
        page,
        notices,
    })
}

/// A store that is not ours must answer before anything is built on it.
fn answers(store: &str) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::here)?;
    let asked = runtime.block_on(async {
        let asked = async {
            let store = fulmar_cassandra::connect(store).await?;
            store.ensure(&fulmar_cassandra::tables::ALL).await
        };
        tokio::time::timeout(ANSWER, asked).await
    });
    match asked {
        Ok(answer) => answer.map_err(|e| Failure::Failed(format!("--store: {e}"))),
        Err(_) => Err(Failure::Failed(format!(
            "--store: {} did not answer within {ANSWER:?}; start it, or correct the address",
            fulmar_cassandra::address::Address::parse(store)
                .map_or_else(|e| e.to_string(), |a| a.shown())
        ))),
    }
}

/// The topics on a Kafka that is not ours: all counts begin at their first message, so they must be empty.
fn topics(servers: &str, partitions: i32) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::here)?;
    let made = fulmar_kafka::topics::ensure(servers, &[], &TOPICS, partitions);
    runtime.block_on(made).map_err(Failure::here)?;
    let full = fulmar_kafka::topics::first_with_messages(servers, &TOPICS, partitions)
        .map_err(Failure::here)?;
    match full {
        Some(topic) => Err(Failure::Refused(format!(
            "topic \"{topic}\" of {servers} holds messages: the demo counts from the first one; delete the topics {}, or give another cluster",
            TOPICS.join(", ")
        ))),
        None => Ok(()),
    }
}

fn supervisor(
    children: &Children,
    dir: &Path,
    nimbus: &str,
    n: u16,
    notice: &Path,
) -> Result<(), Failure> {
    // Workers answer at their slot + 1000 too.
    let first = 6_700 + n * SLOTS;
    let wanted: Vec<u16> = (first..first + SLOTS).chain([6_628 - n]).collect();
    let mut found = ports(&wanted)?;
    let port = found.pop().unwrap_or_default();
    let slots: Vec<_> = found.iter().map(u16::to_string).collect();
    let name = format!("supervisor-{}", n + 1);
    let mut own = spec("supervisor", &name, dir, vec![port], Vec::new());
    own.ports.extend(&found);
    own.words
        .extend(words(["--nimbus", nimbus, "--port", &port.to_string()]));
    own.words.extend(words(["--slots", &slots.join(",")]));
    own.words
        .extend(words(["--dir", &own.dir.display().to_string()]));
    own.words
        .extend(words(["--notice-file", &notice.display().to_string()]));
    own.words.push("--stop-workers".to_owned());
    children.start(own)
}

/// The query service and the page; answers the page's address.
fn doors(
    children: &Children,
    dir: &Path,
    nimbus: &str,
    kafka: &str,
    store: &str,
) -> Result<String, Failure> {
    let query = ports(&[8081])?[0];
    let service = words([
        "--port",
        &query.to_string(),
        "--bootstrap",
        kafka,
        "--store",
        store,
    ]);
    children.start(spec("query", "query", dir, vec![query], service))?;
    let page = ports(&[8080])?[0];
    let address = format!("127.0.0.1:{query}");
    let server = words([
        "--nimbus",
        nimbus,
        "--port",
        &page.to_string(),
        "--query",
        &address,
    ]);
    children.start(spec("ui", "ui", dir, vec![page], server))?;
    Ok(format!("http://127.0.0.1:{page}/"))
}

impl Cluster {
    /// Runs a verb against this cluster's Nimbus and answers what it printed.
    ///
    /// # Errors
    /// It fails.
    pub fn verb(&self, words: &[&str]) -> Result<String, Failure> {
        let program = std::env::current_exe().map_err(Failure::here)?;
        let out = Command::new(program)
            .args(words)
            .args(["--nimbus", &self.nimbus, "--output", "json"])
            .env("RUST_LOG", "error")
            .output()
            .map_err(Failure::here)?;
        if out.status.success() {
            return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        Err(Failure::Failed(format!(
            "fulmar {}: {said}",
            words.join(" ")
        )))
    }

    /// Submits a shipped topology with these settings and waits until it runs.
    ///
    /// # Errors
    /// It is refused, or does not run in time.
    pub fn submit(&self, name: &str, conf: &[String]) -> Result<(), Failure> {
        let mut words = vec!["submit", name, "--wait", "60s"];
        conf.iter().for_each(|c| words.extend(["-c", c]));
        self.verb(&words).map(drop)
    }

    /// When the node with a notice had nothing left, in ms since the epoch.
    pub fn drained_at(&self) -> Option<i64> {
        let events = self.verb(&["events", "--limit", "1000"]).ok()?;
        let events: Value = serde_json::from_str(&events).ok()?;
        let drained = events["events"]
            .as_array()?
            .iter()
            .rfind(|e| e["kind"] == "drained")?;
        drained["time_ms"].as_i64()
    }
}
