//! A Nimbus that wants twenty nodes and only notes, and times that a test can wait for.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use fulmar_spot_ec2::envelope::Told;
use fulmar_spot_ec2::manager::Pace;
use fulmar_spot_ec2::{Cluster, Known, NodeState, Settings};
use fulmar_spot_plan::fleet::{Limits, Pool, Wish};

/// A Nimbus that wants twenty nodes of a twentieth each, and notes what it is told.
pub struct Nimbus {
    said: Mutex<Vec<String>>,
    sentenced: Mutex<Vec<String>>,
}

impl Nimbus {
    pub fn new() -> Self {
        Self {
            said: Mutex::new(Vec::new()),
            sentenced: Mutex::new(Vec::new()),
        }
    }

    pub fn note(&self, text: String) {
        self.said.lock().unwrap().push(text);
    }

    pub fn all(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    pub fn said(&self, word: &str) -> usize {
        self.all().iter().filter(|s| s.contains(word)).count()
    }

    pub fn sentence(&self, ids: &[String]) {
        self.sentenced.lock().unwrap().extend_from_slice(ids);
    }
}

impl Cluster for Nimbus {
    async fn look(&self) -> Result<Known, String> {
        let types = (0..6).map(|i| Pool {
            instance_type: format!("m{i}.large"),
            zone: String::new(),
            part: 0.05,
            on_demand_usd: 0.1 + 0.01 * f64::from(i),
            score: f64::from(i),
        });
        let node = NodeState {
            sentenced: true,
            ..NodeState::default()
        };
        let ids = self.sentenced.lock().unwrap().clone();
        Ok(Known {
            nodes: ids.into_iter().map(|id| (id, node)).collect(),
            wish: Wish {
                types: types.collect(),
                wanted: 1.0,
                part_most: 0.2,
                usd_per_hour: 1.0,
                on_demand_usd_per_hour: 2.0,
            },
        })
    }

    async fn notice(&self, told: &Told, source: &'static str) -> Result<bool, String> {
        self.note(format!("notice of {source} for {}", told.instance));
        Ok(true)
    }

    async fn say(&self, text: String) {
        self.note(text);
    }
}

pub fn settings(url: &str) -> Settings {
    let mut settings = Settings::new("mocked", "us-east-1");
    settings.endpoint = Some(url.to_owned());
    settings.keys = Some(("test".to_owned(), "test".to_owned()));
    settings.template = "lt-1".to_owned();
    settings.subnets = vec!["subnet-a".to_owned(), "subnet-b".to_owned()];
    settings.patience = Duration::from_secs(2);
    settings
}

/// Everything a hundred times faster.
pub fn pace() -> Pace {
    Pace {
        cluster: Duration::from_millis(20),
        provider: Duration::from_millis(50),
        limits: Limits {
            settle: 100,
            appear: 3_000,
            closed: 1_000,
            closed_most: 4_000,
            back_off: 50,
            back_off_most: 500,
            fallback: 600,
            back_to_spot: 1_500,
            back_to_spot_most: 6_000,
            excess: 300,
            drain: 300,
            order_most: 50,
        },
        risk: 0.3,
    }
}

/// Waits with a deadline.
pub async fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + super::LONG;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await; // poll: the one pause of these tests
    }
}
