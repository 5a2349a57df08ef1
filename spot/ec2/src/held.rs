//! Fleets that somebody else has made: their target is moved, never their pools. A Spot Fleet by
//! ModifySpotFleetRequest, an EC2 Fleet of type maintain by ModifyFleet where the endpoint has it.

use aws_sdk_ec2::types::{
    AllocationStrategy, BatchState, ExcessCapacityTerminationPolicy,
    FleetExcessCapacityTerminationPolicy, FleetLaunchTemplateSpecification, InstanceType,
    LaunchTemplateConfig, LaunchTemplateOverrides, SpotFleetRequestConfigData,
    TargetCapacitySpecificationRequest,
};
use fulmar_spot_plan::fleet::Pool;

use crate::client::Ec2;
use crate::error::{Error, Result};
use crate::places::Zones;
use crate::settings::Held;

impl Ec2 {
    /// Ids of the fleet's instances.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn instances_of(&self, held: &Held) -> Result<Vec<String>> {
        let ids: Vec<Option<String>> = match held {
            Held::SpotFleet(id) => {
                let asked = self
                    .ec2
                    .describe_spot_fleet_instances()
                    .spot_fleet_request_id(id);
                let answer = asked.send().await;
                let answer = answer.map_err(|e| Error::of("DescribeSpotFleetInstances", e))?;
                let id =
                    |i: &aws_sdk_ec2::types::ActiveInstance| i.instance_id().map(str::to_owned);
                answer.active_instances().iter().map(id).collect()
            }
            Held::Maintained(id) => {
                let asked = self.ec2.describe_fleet_instances().fleet_id(id);
                let answer = asked.send().await;
                let answer = answer.map_err(|e| Error::of("DescribeFleetInstances", e))?;
                let id =
                    |i: &aws_sdk_ec2::types::ActiveInstance| i.instance_id().map(str::to_owned);
                answer.active_instances().iter().map(id).collect()
            }
        };
        Ok(ids.into_iter().flatten().collect())
    }

    /// The fleet's target.
    ///
    /// # Errors
    /// No answer, a refusal, or there is no such fleet.
    pub async fn target(&self, held: &Held) -> Result<i32> {
        let (what, target) = match held {
            Held::SpotFleet(id) => {
                let asked = self
                    .ec2
                    .describe_spot_fleet_requests()
                    .spot_fleet_request_ids(id);
                let answer = asked.send().await;
                let answer = answer.map_err(|e| Error::of("DescribeSpotFleetRequests", e))?;
                let first = answer.spot_fleet_request_configs().first();
                let lives = first.filter(|c| {
                    !matches!(
                        c.spot_fleet_request_state(),
                        Some(
                            BatchState::Cancelled
                                | BatchState::CancelledRunning
                                | BatchState::CancelledTerminatingInstances
                                | BatchState::Failed
                        )
                    )
                });
                let config = lives.and_then(|c| c.spot_fleet_request_config());
                (id, config.and_then(|c| c.target_capacity()))
            }
            Held::Maintained(id) => {
                let answer = self.ec2.describe_fleets().fleet_ids(id).send().await;
                let answer = answer.map_err(|e| Error::of("DescribeFleets", e))?;
                let first = answer.fleets().first();
                let target = first.and_then(|f| f.target_capacity_specification());
                (id, target.and_then(|t| t.total_target_capacity()))
            }
        };
        target.ok_or_else(|| {
            Error::Settings(format!(
                "fleet {what} is not there, or was cancelled: name another, or none"
            ))
        })
    }

    /// Makes the target larger or smaller by so many; nobody is ended by it. Answers the new target.
    ///
    /// # Errors
    /// [`Error::NotOffered`] where the endpoint has no ModifyFleet; as for [`Self::target`].
    pub async fn move_target(&self, held: &Held, by: i32) -> Result<i32> {
        let target = (self.target(held).await? + by).max(0);
        match held {
            Held::SpotFleet(id) => {
                let policy = ExcessCapacityTerminationPolicy::NoTermination;
                let asked = self
                    .ec2
                    .modify_spot_fleet_request()
                    .spot_fleet_request_id(id)
                    .target_capacity(target)
                    .excess_capacity_termination_policy(policy);
                let sent = asked.send().await;
                sent.map_err(|e| Error::of("ModifySpotFleetRequest", e))?;
            }
            Held::Maintained(id) => {
                let to = TargetCapacitySpecificationRequest::builder()
                    .total_target_capacity(target)
                    .build();
                let policy = FleetExcessCapacityTerminationPolicy::NoTermination;
                let asked = self
                    .ec2
                    .modify_fleet()
                    .fleet_id(id)
                    .target_capacity_specification(to)
                    .excess_capacity_termination_policy(policy);
                let sent = asked.send().await;
                sent.map_err(|e| Error::of_optional("ModifyFleet", e))?;
            }
        }
        Ok(target)
    }

    /// Asks for a Spot Fleet over these pools, with so many nodes at first; answers its id.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn request_spot_fleet(
        &self,
        role: &str,
        pools: &[Pool],
        zones: &Zones,
        nodes: u32,
    ) -> Result<String> {
        const WHAT: &str = "RequestSpotFleet";
        let template = self.template();
        let template = FleetLaunchTemplateSpecification::builder()
            .set_launch_template_id(template.launch_template_id)
            .set_launch_template_name(template.launch_template_name)
            .version(&self.settings.template_version)
            .build();
        let config = |pool: &Pool, subnet: &String| {
            let only = LaunchTemplateOverrides::builder()
                .instance_type(InstanceType::from(pool.instance_type.as_str()))
                .subnet_id(subnet)
                .build();
            LaunchTemplateConfig::builder()
                .launch_template_specification(template.clone())
                .overrides(only)
                .build()
        };
        let in_zone = |p: &Pool| {
            zones
                .get(&p.zone)
                .map_or(&[][..], |z| &z.subnets[..])
                .to_vec()
        };
        let configs = pools.iter().flat_map(|p| {
            in_zone(p)
                .into_iter()
                .map(|s| config(p, &s))
                .collect::<Vec<_>>()
        });
        let data = SpotFleetRequestConfigData::builder()
            .allocation_strategy(AllocationStrategy::PriceCapacityOptimized)
            .iam_fleet_role(role)
            .target_capacity(i32::try_from(nodes).unwrap_or(i32::MAX))
            .set_launch_template_configs(Some(configs.collect()))
            .client_token(format!("fulmar-{}", self.settings.cluster))
            .build();
        let sent = self
            .ec2
            .request_spot_fleet()
            .spot_fleet_request_config(data)
            .send()
            .await;
        let answer = sent.map_err(|e| Error::of(WHAT, e))?;
        let id = answer.spot_fleet_request_id().map(str::to_owned);
        id.ok_or(Error::Nonsense {
            what: WHAT,
            why: "no id".to_owned(),
        })
    }
}
