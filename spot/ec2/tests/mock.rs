//! An EC2 that answers late, wrong, throttles, dies in the middle or has nothing to give: the manager neither loops
//! nor orders twice, and goes on when it is well again.

#[path = "world/mock.rs"]
mod mocked;
mod world;

use std::sync::Arc;
use std::time::Duration;

use fulmar_spot_ec2::manager::manage;
use mocked::{Ill, Mock};
use world::{Nimbus, pace, settings, wait_for};

/// A manager against a mock that is ill at first.
struct Managed {
    mock: Mock,
    nimbus: Arc<Nimbus>,
    manager: tokio::task::JoinHandle<()>,
}

impl Drop for Managed {
    fn drop(&mut self) {
        self.manager.abort();
    }
}

async fn start(ill: Ill) -> Managed {
    let mock = Mock::start().await;
    mock.set(ill);
    let nimbus = Arc::new(Nimbus::new());
    let ec2 = fulmar_spot_ec2::Ec2::new(settings(&mock.url)).await;
    let (own, cluster) = (nimbus.clone(), nimbus.clone());
    let manager = tokio::spawn(async move {
        if let Err(error) = manage(ec2, cluster, pace()).await {
            own.note(error.to_string());
        }
    });
    Managed {
        mock,
        nimbus,
        manager,
    }
}

impl Managed {
    /// As many as are wanted: twenty nodes of a twentieth each.
    async fn enough(&self) {
        wait_for("twenty nodes", || self.mock.instances().len() >= 20).await;
        assert_eq!(self.mock.instances().len(), 20, "none is ordered twice");
    }
}

#[tokio::test]
async fn a_healthy_one_gives_what_is_wanted_and_no_pool_more_than_its_part() {
    let m = start(Ill::No).await;
    m.enough().await;
    // The mock gives all of an order from its first override, the worst that can be.
    let mut pools: Vec<String> = m.mock.instances().iter().map(|i| i.pool()).collect();
    pools.sort();
    let most = pools.chunk_by(|a, b| a == b).map(<[String]>::len).max();
    assert!(most <= Some(4), "{pools:?}");
    assert!(
        m.mock
            .instances()
            .iter()
            .all(|i| i.spot && i.cluster == "mocked")
    );
}

#[tokio::test]
async fn throttled_it_is_asked_more_rarely_and_people_are_told_once() {
    let m = start(Ill::Throttles).await;
    wait_for("some refused orders", || m.mock.calls("CreateFleet") >= 4).await;
    let told = m.nimbus.said("too many calls");
    assert_eq!(told, 1, "{:?}", m.nimbus.all());
    assert!(m.mock.instances().is_empty());
    m.mock.set(Ill::No);
    m.enough().await;
}

#[tokio::test]
async fn an_order_whose_answer_dies_in_the_middle_is_not_given_again() {
    // The nodes come, the answer does not.
    let m = start(Ill::DiesAfterTheDeed).await;
    m.enough().await;
    assert!(m.mock.calls("DescribeInstances") > 1);
}

#[tokio::test]
async fn a_late_answer_is_waited_for_and_not_for_ever() {
    let m = start(Ill::Silent).await;
    // Nobody answers anything: nothing is ordered by guess.
    wait_for("word that nothing is heard", || {
        m.nimbus.said("no answer") > 0
    })
    .await;
    assert_eq!(m.mock.calls("CreateFleet"), 0);
    m.mock.set(Ill::No);
    m.enough().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_taken_for_no_answer() {
    for ill in [Ill::Html, Ill::HalfXml, Ill::NothingAndNoReason] {
        let m = start(ill).await;
        wait_for("a complaint", || !m.nimbus.all().is_empty()).await;
        assert!(m.mock.instances().is_empty(), "{ill:?}");
        m.mock.set(Ill::No);
        m.enough().await;
    }
}

#[tokio::test]
async fn pools_without_capacity_are_left_alone_and_on_demand_comes_then_spot_again() {
    let m = start(Ill::NoSpot).await;
    m.enough().await;
    assert!(m.mock.instances().iter().all(|i| !i.spot));
    let asked = m.mock.calls("CreateFleet");
    assert!(asked < 100, "{asked} calls");
    assert!(m.nimbus.said("bought on demand") > 0);
    m.mock.set(Ill::No);
    wait_for("all on spot again", || {
        let there = m.mock.instances();
        there.len() == 20 && there.iter().all(|i| i.spot)
    })
    .await;
}

#[tokio::test]
async fn a_zone_with_a_poor_score_is_left_out_where_scores_are_offered() {
    let m = start(Ill::ScoresZoneB).await;
    m.enough().await;
    assert!(m.mock.calls("GetSpotPlacementScores") >= 1);
    let there = m.mock.instances();
    assert!(there.iter().all(|i| i.zone != "us-east-1b"), "{there:?}");
    // Where they are not offered they are asked for once.
    let m = start(Ill::No).await;
    m.enough().await;
    assert_eq!(m.mock.calls("GetSpotPlacementScores"), 1);
}

#[tokio::test]
async fn a_subnet_that_is_not_there_ends_the_manager_with_its_name() {
    let m = start(Ill::NoSubnet).await;
    wait_for("the reason", || m.nimbus.said("subnet-a") > 0).await;
    wait_for("its end", || m.manager.is_finished()).await;
}

#[tokio::test]
async fn when_many_are_taken_at_once_what_is_missing_is_bought_on_demand() {
    let m = start(Ill::No).await;
    m.enough().await;
    let gone: Vec<String> = m
        .mock
        .instances()
        .iter()
        .take(10)
        .map(|i| i.id.clone())
        .collect();
    m.nimbus.sentence(&gone);
    wait_for("ten on demand", || {
        m.mock.instances().iter().filter(|i| !i.spot).count() == 10
    })
    .await;
    assert!(
        m.nimbus.said("risk on spot is high") > 0,
        "{:?}",
        m.nimbus.all()
    );
    m.mock.take(&gone);
    tokio::task::yield_now().await;
    wait_for("twenty again", || m.mock.instances().len() == 20).await;
}

/// Far beyond what a loaded machine needs.
pub const LONG: Duration = Duration::from_secs(60);
