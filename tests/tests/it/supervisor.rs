//! A supervisor with a real Nimbus and real processes: starts, restarts, adoption, notices.

use std::future::Future;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fulmar_api::{TopologySpec, WorkerFile};
use fulmar_nimbus::NimbusConfig;
use fulmar_proto::nimbus as pb;
use fulmar_proto::nimbus::nimbus_client::NimbusClient;
use fulmar_supervisor::SupervisorConfig;
use fulmar_tests::process::Process;
use fulmar_tests::{ports, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

const MOST: Duration = Duration::from_secs(20);
const STAYS: &str = "#!/bin/sh\necho here $1\nexec sleep 600\n";

/// A daemon inside this process.
struct Daemon {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), String>>,
}

impl Daemon {
    fn stop(&mut self, runtime: &Runtime) {
        drop(self.stop.take());
        let ended = runtime.block_on(async { tokio::time::timeout(MOST, &mut self.task).await });
        ended
            .expect("ends in time")
            .expect("does not panic")
            .expect("ends in peace");
    }
}

/// A Nimbus, a supervisor with one slot, and their folder.
struct World {
    dir: tempfile::TempDir,
    runtime: Runtime,
    nimbus_port: u16,
    slot: u16,
    page_port: u16,
    nimbus: Option<Daemon>,
    supervisor: Option<Daemon>,
}

impl World {
    fn start(change: impl FnOnce(&mut SupervisorConfig)) -> World {
        let [nimbus_port, page_port] = ports::free(2)[..] else {
            unreachable!("two were asked for")
        };
        let mut world = World {
            dir: tempfile::tempdir().expect("a folder"),
            runtime: Runtime::new().expect("a runtime"),
            nimbus_port,
            slot: ports::free_slots(1)[0],
            page_port,
            nimbus: None,
            supervisor: None,
        };
        world.start_nimbus();
        world.start_supervisor(change);
        world
    }

    fn spawn<E: ToString, F>(
        &self,
        port: u16,
        run: impl FnOnce(tokio::net::TcpListener, oneshot::Receiver<()>) -> F,
    ) -> Daemon
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let bound = tokio::net::TcpListener::bind(("127.0.0.1", port));
        let listener = self.runtime.block_on(bound).expect("binds");
        let (stop, stopped) = oneshot::channel();
        let future = run(listener, stopped);
        let task = async move { future.await.map_err(|e| e.to_string()) };
        Daemon {
            stop: Some(stop),
            task: self.runtime.spawn(task),
        }
    }

    fn start_nimbus(&mut self) {
        let config = NimbusConfig {
            dir: self.dir.path().join("nimbus"),
            host: "127.0.0.1".into(),
            conf: fulmar_api::Config::new(),
        };
        let daemon = self.spawn(self.nimbus_port, |listener, stopped| {
            fulmar_nimbus::run(config, listener, async move {
                let _ = stopped.await;
            })
        });
        self.nimbus = Some(daemon);
    }

    fn supervisor_dir(&self) -> PathBuf {
        self.dir.path().join("supervisor")
    }

    fn start_supervisor(&mut self, change: impl FnOnce(&mut SupervisorConfig)) {
        // The first address answers nobody: the second must be found.
        let nimbus = [ports::free(1)[0], self.nimbus_port];
        let nimbus = nimbus.iter().map(|p| format!("127.0.0.1:{p}")).collect();
        let mut config =
            SupervisorConfig::new(self.supervisor_dir(), "127.0.0.1", nimbus, vec![self.slot]);
        config.times.stop = 500;
        change(&mut config);
        let daemon = self.spawn(self.page_port, |listener, stopped| {
            fulmar_supervisor::run(config, listener, async move {
                let _ = stopped.await;
            })
        });
        self.supervisor = Some(daemon);
    }

    fn client(&self) -> NimbusClient<Channel> {
        let address = format!("http://127.0.0.1:{}", self.nimbus_port);
        self.runtime
            .block_on(NimbusClient::connect(address))
            .expect("nimbus answers")
    }

    fn submit(&self, program: &str) -> String {
        let mut client = self.client();
        let json = r#"{"name":"stay","components":[{"id":"s","kind":"spout","parallelism":1,"tasks":1,
            "outputs":[{"name":"default","fields":["x"]}],"inputs":[]}]}"#;
        let spec: TopologySpec = serde_json::from_str(json).expect("reads");
        let chunk = pb::BlobChunk {
            sha256: sha256(program.as_bytes()),
            data: program.into(),
        };
        self.runtime.block_on(async {
            let uploaded = client.upload_blob(tokio_stream::iter(vec![chunk])).await;
            let request = pb::SubmitTopologyRequest {
                name: "stay".into(),
                json_topology: serde_json::to_string(&spec).expect("writes"),
                json_conf: "{}".into(),
                blob_key: uploaded.expect("uploads").into_inner().key,
                program_args: vec!["word".into()],
                graph_hash: spec.graph_hash(),
                ..Default::default()
            };
            let submitted = client.submit_topology(request).await.expect("submits");
            submitted.into_inner().topology_id
        })
    }

    fn page(&self, path: &str) -> Option<reqwest::blocking::Response> {
        reqwest::blocking::get(format!("http://127.0.0.1:{}{path}", self.page_port)).ok()
    }

    fn status(&self) -> Value {
        self.page("/api/v1/status")
            .and_then(|r| r.json().ok())
            .unwrap_or_default()
    }

    fn state(&self) -> String {
        let status = self.status();
        status["slots"][0]["state"]
            .as_str()
            .unwrap_or("")
            .to_owned()
    }

    /// The process in the slot, another one than this.
    fn pid_besides(&self, old: u64) -> u64 {
        wait::wait_for("a worker's process", MOST, || {
            let pid = self.status()["slots"][0]["pid"].as_u64();
            pid.filter(|pid| *pid != old)
        })
    }

    fn worker_file(&self, topology: &str) -> WorkerFile {
        let dir = format!("workers/{}-{topology}", self.slot);
        let path = self.supervisor_dir().join(dir).join("worker.json");
        wait::wait_for("worker.json", MOST, || WorkerFile::read(&path).ok())
    }

    fn node(&self) -> pb::SupervisorSummary {
        let mut client = self.client();
        let asked = async { client.get_cluster_info(pb::GetClusterInfoRequest {}).await };
        let info = self.runtime.block_on(asked).expect("answers").into_inner();
        info.supervisors.into_iter().next().unwrap_or_default()
    }

    fn has_event(&self, kind: &str, text: &str) -> bool {
        let mut client = self.client();
        let asked = async { client.get_events(pb::GetEventsRequest::default()).await };
        let events = self.runtime.block_on(asked).expect("answers").into_inner();
        let mut events = events.events.iter();
        events.any(|e| e.kind == kind && e.text.contains(text))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Workers outlive their supervisor: end what this test has started.
        if let Some(pid) = self.status()["slots"][0]["pid"].as_i64() {
            drop(self.supervisor.take().map(|mut s| s.stop.take()));
            let _ = nix::sys::signal::killpg(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    use std::io::Write;
    let mut child = Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("coreutils are there");
    let mut input = child.stdin.take().expect("is piped");
    input.write_all(bytes).expect("writes");
    drop(input);
    let output = child.wait_with_output().expect("ends").stdout;
    String::from_utf8_lossy(&output[..64]).into_owned()
}

fn lives(pid: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").starts_with(" Z"))
}

fn signal(pid: u64, signal: Signal) {
    kill(Pid::from_raw(pid as i32), signal).expect("it lives");
}

/// Answers every request with 200, as a healthy worker does.
fn answer_health(listener: TcpListener) {
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
}

#[test]
fn a_program_starts_where_the_folder_was_deleted_under_the_supervisor() {
    let world = World::start(|_| {});
    wait::wait_until("its link", MOST, || {
        world
            .page("/readyz")
            .is_some_and(|r| r.status().is_success())
    });
    std::fs::remove_dir_all(world.supervisor_dir()).expect("somebody deletes it");
    let id = world.submit(STAYS);
    world.pid_besides(0);
    assert_eq!(world.worker_file(&id).port, world.slot);
}

#[test]
fn a_submitted_program_runs_with_its_file_and_runs_again_after_kill_9() {
    let world = World::start(|_| {});
    let id = world.submit(STAYS);
    let pid = world.pid_besides(0);
    let file = world.worker_file(&id);
    assert_eq!((&file.topology_id, file.port), (&id, world.slot));
    assert!(file.incarnation > 0 && file.nimbus.len() == 2, "{file:?}");
    let variable = format!("FULMAR_WORKER={}", file.dir.join("worker.json").display());
    wait::wait_until("its variable", MOST, || {
        // Empty for the instant in which the shell becomes another program.
        let environment = std::fs::read_to_string(format!("/proc/{pid}/environ"));
        environment.is_ok_and(|e| e.split('\0').any(|v| v == variable))
    });
    let log = format!("logs/{id}/{}/worker.log", world.slot);
    let log = world.supervisor_dir().join(log);
    wait::wait_until("its words and its log", MOST, || {
        std::fs::read_to_string(&log).is_ok_and(|t| t == "here word\n")
    });
    assert_eq!(world.state(), "WAITING_FOR_WORKER_START");
    answer_health(TcpListener::bind(("127.0.0.1", world.slot + 1_000)).expect("binds"));
    wait::wait_until("an answer from it", MOST, || world.state() == "RUNNING");

    // As the worker does: only who has registered can be lost.
    let mut client = world.client();
    let request = pb::RegisterWorkerRequest {
        topology_id: id.clone(),
        node_id: file.node_id.clone(),
        host: "127.0.0.1".into(),
        port: file.port.into(),
        incarnation: file.incarnation,
        graph_hash: file.graph_hash.clone(),
        ..Default::default()
    };
    let watched = async { client.watch_assignment(request).await };
    let watched = world.runtime.block_on(watched);
    watched.expect("this is what Nimbus waits for");

    signal(pid, Signal::SIGKILL);
    let next = world.pid_besides(pid);
    assert!(lives(next) && !lives(pid));
    assert_ne!(world.worker_file(&id).incarnation, file.incarnation);
    wait::wait_until("Nimbus to hear of it", MOST, || {
        world.has_event("worker_lost", "signal 9")
    });
    let metrics = world.page("/metrics").expect("answers");
    let metrics = metrics.text().expect("is text");
    assert!(
        metrics.contains("\nfulmar_supervisor_worker_launches_total 2\n"),
        "{metrics}"
    );
}

#[test]
fn a_restarted_supervisor_adopts_and_restarts_workers_also_without_a_nimbus() {
    let mut world = World::start(|_| {});
    let id = world.submit(STAYS);
    let pid = world.pid_besides(0);
    let node = world.worker_file(&id).node_id;
    let life = world.worker_file(&id).incarnation;
    for mut daemon in [world.supervisor.take(), world.nimbus.take()]
        .into_iter()
        .flatten()
    {
        daemon.stop(&world.runtime);
    }
    assert!(lives(pid), "a worker outlives its supervisor");

    world.start_supervisor(|_| {});
    assert_eq!(world.pid_besides(0), pid);
    let status = world.status();
    assert_eq!(status["slots"][0]["incarnation"], life.to_string());
    assert_eq!(status["node_id"], node.as_str());
    assert_eq!(status["totals"]["launches"], 0);
    let ready = world.page("/readyz").expect("answers");
    assert_eq!(ready.status(), 503, "no Nimbus hears it");

    signal(pid, Signal::SIGKILL);
    let next = world.pid_besides(pid);
    assert!(lives(next));
    world.start_nimbus();
    wait::wait_until("the link to be up again", MOST, || {
        world.page("/readyz").is_some_and(|r| r.status() == 200)
    });
    assert_eq!(world.pid_besides(0), next, "the link disturbs nothing");
    assert_eq!(world.node().slots_used, 1);
}

#[test]
fn a_killed_topology_leaves_an_empty_slot_though_its_worker_will_not_go() {
    let world = World::start(|_| {});
    let id = world.submit("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 600; done\n");
    let pid = world.pid_besides(0);
    let request = pb::KillTopologyRequest {
        name: "stay".into(),
        wait_secs: Some(0.0),
    };
    let mut client = world.client();
    let killed = async { client.kill_topology(request).await };
    world.runtime.block_on(killed).expect("lives");
    wait::wait_until("an empty slot", MOST, || world.state() == "EMPTY");
    assert!(!lives(pid));
    let dir = format!("workers/{}-{id}", world.slot);
    assert!(!world.supervisor_dir().join(dir).exists());
}

#[test]
fn workers_stop_with_their_supervisor_when_that_is_asked() {
    let mut world = World::start(|c| c.stop_workers = true);
    world.submit(STAYS);
    let pid = world.pid_besides(0);
    let mut supervisor = world.supervisor.take().expect("runs");
    supervisor.stop(&world.runtime);
    assert!(!lives(pid));
}

#[test]
fn a_program_that_cannot_start_is_reported_and_disturbs_nothing() {
    let world = World::start(|_| {});
    world.submit("no program at all");
    wait::wait_until("failed starts", MOST, || {
        world.status()["totals"]["launch_failures"].as_u64() >= Some(2)
    });
    let status = world.status();
    let story = status["story"].to_string();
    assert!(
        story.contains("SUP005") && story.contains("built for this machine"),
        "{story}"
    );
    assert_eq!(world.page("/healthz").expect("answers").status(), 200);
}

#[test]
fn a_notice_file_condemns_the_node_and_its_absence_takes_that_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("notice.json");
    let world = World::start(|c| c.notice_file = Some(path.clone()));
    wait::wait_until("the node", MOST, || world.node().alive);
    assert!(world.node().notices.is_empty());
    std::fs::write(&path, r#"{"kind":"sentence","in_secs":300}"#).expect("writes");
    wait::wait_until("a drained node", MOST, || world.node().drained);
    let node = world.node();
    assert!(node.cordoned);
    let [notice] = &node.notices[..] else {
        panic!("one notice: {node:?}")
    };
    assert_eq!(notice.kind(), pb::NoticeKind::Sentence);
    assert_eq!(notice.source, "file");
    wait::wait_until("the story of it", MOST, || {
        let status = world.status();
        status["condemned"] == true
            && status["drained"] == true
            && status["story"].to_string().contains("before the deadline")
    });
    let ready = world.page("/readyz").expect("answers");
    assert_eq!(ready.status(), 503, "it takes nothing new");
    std::fs::remove_file(&path).expect("is there");
    wait::wait_until("the notice to be taken back", MOST, || {
        let node = world.node();
        node.notices.is_empty() && !node.cordoned
    });
    assert_eq!(world.status()["condemned"], false);
    world.submit(STAYS);
    assert!(lives(world.pid_besides(0)), "it is used again");
}

#[test]
fn the_metadata_service_says_who_this_is_and_when_it_ends() {
    let Some(mock) = std::env::var_os("FULMAR_IMDS_MOCK") else {
        eprintln!("skipped: FULMAR_IMDS_MOCK does not name an EC2 metadata mock");
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    let port = ports::free(1)[0].to_string();
    let file = dir.path().join("mock.json");
    std::fs::write(
        &file,
        r#"{"metadata":{"values":{"instance-id":"i-0a","instance-type":"m5.xlarge",
            "placement-availability-zone":"us-west-2b","instance-life-cycle":"spot"}}}"#,
    )
    .expect("writes");
    // A day ahead, as a fixed time: without it the deadline slides with each poll.
    let ahead = Command::new("date")
        .args(["-u", "-d", "+1 day", "+%Y-%m-%dT%H:%M:%SZ"])
        .output();
    let ahead = String::from_utf8(ahead.expect("coreutils").stdout).expect("is text");
    let mut command = Command::new(&mock);
    command
        .args(["-n", "127.0.0.1", "-p", &port, "-I", "-x", "1", "-d", "2"])
        .args(["spot", "-a", "terminate", "--rebalance-delay-sec", "1"])
        .args(["-t", ahead.trim(), "-r", ahead.trim(), "-c"])
        .arg(&file)
        .env("HOME", dir.path());
    let _mock = Process::start("imds", &mut command, dir.path());
    let world = World::start(|c| {
        c.imds = Some(format!("http://127.0.0.1:{port}"));
        c.imds_poll = Duration::from_millis(200);
    });
    wait::wait_until("who it is", MOST, || world.node().zone == "us-west-2b");
    let node = world.node();
    assert_eq!(
        (node.instance_type.as_str(), node.life_cycle.as_str()),
        ("m5.xlarge", "spot")
    );
    wait::wait_until("advice, then a sentence", MOST, || {
        let kinds: Vec<_> = world.node().notices.iter().map(pb::Notice::kind).collect();
        kinds == [pb::NoticeKind::Advice, pb::NoticeKind::Sentence]
    });
    let status = world.status();
    assert_eq!(status["totals"]["notices"], 2, "told once each: {status}");
    assert_eq!(status["identity"]["instance_id"], "i-0a");
}

#[test]
fn an_autoscaling_group_that_ends_this_instance_is_a_sentence() {
    let Some(mock) = std::env::var_os("FULMAR_IMDS_MOCK") else {
        eprintln!("skipped: FULMAR_IMDS_MOCK does not name an EC2 metadata mock");
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    let port = ports::free(1)[0].to_string();
    let mut command = Command::new(&mock);
    command
        .args([
            "asglifecycle",
            "-n",
            "127.0.0.1",
            "-p",
            &port,
            "-I",
            "-x",
            "1",
        ])
        .args(["--asg-termination-delay-sec", "2"])
        .env("HOME", dir.path());
    let _mock = Process::start("imds", &mut command, dir.path());
    let world = World::start(|c| {
        c.imds = Some(format!("http://127.0.0.1:{port}"));
        c.imds_poll = Duration::from_millis(200);
    });
    wait::wait_until("a sentence", MOST, || !world.node().notices.is_empty());
    let node = world.node();
    let [notice] = &node.notices[..] else {
        panic!("one notice: {node:?}")
    };
    assert_eq!(notice.kind(), pb::NoticeKind::Sentence);
    assert_eq!(notice.source, "autoscaling");
    assert_eq!(world.status()["totals"]["notices"], 1);
}

#[test]
fn told_to_end_it_drains_first_when_that_is_asked() {
    let mut world = World::start(|c| {
        c.term_notice = Duration::from_secs(60);
        c.stop_workers = true;
    });
    world.submit(STAYS);
    let pid = world.pid_besides(0);
    drop(world.supervisor.as_mut().and_then(|s| s.stop.take()));
    wait::wait_until("the notice", MOST, || {
        world.node().notices.iter().any(|n| n.source == "sigterm")
    });
    assert!(lives(pid), "its work has nowhere to go yet");
    let mut client = world.client();
    let request = pb::KillTopologyRequest {
        name: "stay".into(),
        wait_secs: Some(0.0),
    };
    let killed = async { client.kill_topology(request).await };
    world.runtime.block_on(killed).expect("lives");
    let mut supervisor = world.supervisor.take().expect("runs");
    supervisor.stop(&world.runtime);
    assert!(
        !lives(pid),
        "with nothing left it ends, well before the minute is over"
    );
}

fn order(world: &World, body: &str) -> (u16, String) {
    let url = format!("http://127.0.0.1:{}/api/v1/drill", world.page_port);
    let client = reqwest::blocking::Client::new();
    let sent = client
        .post(url)
        .header("content-type", "application/json")
        .body(body.to_owned());
    let answer = sent.send().expect("answers");
    (answer.status().as_u16(), answer.text().unwrap_or_default())
}

#[test]
fn a_drill_ends_a_node_as_a_machine_ends_and_brings_back_another() {
    let world = World::start(|_| {});
    world.submit(STAYS);
    let (pid, node) = (world.pid_besides(0), world.status()["node_id"].clone());
    let (code, text) = order(&world, r#"{"notice_ms":3600001}"#);
    assert!(code == 400 && text.contains("3600000"), "{code} {text}");
    assert!((400..500).contains(&order(&world, "now").0));
    // A notice that is taken back changes nothing in the end.
    assert_eq!(order(&world, r#"{"notice_ms":60000}"#).0, 200);
    let (code, text) = order(&world, "{}");
    assert!(code == 409 && text.contains("already"), "{code} {text}");
    wait::wait_until("the notice", MOST, || {
        world.node().notices.iter().any(|n| n.source == "drill")
    });
    let url = format!("http://127.0.0.1:{}/api/v1/drill", world.page_port);
    let spared = reqwest::blocking::Client::new().delete(url).send();
    assert_eq!(spared.expect("answers").status(), 200);
    wait::wait_until("the notice to be taken back", MOST, || {
        !world.node().cordoned
    });
    assert!(lives(pid));
    // Without a notice it is gone at once, and its worker with it.
    assert_eq!(order(&world, r#"{"back_ms":500}"#).0, 200);
    wait::wait_until("its worker's end", MOST, || !lives(pid));
    wait::wait_until("another node in its place", MOST, || {
        let id = world.status()["node_id"].clone();
        id.is_string() && id != node
    });
    let next = world.pid_besides(pid);
    assert!(lives(next), "which is given the work");
}

#[test]
fn a_node_that_forbids_drills_refuses_them() {
    let world = World::start(|c| c.drills = false);
    wait::wait_until("its pages", MOST, || world.page("/healthz").is_some());
    let (code, text) = order(&world, "{}");
    assert!(
        code == 403 && text.contains("supervisor.drill.enable"),
        "{code} {text}"
    );
}

#[test]
fn two_supervisors_do_not_share_a_folder() {
    let world = World::start(|_| {});
    let config = SupervisorConfig::new(
        world.supervisor_dir(),
        "127.0.0.1",
        vec!["127.0.0.1:1".into()],
        vec![world.slot],
    );
    wait::wait_until("the first", MOST, || {
        Path::new(&world.supervisor_dir()).join("lock").exists()
    });
    let second = async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("binds");
        fulmar_supervisor::run(config, listener, std::future::pending()).await
    };
    let error = world.runtime.block_on(second).expect_err("is held");
    assert_eq!(error.code(), "SUP002");
}
