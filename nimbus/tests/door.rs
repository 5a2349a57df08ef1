//! Nimbus through its gRPC door, as clients, supervisors and workers use it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fulmar_api::TopologySpec;
use fulmar_nimbus::{NimbusConfig, run};
use fulmar_proto::nimbus as pb;
use fulmar_proto::nimbus::nimbus_client::NimbusClient;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Channel;
use tonic::{Code, Streaming};

struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

async fn start(dir: &Path) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let config = NimbusConfig {
        dir: dir.to_owned(),
        host: "127.0.0.1".into(),
        conf: fulmar_api::Config::new(),
    };
    let task = tokio::spawn(async move {
        let shutdown = async move {
            let _ = stopped.await;
        };
        run(config, listener, shutdown).await.expect("serves");
    });
    Running {
        address,
        stop: Some(stop),
        task,
    }
}

async fn client(running: &Running) -> NimbusClient<Channel> {
    NimbusClient::connect(format!("http://{}", running.address))
        .await
        .expect("connects")
}

fn spec() -> TopologySpec {
    let json = r#"{"name":"a","components":[
        {"id":"s","kind":"spout","parallelism":1,"tasks":1,"outputs":[{"name":"default","fields":["x"]}],"inputs":[]},
        {"id":"b","kind":"bolt","parallelism":2,"tasks":2,"outputs":[],
         "inputs":[{"component":"s","stream":"default","grouping":"shuffle"}]}]}"#;
    serde_json::from_str(json).expect("reads")
}

async fn upload(
    client: &mut NimbusClient<Channel>,
    sha256: String,
) -> Result<String, tonic::Status> {
    let chunks = vec![
        pb::BlobChunk {
            sha256,
            data: b"pro".to_vec(),
        },
        pb::BlobChunk {
            sha256: String::new(),
            data: b"gram".to_vec(),
        },
    ];
    Ok(client
        .upload_blob(tokio_stream::iter(chunks))
        .await?
        .into_inner()
        .key)
}

async fn submit(
    client: &mut NimbusClient<Channel>,
    blob_key: &str,
) -> Result<String, tonic::Status> {
    let request = pb::SubmitTopologyRequest {
        name: "a".into(),
        json_topology: serde_json::to_string(&spec()).expect("writes"),
        json_conf: "{}".into(),
        blob_key: blob_key.into(),
        graph_hash: spec().graph_hash(),
        ..Default::default()
    };
    Ok(client
        .submit_topology(request)
        .await?
        .into_inner()
        .topology_id)
}

async fn supervisor(
    client: &mut NimbusClient<Channel>,
    node: &str,
) -> Streaming<pb::SupervisorAssignment> {
    let request = pb::RegisterSupervisorRequest {
        node_id: node.into(),
        host: "127.0.0.1".into(),
        slot_ports: vec![6700, 6701],
        ..Default::default()
    };
    client
        .watch_supervisor(request)
        .await
        .expect("registers")
        .into_inner()
}

async fn worker(
    client: &mut NimbusClient<Channel>,
    id: &str,
    node: &str,
    port: u32,
    life: u64,
) -> Streaming<pb::Assignment> {
    let request = pb::RegisterWorkerRequest {
        topology_id: id.into(),
        node_id: node.into(),
        port,
        incarnation: life,
        graph_hash: spec().graph_hash(),
        ..Default::default()
    };
    client
        .watch_assignment(request)
        .await
        .expect("registers")
        .into_inner()
}

/// The next message of a stream that fits.
async fn until<T>(stream: &mut Streaming<T>, fits: impl Fn(&T) -> bool) -> T {
    let wait = async {
        loop {
            let message = stream
                .message()
                .await
                .expect("the stream lives")
                .expect("the stream goes on");
            if fits(&message) {
                return message;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("comes in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_submit_to_a_running_worker_and_to_its_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let running = start(dir.path()).await;
    let mut c = client(&running).await;
    let key = hex::encode(Sha256::digest(b"program"));
    let damaged = upload(&mut c, "0".repeat(64)).await.expect_err("differs");
    assert!(
        damaged.message().contains("damaged on the way"),
        "{damaged}"
    );
    let early = submit(&mut c, &key).await.expect_err("no blob yet");
    assert!(
        early.message().contains("upload the program first"),
        "{early}"
    );
    assert_eq!(upload(&mut c, key.clone()).await.expect("fits"), key);

    let mut slots = supervisor(&mut c, "n0").await;
    let id = submit(&mut c, &key).await.expect("fits");
    let twice = submit(&mut c, &key).await.expect_err("runs already");
    assert_eq!(twice.code(), Code::AlreadyExists);
    let given = until(&mut slots, |s| !s.slots.is_empty()).await;
    assert_eq!(
        (
            given.slots[0].topology_id.as_str(),
            given.slots[0].blob_key.as_str()
        ),
        (id.as_str(), key.as_str())
    );

    let request = pb::DownloadBlobRequest {
        key: key.clone(),
        offset: 3,
    };
    let mut blob = c
        .download_blob(request)
        .await
        .expect("is there")
        .into_inner();
    assert_eq!(
        blob.message()
            .await
            .expect("comes")
            .expect("one chunk")
            .data,
        b"gram"
    );

    let mut work = worker(&mut c, &id, "n0", given.slots[0].port, 7).await;
    let assignment = until(&mut work, |a| a.workers.iter().any(|w| w.incarnation == 7)).await;
    assert_eq!(assignment.executors.len(), 3);

    let kill = pb::KillTopologyRequest {
        name: "a".into(),
        wait_secs: Some(0.0),
    };
    c.kill_topology(kill).await.expect("lives");
    until(&mut slots, |s| s.slots.is_empty()).await;
    until(&mut work, |a| a.status() == pb::TopologyStatus::Killed).await;
    let gone = c
        .activate(pb::TopologyName { name: "a".into() })
        .await
        .expect_err("is gone");
    assert_eq!(gone.code(), Code::NotFound);
    let events = c
        .get_events(pb::GetEventsRequest::default())
        .await
        .expect("answers")
        .into_inner()
        .events;
    let kinds: Vec<_> = events.iter().map(|e| e.kind.as_str()).collect();
    assert!(
        kinds.contains(&"submitted") && kinds.contains(&"killed"),
        "{kinds:?}"
    );
    drop(running.stop);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_nimbus_knows_its_topologies_and_moves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut running = start(dir.path()).await;
    let mut c = client(&running).await;
    let key = upload(&mut c, hex::encode(Sha256::digest(b"program")))
        .await
        .expect("fits");
    let mut slots = supervisor(&mut c, "n0").await;
    let id = submit(&mut c, &key).await.expect("fits");
    let given = until(&mut slots, |s| !s.slots.is_empty()).await;
    let mut work = worker(&mut c, &id, "n0", given.slots[0].port, 7).await;
    let before = until(&mut work, |a| a.workers.iter().any(|w| w.incarnation == 7)).await;
    drop((slots, work, c));
    drop(running.stop.take());
    tokio::time::timeout(Duration::from_secs(20), &mut running.task)
        .await
        .expect("ends")
        .expect("in peace");

    let again = start(dir.path()).await;
    let mut c = client(&again).await;
    let unknown = pb::SupervisorHeartbeatRequest {
        node_id: "n0".into(),
        ..Default::default()
    };
    assert_eq!(
        c.supervisor_heartbeat(unknown)
            .await
            .expect_err("must register")
            .code(),
        Code::NotFound
    );
    let mut slots = supervisor(&mut c, "n0").await;
    assert_eq!(
        until(&mut slots, |s| !s.slots.is_empty()).await.slots,
        given.slots
    );
    let mut work = worker(&mut c, &id, "n0", given.slots[0].port, 7).await;
    let after = until(&mut work, |a| a.workers.iter().any(|w| w.incarnation == 7)).await;
    let places = |a: &pb::Assignment| {
        a.executors
            .iter()
            .map(|e| (e.executor, e.worker))
            .collect::<Vec<_>>()
    };
    assert_eq!(places(&after), places(&before));
    assert_eq!(after.version, before.version, "nothing has changed");
    drop(again.stop);
}

/// One plain HTTP/1.1 request on the gRPC port; status line and body.
async fn get(address: SocketAddr, path: &str) -> (String, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nHost: nimbus\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("reads");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.lines().next().unwrap_or_default().to_owned();
    (status, body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_show_in_the_topology_the_cluster_and_the_metrics() {
    let dir = tempfile::tempdir().expect("a folder");
    let running = start(dir.path()).await;
    let mut c = client(&running).await;
    let key = upload(&mut c, hex::encode(Sha256::digest(b"program")))
        .await
        .expect("fits");
    let mut slots = supervisor(&mut c, "n0").await;
    let id = submit(&mut c, &key).await.expect("fits");
    let given = until(&mut slots, |s| !s.slots.is_empty()).await;
    let port = given.slots[0].port;
    let mut work = worker(&mut c, &id, "n0", port, 7).await;
    until(&mut work, |a| a.workers.iter().any(|w| w.incarnation == 7)).await;

    let stats = pb::ExecutorStats {
        executor: Some(pb::Executor {
            first_task: 1,
            last_task: 1,
        }),
        component: "s".into(),
        outputs: vec![pb::StreamCount {
            stream: "default".into(),
            emitted: 40,
            transferred: 40,
        }],
        ..Default::default()
    };
    let error = pb::ComponentError {
        component: "b".into(),
        error: "it is broken".into(),
        ..Default::default()
    };
    let beat = pb::WorkerHeartbeatRequest {
        topology_id: id.clone(),
        node_id: "n0".into(),
        port,
        incarnation: 7,
        stats: vec![stats],
        errors: vec![error],
        memory_mb: 42.0,
        ..Default::default()
    };
    c.worker_heartbeat(beat).await.expect("is known");
    let beat = pb::SupervisorHeartbeatRequest {
        node_id: "n0".into(),
        slots: vec![pb::SlotState {
            port,
            state: "running".into(),
            pid: 99,
            ..Default::default()
        }],
        memory_used_mb: 512.0,
        ..Default::default()
    };
    c.supervisor_heartbeat(beat).await.expect("is known");

    let ask = pb::GetTopologyInfoRequest {
        name_or_id: id,
        without_windows: false,
    };
    let info = c.get_topology_info(ask).await.expect("lives").into_inner();
    assert_eq!((info.executors.len(), info.edges.len()), (3, 1));
    assert_eq!(info.errors[0].error, "it is broken");
    assert_eq!(info.workers[0].memory_mb, 42.0);
    let all = info.windows.iter().find(|w| w.secs == 0).expect("all time");
    assert_eq!(all.stats.as_ref().map(|s| s.outputs[0].emitted), Some(40));

    let cluster = c.get_cluster_info(pb::GetClusterInfoRequest {}).await;
    let cluster = cluster.expect("answers").into_inner();
    assert_eq!(cluster.supervisors[0].memory_used_mb, 512.0);
    assert_eq!(cluster.supervisors[0].slots[0].pid, 99);

    assert_eq!(get(running.address, "/healthz").await.1, "ok\n");
    let (status, body) = get(running.address, "/readyz").await;
    assert!(
        status.contains("200") && body == "ready\n",
        "{status} {body}"
    );
    let (_, metrics) = get(running.address, "/metrics").await;
    assert!(
        metrics.contains("fulmar_nimbus_worker_heartbeats_total 1\n"),
        "{metrics}"
    );
    assert!(metrics.contains("fulmar_nimbus_topology_executors{topology=\"a\"} 3\n"));
    let (status, _) = get(running.address, "/nothing").await;
    assert!(!status.contains(" 5"), "{status}");
    drop(running.stop);
}
