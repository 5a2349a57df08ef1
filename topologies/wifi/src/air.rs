//! What a client gets: its rate, its part of the airtime, and the wire behind the access point.
//!
//! The channel is shared max-min between the access point, its clients' uplink and other networks,
//! each as so many contenders; inside the network, clients with little to send get what they ask and
//! those with much share the rest evenly by airtime (round robin by TXOP). What a measurement cannot
//! say (how many contenders stand behind a busy percentage, how much is lost under load) is a number
//! of the [`Calibration`], fitted to runs with known truth by `cargo xtask train wifi`.
//! Pure: no clock, no I/O, no async.

use crate::physics::{self, Standard};

/// Part of a PPDU's time that ends up as UDP payload: 1,472 of 1,500 bytes, MPDU headers, preamble.
const PAYLOAD: f64 = 0.942;
/// Power of a client in dBm where only the access point's is known.
pub const CLIENT_POWER_DBM: f64 = 15.0;
/// Thermal noise and a usual noise figure in 20 MHz, in dBm.
const NOISE_DBM: f64 = -94.0;
/// Signal to noise beside the access point, in dB.
const NEAR_DB: f64 = 46.0;
/// A signal above this is not weak: more of it gains nothing worth a name, in dBm.
const STRONG_DBM: f64 = -63.0;
/// Signal to noise that is assumed where none was measured, in dB.
const USUAL_SNR_DB: f64 = 25.0;

/// Airtime of other networks above which they decide.
const FOREIGN_LEAST: f64 = 0.05;
/// A channel with less idle time than this is full.
const IDLE_LEAST: f64 = 0.1;

/// What is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Contenders that other networks count as.
    pub foreign: f64,
    /// Contenders that the clients' uplink counts as.
    pub uplink: f64,
    /// Frames at which the measured rate counts as much as the one of the signal.
    pub frames_half: f64,
    /// Part of the loss under light load that remains under full load.
    pub loss: f64,
    /// dB that a signal must be better than the table says.
    pub margin_db: f64,
    /// Airtimes that differ by less than this factor are of clients with much to send.
    pub alike: f64,
    /// Least airtime of those together.
    pub crowd: f64,
    /// Busiest that a channel gets.
    pub busy: f64,
    /// Part of a wire's tested rate that arrives.
    pub wire: f64,
    /// Of the active clients, the part with much to send, where the others' airtimes are not known.
    pub greedy: f64,
}

/// Names, defaults and what is tried; the order is that of [`Calibration::values`].
pub const FITTED: [(&str, f64, &[f64]); 10] = [
    ("foreign", 4.0, &[1.6, 2.5, 3.2, 4.0, 5.0, 6.5]),
    ("uplink", 1.0, &[0.3, 0.6, 1.0, 1.5, 2.0]),
    ("frames_half", 2.0, &[1.0, 2.0, 4.0, 8.0, 16.0]),
    ("loss", 0.6, &[0.0, 0.3, 0.6, 0.8, 1.0]),
    ("margin_db", 3.0, &[0.0, 2.0, 3.0, 4.0, 6.0]),
    ("alike", 1.33, &[1.2, 1.33, 1.5, 1.8]),
    ("crowd", 0.12, &[0.05, 0.08, 0.12, 0.16, 0.2]),
    ("busy", 0.94, &[0.92, 0.93, 0.94, 0.95]),
    ("wire", 0.92, &[0.88, 0.92, 0.96, 1.0]),
    ("greedy", 0.8, &[0.4, 0.6, 0.8, 1.0, 1.2]),
];

impl Default for Calibration {
    fn default() -> Self {
        Self::of(FITTED.map(|f| f.1))
    }
}

impl Calibration {
    /// From values in the order of [`FITTED`].
    pub fn of(v: [f64; 10]) -> Self {
        Self {
            foreign: v[0],
            uplink: v[1],
            frames_half: v[2],
            loss: v[3],
            margin_db: v[4],
            alike: v[5],
            crowd: v[6],
            busy: v[7],
            wire: v[8],
            greedy: v[9],
        }
    }

    /// The values in the order of [`FITTED`].
    pub fn values(&self) -> [f64; 10] {
        [
            self.foreign,
            self.uplink,
            self.frames_half,
            self.loss,
            self.margin_db,
            self.alike,
            self.crowd,
            self.busy,
            self.wire,
            self.greedy,
        ]
    }
}

/// One client over one interval, as its access point saw it; NaN where it is not known.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// What client and access point have in common.
    pub standard: Standard,
    /// The access point's.
    pub ap_standard: Standard,
    /// MHz that both have.
    pub width_mhz: u32,
    /// The access point's.
    pub ap_width_mhz: u32,
    /// Streams that both have.
    pub streams: u32,
    /// The access point's.
    pub ap_streams: u32,
    /// The access point's power.
    pub ap_power_dbm: f64,
    /// Signal of the client at the access point.
    pub rssi_dbm: f64,
    /// The same over noise and interference.
    pub snr_db: f64,
    /// Mean PHY rate of what was sent to the client.
    pub rate_mbps: f64,
    /// Frames sent to it.
    pub frames: f64,
    /// Frames sent again.
    pub retries: f64,
    /// Part of the time that was spent on sending to it.
    pub own_air: f64,
    /// What was sent to it, in Mbit/s.
    pub own_mbps: f64,
    /// Parts of the time: sending, receiving from clients, other networks, other sources.
    pub sending: f64,
    /// See above.
    pub uplink: f64,
    /// See above.
    pub foreign: f64,
    /// See above.
    pub non_wifi: f64,
    /// Clients that move data, this one included or not.
    pub active: f64,
    /// Rate of the wire in Mbit/s; infinite where it does not limit.
    pub wired_mbps: f64,
}

/// Another client of the same access point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mate {
    /// Part of the time that was spent on sending to it.
    pub air: f64,
    /// What was sent to it, in Mbit/s.
    pub mbps: f64,
}

/// What throughput hangs on; each can be set to its ideal.
#[derive(Clone, Copy, Debug)]
pub struct Factors {
    /// PHY rate that the client gets.
    pub phy_mbps: f64,
    /// Frames lost under light load.
    pub loss: f64,
    /// Airtime: sending, uplink, other networks, other sources, and management of the own network.
    pub sending: f64,
    /// See above.
    pub uplink: f64,
    /// See above.
    pub foreign: f64,
    /// See above.
    pub non_wifi: f64,
    /// See above.
    pub overhead: f64,
    /// Airtime of the other clients with little to send.
    pub light: f64,
    /// Other clients with much to send.
    pub equals: f64,
    /// Other clients in all.
    pub others: f64,
    /// Rate of the wire.
    pub wired_mbps: f64,
    /// Of it, what the others with little to send take.
    pub wire_light_mbps: f64,
    /// Clients that share the rest.
    pub wire_equals: f64,
    /// PHY rate beside the access point; the present one where the signal is strong.
    pub near_mbps: f64,
    /// PHY rate of a device like the access point, at the same place; the present one of such a device.
    pub device_mbps: f64,
    /// PHY rate without interference.
    pub clean_mbps: f64,
    /// Clients of equal airtime that the others count as.
    pub crowd: f64,
}

/// What decides over a client's throughput, and so how well it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The wire is the limit.
    Wire,
    /// Other networks are on the channel: what they would give up is not known.
    Foreign,
    /// The channel is full of the own network's traffic: its clients share it evenly.
    Full,
    /// There is room.
    Free,
}

/// All of them, with the names of the model's file.
pub const SETTINGS: [(Setting, &str); 4] = [
    (Setting::Wire, "wire"),
    (Setting::Foreign, "foreign"),
    (Setting::Full, "full"),
    (Setting::Free, "free"),
];

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throughput {
    /// The lesser of the two below.
    pub mbps: f64,
    /// What the air allows.
    pub air_mbps: f64,
    /// What the wire allows.
    pub wire_mbps: f64,
    /// Part of the airtime.
    pub share: f64,
    /// What decides.
    pub setting: Setting,
}

impl Throughput {
    /// What an error is measured in: it grows with what is promised.
    pub fn scale(&self) -> f64 {
        1.0 + self.mbps
    }
}

fn known(v: f64, else_: f64) -> f64 {
    if v.is_finite() { v } else { else_ }
}

/// The values that are most alike by mass: how many, and their sum.
fn cluster(values: impl Iterator<Item = f64> + Clone, least: f64, alike: f64) -> (f64, f64) {
    let mut best = (0.0, 0.0);
    for middle in values.clone().filter(|v| *v > least) {
        let (low, high) = (middle / alike, middle * alike);
        let (mut count, mut sum) = (0.0, 0.0);
        for v in values.clone().filter(|v| *v > low && *v < high) {
            count += 1.0;
            sum += v;
        }
        if sum > best.1 {
            best = (count, sum);
        }
    }
    best
}

/// What one contender gets of `air` when two others want that much and count as so many.
fn level(air: f64, wants: [f64; 2], weights: [f64; 2]) -> f64 {
    let per = |i: usize| wants[i] / weights[i].max(1e-9);
    let order = if per(0) <= per(1) { [0, 1] } else { [1, 0] };
    let (mut left, mut all) = (air.max(0.0), 1.0 + weights[0] + weights[1]);
    for i in order {
        if wants[i] > left / all * weights[i] {
            break;
        }
        left -= wants[i];
        all -= weights[i];
    }
    left / all
}

impl Factors {
    /// From one interval; `mates` are the other clients where they are known.
    pub fn of(m: &Moment, mates: Option<&[Mate]>, c: &Calibration) -> Self {
        let rates = Rates::of(m, c);
        let loss = if m.frames.is_finite() && m.retries.is_finite() {
            (m.retries + 0.3) / (m.frames + m.retries + 6.0)
        } else {
            0.05
        };
        let (sending, uplink) = (known(m.sending, 0.0), known(m.uplink, 0.0));
        let (foreign, non_wifi) = (known(m.foreign, 0.0), known(m.non_wifi, 0.0));
        let idle = (c.busy - sending - uplink - foreign - non_wifi).max(0.0);
        let mut f = Self {
            phy_mbps: rates.now,
            loss,
            sending,
            uplink,
            foreign,
            non_wifi,
            overhead: 0.0,
            light: 0.0,
            equals: 0.0,
            others: 0.0,
            wired_mbps: if m.wired_mbps > 0.0 {
                m.wired_mbps
            } else {
                f64::INFINITY
            },
            wire_light_mbps: 0.0,
            wire_equals: 0.0,
            near_mbps: rates.near,
            device_mbps: rates.device,
            clean_mbps: rates.clean,
            crowd: 0.0,
        };
        match mates {
            Some(mates) => f.neighbours(m, mates, idle, c),
            None => f.guess(m, idle, c),
        }
        f
    }

    /// The other clients as they were seen.
    fn neighbours(&mut self, m: &Moment, mates: &[Mate], idle: f64, c: &Calibration) {
        let airs = mates.iter().map(|m| m.air);
        let (air, mbps): (f64, f64) = (airs.clone().sum(), mates.iter().map(|m| m.mbps).sum());
        let (count, mass) = cluster(airs.clone(), 0.008, c.alike);
        self.others = mates.len() as f64;
        let full = mass > c.crowd && idle < IDLE_LEAST;
        (self.equals, self.light) = if full {
            (count, air - mass)
        } else {
            (0.0, air)
        };
        // Where its own part is not known, all that is sent counts as data.
        if m.own_air.is_finite() {
            self.overhead = (self.sending - air - m.own_air).max(0.0);
        }
        let squares: f64 = airs.map(|a| a * a).sum();
        self.crowd = if squares > 0.0 {
            air * air / squares
        } else {
            0.0
        };
        self.wire_light_mbps = mbps;
        if mbps + known(m.own_mbps, 0.0) > 0.8 * self.wired_mbps {
            let (count, sum) = cluster(mates.iter().map(|m| m.mbps), 0.3, 1.4);
            (self.wire_equals, self.wire_light_mbps) = (count, mbps - sum);
        }
    }

    /// The other clients where only sums are known: the more active, the more have much to send.
    fn guess(&mut self, m: &Moment, idle: f64, c: &Calibration) {
        let own = known(m.own_air, 0.0);
        let others = (self.sending - own).max(0.0);
        self.others = (known(m.active, 1.0) - if own > 0.0 { 1.0 } else { 0.0 }).max(0.0);
        self.crowd = self.others;
        let full = others > c.crowd && idle < IDLE_LEAST && self.others > 0.0;
        (self.equals, self.light) = if full {
            let equals = (self.others * c.greedy).max(1.0);
            (equals, others * (1.0 - c.greedy.min(1.0)) * 0.5)
        } else {
            (0.0, others)
        };
        self.wire_equals = if idle >= IDLE_LEAST {
            self.others
        } else {
            self.equals
        };
    }

    /// What the client gets.
    pub fn throughput(&self, c: &Calibration) -> Throughput {
        let used = self.sending + self.uplink + self.foreign + self.non_wifi;
        let calm = self.sending + (c.busy - used).max(0.0);
        let fair = level(
            c.busy - self.non_wifi,
            [self.uplink, self.foreign],
            [c.uplink, c.foreign],
        );
        // An access point that has much to send already has what it can get.
        let room = if self.equals > 0.0 {
            calm
        } else {
            calm.max(fair)
        };
        let share = |room: f64| {
            let even = (room - self.overhead - self.light) / (self.equals + 1.0);
            even.max(0.25 * room / (self.others + 1.0))
        };
        let per_air = self.phy_mbps * PAYLOAD * (1.0 - c.loss * self.loss.min(0.9));
        let wire_mbps = if self.wired_mbps < 999.0 {
            let even = (self.wired_mbps * c.wire - self.wire_light_mbps) / (self.wire_equals + 1.0);
            even.max(0.2 * self.wired_mbps / (self.others + 1.0))
        } else {
            f64::INFINITY
        };
        let share = share(room);
        let air_mbps = per_air * share;
        let setting = if wire_mbps < air_mbps {
            Setting::Wire
        } else if self.foreign > FOREIGN_LEAST {
            Setting::Foreign
        } else if c.busy - used < IDLE_LEAST {
            Setting::Full
        } else {
            Setting::Free
        };
        Throughput {
            mbps: air_mbps.min(wire_mbps),
            air_mbps,
            wire_mbps,
            share,
            setting,
        }
    }
}

/// PHY rates as they are and as they could be.
struct Rates {
    now: f64,
    near: f64,
    device: f64,
    clean: f64,
}

impl Rates {
    fn of(m: &Moment, c: &Calibration) -> Self {
        let rate = |standard, width, streams, snr| {
            let mcs = physics::mcs_for(standard, streams, snr - c.margin_db);
            physics::phy_rate(standard, width, streams, mcs)
        };
        // The access point hears the client; the client hears it louder by the difference of powers.
        let down = (known(m.ap_power_dbm, CLIENT_POWER_DBM) - CLIENT_POWER_DBM).clamp(0.0, 10.0);
        let noise = |width: u32| 10.0 * (f64::from(width.clamp(20, 320)) / 20.0).log10();
        let wider = noise(m.ap_width_mhz) - noise(m.width_mhz);
        let clean = known(m.rssi_dbm - NOISE_DBM - noise(m.width_mhz), USUAL_SNR_DB);
        let snr = known(m.snr_db, clean) + down;
        let modelled = rate(m.standard, m.width_mhz, m.streams, snr);
        let measured = m.rate_mbps > 0.0;
        let trust = match (measured, m.frames.is_finite()) {
            (false, _) => 0.0,
            // It is saturated: its frames are many.
            (true, false) => 0.95,
            (true, true) => m.frames / (m.frames + c.frames_half),
        };
        let now = if measured {
            (trust * m.rate_mbps.ln() + (1.0 - trust) * modelled.ln()).exp()
        } else {
            modelled
        };
        let strong = m.rssi_dbm > STRONG_DBM;
        let near = rate(m.standard, m.width_mhz, m.streams, NEAR_DB + c.margin_db).max(now);
        let alike =
            (m.ap_standard, m.ap_width_mhz, m.ap_streams) == (m.standard, m.width_mhz, m.streams);
        let device = rate(m.ap_standard, m.ap_width_mhz, m.ap_streams, snr - wider).max(now);
        Self {
            now,
            near: if strong { now } else { near },
            device: if alike { now } else { device },
            clean: rate(
                m.standard,
                m.width_mhz,
                m.streams,
                clean.max(snr - down) + down,
            )
            .max(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn calm() -> Moment {
        Moment {
            standard: Standard::Ax,
            ap_standard: Standard::Ax,
            width_mhz: 80,
            ap_width_mhz: 80,
            streams: 2,
            ap_streams: 2,
            ap_power_dbm: 20.0,
            rssi_dbm: -55.0,
            snr_db: 33.0,
            rate_mbps: f64::NAN,
            frames: 50.0,
            retries: 1.0,
            own_air: 0.01,
            own_mbps: 3.0,
            sending: 0.06,
            uplink: 0.02,
            foreign: 0.0,
            non_wifi: 0.0,
            active: 2.0,
            wired_mbps: 1_000.0,
        }
    }

    fn mbps(m: &Moment, mates: Option<&[Mate]>) -> f64 {
        let c = Calibration::default();
        Factors::of(m, mates, &c).throughput(&c).mbps
    }

    #[test]
    fn equals_share_the_airtime_and_light_ones_get_what_they_ask() {
        let full = Moment {
            sending: 0.9,
            ..calm()
        };
        let greedy = |air| Mate { air, mbps: 200.0 };
        let one = mbps(&full, Some(&[greedy(0.88), Mate::default()]));
        let two = mbps(&full, Some(&[greedy(0.44), greedy(0.44)]));
        let ratio = two / one;
        assert!((0.6..0.75).contains(&ratio), "{ratio}");
        assert!(mbps(&calm(), Some(&[])) > 1.9 * one);
    }

    #[test]
    fn a_full_wire_is_shared_with_those_who_fill_it() {
        let slow = Moment {
            wired_mbps: 20.0,
            ..calm()
        };
        let half = Mate {
            air: 0.01,
            mbps: 9.0,
        };
        let got = [&[][..], &[half], &[half, half]].map(|mates| mbps(&slow, Some(mates)));
        assert!((18.0..20.0).contains(&got[0]), "{got:?}");
        assert!((5.5..7.0).contains(&got[2]), "{got:?}");
    }

    #[test]
    fn other_networks_yield_a_part_and_other_sources_nothing() {
        let busy = |foreign, non_wifi| {
            mbps(
                &Moment {
                    foreign,
                    non_wifi,
                    ..calm()
                },
                Some(&[]),
            )
        };
        assert!(busy(0.85, 0.0) > 2.0 * busy(0.0, 0.85));
        assert!(busy(0.85, 0.0) < 0.4 * busy(0.0, 0.0));
    }

    proptest! {
        #[test]
        fn no_numbers_give_nonsense(v in prop::array::uniform8(prop_oneof![Just(f64::NAN), -200.0..200.0]), mates in prop::collection::vec((0.0..1.0, 0.0..500.0), 0..20)) {
            let m = Moment {
                rssi_dbm: v[0], snr_db: v[1], rate_mbps: v[2].abs(), frames: v[3].abs(), retries: v[4].abs(),
                own_air: v[5].abs() / 200.0, foreign: v[6].abs() / 200.0, sending: v[7].abs() / 200.0, ..calm()
            };
            let mates: Vec<Mate> = mates.into_iter().map(|(air, mbps)| Mate { air, mbps }).collect();
            for mates in [None, Some(&mates[..])] {
                let got = mbps(&m, mates);
                prop_assert!((0.0..3_000.0).contains(&got), "{}", got);
            }
        }

        #[test]
        fn more_of_the_channel_for_others_never_helps(foreign in 0.0..0.9_f64, more in 0.0..0.1_f64) {
            let with = |foreign| mbps(&Moment { foreign, ..calm() }, Some(&[]));
            prop_assert!(with(foreign + more) <= with(foreign) + 1e-9);
        }
    }
}
