//! A dry run: what the manager would do now, told and not done. Orders are taken to come from their first pool.

use fulmar_spot_plan::fleet::{Command, Fleet, Instance, Limits, Look, Pool};
use serde::Serialize;

use crate::client::Ec2;
use crate::error::Result;
use crate::instances::Seen;
use crate::manager::Known;

/// Orders and ends that are told at most.
const STEPS: usize = 200;

/// What would be done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Wanted capacity as a part of the need.
    pub wanted: f64,
    /// What is there, as a part of the need.
    pub there: f64,
    /// Instances of the cluster.
    pub instances: Vec<Seen>,
    /// Pools in which may be ordered.
    pub pools: Vec<Pool>,
    /// What would be done, in its order.
    pub commands: Vec<Command>,
}

impl Ec2 {
    /// Looks, decides, and does nothing.
    ///
    /// # Errors
    /// EC2 cannot be looked at.
    pub async fn rehearse(&self, known: &Known, now: u64) -> Result<Plan> {
        let zones: Vec<String> = self.zones().await?.into_keys().collect();
        let pools = known.wish.pools(&zones);
        let seen = self.instances().await?;
        let mut look = Look {
            instances: seen.iter().map(|s| known.instance(s, &pools)).collect(),
            wanted: known.wish.wanted,
            part_most: known.wish.part_most,
            risky: false,
        };
        let stays = look.instances.iter().filter(|i| !i.leaving);
        // A sum of nothing is minus zero.
        let there = stays.map(|i| i.part).sum::<f64>() + 0.0;
        let limits = Limits {
            settle: 0,
            excess: 0,
            ..Limits::default()
        };
        let fleet = Fleet::new(pools.clone(), limits, "dry-run", now);
        let commands = unroll(fleet, &mut look, &pools, now);
        Ok(Plan {
            wanted: known.wish.wanted,
            there,
            instances: seen,
            pools,
            commands,
        })
    }
}

/// Steps on, taking everything for done, until nothing more is to be done.
fn unroll(mut fleet: Fleet, look: &mut Look, pools: &[Pool], now: u64) -> Vec<Command> {
    let mut all = Vec::new();
    for step in 0..STEPS {
        let commands = fleet.step(look, now + step as u64);
        if commands.is_empty() {
            break;
        }
        for command in &commands {
            match command {
                Command::Launch(order) => {
                    let pool = order.pools.first().copied().unwrap_or(0);
                    look.instances.extend((0..order.nodes).map(|n| Instance {
                        id: format!("i-dry-run-{}-{n}", order.token),
                        pool: Some(pool),
                        part: pools[pool].part,
                        life: order.life,
                        order: order.token.clone(),
                        leaving: false,
                        ending: false,
                        advised: false,
                        work: None,
                    }));
                    let came = [(pool, order.nodes)].into_iter().collect();
                    drop(fleet.answered(&order.token, &came, &[], now));
                }
                Command::Drain(id) | Command::Terminate(id) => {
                    look.instances.retain(|i| i.id != *id);
                }
                Command::Say(_) => {}
            }
        }
        all.extend(commands);
    }
    all
}
