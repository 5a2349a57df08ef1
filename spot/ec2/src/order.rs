//! An order: CreateFleet of type instant over many pools, price-capacity-optimised on spot.

use std::collections::BTreeMap;

use aws_sdk_ec2::operation::create_fleet::CreateFleetOutput;
use aws_sdk_ec2::types::{
    DefaultTargetCapacityType, FleetLaunchTemplateConfigRequest,
    FleetLaunchTemplateOverridesRequest, FleetLaunchTemplateSpecificationRequest,
    FleetOnDemandAllocationStrategy, FleetType, InstanceType, LaunchTemplateAndOverridesResponse,
    OnDemandOptionsRequest, ResourceType, SpotAllocationStrategy, SpotOptionsRequest, Tag,
    TagSpecification, TargetCapacitySpecificationRequest,
};
use fulmar_spot_plan::fleet::{Life, Order, Pool, Refused};

use crate::client::Ec2;
use crate::error::{Error, Result, meaning};
use crate::places::Zones;
use crate::settings::{TAG_CLUSTER, TAG_LIFE, TAG_ORDER};

/// Overrides of one call (the service's own limit for instant fleets).
const OVERRIDES_MOST: usize = 300;

/// What became of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Nodes that came, by pool.
    pub came: BTreeMap<usize, u32>,
    /// Why others did not.
    pub refused: Vec<Refused>,
}

impl Ec2 {
    /// Orders nodes in whichever of the order's pools EC2 finds best.
    ///
    /// # Errors
    /// [`Error::Silent`]: nodes may come all the same. A refusal of the whole.
    pub async fn order(&self, order: &Order, pools: &[Pool], zones: &Zones) -> Result<Answer> {
        const WHAT: &str = "CreateFleet";
        let overrides = overrides(order, pools, zones);
        if overrides.is_empty() {
            return Err(Error::Settings(format!(
                "order {} names no pool in a zone with a subnet",
                order.token
            )));
        }
        let template = FleetLaunchTemplateConfigRequest::builder()
            .launch_template_specification(self.template())
            .set_overrides(Some(overrides))
            .build();
        let nodes = i32::try_from(order.nodes).unwrap_or(i32::MAX);
        let (kind, spot, on_demand) = match order.life {
            Life::Spot => (DefaultTargetCapacityType::Spot, nodes, 0),
            Life::OnDemand => (DefaultTargetCapacityType::OnDemand, 0, nodes),
        };
        let target = TargetCapacitySpecificationRequest::builder()
            .total_target_capacity(nodes)
            .spot_target_capacity(spot)
            .on_demand_target_capacity(on_demand)
            .default_target_capacity_type(kind)
            .build();
        let spot = SpotOptionsRequest::builder()
            .allocation_strategy(SpotAllocationStrategy::PriceCapacityOptimized)
            .build();
        let on_demand = OnDemandOptionsRequest::builder()
            .allocation_strategy(FleetOnDemandAllocationStrategy::LowestPrice)
            .build();
        let answer = self
            .ec2
            .create_fleet()
            .client_token(&order.token)
            .r#type(FleetType::Instant)
            .launch_template_configs(template)
            .target_capacity_specification(target)
            .spot_options(spot)
            .on_demand_options(on_demand)
            .tag_specifications(self.tags(order, ResourceType::Instance))
            .tag_specifications(self.tags(order, ResourceType::Fleet))
            .send()
            .await
            .map_err(|e| Error::of(WHAT, e))?;
        Ok(read(&answer, order, pools, zones))
    }

    pub(crate) fn template(&self) -> FleetLaunchTemplateSpecificationRequest {
        let named = FleetLaunchTemplateSpecificationRequest::builder()
            .version(&self.settings.template_version);
        let template = &self.settings.template;
        let named = match template.starts_with("lt-") {
            true => named.launch_template_id(template),
            false => named.launch_template_name(template),
        };
        named.build()
    }

    fn tags(&self, order: &Order, of: ResourceType) -> TagSpecification {
        let life = match order.life {
            Life::Spot => "spot",
            Life::OnDemand => "on-demand",
        };
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        TagSpecification::builder()
            .resource_type(of)
            .tags(tag(TAG_CLUSTER, &self.settings.cluster))
            .tags(tag(TAG_ORDER, &order.token))
            .tags(tag(TAG_LIFE, life))
            .build()
    }
}

fn overrides(
    order: &Order,
    pools: &[Pool],
    zones: &Zones,
) -> Vec<FleetLaunchTemplateOverridesRequest> {
    let of = |i: &usize| {
        let pool = &pools[*i];
        let subnets = zones.get(&pool.zone).map_or(&[][..], |z| &z.subnets);
        subnets.iter().map(|subnet| {
            FleetLaunchTemplateOverridesRequest::builder()
                .instance_type(InstanceType::from(pool.instance_type.as_str()))
                .subnet_id(subnet)
                .build()
        })
    };
    let all = order.pools.iter().flat_map(of);
    all.take(OVERRIDES_MOST).collect()
}

/// Nodes are counted by their ids; what stands in no pool of the order counts for its first one, since it is there.
fn read(answer: &CreateFleetOutput, order: &Order, pools: &[Pool], zones: &Zones) -> Answer {
    let mut found = Answer::default();
    for group in answer.instances() {
        let kind = group.instance_type().map(InstanceType::as_str);
        let pool = pool_of(group.launch_template_and_overrides(), kind, pools, zones);
        let pool = pool.or(order.pools.first().copied());
        let nodes = group.instance_ids().len() as u32;
        if let Some(pool) = pool.filter(|_| nodes > 0) {
            *found.came.entry(pool).or_default() += nodes;
        }
    }
    for error in answer.errors() {
        let pool = pool_of(error.launch_template_and_overrides(), None, pools, zones);
        let code = error.error_code().unwrap_or("without a code");
        let why = meaning(code, error.error_message().unwrap_or_default(), pool);
        if !found.refused.contains(&why) {
            found.refused.push(why);
        }
    }
    if found.came.is_empty() && found.refused.is_empty() {
        let why = "CreateFleet launched nothing and said no reason";
        found.refused.push(Refused::Other(why.to_owned()));
    }
    found
}

fn pool_of(
    of: Option<&LaunchTemplateAndOverridesResponse>,
    kind: Option<&str>,
    pools: &[Pool],
    zones: &Zones,
) -> Option<usize> {
    let overrides = of?.overrides()?;
    let kind = overrides
        .instance_type()
        .map(InstanceType::as_str)
        .or(kind)?;
    let subnet = overrides.subnet_id();
    let in_subnet = |p: &Pool| {
        let zone = zones.get(&p.zone);
        zone.is_some_and(|z| z.subnets.iter().any(|s| Some(s.as_str()) == subnet))
    };
    let zone = overrides.availability_zone();
    pools
        .iter()
        .position(|p| p.instance_type == kind && (in_subnet(p) || zone == Some(p.zone.as_str())))
}
