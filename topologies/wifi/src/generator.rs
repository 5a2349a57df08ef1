//! Telemetry of simulated organisations: sites, access points and clients whose numbers follow from
//! the physics. The same seed gives the same records.
//! Pure: no clock, no I/O, no async.

use fulmar_proto::wifi::Telemetry;

use crate::physics::{Standard, mcs_for, phy_rate};
use crate::world::{INTERVAL_MS, Incident, World, chance};

/// Clients of one access point.
const CLIENTS_PER_AP: u32 = 20;
/// Access points of one site.
const APS_PER_SITE: u32 = 4;
/// Sites of one organisation.
const SITES_PER_ORG: u32 = 8;
/// The simulated world.
#[derive(Clone, Debug)]
pub struct Generator {
    seed: u64,
    clients: u32,
    incident: Option<Incident>,
}

impl Generator {
    /// A world of so many clients.
    pub fn new(seed: u64, clients: u32, incident: Option<Incident>) -> Self {
        Self {
            seed,
            clients: clients.max(1),
            incident,
        }
    }

    fn chance(&self, what: u64, who: u64, when: u64) -> f64 {
        chance(self.seed, what, who, when)
    }

    /// How busy a place is at a time of day, 0.2 to 1.
    fn busy(time_ms: i64) -> f64 {
        let day = (time_ms.rem_euclid(86_400_000)) as f64 / 86_400_000.0;
        0.6 - 0.4 * (std::f64::consts::TAU * (day - 0.08)).cos()
    }

    fn record(&self, client: u32, minute: u64, time_ms: i64) -> Telemetry {
        let (ap, who) = (client / CLIENTS_PER_AP, u64::from(client));
        let (org, site, ap_name) = self.names(ap);
        let (of_ap, busy) = (u64::from(ap), Self::busy(time_ms));
        let proto = ["n", "ac", "ax", "ax"][(self.chance(1, who, 0) * 4.0) as usize & 3];
        let standard = Standard::of(proto).unwrap_or(Standard::N);
        let width = if proto == "n" { 20 } else { 80 };
        // −40 dBm beside the AP, −78 dBm at the edge; some dB of movement.
        let rssi =
            -40.0 - 38.0 * self.chance(2, who, 0) + 4.0 * (self.chance(3, who, minute) - 0.5);
        let hit = self.incident.as_ref().is_some_and(|i| i.hits(ap, time_ms));
        let non_wifi = if hit {
            80.0
        } else {
            3.0 * self.chance(4, of_ap, minute)
        };
        let room = 100.0 - non_wifi;
        let other_bss = room * 0.15 * self.chance(5, of_ap, minute);
        let (tx, rx) = (room * 0.35 * busy, room * 0.1 * busy);
        // The wider, the more noise.
        let floor = if width == 80 { -88.0 } else { -94.0 };
        let noise = floor + if hit { 12.0 } else { 0.0 };
        let snr = (rssi - noise).max(0.0);
        let rate = phy_rate(standard, width, 2, mcs_for(standard, 2, snr + 5.0));
        let packets = 200 + (2_000.0 * busy * self.chance(6, who, minute)) as u64;
        Telemetry {
            time_ms,
            org,
            site,
            ap: ap_name,
            client: format!("client-{client}"),
            band: if proto == "n" { "24" } else { "5" }.to_owned(),
            wlan: ["corp", "guest"][(client & 1) as usize].to_owned(),
            interval_ms: INTERVAL_MS as u32,
            channel: 36 + 4 * (ap % 4),
            width_mhz: 80,
            ap_proto: "ax".to_owned(),
            ap_nss: 2,
            ap_tx_power_dbm: 20.0,
            proto: proto.to_owned(),
            client_width_mhz: width,
            nss: 2,
            rssi_dbm: rssi,
            snr_db: snr,
            noise_floor_dbm: noise,
            tx_rate_mbps: rate,
            mcs: mcs_for(standard, 2, snr + 5.0) as i32,
            tx_nss: 2,
            tx_width_mhz: width,
            tx_packets: packets,
            tx_retries: packets / if hit { 2 } else { 20 },
            tx_bytes: packets * 1_400,
            rx_bytes: packets * 300,
            client_airtime_pct: (tx / f64::from(CLIENTS_PER_AP)).min(100.0),
            util_all: non_wifi + other_bss + tx + rx,
            util_tx: tx,
            util_rx_in_bss: rx,
            util_rx_other_bss: other_bss,
            util_non_wifi: non_wifi,
            num_clients: CLIENTS_PER_AP,
            num_active_clients: (1.0 + f64::from(CLIENTS_PER_AP) * 0.3 * busy) as u32,
            wired_mbps: 1_000.0,
        }
    }
}

impl World for Generator {
    fn clients(&self) -> u32 {
        self.clients
    }

    fn sample(&self, client: u32, time_ms: i64) -> Telemetry {
        let minute = time_ms.div_euclid(INTERVAL_MS).unsigned_abs();
        self.record(client % self.clients, minute, time_ms)
    }

    fn calm_ap(&self, seed: u64) -> u32 {
        let aps = (self.clients - 1) / CLIENTS_PER_AP + 1;
        (seed % u64::from(aps)) as u32
    }

    fn names(&self, ap: u32) -> (String, String, String) {
        let site = ap / APS_PER_SITE;
        (
            format!("org-{}", site / SITES_PER_ORG),
            format!("site-{site}"),
            format!("ap-{ap}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prost::Message;

    use super::*;
    use crate::decode::decode;
    use crate::estimate::{capacity, throughput};
    use crate::world::Records;

    const START: i64 = 1_700_000_000_000;

    fn records(seed: u64, clients: u32, incident: Option<Incident>) -> Records {
        Records::new(Arc::new(Generator::new(seed, clients, incident)), START)
    }

    #[test]
    fn every_record_is_accepted_and_time_never_goes_back() {
        let mut last = START;
        for t in records(7, 333, None).take(2_000) {
            assert!(t.time_ms >= last);
            last = t.time_ms;
            decode(&t.encode_to_vec(), last).unwrap();
        }
        assert!(last > START + 5 * INTERVAL_MS);
    }

    #[test]
    fn the_same_seed_gives_the_same_records() {
        let of = |seed| records(seed, 50, None).take(200).collect::<Vec<_>>();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn an_incident_is_felt_by_its_access_point_only() {
        let incident = Incident {
            ap: 1,
            from_ms: START,
            to_ms: START + INTERVAL_MS,
        };
        let bad = |ap: &str, incident| {
            let records = records(3, 100, incident).take(100).filter(|t| t.ap == ap);
            records.filter(|t| capacity(t).value < 200).count()
        };
        assert_eq!(bad("ap-1", Some(incident.clone())), CLIENTS_PER_AP as usize);
        assert_eq!(bad("ap-1", None), 0);
        assert_eq!(bad("ap-2", Some(incident.clone())), 0);
        let mean = |incident| {
            let of: Vec<_> = records(3, 100, incident)
                .take(100)
                .filter(|t| t.ap == "ap-1")
                .collect();
            of.iter().map(|t| throughput(t).value).sum::<i64>() / of.len() as i64
        };
        assert!(mean(Some(incident)) * 3 < mean(None));
    }
}
