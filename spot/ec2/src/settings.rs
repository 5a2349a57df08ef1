//! What the fleet on EC2 needs to know.

use std::time::Duration;

/// Tag that names the cluster an instance belongs to.
pub const TAG_CLUSTER: &str = "fulmar:cluster";
/// Tag that names the order that brought an instance.
pub const TAG_ORDER: &str = "fulmar:order";
/// Tag that says how an instance is paid: `spot` or `on-demand`.
pub const TAG_LIFE: &str = "fulmar:life";
/// Tag of an instance that a manager is letting go: since when, milliseconds since the epoch.
pub const TAG_ENDING: &str = "fulmar:ending";

/// Somebody else's fleet, whose target is moved instead of ordering instant fleets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// A Spot Fleet request, `sfr-…`: ModifySpotFleetRequest.
    SpotFleet(String),
    /// An EC2 Fleet of type maintain, `fleet-…`: ModifyFleet, where the endpoint has it.
    Maintained(String),
}

impl Held {
    /// By the form of its id.
    ///
    /// # Errors
    /// It is the id of neither.
    pub fn of(id: &str) -> Result<Self, String> {
        match id {
            _ if id.starts_with("sfr-") => Ok(Self::SpotFleet(id.to_owned())),
            _ if id.starts_with("fleet-") => Ok(Self::Maintained(id.to_owned())),
            _ => Err(format!(
                "\"{id}\" is no fleet: a Spot Fleet request is sfr-…, an EC2 Fleet fleet-…"
            )),
        }
    }
}

/// Settings of the fleet.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Value of the tag [`TAG_CLUSTER`].
    pub cluster: String,
    /// For example `us-east-1`.
    pub region: String,
    /// Base address instead of AWS' own, for tests and private endpoints.
    pub endpoint: Option<String>,
    /// Key id and secret instead of the usual chain of the environment, profiles and the instance's role.
    pub keys: Option<(String, String)>,
    /// Launch template: id (`lt-…`) or name.
    pub template: String,
    /// Its version: a number, `$Default` or `$Latest`.
    pub template_version: String,
    /// Subnets, one or more in each zone that is to be used.
    pub subnets: Vec<String>,
    /// Address of the SQS queue that EventBridge writes to.
    pub queue: Option<String>,
    /// Somebody else's fleet.
    pub held: Option<Held>,
    /// What one call may take. An order that takes longer is not repeated: its instances are looked for.
    pub patience: Duration,
}

impl Settings {
    /// Settings for a cluster in a region; everything else is to be filled in.
    pub fn new(cluster: &str, region: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            region: region.to_owned(),
            endpoint: None,
            keys: None,
            template: String::new(),
            template_version: "$Default".to_owned(),
            subnets: Vec::new(),
            queue: None,
            held: None,
            patience: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_is_known_by_its_id() {
        assert_eq!(Held::of("sfr-1"), Ok(Held::SpotFleet("sfr-1".to_owned())));
        assert_eq!(
            Held::of("fleet-1"),
            Ok(Held::Maintained("fleet-1".to_owned()))
        );
        assert!(Held::of("i-1").unwrap_err().contains("sfr-"));
    }
}
