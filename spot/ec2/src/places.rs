//! Where nodes may stand: the zones of the subnets, and which of them the provider expects to have room.

use std::collections::BTreeMap;

use crate::client::Ec2;
use crate::error::{Error, Result};

/// Scores go from 1 to 10; from this one down a zone is left alone while others are better.
const SCORE_POOR: i32 = 2;
/// Types that are asked about at most (the service's own limit).
const TYPES_MOST: usize = 1_000;

/// A zone with its subnets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// For example `use1-az4`: what scores name zones by.
    pub id: String,
    /// Subnets in it.
    pub subnets: Vec<String>,
}

/// Zones by name.
pub type Zones = BTreeMap<String, Zone>;

impl Ec2 {
    /// The zones of the configured subnets.
    ///
    /// # Errors
    /// No answer, a refusal, or a subnet that is not there.
    pub async fn zones(&self) -> Result<Zones> {
        let wanted = &self.settings.subnets;
        if wanted.is_empty() {
            return Err(Error::Settings(
                "no subnet is named: at least one in each zone that is to be used".to_owned(),
            ));
        }
        let answer = self
            .ec2
            .describe_subnets()
            .set_subnet_ids(Some(wanted.clone()))
            .send()
            .await
            .map_err(|e| Error::of("DescribeSubnets", e))?;
        let mut zones = Zones::new();
        for subnet in answer.subnets() {
            let (Some(id), Some(name)) = (subnet.subnet_id(), subnet.availability_zone()) else {
                continue;
            };
            if !wanted.iter().any(|w| w == id) {
                continue;
            }
            let zone = zones.entry(name.to_owned()).or_default();
            zone.id = subnet.availability_zone_id().unwrap_or_default().to_owned();
            zone.subnets.push(id.to_owned());
        }
        let found: usize = zones.values().map(|z| z.subnets.len()).sum();
        if found < wanted.len() {
            return Err(Error::Nonsense {
                what: "DescribeSubnets",
                why: format!("{found} of {} subnets", wanted.len()),
            });
        }
        Ok(zones)
    }

    /// Names of zones that the provider expects to have little room for so many nodes of these types.
    ///
    /// # Errors
    /// [`Error::NotOffered`] where the endpoint or the rights do not have it; no answer; a refusal.
    pub async fn poor_zones(
        &self,
        zones: &Zones,
        types: &[String],
        nodes: u32,
    ) -> Result<Vec<String>> {
        const WHAT: &str = "GetSpotPlacementScores";
        let answer = self
            .ec2
            .get_spot_placement_scores()
            .set_instance_types(Some(types.iter().take(TYPES_MOST).cloned().collect()))
            .target_capacity(i32::try_from(nodes.max(1)).unwrap_or(i32::MAX))
            .single_availability_zone(true)
            .region_names(&self.settings.region)
            .send()
            .await
            .map_err(|e| Error::of_optional(WHAT, e))?;
        let poor = |z: &Zone| {
            let of = |s: &&aws_sdk_ec2::types::SpotPlacementScore| {
                s.availability_zone_id() == Some(z.id.as_str())
            };
            let score = answer.spot_placement_scores().iter().find(of);
            score
                .and_then(|s| s.score())
                .is_some_and(|s| s <= SCORE_POOR)
        };
        let poor: Vec<String> = zones
            .iter()
            .filter(|(_, z)| poor(z))
            .map(|(name, _)| name.clone())
            .collect();
        // Where all are poor none is better.
        Ok(if poor.len() < zones.len() {
            poor
        } else {
            Vec::new()
        })
    }
}
