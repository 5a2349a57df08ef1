//! Nimbus as the fleet manager sees it: asked over gRPC like everybody else, so that the manager may run anywhere.

use std::collections::BTreeMap;

use fulmar_proto::nimbus as pb;
use fulmar_proto::nimbus::nimbus_client::NimbusClient;
use fulmar_spot_ec2::envelope::Told;
use fulmar_spot_ec2::{Cluster, Known, NodeState};
use tokio::sync::Mutex;
use tonic::Code;
use tonic::transport::Channel;

use super::needs::{self, Memory};
use super::wishes::Wishes;
use crate::failure::Failure;

/// Nimbus, and what the wishes are made from.
pub struct Nimbus {
    client: NimbusClient<Channel>,
    wishes: Mutex<(Memory, Wishes)>,
}

impl Nimbus {
    /// A view of Nimbus.
    pub fn new(client: NimbusClient<Channel>, wishes: Wishes) -> Self {
        Self {
            client,
            wishes: Mutex::new((Memory::default(), wishes)),
        }
    }

    async fn topologies(
        &self,
        info: &pb::ClusterInfo,
    ) -> Result<Vec<pb::TopologyInfo>, tonic::Status> {
        let mut found = Vec::with_capacity(info.topologies.len());
        for t in &info.topologies {
            let request = pb::GetTopologyInfoRequest {
                name_or_id: t.id.clone(),
                without_windows: true,
            };
            match self.client.clone().get_topology_info(request).await {
                Ok(answer) => found.push(answer.into_inner()),
                // It ended in between.
                Err(status) if status.code() == Code::NotFound => {}
                Err(status) => return Err(status),
            }
        }
        Ok(found)
    }

    /// As [`Cluster::look`].
    ///
    /// # Errors
    /// Nimbus does not answer, or no type fits the needs.
    pub async fn known(&self) -> Result<Known, Failure> {
        let status = |s: tonic::Status| Failure::of_status("fleet", &s);
        let mut client = self.client.clone();
        let info = client.get_cluster_info(pb::GetClusterInfoRequest {}).await;
        let info = info.map_err(status)?.into_inner();
        let topologies = self.topologies(&info).await.map_err(status)?;
        let needed = needs::needed(&topologies);
        let wish = {
            let (memory, wishes) = &mut *self.wishes.lock().await;
            let demand = memory.demand(&needed, fulmar_spot_ec2::events::now_ms());
            wishes.of(demand)?
        };
        let work = needs::work(&topologies);
        let mut nodes: BTreeMap<String, NodeState> = BTreeMap::new();
        for n in info
            .supervisors
            .iter()
            .filter(|n| n.alive && !n.instance_id.is_empty())
        {
            let says = |kind| n.notices.iter().any(|said| said.kind() == kind);
            let state = NodeState {
                work: work.get(&n.node_id).copied().unwrap_or(0),
                sentenced: says(pb::NoticeKind::Sentence),
                advised: says(pb::NoticeKind::Advice),
            };
            nodes.insert(n.instance_id.clone(), state);
        }
        Ok(Known { nodes, wish })
    }
}

impl Cluster for Nimbus {
    async fn look(&self) -> Result<Known, String> {
        self.known().await.map_err(|e| e.to_string())
    }

    async fn notice(&self, told: &Told, source: &'static str) -> Result<bool, String> {
        let kind = match told.sentence {
            true => pb::NoticeKind::Sentence,
            false => pb::NoticeKind::Advice,
        };
        let notice = pb::Notice {
            instance_id: told.instance.clone(),
            kind: kind.into(),
            deadline_ms: told.deadline_ms,
            source: source.to_owned(),
            ..Default::default()
        };
        match self.client.clone().report_notice(notice).await {
            Ok(_) => Ok(true),
            Err(status) if status.code() == Code::NotFound => Ok(false),
            Err(status) => Err(status.message().to_owned()),
        }
    }

    async fn say(&self, text: String) {
        tracing::info!(target: "fleet", "{text}");
        let event = pb::Event {
            text,
            ..Default::default()
        };
        // The log has it; Nimbus may be away.
        let _ = self.client.clone().tell_fleet(event).await;
    }
}
