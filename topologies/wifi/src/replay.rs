//! Recorded telemetry as a world: a deployment is a site, its two telemetry intervals become alternating minutes.
//!
//! Reads the columns of the ns-3 data set (`*.csv.gz` or `*.csv`, one row a client and phase). Only phases `m1` and `m2` are
//! telemetry; columns of truth (throughput, cause, what was injected, counterfactuals) are not even read. Clients are
//! cloned, with sites and names of their own and some jitter, until there are as many as wanted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use fulmar_proto::wifi::Telemetry;
use serde::Deserialize;

use crate::world::{INTERVAL_MS, Incident, World, chance};

/// Sites of one organisation.
const SITES_PER_ORG: usize = 16;
/// Movement of a client from one minute to the next, in dB.
const MOVEMENT_DB: f64 = 2.0;
/// An access point with fewer clients says too little for an incident.
const CLIENTS_LEAST: usize = 4;

/// Why recorded telemetry cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file cannot be read.
    #[error("{}: {why}; a folder of *.csv.gz with the columns of the ns-3 data set is needed", file.display())]
    File {
        /// File or folder.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// The columns that are telemetry.
#[derive(Clone, Debug, Deserialize)]
struct Row {
    deployment_id: String,
    ap_id: String,
    client_id: String,
    phase: String,
    interval_s: f64,
    band: String,
    channel: u32,
    width_mhz: u32,
    ap_proto: String,
    ap_nss: u32,
    ap_tx_power_dbm: f64,
    proto: String,
    client_width_mhz: u32,
    nss: u32,
    rssi_dbm: Option<f64>,
    snr_db: Option<f64>,
    noise_floor_dbm: Option<f64>,
    tx_rate_mbps: Option<f64>,
    mcs: Option<i32>,
    tx_nss: Option<u32>,
    tx_width_mhz: Option<u32>,
    tx_packets: f64,
    tx_retries: f64,
    tx_bytes: f64,
    rx_bytes: f64,
    client_airtime_pct: f64,
    util_all: f64,
    util_tx: f64,
    util_rx_in_bss: f64,
    util_rx_other_bss: f64,
    util_non_wifi: f64,
    num_clients: u32,
    num_active_clients: u32,
    wired_mbps: Option<f64>,
}

/// One recorded client: its rows, at least one, and where it stands.
#[derive(Debug)]
struct Client {
    rows: Vec<Row>,
    ap: usize,
}

/// Recorded sites, cloned.
#[derive(Debug)]
pub struct Replay {
    seed: u64,
    clients: Vec<Client>,
    sites: Vec<String>,
    /// Names of access points and their sites.
    aps: Vec<(String, usize)>,
    wanted: u32,
    incident: Option<Incident>,
}

impl Replay {
    /// Reads every file of a folder; `wanted` clients are made of those found.
    ///
    /// # Errors
    /// A file or row cannot be read, or none holds telemetry.
    pub fn read(folder: &Path, seed: u64, wanted: u32) -> Result<Self, ReplayError> {
        let failed = |file: &Path, why: String| ReplayError::File {
            file: file.to_owned(),
            why,
        };
        let entries = std::fs::read_dir(folder).map_err(|e| failed(folder, e.to_string()))?;
        let mut files: Vec<_> = entries.flatten().map(|e| e.path()).collect();
        files.sort();
        let mut by_client: BTreeMap<(String, String, String), Vec<Row>> = BTreeMap::new();
        for file in files {
            let name = file.to_string_lossy();
            if !name.ends_with(".csv") && !name.ends_with(".csv.gz") {
                continue;
            }
            for row in rows(&file).map_err(|why| failed(&file, why))? {
                let key = (
                    row.deployment_id.clone(),
                    row.ap_id.clone(),
                    row.client_id.clone(),
                );
                by_client.entry(key).or_default().push(row);
            }
        }
        let world = Self::of(by_client, seed, wanted);
        if world.clients.is_empty() {
            return Err(failed(folder, "no row of phase m1 or m2".to_owned()));
        }
        Ok(world)
    }

    fn of(by_client: BTreeMap<(String, String, String), Vec<Row>>, seed: u64, wanted: u32) -> Self {
        let mut world = Self {
            seed,
            clients: Vec::new(),
            sites: Vec::new(),
            aps: Vec::new(),
            wanted: wanted.max(1),
            incident: None,
        };
        for ((site, ap, _), mut rows) in by_client {
            if world.sites.last() != Some(&site) {
                world.sites.push(site);
            }
            let site = world.sites.len() - 1;
            if world.aps.last().is_none_or(|(name, _)| *name != ap) {
                world.aps.push((ap, site));
            }
            rows.sort_by(|a, b| a.phase.cmp(&b.phase));
            world.clients.push(Client {
                rows,
                ap: world.aps.len() - 1,
            });
        }
        world
    }

    /// The same world with an incident in it.
    pub fn with(mut self, incident: Incident) -> Self {
        self.incident = Some(incident);
        self
    }

    /// Clones of the recorded clients: the last one may not be whole.
    fn clone_of(&self, client: u32) -> (usize, &Client) {
        let client = (client % self.wanted) as usize;
        (
            client / self.clients.len(),
            &self.clients[client % self.clients.len()],
        )
    }

    fn place(&self, clone: usize, ap: usize) -> (String, String, String) {
        let (name, site) = &self.aps[ap];
        let number = clone * self.sites.len() + site;
        (
            format!("org-{}", number / SITES_PER_ORG),
            format!("{}-{clone}", self.sites[*site]),
            format!("{name}-{clone}"),
        )
    }
}

/// Rows of telemetry of one file.
fn rows(file: &Path) -> Result<Vec<Row>, String> {
    let open = File::open(file).map_err(|e| e.to_string())?;
    let bytes: Box<dyn Read> = if file.extension().is_some_and(|e| e == "gz") {
        Box::new(GzDecoder::new(open))
    } else {
        Box::new(open)
    };
    let mut found = Vec::new();
    for row in csv::Reader::from_reader(bytes).deserialize::<Row>() {
        let row = row.map_err(|e| e.to_string())?;
        if matches!(row.phase.as_str(), "m1" | "m2") && row.interval_s > 0.0 {
            found.push(row);
        }
    }
    Ok(found)
}

impl World for Replay {
    fn clients(&self) -> u32 {
        self.wanted
    }

    fn names(&self, ap: u32) -> (String, String, String) {
        self.place(ap as usize / self.aps.len(), ap as usize % self.aps.len())
    }

    fn calm_ap(&self, seed: u64) -> u32 {
        let mut load = vec![(0.0, 0_usize); self.aps.len()];
        for client in &self.clients {
            let busy: f64 = client.rows.iter().map(|r| r.util_all).sum();
            let (sum, clients) = &mut load[client.ap];
            *sum += busy / client.rows.len() as f64;
            *clients += 1;
        }
        let mut calm: Vec<_> = (0..self.aps.len())
            .filter(|ap| load[*ap].1 >= CLIENTS_LEAST)
            .collect();
        calm.sort_by(|a, b| {
            let of = |ap: &usize| load[*ap].0 / load[*ap].1 as f64;
            of(a).total_cmp(&of(b))
        });
        // One of the calmest, where there are several; in the first clone, which is whole if any is.
        calm.truncate(4);
        calm.get(seed as usize % calm.len().max(1))
            .copied()
            .unwrap_or(0) as u32
    }

    fn sample(&self, client: u32, time_ms: i64) -> Telemetry {
        let (clone, of) = self.clone_of(client);
        let minute = time_ms.div_euclid(INTERVAL_MS).unsigned_abs();
        let row = &of.rows[minute as usize % of.rows.len()];
        let number = (clone * self.aps.len() + of.ap) as u32;
        let incident = self.incident.as_ref();
        let jitter = |what| chance(self.seed, what, u64::from(client), minute) - 0.5;
        let mut t = row.telemetry(
            incident.is_some_and(|i| i.hits(number, time_ms)),
            MOVEMENT_DB * jitter(1),
            // Busier or calmer by up to a twentieth; never above the whole of the time.
            (1.0 + 0.1 * jitter(2)).min(100.0 / row.util_all.max(1.0)),
        );
        (t.org, t.site, t.ap) = self.place(clone, of.ap);
        t.client = format!("{}-{clone}", row.client_id);
        t.wlan = ["corp", "guest"][(client & 1) as usize].to_owned();
        t.time_ms = time_ms;
        t
    }
}

impl Row {
    /// The row as one minute's telemetry without names: moved by some dB, busier by a factor, with an interferer or not.
    fn telemetry(&self, hit: bool, moved: f64, busy: f64) -> Telemetry {
        let non_wifi = if hit { 80.0 } else { self.util_non_wifi * busy };
        // An interferer takes the time from everybody.
        let room = if hit {
            (100.0 - non_wifi) / self.util_all.max(100.0 - non_wifi)
        } else {
            busy
        };
        let per_minute = |count: f64| (count * 60.0 / self.interval_s * busy) as u64;
        let packets = per_minute(self.tx_packets);
        let (tx, rx_in, rx_other) = (
            self.util_tx * room,
            self.util_rx_in_bss * room,
            self.util_rx_other_bss * room,
        );
        let noise = if hit { 12.0 } else { 0.0 };
        Telemetry {
            band: self.band.clone(),
            interval_ms: INTERVAL_MS as u32,
            channel: self.channel,
            width_mhz: self.width_mhz,
            ap_proto: self.ap_proto.clone(),
            ap_nss: self.ap_nss,
            ap_tx_power_dbm: self.ap_tx_power_dbm,
            proto: self.proto.clone(),
            client_width_mhz: self.client_width_mhz,
            nss: self.nss,
            rssi_dbm: self.rssi_dbm.unwrap_or(-75.0) + moved,
            snr_db: (self.snr_db.unwrap_or(15.0) + moved - noise).max(0.0),
            noise_floor_dbm: self.noise_floor_dbm.unwrap_or(-94.0) + noise,
            tx_rate_mbps: self.tx_rate_mbps.unwrap_or(0.0),
            mcs: self.mcs.unwrap_or(0),
            tx_nss: self.tx_nss.unwrap_or(0),
            tx_width_mhz: self.tx_width_mhz.unwrap_or(0),
            tx_packets: packets,
            tx_retries: if hit {
                packets
            } else {
                per_minute(self.tx_retries)
            },
            tx_bytes: per_minute(self.tx_bytes),
            rx_bytes: per_minute(self.rx_bytes),
            client_airtime_pct: self.client_airtime_pct * room,
            util_all: non_wifi + tx + rx_in + rx_other,
            util_tx: tx,
            util_rx_in_bss: rx_in,
            util_rx_other_bss: rx_other,
            util_non_wifi: non_wifi,
            num_clients: self.num_clients,
            num_active_clients: self.num_active_clients,
            wired_mbps: self.wired_mbps.unwrap_or(0.0),
            ..Telemetry::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prost::Message;

    use super::*;
    use crate::decode::decode;
    use crate::estimate::capacity;
    use crate::world::Records;

    const START: i64 = 1_700_000_040_000;

    fn row(client: &str, phase: &str, util_tx: f64) -> String {
        format!(
            "t1,t1-a0,{client},probe,{phase},0.4,5,44,20,ax,2,20.0,ax,20,2,-68.9,22.1,-94.0,,,,,35,8,58500,9000,1.5,\
             {},{util_tx},10,5,0.0,4,3,7.1,123456,network\n",
            util_tx + 15.0
        )
    }

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut text = "deployment_id,ap_id,client_id,row_kind,phase,interval_s,band,channel,width_mhz,ap_proto,ap_nss,\
            ap_tx_power_dbm,proto,client_width_mhz,nss,rssi_dbm,snr_db,noise_floor_dbm,tx_rate_mbps,mcs,tx_nss,tx_width_mhz,\
            tx_packets,tx_retries,tx_bytes,rx_bytes,client_airtime_pct,util_all,util_tx,util_rx_in_bss,util_rx_other_bss,\
            util_non_wifi,num_clients,num_active_clients,wired_mbps,throughput_mbps,cause\n"
            .replace(' ', "");
        for client in ["c0", "c1", "c2", "c3"] {
            text += &row(client, "m1", 20.0);
            text += &row(client, "m2", 30.0);
            text += &row(client, "tsat", 70.0);
        }
        std::fs::write(dir.path().join("some.csv"), text).unwrap();
        dir
    }

    #[test]
    fn recorded_intervals_alternate_and_clones_have_places_of_their_own() {
        let dir = folder();
        let world = Replay::read(dir.path(), 1, 10).unwrap();
        let at = |client, minute: i64| world.sample(client, START + minute * INTERVAL_MS);
        let near =
            |t: &Telemetry, want: f64| assert!((t.util_tx - want).abs() < 2.0, "{}", t.util_tx);
        near(&at(0, 0), 20.0);
        near(&at(0, 1), 30.0);
        near(&at(0, 2), 20.0);
        assert_eq!(
            (at(0, 0).site, at(4, 0).site),
            ("t1-0".into(), "t1-1".into())
        );
        assert_eq!(at(0, 0), at(0, 0), "the past can be asked again");
        assert_ne!(at(0, 0).rssi_dbm, at(4, 0).rssi_dbm, "jitter of its own");
        assert_eq!(at(0, 0).tx_rate_mbps, 0.0, "never sent");
    }

    #[test]
    fn every_record_is_accepted_in_order_and_an_incident_is_felt() {
        let dir = folder();
        let world = Replay::read(dir.path(), 3, 9).unwrap();
        let ap = world.calm_ap(7);
        assert_eq!(world.names(ap).2, "t1-a0-0");
        let world = Arc::new(world.with(Incident {
            ap,
            from_ms: START,
            to_ms: START + INTERVAL_MS,
        }));
        let mut last = START;
        for t in Records::new(world.clone(), START).take(100) {
            assert!(t.time_ms >= last);
            last = t.time_ms;
            decode(&t.encode_to_vec(), last).unwrap();
            let hit = t.ap == "t1-a0-0" && t.time_ms < START + INTERVAL_MS;
            assert_eq!(
                capacity(&t).classifier == "non_wifi_interference",
                hit,
                "{t:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_replayed_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = Replay::read(dir.path(), 1, 1).unwrap_err().to_string();
        assert!(error.contains("m1 or m2"), "{error}");
        std::fs::write(dir.path().join("x.csv"), "a,b\n1,2\n").unwrap();
        let error = Replay::read(dir.path(), 1, 1).unwrap_err().to_string();
        assert!(
            error.contains("deployment_id") && error.contains("x.csv"),
            "{error}"
        );
        assert!(Replay::read(&dir.path().join("none"), 1, 1).is_err());
    }
}
