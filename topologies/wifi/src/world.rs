//! Worlds that report telemetry: what any of them can be asked, and their records in the order of event time.
//!
//! A world is a function of client and time, so that its past can be asked for as well as its next record.
//! Pure: no clock, no I/O, no async.

use std::sync::Arc;

use fulmar_proto::wifi::Telemetry;

/// Each client reports once a minute of event time.
pub const INTERVAL_MS: i64 = 60_000;

/// An interference that begins at a time and hits the clients of one access point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Access point, by its number in the world.
    pub ap: u32,
    /// Event time of its begin, in ms.
    pub from_ms: i64,
    /// Event time of its end, in ms.
    pub to_ms: i64,
}

impl Incident {
    /// Whether it hits an access point at a time.
    pub fn hits(&self, ap: u32, time_ms: i64) -> bool {
        self.ap == ap && (self.from_ms..self.to_ms).contains(&time_ms)
    }
}

/// Clients that report once a minute.
pub trait World: Send + Sync {
    /// Number of clients.
    fn clients(&self) -> u32;

    /// What a client (below [`World::clients`]) reports at a time; the same answer each time it is asked.
    fn sample(&self, client: u32, time_ms: i64) -> Telemetry;

    /// Number of an access point at which an interference is felt, chosen by the seed.
    fn calm_ap(&self, seed: u64) -> u32;

    /// Organisation, site and access point, as names.
    fn names(&self, ap: u32) -> (String, String, String);
}

/// A world's records in event-time order; each minute is spread evenly over its clients.
#[derive(Clone)]
pub struct Records {
    world: Arc<dyn World>,
    start_ms: i64,
    next: u64,
}

impl Records {
    /// From a time on.
    pub fn new(world: Arc<dyn World>, start_ms: i64) -> Self {
        Self {
            world,
            start_ms,
            next: 0,
        }
    }
}

impl Iterator for Records {
    type Item = Telemetry;

    fn next(&mut self) -> Option<Telemetry> {
        let clients = u64::from(self.world.clients());
        let (minute, client) = (self.next / clients, self.next % clients);
        let within = (client * INTERVAL_MS as u64 / clients) as i64;
        self.next += 1;
        let time_ms = self.start_ms + minute as i64 * INTERVAL_MS + within;
        Some(self.world.sample(client as u32, time_ms))
    }
}

/// A number between 0 and 1 that depends on nothing but its arguments.
pub fn chance(seed: u64, what: u64, who: u64, when: u64) -> f64 {
    // SplitMix64's finisher (Steele, Lea, Flood 2014).
    let mut x = seed
        ^ what.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ who.rotate_left(20)
        ^ when.rotate_left(44);
    for shift in [30, 27, 31] {
        x = (x ^ (x >> shift)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (x >> 11) as f64 / (1_u64 << 53) as f64
}
