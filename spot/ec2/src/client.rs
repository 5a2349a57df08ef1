//! The clients of EC2 and SQS: one TLS stack, no repeats of their own, a limit on every call.
//!
//! The SDK repeats nothing: the fleet's own decisions wait after a refusal, and an order that is repeated where the
//! endpoint does not know its token would be given twice.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::config::Credentials;
use aws_smithy_http_client::{Builder, tls};

use crate::settings::Settings;

/// EC2 and SQS of one region, and what the fleet was told.
#[derive(Clone, Debug)]
pub struct Ec2 {
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    /// What the fleet was told.
    pub settings: Settings,
}

impl Ec2 {
    /// Makes the clients; nothing is asked yet.
    pub async fn new(settings: Settings) -> Self {
        let http = Builder::new()
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::Ring,
            ))
            .build_https();
        let limits = TimeoutConfig::builder()
            .connect_timeout(settings.patience.min(std::time::Duration::from_secs(5)))
            .operation_timeout(settings.patience)
            .build();
        let mut config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(settings.region.clone()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(limits);
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        if let Some((key, secret)) = &settings.keys {
            let given = Credentials::new(key, secret, None, None, "settings");
            config = config.credentials_provider(given);
        }
        let config = config.load().await;
        // A long poll is silent for 20 s by intent.
        let waits = TimeoutConfig::builder()
            .operation_timeout(settings.patience + crate::events::POLL)
            .build();
        let sqs = aws_sdk_sqs::config::Builder::from(&config)
            .timeout_config(waits)
            .build();
        Self {
            ec2: aws_sdk_ec2::Client::new(&config),
            sqs: aws_sdk_sqs::Client::from_conf(sqs),
            settings,
        }
    }
}
