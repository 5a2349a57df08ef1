//! Hears newer assignments from whichever Nimbus answers, for as long as the worker lives.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fulmar_api::worker_file::WorkerFile;
use fulmar_engine::shared::lock;
use fulmar_proto::nimbus as pb;
use fulmar_proto::nimbus::nimbus_client::NimbusClient;
use tokio::sync::{Notify, mpsc};
use tonic::transport::{Channel, Endpoint};

/// First and longest pause between attempts to reach Nimbus.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
const CONNECT: Duration = Duration::from_secs(2);

/// The connection with Nimbus.
pub struct Watch {
    file: WorkerFile,
    client: Mutex<Option<NimbusClient<Channel>>>,
    version: AtomicU64,
    again: Notify,
}

impl Watch {
    /// Not connected yet.
    pub fn new(file: WorkerFile) -> Self {
        Self {
            file,
            client: Mutex::default(),
            version: AtomicU64::new(0),
            again: Notify::new(),
        }
    }

    /// A client of the Nimbus that answered last.
    pub fn client(&self) -> Option<NimbusClient<Channel>> {
        lock(&self.client).clone()
    }

    /// The worker runs this version.
    pub fn adopted(&self, version: u64) {
        self.version.store(version, Ordering::Release);
    }

    /// The version that the worker runs.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Nimbus does not know this worker (any more): register again.
    pub fn register_again(&self) {
        self.again.notify_one();
    }

    /// Registers and hears assignments; without Nimbus it tries on for ever.
    pub async fn run(self: Arc<Self>, to: mpsc::Sender<pb::Assignment>) {
        let mut pause = AGAIN.0;
        loop {
            for address in &self.file.nimbus {
                match self.hear(address, &to).await {
                    Ok(()) => pause = AGAIN.0,
                    Err(error) => {
                        tracing::warn!(nimbus = address, error, "no word from Nimbus; going on")
                    }
                }
                if to.is_closed() {
                    return;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN.1);
        }
    }

    async fn hear(&self, address: &str, to: &mpsc::Sender<pb::Assignment>) -> Result<(), String> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|e| e.to_string())?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(Duration::from_secs(1))
            .keep_alive_timeout(Duration::from_secs(2));
        let channel = endpoint.connect().await.map_err(|e| e.to_string())?;
        // An assignment holds the topology's description and configuration.
        let mut client = NimbusClient::new(channel).max_decoding_message_size(64 << 20);
        let request = pb::RegisterWorkerRequest {
            topology_id: self.file.topology_id.clone(),
            node_id: self.file.node_id.clone(),
            host: self.file.host.clone(),
            port: self.file.port.into(),
            incarnation: self.file.incarnation,
            graph_hash: self.file.graph_hash.clone(),
            pid: std::process::id(),
            known_version: self.version(),
        };
        let mut stream = client
            .watch_assignment(request)
            .await
            .map_err(|e| e.message().to_owned())?
            .into_inner();
        *lock(&self.client) = Some(client);
        loop {
            tokio::select! {
                next = stream.message() => match next {
                    Ok(Some(assignment)) => {
                        if to.send(assignment).await.is_err() {
                            return Ok(());
                        }
                    }
                    Ok(None) => return Ok(()),
                    Err(e) => return Err(e.message().to_owned()),
                },
                () = self.again.notified() => return Ok(()),
            }
        }
    }
}
