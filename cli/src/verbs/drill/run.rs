//! A drill from its first look to its report.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fulmar_proto::nimbus as pb;
use fulmar_spot_plan::chance::Chance;
use fulmar_spot_plan::drill::{self, Node, Strike};

use super::door::{self, Order};
use super::health::{self, History, Nodes};
use super::report::{self, Report, Struck};
use super::{Kill, limit};
use crate::args::{Common, Output};
use crate::client::{Client, block_on};
use crate::failure::{Done, Failure};
use crate::verbs::spot::live::Cluster;
use crate::verbs::spot::{files, refused};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Between two lines in the terminal.
const LINE: Duration = Duration::from_secs(1);
/// From a node's end until everybody must have noticed.
const NOTICED: Duration = Duration::from_secs(4);

/// Runs it.
pub fn run(common: &Common, kill: &Kill) -> Done {
    let name = kill.report.clone().unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        format!("drill-{}", now.map_or(0, |t| t.as_secs())).into()
    });
    let report = block_on(async {
        let mut drill = Drill::new(common, kill).await?;
        if kill.dry_run {
            return Ok(drill.report);
        }
        report::writable(&name)?;
        drill.play().await?;
        Ok(drill.report)
    })?;
    if kill.dry_run {
        report.print(common.output, None);
        return Ok(());
    }
    report::write(&name, &report)?;
    report.print(common.output, Some(&name));
    match report.reasons.is_empty() {
        true => Ok(()),
        false => Err(Failure::Failed(report.reasons.join("; "))),
    }
}

/// A drill under way.
struct Drill<'a> {
    common: &'a Common,
    kill: &'a Kill,
    client: Client,
    http: reqwest::Client,
    /// Losses that are still to come: when, and of whom.
    plan: Vec<(f64, Whom)>,
    chance: Chance,
    history: History,
    report: Report,
    begun: Instant,
    /// Seconds of `begun` at which the last struck node ends.
    ends_s: f64,
    spoke: Instant,
}

enum Whom {
    Nodes(Vec<String>),
    Strike(Strike),
}

impl<'a> Drill<'a> {
    /// Chooses whom to strike and refuses what would be too much.
    async fn new(common: &'a Common, kill: &'a Kill) -> Result<Self, Failure> {
        let cluster = Cluster::ask(common).await?;
        let nodes = candidates(&cluster);
        let mut report = Report::default();
        let plan = match (kill.whom.choice(), &kill.whom.trace) {
            (Some(choice), _) => {
                let chosen = drill::victims(&nodes, &choice, kill.seed).map_err(refused)?;
                let ids: Vec<String> = chosen.iter().map(|i| nodes[*i].id.clone()).collect();
                report.planned = ids.clone();
                report.not_borne = check(&cluster, kill, &ids)?;
                vec![(0.0, Whom::Nodes(ids))]
            }
            (None, Some(file)) => {
                let tracks = files::tracks(file)?;
                let strikes =
                    drill::follow(&tracks, &nodes, kill.speed.unwrap_or(60.0)).map_err(refused)?;
                strikes
                    .into_iter()
                    .map(|s| (s.at_s, Whom::Strike(s)))
                    .collect()
            }
            (None, None) => Vec::new(),
        };
        report.seed = kill.seed;
        report.notice_s = kill.notice().map(|d| d.as_secs_f64());
        report.nodes = nodes.len();
        Ok(Drill {
            common,
            kill,
            client: Client::connect(common).await?,
            http: reqwest::Client::new(),
            plan,
            chance: Chance::new(kill.seed),
            history: History::default(),
            report,
            begun: Instant::now(),
            ends_s: 0.0,
            spoke: Instant::now(),
        })
    }

    /// Seconds from the first loss.
    fn now_s(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() - self.kill.before.as_secs_f64()
    }

    async fn play(&mut self) -> Done {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.report.started_ms = now.map_or(0, |t| t.as_millis() as u64);
        self.begun = Instant::now();
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                _ = tokio::signal::ctrl_c() => {
                    self.report.reasons.push("it was interrupted".to_owned());
                    break;
                }
            }
            self.look().await;
            while self.plan.first().is_some_and(|(at, _)| *at <= self.now_s()) {
                let (_, whom) = self.plan.remove(0);
                self.strike(whom).await?;
            }
            if self.plan.is_empty() && self.is_over() {
                break;
            }
        }
        self.sum_up();
        Ok(())
    }

    /// A Nimbus that does not answer is no end: it may be among the lost, and comes back.
    async fn look(&mut self) {
        let Ok(info) = self
            .client
            .nimbus
            .get_cluster_info(pb::GetClusterInfoRequest {})
            .await
        else {
            self.report.missed_looks += 1;
            return;
        };
        let info = info.into_inner();
        let at_s = self.now_s();
        let count = |f: &dyn Fn(&pb::SupervisorSummary) -> bool| {
            info.supervisors.iter().filter(|n| n.alive && f(n)).count()
        };
        let nodes = Nodes {
            at_s,
            alive: count(&|_| true),
            cordoned: count(&|n| n.cordoned),
            drained: count(&|n| n.drained),
        };
        self.history.nodes.push(nodes);
        for n in info.supervisors.iter().filter(|n| n.drained) {
            self.report.drained(&n.node_id, at_s);
        }
        for t in &info.topologies {
            let request = pb::GetTopologyInfoRequest {
                name_or_id: t.id.clone(),
                without_windows: false,
            };
            if let Ok(info) = self.client.nimbus.get_topology_info(request).await {
                self.history.take(&t.name, at_s, info.get_ref());
            }
        }
        if self.spoke.elapsed() >= LINE && self.common.output == Output::Table {
            self.spoke = Instant::now();
            eprintln!("{}", self.line(nodes));
        }
    }

    fn line(&self, n: Nodes) -> String {
        let of = |(name, looks): (&String, &Vec<health::Look>)| {
            let look = looks.last()?;
            Some(format!(
                "{name} {:.0}/s, {} pending, {} failed, {}",
                look.rate, look.pending, look.failed, look.health
            ))
        };
        let topologies: Vec<String> = self.history.topologies.iter().filter_map(of).collect();
        format!(
            "{:>+7.1} s  {} nodes, {} leaving, {} drained | {}",
            n.at_s,
            n.alive,
            n.cordoned,
            n.drained,
            topologies.join(" | ")
        )
    }

    async fn strike(&mut self, whom: Whom) -> Done {
        let cluster = Cluster::ask(self.common).await?;
        let (ids, back) = match whom {
            Whom::Nodes(ids) => (ids, self.kill.back.0),
            Whom::Strike(s) => {
                let back = Duration::from_secs_f64(s.back_s.clamp(1.0, 3_600.0));
                (self.chosen(&cluster, &s), Some(back))
            }
        };
        let order = Order {
            notice: self.kill.notice(),
            back,
        };
        let struck: Vec<pb::SupervisorSummary> = cluster
            .nodes
            .iter()
            .filter(|n| ids.contains(&n.node_id))
            .cloned()
            .collect();
        // All at one instant, as a pool goes.
        let mut orders = tokio::task::JoinSet::new();
        for node in struck {
            let http = self.http.clone();
            orders.spawn(async move { (door::strike(&http, &node, order).await, node) });
        }
        while let Some(done) = orders.join_next().await {
            let (answer, node) = done.map_err(Failure::here)?;
            let at_s = self.now_s();
            match answer {
                Ok(_) => {
                    let ends_s = at_s + order.notice.map_or(0.0, |d| d.as_secs_f64());
                    self.ends_s = self.ends_s.max(ends_s);
                    self.report.struck.push(Struck::new(&node, at_s, ends_s));
                }
                Err(why) => self
                    .report
                    .reasons
                    .push(format!("{} was not struck: {why}", node.node_id)),
            }
        }
        Ok(())
    }

    /// Nodes of a recording's moment: as many of the pool as it says, as far as that is borne.
    fn chosen(&mut self, cluster: &Cluster, s: &Strike) -> Vec<String> {
        let nodes = candidates(cluster);
        let of_pool: Vec<usize> = (0..nodes.len())
            .filter(|i| nodes[*i].pool == s.pool)
            .collect();
        let wanted = s.takes(of_pool.len());
        let mut drawn = drill::draw(&of_pool, wanted, &mut self.chance);
        if !self.kill.force {
            let lost = |d: &[usize]| {
                d.iter()
                    .map(|i| nodes[*i].id.as_str())
                    .collect::<BTreeSet<_>>()
            };
            while !drawn.is_empty() && !limit::not_borne(cluster, &lost(&drawn)).is_empty() {
                drawn.pop();
            }
        }
        self.report.spared += wanted - drawn.len();
        drawn.iter().map(|i| nodes[*i].id.clone()).collect()
    }

    /// Whether every topology runs as usual again, or has had its time.
    fn is_over(&self) -> bool {
        let now = self.now_s();
        if self.report.struck.is_empty() || now >= self.ends_s + self.kill.after.as_secs_f64() {
            return true;
        }
        let noticed = now >= self.ends_s + NOTICED.as_secs_f64();
        noticed && self.outcomes().iter().all(|o| o.recovered_s.is_some())
    }

    fn outcomes(&self) -> Vec<health::Outcome> {
        let all = self.history.topologies.iter();
        all.map(|(name, looks)| health::outcome(name, looks, self.ends_s))
            .collect()
    }

    fn sum_up(&mut self) {
        self.report.outcomes = self.outcomes();
        self.report.seconds = self.now_s();
        self.report.topologies = std::mem::take(&mut self.history.topologies);
        self.report.looks_at_nodes = std::mem::take(&mut self.history.nodes);
        let slow = self
            .report
            .outcomes
            .iter()
            .filter(|o| o.recovered_s.is_none());
        let slow: Vec<String> = slow.map(|o| o.topology.clone()).collect();
        if !slow.is_empty() {
            let text = format!(
                "not as usual within {} s of the last loss: {}",
                self.kill.after.as_secs(),
                slow.join(", ")
            );
            self.report.reasons.push(text);
        }
    }
}

/// Living nodes that are not leaving already.
fn candidates(cluster: &Cluster) -> Vec<Node> {
    let node = |n: &pb::SupervisorSummary| Node {
        id: n.node_id.clone(),
        pool: n.pool.clone(),
        zone: n.zone.clone(),
    };
    cluster.nodes.iter().map(node).collect()
}

/// Topologies that would not bear it; refused unless it is forced.
fn check(cluster: &Cluster, kill: &Kill, ids: &[String]) -> Result<Vec<String>, Failure> {
    let lost = ids.iter().map(String::as_str).collect();
    let not_borne = limit::not_borne(cluster, &lost);
    if not_borne.is_empty() || kill.force || kill.dry_run {
        return Ok(not_borne);
    }
    let mut pools: BTreeMap<&str, usize> = BTreeMap::new();
    for n in cluster.nodes.iter().filter(|n| ids.contains(&n.node_id)) {
        *pools.entry(&n.pool).or_default() += 1;
    }
    Err(Failure::Refused(format!(
        "{} of {} nodes ({pools:?}) are more than these topologies bear, by the scheduler's own trial: {}; take fewer, add nodes, or say --force",
        ids.len(),
        cluster.nodes.len(),
        not_borne.join(", ")
    )))
}
