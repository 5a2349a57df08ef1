//! The metadata service of an EC2 instance, version 2, through the AWS configuration crate's client:
//! it keeps the session token and asks for a new one when that was refused.

use std::time::Duration;

use aws_config::imds::client::{Client, error::ImdsError};
use aws_config::provider_config::ProviderConfig;

use crate::error::Error;

/// One request, token and attempts included; polls are a second or more apart.
const MOST: Duration = Duration::from_secs(4);
/// One attempt: the service is a hop away at most.
const ATTEMPT: Duration = Duration::from_secs(1);
/// As NTH asks for it: short enough to survive a restored image, long enough to cost nothing.
const TOKEN: Duration = Duration::from_secs(3_600);

/// Who this instance is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Identity {
    /// Such as `i-0a…`.
    pub instance_id: String,
    /// Such as `m5.xlarge`.
    pub instance_type: String,
    /// Such as `us-west-2b`.
    pub zone: String,
    /// `spot`, `on-demand`, or empty when it does not say.
    pub life_cycle: String,
}

/// The service.
#[derive(Clone, Debug)]
pub struct Imds {
    client: Client,
}

impl Imds {
    /// At this address, for example `http://169.254.169.254`.
    ///
    /// # Errors
    /// The address is no URL.
    pub fn new(endpoint: &str) -> Result<Imds, Error> {
        // Plain HTTP, as the service speaks it; so no certificates are loaded.
        let http = aws_smithy_http_client::Builder::new().build_http();
        let client = Client::builder()
            .configure(&ProviderConfig::without_region().with_http_client(http))
            .endpoint(endpoint)
            .map_err(|e| failed(endpoint, e))?
            .token_ttl(TOKEN)
            .max_attempts(2)
            .connect_timeout(ATTEMPT)
            .read_timeout(ATTEMPT)
            .operation_timeout(MOST)
            .operation_attempt_timeout(ATTEMPT)
            .build();
        Ok(Imds { client })
    }

    /// What stands at a path; `None` for 404: there is no such thing now.
    ///
    /// # Errors
    /// No answer, or another one.
    pub async fn get(&self, path: &str) -> Result<Option<String>, Error> {
        match self.client.get(path).await {
            Ok(body) => Ok(Some(body.into())),
            Err(ImdsError::ErrorResponse(e)) if e.response().status().as_u16() == 404 => Ok(None),
            Err(e) => Err(failed(path, said(&e))),
        }
    }

    /// Who this instance is; what the service does not know stays empty.
    ///
    /// # Errors
    /// No answer.
    pub async fn identity(&self) -> Result<Identity, Error> {
        let get = async |path: &str| -> Result<String, Error> {
            let path = format!("/latest/meta-data/{path}");
            Ok(self.get(&path).await?.unwrap_or_default().trim().to_owned())
        };
        Ok(Identity {
            instance_id: get("instance-id").await?,
            instance_type: get("instance-type").await?,
            zone: get("placement/availability-zone").await?,
            life_cycle: get("instance-life-cycle").await?,
        })
    }
}

fn failed(path: &str, problem: impl ToString) -> Error {
    Error::Imds {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}

/// The innermost cause, which is the one that helps.
fn said(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
