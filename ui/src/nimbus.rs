//! The door to Nimbus: one lazily connected client for each seed; the one that answered last is asked first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use fulmar_proto::nimbus as pb;
use fulmar_proto::nimbus::nimbus_client::NimbusClient;
use tonic::transport::{Channel, Endpoint};

use crate::error::{Error, Problem};

/// A Nimbus that does not take the connection within this time is asked later.
const CONNECT: Duration = Duration::from_secs(2);
/// A Nimbus that does not answer within this time is as good as away.
const ANSWER: Duration = Duration::from_secs(5);
/// A topology's info at the limits of Nimbus stays below this.
const MESSAGE_MOST: usize = 256 << 20;
/// All events that Nimbus keeps.
const EVENTS: u32 = 2_000;

/// Nimbus as the page sees it.
#[derive(Clone)]
pub struct Nimbus {
    clients: Arc<Vec<NimbusClient<Channel>>>,
    addresses: Arc<str>,
    first: Arc<AtomicUsize>,
    /// Calls, and calls that failed for want of a Nimbus.
    pub counts: Arc<[AtomicU64; 2]>,
}

/// Calls each Nimbus in turn until one is there.
macro_rules! ask {
    ($self:ident, $id:expr, $method:ident, $request:expr) => {{
        let (all, start) = ($self.clients.len(), $self.first.load(Ordering::Relaxed));
        let mut last = Problem::Unknown(String::new());
        $self.counts[0].fetch_add(1, Ordering::Relaxed);
        for at in (0..all).map(|i| (start + i) % all) {
            let mut client = $self.clients[at].clone();
            match client.$method($request).await {
                Ok(answer) => {
                    $self.first.store(at, Ordering::Relaxed);
                    return Ok(answer.into_inner());
                }
                Err(status) => last = Problem::of_status($id, &$self.addresses, &status),
            }
            if !matches!(last, Problem::Unreachable { .. }) {
                break;
            }
        }
        if matches!(last, Problem::Unreachable { .. }) {
            $self.counts[1].fetch_add(1, Ordering::Relaxed);
        }
        Err(last)
    }};
}

impl Nimbus {
    /// Takes addresses as `host:port`; connects when first asked.
    ///
    /// # Errors
    /// None is given, or one cannot be read.
    pub fn new(addresses: &[String]) -> Result<Self, Error> {
        if addresses.is_empty() {
            return Err(Error::NoNimbus);
        }
        let client = |address: &String| {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))
                .map_err(|_| Error::Address(address.clone()))?;
            let endpoint = endpoint.connect_timeout(CONNECT).timeout(ANSWER);
            Ok(NimbusClient::new(endpoint.connect_lazy()).max_decoding_message_size(MESSAGE_MOST))
        };
        let clients = addresses.iter().map(client).collect::<Result<_, Error>>()?;
        Ok(Self {
            clients: Arc::new(clients),
            addresses: addresses.join(", ").into(),
            first: Arc::default(),
            counts: Arc::default(),
        })
    }

    /// The cluster.
    ///
    /// # Errors
    /// No Nimbus answers.
    pub async fn cluster(&self) -> Result<pb::ClusterInfo, Problem> {
        ask!(self, "", get_cluster_info, pb::GetClusterInfoRequest {})
    }

    /// One topology, by id only: its name is not enough, as in Storm's REST.
    ///
    /// # Errors
    /// No Nimbus answers, or there is none of this id.
    pub async fn topology(&self, id: &str, windows: bool) -> Result<pb::TopologyInfo, Problem> {
        let info = self.named(id, windows).await?;
        if info.summary.as_ref().is_some_and(|s| s.id == id) {
            Ok(info)
        } else {
            Err(Problem::NotAlive(id.to_owned()))
        }
    }

    async fn named(&self, id: &str, windows: bool) -> Result<pb::TopologyInfo, Problem> {
        let request = pb::GetTopologyInfoRequest {
            name_or_id: id.to_owned(),
            without_windows: !windows,
        };
        ask!(self, id, get_topology_info, request.clone())
    }

    /// What happened after this number, oldest first.
    ///
    /// # Errors
    /// No Nimbus answers.
    pub async fn events(&self, since_seq: u64) -> Result<pb::EventsReply, Problem> {
        let request = pb::GetEventsRequest {
            since_seq,
            limit: EVENTS,
        };
        ask!(self, "", get_events, request)
    }

    /// Lets spouts emit again.
    ///
    /// # Errors
    /// No Nimbus answers, or it refuses.
    pub async fn activate(&self, id: &str) -> Result<pb::Done, Problem> {
        let request = pb::TopologyName {
            name: id.to_owned(),
        };
        ask!(self, id, activate, request.clone())
    }

    /// Stops spouts from emitting.
    ///
    /// # Errors
    /// No Nimbus answers, or it refuses.
    pub async fn deactivate(&self, id: &str) -> Result<pb::Done, Problem> {
        let request = pb::TopologyName {
            name: id.to_owned(),
        };
        ask!(self, id, deactivate, request.clone())
    }

    /// Spreads a topology anew after a wait in seconds.
    ///
    /// # Errors
    /// No Nimbus answers, or it refuses.
    pub async fn rebalance(&self, id: &str, wait_secs: f64) -> Result<pb::Done, Problem> {
        let request = pb::RebalanceRequest {
            name: id.to_owned(),
            wait_secs: Some(wait_secs),
            ..Default::default()
        };
        ask!(self, id, rebalance, request.clone())
    }

    /// Ends a topology after a wait in seconds.
    ///
    /// # Errors
    /// No Nimbus answers, or it refuses.
    pub async fn kill(&self, id: &str, wait_secs: f64) -> Result<pb::Done, Problem> {
        let request = pb::KillTopologyRequest {
            name: id.to_owned(),
            wait_secs: Some(wait_secs),
        };
        ask!(self, id, kill_topology, request.clone())
    }
}
