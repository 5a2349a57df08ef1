//! The gRPC door: decode, ask the owner, encode. It decides nothing.

use std::pin::Pin;

use fulmar_api::{Config, TopologySpec, validate};
use fulmar_proto::nimbus as pb;
use fulmar_proto::nimbus::nimbus_server::Nimbus;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::{ReceiverStream, WatchStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::blobs::Blobs;
use crate::error::Error;
use crate::event::{Event, Refusal, Submit};
use crate::limits::ERROR_BYTES;
use crate::model::{Node, Notice, Shape};
use crate::owner::{Ask, View, now_ms};
use crate::scheduler::Slot;
use crate::wire;

/// Bytes of one chunk of a download.
const CHUNK: usize = 256 * 1024;

type Answer<T> = Result<Response<T>, Status>;
type Stream1<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The door.
#[derive(Clone)]
pub struct Door {
    /// The owner of the state.
    pub asks: mpsc::Sender<Ask>,
    /// Programs.
    pub blobs: Blobs,
    /// Where this Nimbus listens, for clients to see.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When it started, in milliseconds since the epoch.
    pub started_ms: u64,
}

impl Door {
    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Status> {
        let (tx, rx) = oneshot::channel();
        let gone = |_| Status::unavailable("NIM004 Nimbus is shutting down: try again");
        self.asks
            .send(ask(tx))
            .await
            .map_err(|e| gone(e.to_string()))?;
        rx.await.map_err(|e| gone(e.to_string()))
    }

    /// Says something that has no answer.
    async fn tell(&self, ask: Ask) -> Result<(), Status> {
        let gone = |_| Status::unavailable("NIM004 Nimbus is shutting down: try again");
        self.asks.send(ask).await.map_err(gone)
    }

    async fn event(&self, event: Event) -> Answer<pb::Done> {
        self.ask(|tx| Ask::Event(Box::new(event), tx)).await??;
        Ok(Response::new(pb::Done {}))
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&View<'_>) -> T + Send + 'static,
    ) -> Result<T, Status> {
        self.ask(|tx| {
            Ask::Look(Box::new(move |view| {
                let _ = tx.send(look(view));
            }))
        })
        .await
    }

    /// Checks a submit again: the client may be an old one.
    fn checked(&self, r: pb::SubmitTopologyRequest) -> Result<Submit, Error> {
        let invalid = |text: String| Error::Refused(Refusal::Invalid(text));
        let mut spec: TopologySpec = serde_json::from_str(&r.json_topology)
            .map_err(|e| invalid(format!("the topology's description is not readable: {e}")))?;
        spec.name = r.name;
        if r.graph_hash != spec.graph_hash() {
            return Err(invalid(
                "the graph's hash does not fit its description: submit with the program's own"
                    .into(),
            ));
        }
        spec.conf
            .merge(&Config::from_json(&r.json_conf).map_err(|e| invalid(e.to_string()))?);
        let mistakes = validate::mistakes(&spec);
        if !mistakes.is_empty() {
            return Err(invalid(fulmar_api::error::Mistakes(mistakes).to_string()));
        }
        if !self.blobs.contains(&r.blob_key) {
            return Err(invalid(format!(
                "there is no blob {}: upload the program first",
                r.blob_key
            )));
        }
        let conf = spec.conf.clone();
        Ok(Submit {
            spec,
            conf,
            blob_key: r.blob_key,
            program_args: r.program_args,
            inactive: r.initially_inactive,
        })
    }
}

fn port(port: u32) -> Result<u16, Status> {
    u16::try_from(port)
        .map_err(|_| Status::invalid_argument(format!("NIM013 port {port}: the most is 65535")))
}

fn millis(secs: Option<f64>) -> Result<Option<u64>, Status> {
    match secs {
        Some(s) if !(0.0..=1e9).contains(&s) => Err(Status::invalid_argument(format!(
            "NIM014 a wait of {s} s: from 0 to 1e9"
        ))),
        Some(s) => Ok(Some((s * 1_000.0) as u64)),
        None => Ok(None),
    }
}

#[tonic::async_trait]
impl Nimbus for Door {
    type DownloadBlobStream = Stream1<pb::BlobChunk>;
    type WatchSupervisorStream = Stream1<pb::SupervisorAssignment>;
    type WatchAssignmentStream = Stream1<pb::Assignment>;

    async fn upload_blob(
        &self,
        request: Request<Streaming<pb::BlobChunk>>,
    ) -> Answer<pb::UploadBlobReply> {
        let mut chunks = request.into_inner();
        let first = chunks.message().await?;
        let first =
            first.ok_or_else(|| Status::invalid_argument("NIM002 an upload without a chunk"))?;
        let mut upload = self.blobs.upload(&first.sha256)?;
        upload.write(&first.data)?;
        while let Some(chunk) = chunks.message().await? {
            tokio::task::block_in_place(|| upload.write(&chunk.data))?;
        }
        let (key, bytes) = tokio::task::block_in_place(|| upload.finish())?;
        Ok(Response::new(pb::UploadBlobReply { key, bytes }))
    }

    async fn download_blob(
        &self,
        request: Request<pb::DownloadBlobRequest>,
    ) -> Answer<Self::DownloadBlobStream> {
        let r = request.into_inner();
        let (tx, rx) = mpsc::channel(4);
        let blobs = self.blobs.clone();
        tokio::task::spawn_blocking(move || {
            let mut offset = r.offset;
            loop {
                let chunk = blobs.read(&r.key, offset, CHUNK);
                let last = chunk.as_ref().map_or(true, Vec::is_empty);
                offset += chunk.as_ref().map_or(0, |c| c.len() as u64);
                if last && chunk.is_ok() {
                    return;
                }
                let item = chunk
                    .map(|data| pb::BlobChunk {
                        sha256: String::new(),
                        data,
                    })
                    .map_err(Status::from);
                if tx.blocking_send(item).is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(rx))))
    }

    async fn submit_topology(
        &self,
        r: Request<pb::SubmitTopologyRequest>,
    ) -> Answer<pb::SubmitTopologyReply> {
        let submit = self.checked(r.into_inner())?;
        let name = submit.spec.name.clone();
        self.event(Event::Submit(Box::new(submit))).await?;
        let topology_id = self
            .look(move |v| v.state.by_name(&name).map(|t| t.id.clone()))
            .await?;
        Ok(Response::new(pb::SubmitTopologyReply {
            topology_id: topology_id.unwrap_or_default(),
        }))
    }

    async fn kill_topology(&self, r: Request<pb::KillTopologyRequest>) -> Answer<pb::Done> {
        let r = r.into_inner();
        self.event(Event::Kill {
            name: r.name,
            wait: millis(r.wait_secs)?,
        })
        .await
    }

    async fn activate(&self, r: Request<pb::TopologyName>) -> Answer<pb::Done> {
        self.event(Event::Activate {
            name: r.into_inner().name,
            active: true,
        })
        .await
    }

    async fn deactivate(&self, r: Request<pb::TopologyName>) -> Answer<pb::Done> {
        self.event(Event::Activate {
            name: r.into_inner().name,
            active: false,
        })
        .await
    }

    async fn rebalance(&self, r: Request<pb::RebalanceRequest>) -> Answer<pb::Done> {
        let r = r.into_inner();
        let shape = Shape {
            workers: r.workers.map(|n| n as usize),
            executors: r.executors.into_iter().collect(),
        };
        self.event(Event::Rebalance {
            name: r.name,
            wait: millis(r.wait_secs)?,
            shape,
        })
        .await
    }

    async fn get_cluster_info(
        &self,
        _: Request<pb::GetClusterInfoRequest>,
    ) -> Answer<pb::ClusterInfo> {
        let (nimbus_host, nimbus_port, started) =
            (self.host.clone(), self.port.into(), self.started_ms);
        let info = self.look(move |v| pb::ClusterInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nimbus_host,
            nimbus_port,
            uptime_secs: v.now.saturating_sub(started) / 1_000,
            supervisors: v
                .state
                .nodes
                .values()
                .map(|n| wire::supervisor(v.state, v.stats, n, v.now))
                .collect(),
            topologies: v
                .state
                .topologies
                .values()
                .map(|t| wire::summary(v.state, v.stats, t, v.now))
                .collect(),
        });
        Ok(Response::new(info.await?))
    }

    async fn get_topology_info(
        &self,
        r: Request<pb::GetTopologyInfoRequest>,
    ) -> Answer<pb::TopologyInfo> {
        let r = r.into_inner();
        let (name, windows) = (r.name_or_id, !r.without_windows);
        let wanted = name.clone();
        let info = self.look(move |v| {
            let t = v.state.by_name(&wanted)?;
            Some(wire::topology(v.state, v.stats, t, windows, v.now))
        });
        let info = info.await?.ok_or(Error::Refused(Refusal::NotAlive(name)))?;
        Ok(Response::new(info))
    }

    async fn get_events(&self, r: Request<pb::GetEventsRequest>) -> Answer<pb::EventsReply> {
        let r = r.into_inner();
        let most = if r.limit == 0 { 200 } else { r.limit as usize };
        let events = self.look(move |v| {
            let newer = v.events.iter().filter(|e| e.seq > r.since_seq);
            newer.take(most).cloned().collect()
        });
        Ok(Response::new(pb::EventsReply {
            events: events.await?,
        }))
    }

    async fn watch_supervisor(
        &self,
        r: Request<pb::RegisterSupervisorRequest>,
    ) -> Answer<Self::WatchSupervisorStream> {
        let r = r.into_inner();
        let id = r.node_id.clone();
        let slots = r
            .slot_ports
            .into_iter()
            .map(port)
            .collect::<Result<Vec<_>, _>>()?;
        let node = Node {
            id: r.node_id,
            host: r.host,
            port: port(r.supervisor_port)?,
            slots,
            instance_type: r.instance_type,
            zone: r.zone,
            life_cycle: r.life_cycle,
            instance_id: r.instance_id,
            pool: r.pool,
            resources: wire::resources(&r.resources)?,
            version: r.version,
            started_ms: r.started_ms,
            ..Node::default()
        };
        self.event(Event::Supervisor(Box::new(node))).await?;
        let changes = self.ask(|tx| Ask::WatchNode(id, tx)).await?;
        Ok(Response::new(Box::pin(WatchStream::new(changes).map(Ok))))
    }

    async fn supervisor_heartbeat(
        &self,
        r: Request<pb::SupervisorHeartbeatRequest>,
    ) -> Answer<pb::Done> {
        let r = r.into_inner();
        let id = r.node_id.clone();
        let known = self.look(move |v| v.state.nodes.contains_key(&id)).await?;
        if !known {
            // Nimbus has restarted, or took the node for dead: it must register again.
            return Err(Status::not_found(format!(
                "NIM015 supervisor {} is not registered: register again",
                r.node_id
            )));
        }
        let (memory_mb, cpu_percent) = (r.memory_used_mb, r.cpu_used_percent);
        self.tell(Ask::Slots(r.node_id.clone(), r.slots)).await?;
        self.event(Event::SupervisorHeartbeat {
            node: r.node_id,
            memory_mb,
            cpu_percent,
        })
        .await
    }

    async fn report_worker_exit(&self, r: Request<pb::WorkerExit>) -> Answer<pb::Done> {
        let r = r.into_inner();
        let slot = Slot {
            node: r.node_id,
            port: port(r.port)?,
        };
        self.event(Event::WorkerExit {
            slot,
            incarnation: r.incarnation,
            how: r.how,
        })
        .await
    }

    async fn tell_fleet(&self, r: Request<pb::Event>) -> Answer<pb::Done> {
        let r = r.into_inner();
        let longest = r.node_id.len().max(r.text.len());
        if r.text.is_empty() || longest > ERROR_BYTES {
            return Err(Status::invalid_argument(format!(
                "NIM021 a text of the fleet has {longest} bytes: 1 to {ERROR_BYTES} are allowed"
            )));
        }
        let (instance, text) = (r.node_id, r.text);
        self.event(Event::Fleet { instance, text }).await
    }

    async fn report_notice(&self, r: Request<pb::Notice>) -> Answer<pb::Done> {
        let r = r.into_inner();
        let sentence = r.kind() == pb::NoticeKind::Sentence;
        let by_instance = r.node_id.is_empty();
        let node = if by_instance {
            r.instance_id
        } else {
            r.node_id
        };
        let asked = node.clone();
        if by_instance
            && !self
                .look(move |v| v.state.node_of(&asked).is_some())
                .await?
        {
            // Events tell of every instance of an account.
            return Err(Status::not_found(format!(
                "NIM019 no supervisor is registered from instance \"{node}\": the notice is for another cluster"
            )));
        }
        if r.retracted {
            let source = r.source;
            return self.event(Event::Retracted { node, source }).await;
        }
        let notice = Notice {
            sentence,
            deadline_ms: r.deadline_ms,
            source: r.source,
            since_ms: 0,
        };
        self.event(Event::Notice { node, notice }).await
    }

    async fn watch_assignment(
        &self,
        r: Request<pb::RegisterWorkerRequest>,
    ) -> Answer<Self::WatchAssignmentStream> {
        let r = r.into_inner();
        let (id, hash) = (r.topology_id.clone(), r.graph_hash.clone());
        let wanted = self
            .look(move |v| v.state.topologies.get(&id).map(|t| t.graph_hash.clone()))
            .await?;
        if wanted.is_some_and(|wanted| wanted != hash) {
            let text = format!(
                "NIM016 the program's graph ({}) is not the one that was submitted",
                r.graph_hash
            );
            return Err(Status::failed_precondition(text));
        }
        let slot = Slot {
            node: r.node_id,
            port: port(r.port)?,
        };
        let id = r.topology_id.clone();
        self.event(Event::Worker {
            slot,
            host: r.host,
            topology: r.topology_id,
            incarnation: r.incarnation,
        })
        .await?;
        let changes = self.ask(|tx| Ask::WatchTopology(id, tx)).await?;
        Ok(Response::new(Box::pin(WatchStream::new(changes).map(Ok))))
    }

    async fn worker_heartbeat(&self, r: Request<pb::WorkerHeartbeatRequest>) -> Answer<pb::Done> {
        let mut r = r.into_inner();
        let slot = Slot {
            node: r.node_id.clone(),
            port: port(r.port)?,
        };
        let (at, incarnation) = (slot.clone(), r.incarnation);
        let known = self
            .look(move |v| {
                v.state
                    .workers
                    .get(&at)
                    .is_some_and(|w| w.incarnation == incarnation)
            })
            .await?;
        if !known {
            return Err(Status::not_found(format!(
                "NIM017 worker incarnation {incarnation} is not registered"
            )));
        }
        let ready = r
            .standby_ready
            .iter()
            .map(|e| (e.first_task, e.last_task))
            .collect();
        let heartbeat = Event::WorkerHeartbeat {
            slot,
            incarnation,
            version: r.version,
            ready,
            memory_mb: r.memory_mb,
            cpu_percent: r.cpu_percent,
        };
        r.running.clear();
        self.tell(Ask::Stats(Box::new(r))).await?;
        self.event(heartbeat).await
    }
}

/// When this process's Nimbus started.
pub fn started() -> u64 {
    now_ms()
}
