//! A session with the cluster: cdrs-tokio over TCP or TLS, behind one small trait.
//!
//! The driver waits forever for a first connection and hides why it fails; so one connection is made by hand before,
//! which tells a wrong password or a dead node at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cdrs_tokio::authenticators::{
    NoneAuthenticatorProvider, SaslAuthenticatorProvider, StaticPasswordAuthenticatorProvider,
};
use cdrs_tokio::cluster::session::{
    RustlsSessionBuilder, Session, SessionBuilder, TcpSessionBuilder,
};
use cdrs_tokio::cluster::{
    ConnectionManager, KeyspaceHolder, NodeRustlsConfigBuilder, NodeTcpConfigBuilder,
    RustlsConnectionManager, TcpConnectionManager,
};
use cdrs_tokio::compression::Compression;
use cdrs_tokio::error::Result as CdrsResult;
use cdrs_tokio::frame::{Envelope, Version};
use cdrs_tokio::frame_encoding::ProtocolFrameEncodingFactory;
use cdrs_tokio::load_balancing::node_distance_evaluator::TopologyAwareNodeDistanceEvaluator;
use cdrs_tokio::load_balancing::{LoadBalancingStrategy, TopologyAwareLoadBalancingStrategy};
use cdrs_tokio::query::PreparedQuery;
use cdrs_tokio::statement::StatementParams;
use cdrs_tokio::transport::CdrsTransport;

use super::failure::classify;
use super::tls;
use crate::address::Address;
use crate::error::StoreError;

/// Longest wait for a first connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Spoken with Cassandra 3 to 5.
const PROTOCOL: Version = Version::V4;

/// What is asked of a session, whatever its transport.
#[async_trait]
pub trait Cql: Send + Sync {
    /// Prepares a statement on a node; others learn of it when they are asked.
    async fn prepare(&self, query: &str) -> CdrsResult<PreparedQuery>;
    /// Executes a prepared statement.
    async fn exec(
        &self,
        prepared: &PreparedQuery,
        params: &StatementParams,
    ) -> CdrsResult<Envelope>;
    /// Executes a text.
    async fn query(&self, query: &str, params: StatementParams) -> CdrsResult<Envelope>;
}

#[async_trait]
impl<T, CM, LB> Cql for Session<T, CM, LB>
where
    T: CdrsTransport + 'static,
    CM: ConnectionManager<T> + Send + Sync + 'static,
    LB: LoadBalancingStrategy<T, CM> + Send + Sync + 'static,
{
    async fn prepare(&self, query: &str) -> CdrsResult<PreparedQuery> {
        Session::prepare(self, query).await
    }

    async fn exec(
        &self,
        prepared: &PreparedQuery,
        params: &StatementParams,
    ) -> CdrsResult<Envelope> {
        self.exec_with_params(prepared, params).await
    }

    async fn query(&self, query: &str, params: StatementParams) -> CdrsResult<Envelope> {
        self.query_with_params(query, params).await
    }
}

/// Opens a session.
///
/// # Errors
/// No node answers, or the login or the TLS files are wrong.
pub async fn open(address: &Address) -> Result<Arc<dyn Cql>, StoreError> {
    let auth: Arc<dyn SaslAuthenticatorProvider + Send + Sync> = match &address.login {
        Some((user, password)) => {
            Arc::new(StaticPasswordAuthenticatorProvider::new(user, password))
        }
        None => Arc::new(NoneAuthenticatorProvider),
    };
    let nodes = resolve(address).await?;
    match &address.tls {
        None => tcp(address, auth, nodes).await,
        Some(files) => {
            let (config, name) = tls::config(address, files)?;
            encrypted(address, auth, nodes, config, name).await
        }
    }
}

async fn tcp(
    address: &Address,
    auth: Arc<dyn SaslAuthenticatorProvider + Send + Sync>,
    nodes: Vec<SocketAddr>,
) -> Result<Arc<dyn Cql>, StoreError> {
    let manager = TcpConnectionManager::new(
        auth.clone(),
        keyspace_holder(),
        Box::<ProtocolFrameEncodingFactory>::default(),
        Compression::None,
        1024,
        true,
        PROTOCOL,
    );
    probe(address, &manager, &nodes).await?;
    let config = NodeTcpConfigBuilder::new()
        .with_contact_points(nodes.into_iter().map(Into::into).collect())
        .with_authenticator_provider(auth)
        .with_version(PROTOCOL)
        .build()
        .await
        .map_err(|e| classify(&address.shown(), &e))?;
    let builder =
        TcpSessionBuilder::new(TopologyAwareLoadBalancingStrategy::new(None, false), config);
    build(address, builder).await
}

async fn encrypted(
    address: &Address,
    auth: Arc<dyn SaslAuthenticatorProvider + Send + Sync>,
    nodes: Vec<SocketAddr>,
    config: Arc<rustls::ClientConfig>,
    name: rustls::pki_types::ServerName<'static>,
) -> Result<Arc<dyn Cql>, StoreError> {
    let manager = RustlsConnectionManager::new(
        name.clone(),
        auth.clone(),
        config.clone(),
        keyspace_holder(),
        Box::<ProtocolFrameEncodingFactory>::default(),
        Compression::None,
        1024,
        true,
        PROTOCOL,
    );
    probe(address, &manager, &nodes).await?;
    let config = NodeRustlsConfigBuilder::new(name, config)
        .with_contact_points(nodes.into_iter().map(Into::into).collect())
        .with_authenticator_provider(auth)
        .with_version(PROTOCOL)
        .build()
        .await
        .map_err(|e| classify(&address.shown(), &e))?;
    let builder =
        RustlsSessionBuilder::new(TopologyAwareLoadBalancingStrategy::new(None, false), config);
    build(address, builder).await
}

async fn build<T, CM, LB, B>(address: &Address, builder: B) -> Result<Arc<dyn Cql>, StoreError>
where
    T: CdrsTransport + 'static,
    CM: ConnectionManager<T> + Send + Sync + 'static,
    LB: LoadBalancingStrategy<T, CM> + Send + Sync + 'static,
    B: SessionBuilder<T, CM, LB>,
{
    let mut builder = builder.with_transport_buffer_size(address.inflight.max(1024));
    if let Some(dc) = &address.datacentre {
        let local = TopologyAwareNodeDistanceEvaluator::new(dc.clone());
        builder = builder.with_node_distance_evaluator(Box::new(local));
    }
    let unreachable = |problem: String| StoreError::Unreachable {
        address: address.shown(),
        problem,
    };
    let session = tokio::time::timeout(CONNECT, builder.build())
        .await
        .map_err(|_| unreachable(format!("no session within {CONNECT:?}")))?
        .map_err(|e| unreachable(e.to_string()))?;
    Ok(Arc::new(session))
}

/// Connects to the first node that answers, and closes again.
async fn probe<T: CdrsTransport>(
    address: &Address,
    manager: &impl ConnectionManager<T>,
    nodes: &[SocketAddr],
) -> Result<(), StoreError> {
    let mut last = StoreError::Unreachable {
        address: address.shown(),
        problem: "its name has no address".to_owned(),
    };
    for node in nodes {
        match tokio::time::timeout(CONNECT, manager.connection(None, None, *node)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => last = classify(&address.shown(), &error),
            Err(_) => {
                last = StoreError::Unreachable {
                    address: address.shown(),
                    problem: format!("no answer of {node} within {CONNECT:?}"),
                }
            }
        }
        if !last.is_transient() {
            break;
        }
    }
    Err(last)
}

async fn resolve(address: &Address) -> Result<Vec<SocketAddr>, StoreError> {
    let mut found = Vec::new();
    let mut problem = String::new();
    for node in &address.nodes {
        match tokio::net::lookup_host(node).await {
            Ok(addresses) => found.extend(addresses),
            Err(error) => problem = format!("{node}: {error}"),
        }
    }
    match found.is_empty() {
        true => Err(StoreError::Unreachable {
            address: address.shown(),
            problem,
        }),
        false => Ok(found),
    }
}

/// No keyspace is ever chosen: every statement names it.
fn keyspace_holder() -> Arc<KeyspaceHolder> {
    let (sender, _) = tokio::sync::watch::channel(None);
    Arc::new(KeyspaceHolder::new(sender))
}
