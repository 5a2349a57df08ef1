//! What the fleet manager sees, says, and keeps to.
//!
//! Pure: no clock, no I/O, no async.

use serde::Serialize;

/// How an instance is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// It may be taken.
    Spot,
    /// It stays.
    OnDemand,
}

/// An instance type in a zone: its nodes are mostly taken together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pool {
    /// For example `m5.large`.
    pub instance_type: String,
    /// For example `us-east-1a`.
    pub zone: String,
    /// The part of the need that one node holds, above 0.
    pub part: f64,
    /// US dollars an hour on demand.
    pub on_demand_usd: f64,
    /// What a node costs with its risk; the higher, the sooner it is let go.
    pub score: f64,
}

/// An instance of this cluster, as its tags say.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Index of its pool; none: it is of a pool that is not on offer any more.
    pub pool: Option<usize>,
    /// The part of the need that it holds.
    pub part: f64,
    /// How it is paid.
    pub life: Life,
    /// The order that brought it.
    pub order: String,
    /// It has a termination notice, or is being let go: its place is to be filled.
    pub leaving: bool,
    /// Its tags say that a manager is letting it go.
    pub ending: bool,
    /// It may be taken soon.
    pub advised: bool,
    /// Executors on it; none: its supervisor has not registered.
    pub work: Option<u32>,
}

/// What there is at a moment.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Instances that are pending or running.
    pub instances: Vec<Instance>,
    /// Wanted capacity as a part of the need: 1 and the reserve; 0 when nothing is needed.
    pub wanted: f64,
    /// The largest part of the need that one pool may hold.
    pub part_most: f64,
    /// The risk is high: what is missing is bought on demand at once.
    pub risky: bool,
}

/// An order: so many nodes, in whichever of these pools the provider finds best.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Order {
    /// Names the order, also to the provider: the same token twice is one order.
    pub token: String,
    /// How it is paid.
    pub life: Life,
    /// Nodes.
    pub nodes: u32,
    /// Indices of pools, each with room for all of them.
    pub pools: Vec<usize>,
}

/// Why an order, or a part of it, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The pool has nothing to give.
    Capacity(usize),
    /// Too many calls.
    Throttled,
    /// Anything else: quota, rights, a server that fails; in words.
    Other(String),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Order nodes; [`crate::fleet::Fleet::answered`] takes the answer.
    Launch(Order),
    /// Let work move off this instance: Nimbus gets a notice.
    Drain(String),
    /// End this instance.
    Terminate(String),
    /// Tell people.
    Say(String),
}

/// Times of the fleet manager, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// After a start nothing is ordered for so long: the provider shows what was ordered just before only then.
    pub settle: u64,
    /// An order whose nodes do not appear within this time is given up.
    pub appear: u64,
    /// A pool that had nothing to give is not asked again for so long; twice as long each further time.
    pub closed: u64,
    /// The most of it.
    pub closed_most: u64,
    /// After a refusal for another reason nothing is ordered for so long; twice as long each further time.
    pub back_off: u64,
    /// The most of it.
    pub back_off_most: u64,
    /// Nodes that spot does not give for so long are bought on demand.
    pub fallback: u64,
    /// Spot is tried again instead of what runs on demand after so long without a refusal; twice as long each time
    /// that it is refused again.
    pub back_to_spot: u64,
    /// The most of it.
    pub back_to_spot_most: u64,
    /// Capacity that is too much for so long is let go.
    pub excess: u64,
    /// From the notice to the end of a node that is let go, if its work does not move away sooner.
    pub drain: u64,
    /// Nodes of one order at most: what one answer may take away or bring.
    pub order_most: u32,
}

impl Default for Limits {
    fn default() -> Self {
        const S: u64 = 1_000;
        Limits {
            settle: 10 * S,
            appear: 60 * S,
            // Karpenter leaves a pool alone for three minutes.
            closed: 180 * S,
            closed_most: 1_800 * S,
            back_off: S,
            back_off_most: 120 * S,
            fallback: 60 * S,
            back_to_spot: 1_800 * S,
            back_to_spot_most: 14_400 * S,
            excess: 300 * S,
            drain: 120 * S,
            order_most: 50,
        }
    }
}
