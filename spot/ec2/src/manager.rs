//! The fleet manager: looks at the cluster each second, at EC2 when something has changed or it is time, and carries
//! out what `fulmar_spot_plan::fleet` decides.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use fulmar_spot_plan::fleet::{Instance, Limits, Pool, Wish};

use crate::client::Ec2;
use crate::envelope::Told;
use crate::error::{Error, Result};
use crate::events::{self, Heard};
use crate::instances::Seen;
use crate::round::Round;

/// The cluster, as the fleet needs to know it.
pub trait Cluster: Send + Sync + 'static {
    /// What there is now, and what is needed.
    fn look(&self) -> impl Future<Output = Result<Known, String>> + Send;
    /// A notice for an instance. Whether it is one of this cluster's.
    fn notice(
        &self,
        told: &Told,
        source: &'static str,
    ) -> impl Future<Output = Result<bool, String>> + Send;
    /// Tells people.
    fn say(&self, text: String) -> impl Future<Output = ()> + Send;
}

/// A node whose supervisor has registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    /// Executors on it, and executors that are about to come to it.
    pub work: u32,
    /// It will end.
    pub sentenced: bool,
    /// It may end soon.
    pub advised: bool,
}

/// What the cluster says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Nodes by the ids of their instances.
    pub nodes: BTreeMap<String, NodeState>,
    /// What the fleet is to be.
    pub wish: Wish,
}

impl Known {
    /// An instance, as the decisions look at it.
    pub(crate) fn instance(&self, s: &Seen, pools: &[Pool]) -> Instance {
        let here = |p: &Pool| p.instance_type == s.instance_type && p.zone == s.zone;
        // A zone that is left alone now still holds what it holds.
        let mut types = self.wish.types.iter();
        let part = types.find(|p| p.instance_type == s.instance_type);
        let node = self.nodes.get(&s.id);
        Instance {
            id: s.id.clone(),
            pool: pools.iter().position(here),
            part: part.map_or(0.0, |p| p.part),
            life: s.life,
            order: s.order.clone(),
            leaving: s.ending_ms.is_some() || node.is_some_and(|n| n.sentenced),
            ending: s.ending_ms.is_some(),
            advised: node.is_some_and(|n| n.advised),
            work: node.map(|n| n.work),
        }
    }

    pub(crate) fn sentenced(&self) -> BTreeSet<String> {
        let ids = self.nodes.iter().filter(|(_, n)| n.sentenced);
        ids.map(|(id, _)| id.clone()).collect()
    }
}

/// Times and limits of the manager.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Between two looks at the cluster.
    pub cluster: Duration,
    /// Between two looks at EC2 while nothing happens.
    pub provider: Duration,
    /// Of the decisions.
    pub limits: Limits,
    /// From this part of the spot nodes taken within a quarter of an hour on, what is missing is bought on demand.
    pub risk: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            cluster: Duration::from_secs(1),
            provider: Duration::from_secs(5),
            limits: Limits::default(),
            risk: 0.3,
        }
    }
}

/// Between two looks after a failure, at most.
const AGAIN_MOST: Duration = Duration::from_secs(60);
/// Between two questions for placement scores.
const SCORES_EVERY: Duration = Duration::from_secs(600);

/// Runs until it is dropped.
///
/// # Errors
/// The settings do not fit what EC2 has: a subnet or a fleet that is not there.
pub async fn manage<C: Cluster>(ec2: Ec2, cluster: Arc<C>, pace: Pace) -> Result<()> {
    let zones = patiently(&*cluster, || ec2.zones()).await?;
    let heard = Arc::new(Heard::default());
    let _listener = ec2.settings.queue.clone().map(|queue| {
        let listening = events::listen(ec2.clone(), queue, cluster.clone(), heard.clone());
        Ended(tokio::spawn(listening))
    });
    let mut round = Round::new(ec2, zones, &pace, heard.clone(), events::now_ms());
    let (mut due, mut failures) = (tokio::time::Instant::now(), 0u32);
    let mut scores_due = due;
    let mut sentenced = BTreeSet::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(pace.cluster) => {}
            () = heard.news.notified() => due = tokio::time::Instant::now(),
        }
        let known = match cluster.look().await {
            Ok(known) => known,
            Err(why) => {
                // The cluster goes on without Nimbus; nothing is ordered or ended by an old view of it.
                tracing::warn!(why, "the fleet waits for Nimbus");
                continue;
            }
        };
        let now = tokio::time::Instant::now();
        let news = known.sentenced();
        if now < due && news.is_subset(&sentenced) {
            continue;
        }
        sentenced = news;
        if now >= scores_due {
            scores_due = now + SCORES_EVERY;
            round.ask_scores(&known).await;
        }
        let wait = match round.take(&*cluster, &known, events::now_ms()).await {
            Ok(true) => {
                failures = 0;
                pace.cluster
            }
            Ok(false) => {
                failures = 0;
                pace.provider
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    let text = format!("EC2 cannot be looked at: {error}; tried again");
                    cluster.say(text).await;
                }
                (pace.provider * 2u32.pow(failures.min(6))).min(AGAIN_MOST)
            }
        };
        due = tokio::time::Instant::now() + wait;
    }
}

/// Asks until there is an answer; only what no waiting can mend is an error.
async fn patiently<T, F>(cluster: &impl Cluster, ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut wait = Duration::from_secs(1);
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error @ Error::Settings(_)) => return Err(error),
            Err(Error::Refused {
                what,
                code,
                message,
            }) if code.ends_with(".NotFound") => {
                return Err(Error::Settings(format!("{what}: {message}")));
            }
            Err(error) => error,
        };
        let text = format!(
            "the fleet does not begin: {error}; tried again in {} s",
            wait.as_secs()
        );
        cluster.say(text).await;
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(AGAIN_MOST);
    }
}

/// A task that ends with what holds it.
struct Ended(tokio::task::JoinHandle<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}
