//! What is there: the cluster's instances by their tags, which are the only truth.

use aws_sdk_ec2::types::{Filter, Instance, InstanceLifecycleType};
use fulmar_spot_plan::fleet::Life;
use serde::Serialize;

use crate::client::Ec2;
use crate::error::{Error, Result};
use crate::settings::{TAG_CLUSTER, TAG_ENDING, TAG_LIFE, TAG_ORDER};

/// An instance of the cluster that is pending or running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// For example `m5.large`.
    pub instance_type: String,
    /// For example `us-east-1a`.
    pub zone: String,
    /// How it is paid.
    pub life: Life,
    /// The order that brought it; empty where none of ours did.
    pub order: String,
    /// A manager is letting it go, since when, in milliseconds since the epoch.
    pub ending_ms: Option<u64>,
    /// `pending` or `running`.
    pub state: String,
}

/// Pages that are read at most: with 1,000 instances each, more than a fleet has.
const PAGES: usize = 64;

impl Ec2 {
    /// Instances with the cluster's tag, and those of a fleet that is not ours.
    ///
    /// # Errors
    /// No answer, a refusal, or pages without an end.
    pub async fn instances(&self) -> Result<Vec<Seen>> {
        let tag = filter(&format!("tag:{TAG_CLUSTER}"), &[&self.settings.cluster]);
        let mut found = self.described(vec![tag]).await?;
        if let Some(held) = &self.settings.held {
            let known = |id: &String| found.iter().any(|s| s.id == *id);
            let ids = self.instances_of(held).await?;
            let others: Vec<&str> = ids
                .iter()
                .filter(|id| !known(id))
                .map(String::as_str)
                .collect();
            if !others.is_empty() {
                found.extend(self.described(vec![filter("instance-id", &others)]).await?);
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    async fn described(&self, filters: Vec<Filter>) -> Result<Vec<Seen>> {
        const WHAT: &str = "DescribeInstances";
        let (mut found, mut next): (Vec<Seen>, Option<String>) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = self
                .ec2
                .describe_instances()
                .set_filters(Some(filters.clone()))
                .filters(filter("instance-state-name", &["pending", "running"]))
                .max_results(1_000)
                .set_next_token(next.take())
                .send()
                .await
                .map_err(|e| Error::of(WHAT, e))?;
            let all = page.reservations().iter().flat_map(|r| r.instances());
            found.extend(all.filter_map(seen));
            next = page
                .next_token()
                .filter(|t| !t.is_empty())
                .map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
        }
        Err(Error::Nonsense {
            what: WHAT,
            why: format!("more than {PAGES} pages"),
        })
    }
}

fn filter(name: &str, values: &[&str]) -> Filter {
    let values = values.iter().map(|v| (*v).to_owned()).collect();
    Filter::builder()
        .name(name)
        .set_values(Some(values))
        .build()
}

/// An instance without an id, a type or a zone is none that could be counted.
fn seen(i: &Instance) -> Option<Seen> {
    let tag = |key: &str| {
        let found = i.tags().iter().find(|t| t.key() == Some(key));
        found.and_then(|t| t.value()).map(str::to_owned)
    };
    let state = i.state().and_then(|s| s.name()).map(|n| n.as_str())?;
    // An endpoint that does not know the filter shows others too.
    if !["pending", "running"].contains(&state) {
        return None;
    }
    let spot = match tag(TAG_LIFE).as_deref() {
        Some("spot") => true,
        Some("on-demand") => false,
        _ => i.instance_lifecycle() == Some(&InstanceLifecycleType::Spot),
    };
    Some(Seen {
        id: i.instance_id()?.to_owned(),
        instance_type: i.instance_type()?.as_str().to_owned(),
        zone: i.placement()?.availability_zone()?.to_owned(),
        life: if spot { Life::Spot } else { Life::OnDemand },
        order: tag(TAG_ORDER).unwrap_or_default(),
        ending_ms: tag(TAG_ENDING).map(|t| t.parse().unwrap_or(0)),
        state: state.to_owned(),
    })
}
