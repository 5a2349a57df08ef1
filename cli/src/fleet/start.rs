//! The manager from its configuration: run it beside Nimbus, or look at what it sees.

use std::sync::Arc;
use std::time::Duration;

use fulmar_api::Config;
use fulmar_spot_ec2::manager::Pace;
use fulmar_spot_ec2::settings::Held;
use fulmar_spot_ec2::{Ec2, Settings, manage};
use fulmar_spot_plan::fleet::Limits;
use tonic::transport::Endpoint;

use super::nimbus::Nimbus;
use super::wishes::{Wishes, required};
use crate::failure::{Done, Failure};

/// Nimbus and EC2, as the configuration names them.
pub struct Fleet {
    /// Nimbus.
    pub nimbus: Arc<Nimbus>,
    /// EC2.
    pub ec2: Ec2,
    /// Times.
    pub pace: Pace,
}

impl Fleet {
    /// Reads the configuration; connects to nothing yet.
    ///
    /// # Errors
    /// A key is missing or has a wrong value, or a file cannot be read.
    pub async fn of(conf: &Config, nimbus: &str) -> Result<Self, Failure> {
        let settings = settings(conf)?;
        let pace = pace(conf)?;
        let wishes = Wishes::read(conf)?;
        let channel = Endpoint::from_shared(format!("http://{nimbus}"))
            .map_err(|e| Failure::Usage(format!("\"{nimbus}\" is not HOST:PORT: {e}")))?
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(10))
            .connect_lazy();
        let client = fulmar_proto::nimbus::nimbus_client::NimbusClient::new(channel)
            .max_decoding_message_size(256 << 20);
        Ok(Self {
            nimbus: Arc::new(Nimbus::new(client, wishes)),
            ec2: Ec2::new(settings).await,
            pace,
        })
    }

    /// Manages until it is dropped.
    ///
    /// # Errors
    /// The settings do not fit what EC2 has.
    pub async fn run(self) -> Done {
        let managed = manage(self.ec2, self.nimbus, self.pace).await;
        managed.map_err(|e| Failure::Usage(e.to_string()))
    }
}

/// Whether the configuration can be used.
///
/// # Errors
/// As for [`Fleet::of`].
pub fn check(conf: &Config) -> Done {
    settings(conf)?;
    pace(conf)?;
    Wishes::read(conf).map(drop)
}

fn settings(conf: &Config) -> Result<Settings, Failure> {
    let region = required(conf, "fleet.ec2.region", "for example us-east-1")?;
    let mut settings = Settings::new(&conf.str_or("fleet.cluster", "fulmar")?, &region);
    settings.endpoint = conf.str("fleet.ec2.endpoint")?;
    let hint = "the id (lt-…) or name of a launch template whose instances start a supervisor";
    settings.template = required(conf, "fleet.ec2.template", hint)?;
    settings.template_version = conf.str_or("fleet.ec2.template.version", "$Default")?;
    settings.subnets = conf.strings("fleet.ec2.subnets")?;
    if settings.subnets.is_empty() {
        return Err(Failure::Usage(
            "fleet.ec2.subnets is missing: one subnet or more in each zone that is to be used"
                .to_owned(),
        ));
    }
    settings.queue = conf.str("fleet.sqs.queue")?;
    if let Some(id) = conf.str("fleet.ec2.fleet")? {
        let held = Held::of(&id).map_err(|e| Failure::Usage(format!("fleet.ec2.fleet: {e}")))?;
        settings.held = Some(held);
    }
    Ok(settings)
}

fn pace(conf: &Config) -> Result<Pace, Failure> {
    let ms =
        |key| -> Result<Option<u64>, Failure> { Ok(conf.secs(key)?.map(|d| d.as_millis() as u64)) };
    let mut limits = Limits::default();
    for (key, own) in [
        ("fleet.settle.secs", &mut limits.settle),
        ("fleet.drain.secs", &mut limits.drain),
        ("fleet.excess.secs", &mut limits.excess),
        ("fleet.fallback.secs", &mut limits.fallback),
        ("fleet.back.to.spot.secs", &mut limits.back_to_spot),
    ] {
        *own = ms(key)?.unwrap_or(*own);
    }
    limits.back_to_spot_most = limits.back_to_spot_most.max(limits.back_to_spot);
    let provider = conf
        .secs("fleet.look.secs")?
        .unwrap_or(Duration::from_secs(5));
    Ok(Pace {
        cluster: provider.min(Duration::from_secs(1)),
        provider,
        limits,
        risk: conf.float_or("fleet.risk.percent", 30.0)? / 100.0,
    })
}
