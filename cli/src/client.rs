//! A client of Nimbus for one verb.

use std::time::Duration;

use fulmar_proto::nimbus::nimbus_client::NimbusClient;
use tonic::transport::{Channel, Endpoint};

use crate::args::Common;
use crate::failure::Failure;
use crate::settings;

const CONNECT: Duration = Duration::from_secs(3);

/// Nimbus, with the address that answered.
pub struct Client {
    /// The service.
    pub nimbus: NimbusClient<Channel>,
    /// For messages.
    pub address: String,
}

impl Client {
    /// Connects to the first Nimbus that answers.
    ///
    /// # Errors
    /// None does; the last reason is told.
    pub async fn connect(common: &Common) -> Result<Self, Failure> {
        let mut last = Failure::Usage(
            "nimbus.seeds is empty: name a Nimbus with --nimbus HOST:PORT".to_owned(),
        );
        for address in settings::nimbuses(common)? {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))
                .map_err(|e| Failure::Usage(format!("\"{address}\" is not HOST:PORT: {e}")))?;
            match endpoint.connect_timeout(CONNECT).connect().await {
                Ok(channel) => {
                    let nimbus = NimbusClient::new(channel).max_decoding_message_size(256 << 20);
                    return Ok(Self { nimbus, address });
                }
                Err(error) => {
                    let why = std::error::Error::source(&error)
                        .map_or_else(|| error.to_string(), ToString::to_string);
                    last = Failure::Unreachable { address, why };
                }
            }
        }
        Err(last)
    }

    /// What an answer means.
    pub fn answer<T>(
        &self,
        answer: Result<tonic::Response<T>, tonic::Status>,
    ) -> Result<T, Failure> {
        answer
            .map(tonic::Response::into_inner)
            .map_err(|s| Failure::of_status(&self.address, &s))
    }
}

/// Runs a verb's future on a runtime of its own.
///
/// # Errors
/// What the future answers, or there is no runtime.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.map_err(Failure::here)?.block_on(work)
}
