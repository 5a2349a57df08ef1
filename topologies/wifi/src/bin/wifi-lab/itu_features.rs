//! What the correction sees of each station of an ITU deployment, and the physics that it corrects.
//!
//! Physics: in the airtime that an access point has at each width, it sends to its stations in turn
//! A-MPDUs of at most 64 packets or the longest PPDU, at the MCS of the station's signal. What is lost
//! hangs on who transmits at the same time: the power of every access point at the station follows
//! from the distance (the law of the simulator's residential scenario), so that the strength of
//! each possible collision is known, and whether its sender hears the own access point.

use crate::itu::{Ap, CHANNELS, Deployment, Sta};

/// Columns of the correction.
pub const COLUMNS: usize = 47;
/// Widths of 20, 40, 80 and 160 MHz.
const WIDTHS: usize = 4;
/// Data subcarriers of 802.11ax by width.
const SUBCARRIERS: [f64; WIDTHS] = [234.0, 468.0, 980.0, 1_960.0];
/// Bits per subcarrier times code rate, MCS 0 to 11.
const BITS: [f64; 12] = [
    0.5,
    1.0,
    1.5,
    2.0,
    3.0,
    4.0,
    4.5,
    5.0,
    6.0,
    20.0 / 3.0,
    7.5,
    25.0 / 3.0,
];
/// dBm that each MCS needs in one channel.
const SENSITIVITY: [f64; 12] = [
    -82.0, -79.0, -77.0, -74.0, -70.0, -66.0, -65.0, -64.0, -59.0, -57.0, -54.0, -52.0,
];
/// Symbol with a guard interval of 3.2 µs.
const SYMBOL_US: f64 = 16.0;
const PACKET_BITS: f64 = 12_000.0;
const PACKETS_MOST: f64 = 64.0;
const PPDU_MOST_US: f64 = 5_484.0;
/// RTS, CTS, back-off and block ack around each A-MPDU.
const AROUND_US: f64 = 200.0;
/// Below this an access point does not hear another.
const CCA_DBM: f64 = -82.0;

/// dBm in a channel at a distance in metres, of a sender over so many channels.
fn received(metres: f64, channels: usize) -> f64 {
    let far = metres.max(1.0);
    -34.1 - 20.6067 * far.log10() - 0.7702 * far - 3.0 * (channels as f64).log2()
}

fn metres(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Airtime of an access point at each width: what it occupies of a wider block, it occupies of the
/// narrower too.
fn air_by_width(ap: &Ap) -> [f64; WIDTHS] {
    let whole = |w: usize| {
        let channels = 1 << w;
        if channels > ap.width() {
            return 0.0;
        }
        let first = ap.channels[2] / channels * channels;
        let block = ap.air.iter().skip(first).take(channels);
        block.copied().fold(f64::INFINITY, f64::min)
    };
    std::array::from_fn(|w| {
        let wider = if w + 1 < WIDTHS { whole(w + 1) } else { 0.0 };
        (whole(w) - wider).max(0.0)
    })
}

/// What an access point lives with.
struct Around {
    air: [f64; WIDTHS],
    total: f64,
    stations: f64,
    /// dBm from those that share channels; the same weighed by their time; the loudest on the primary.
    noise: [f64; 3],
    /// Number of those it hears on its primary, their airtime, and that of those it does not hear.
    heard: [f64; 3],
    /// Their airtime over its channels.
    shared: f64,
}

fn around(d: &Deployment, k: usize) -> Around {
    let (me, primary) = (&d.aps[k], d.aps[k].channels[2]);
    let (mut sum, mut busy, mut loudest) = (0.0, 0.0, f64::NAN);
    let (mut heard, mut shared) = ([0.0; 3], 0.0);
    for (j, other) in d.aps.iter().enumerate().filter(|(j, _)| *j != k) {
        let dbm = me.hears.get(j).copied().unwrap_or(f64::NAN);
        let power = if dbm.is_nan() {
            0.0
        } else {
            10_f64.powf(dbm / 10.0)
        };
        let air = other.air[primary];
        busy += power * air;
        if other.channels[0] <= me.channels[1] && other.channels[1] >= me.channels[0] {
            sum += power;
        }
        if !other.covers(primary) {
            continue;
        }
        loudest = dbm.max(loudest);
        let mine = &other.air[me.channels[0]..=me.channels[1]];
        shared += mine.iter().sum::<f64>() / mine.len() as f64;
        if dbm > CCA_DBM {
            heard[0] += 1.0;
            heard[1] += air;
        } else {
            heard[2] += air;
        }
    }
    let db = |power: f64| 10.0 * power.max(1e-13).log10();
    let air = air_by_width(me);
    Around {
        air,
        total: air.iter().sum(),
        stations: d.stas.iter().filter(|s| s.ap == k).count() as f64,
        noise: [db(sum), db(busy), loudest],
        heard,
        shared,
    }
}

/// MCS and rate of a station at each width.
fn rates(sta: &Sta, channels: usize) -> [(usize, f64); WIDTHS] {
    let most = (channels as f64).log2();
    std::array::from_fn(|w| {
        // The fewer channels, the more power in each.
        let dbm = sta.rssi_dbm + 3.0 * (most - w as f64);
        let mcs = SENSITIVITY
            .iter()
            .filter(|s| dbm >= **s)
            .count()
            .saturating_sub(1);
        (mcs, SUBCARRIERS[w] * BITS[mcs] / SYMBOL_US)
    })
}

/// Bits of an A-MPDU and the time that it takes.
fn burst(rate_mbps: f64) -> (f64, f64) {
    let packets = (rate_mbps * PPDU_MOST_US / PACKET_BITS)
        .floor()
        .clamp(1.0, PACKETS_MOST);
    let bits = packets * PACKET_BITS;
    (bits, bits / rate_mbps + AROUND_US)
}

/// Collisions that a station may suffer, from senders that its access point hears or does not.
#[derive(Clone, Copy)]
struct Collisions {
    /// Airtime of senders that are not so many dB weaker: 8, 14, 20, 26, 32; a smooth form; and the
    /// chance that any is on.
    air: [f64; 7],
    /// dB that the strongest is weaker by.
    least_db: f64,
    /// Airtime of all.
    all: f64,
}

fn collisions(d: &Deployment, sta: &Sta, hidden: bool) -> Collisions {
    let me = &d.aps[sta.ap];
    let own: f64 = me.air.iter().sum();
    let mut c = Collisions {
        air: [0.0; 7],
        least_db: 80.0,
        all: 0.0,
    };
    let mut none = 1.0;
    for (j, other) in d.aps.iter().enumerate().filter(|(j, _)| *j != sta.ap) {
        let dbm = me.hears.get(j).copied().unwrap_or(f64::NAN);
        // What is not known counts as not heard.
        if (dbm >= CCA_DBM) == hidden {
            continue;
        }
        let mine = (0..CHANNELS).filter(|c| me.covers(*c));
        let air = mine.map(|c| other.air[c]).fold(0.0, f64::max);
        let weighed: f64 = other.air.iter().zip(&me.air).map(|(a, b)| a * b).sum();
        let over = sta.rssi_dbm - received(metres(sta.at, other.at), other.width());
        for (slot, limit) in c.air.iter_mut().zip([8.0, 14.0, 20.0, 26.0, 32.0]) {
            *slot += if over < limit { air } else { 0.0 };
        }
        c.air[5] += weighed / own.max(1e-6) / (1.0 + ((over - 16.0) / 3.0).exp());
        none *= 1.0 - if over < 20.0 { air.min(0.99) } else { 0.0 };
        if air > 0.02 {
            c.least_db = c.least_db.min(over);
        }
        c.all += air;
    }
    c.air[6] = 1.0 - none;
    c
}

/// One station: what physics says of it, and what the correction sees.
pub struct Seen {
    /// Mbit/s.
    pub physics: f64,
    /// See the file's header.
    pub columns: [f32; COLUMNS],
}

/// A station before its neighbours at the same access point are known.
struct Alone {
    physics: f64,
    rate: f64,
    mcs: usize,
    lost: [Collisions; 2],
}

fn alone(d: &Deployment, around: &[Around]) -> Vec<Alone> {
    let rated: Vec<_> = d
        .stas
        .iter()
        .map(|s| rates(s, d.aps[s.ap].width()))
        .collect();
    let mut turns = vec![[0.0; WIDTHS]; d.aps.len()];
    for (sta, rates) in d.stas.iter().zip(&rated) {
        for (turn, (_, rate)) in turns[sta.ap].iter_mut().zip(rates) {
            *turn += burst(*rate).1;
        }
    }
    d.stas
        .iter()
        .zip(&rated)
        .map(|(sta, rates)| {
            let a = &around[sta.ap];
            let at = |w: usize| a.air[w] * burst(rates[w].1).0 / turns[sta.ap][w];
            let rate = (0..WIDTHS).map(|w| a.air[w] * rates[w].1).sum::<f64>();
            let usual = (0..WIDTHS).fold(0, |b, w| if a.air[w] > a.air[b] { w } else { b });
            Alone {
                physics: (0..WIDTHS).map(at).sum(),
                rate: rate / a.total.max(1e-6),
                mcs: rates[usual].0,
                lost: [true, false].map(|hidden| collisions(d, sta, hidden)),
            }
        })
        .collect()
}

/// Sums over the stations of an access point.
#[derive(Clone, Copy)]
struct Sums {
    physics: f64,
    rssi: f64,
    sinr: f64,
    sinr_known: f64,
    sinr_least: f64,
    loudest: f64,
    /// Hidden smooth, heard smooth, chance of a hidden one, heard within 20 dB.
    lost: [f64; 4],
    worst: f64,
}

fn sums(d: &Deployment, alone: &[Alone]) -> Vec<Sums> {
    let none = Sums {
        physics: 0.0,
        rssi: 0.0,
        sinr: 0.0,
        sinr_known: 0.0,
        sinr_least: f64::NAN,
        loudest: f64::NAN,
        lost: [0.0; 4],
        worst: 0.0,
    };
    let mut all = vec![none; d.aps.len()];
    for (sta, a) in d.stas.iter().zip(alone) {
        let s = &mut all[sta.ap];
        s.physics += a.physics;
        s.rssi += sta.rssi_dbm;
        if sta.sinr_db.is_finite() {
            s.sinr += sta.sinr_db;
            s.sinr_known += 1.0;
        }
        s.sinr_least = s.sinr_least.min(sta.sinr_db);
        s.loudest = s.loudest.max(sta.rssi_dbm - sta.sinr_db);
        let lost = [
            a.lost[0].air[5],
            a.lost[1].air[5],
            a.lost[0].air[6],
            a.lost[1].air[2],
        ];
        s.lost.iter_mut().zip(lost).for_each(|(s, l)| *s += l);
        s.worst = s.worst.max(a.lost[0].air[5]);
    }
    all
}

/// All stations of a deployment, in its order.
pub fn seen(d: &Deployment) -> Vec<Seen> {
    let around: Vec<Around> = (0..d.aps.len()).map(|k| around(d, k)).collect();
    let alone = alone(d, &around);
    let sums = sums(d, &alone);
    let stations = d.stas.iter().zip(&alone);
    stations
        .map(|(sta, a)| Seen {
            physics: a.physics,
            columns: columns(d, sta, a, &around[sta.ap], &sums[sta.ap]),
        })
        .collect()
}

fn columns(d: &Deployment, sta: &Sta, a: &Alone, ap: &Around, sums: &Sums) -> [f32; COLUMNS] {
    let n = ap.stations.max(1.0);
    let channels = d.aps[sta.ap].width() as f64;
    let wide = (ap.air[1] + 2.0 * ap.air[2] + 4.0 * ap.air[3]) / ap.total.max(1e-6);
    let of_ap = [
        ap.total,
        ap.air[0],
        ap.air[1],
        ap.air[2],
        ap.air[3],
        wide,
        channels,
        n,
        ap.noise[0],
        ap.noise[1],
        ap.noise[2],
        ap.heard[0],
        ap.heard[1],
        ap.heard[2],
        ap.shared,
        sums.physics,
        sums.sinr / sums.sinr_known,
        sums.sinr_least,
        sums.rssi / n,
        sums.loudest,
        sums.lost[0] / n,
        sums.lost[1] / n,
        sums.lost[2] / n,
        sums.lost[3] / n,
        sums.worst,
    ];
    let own = [
        a.physics,
        sta.rssi_dbm,
        sta.sinr_db,
        sta.rssi_dbm - sta.sinr_db,
        a.rate,
        a.mcs as f64,
        a.physics / sums.physics.max(1e-6),
        metres(sta.at, d.aps[sta.ap].at),
        a.lost[0].least_db,
        a.lost[1].least_db,
        a.lost[0].all,
        a.lost[1].all,
    ];
    let lost = a.lost[0].air.iter().chain(&a.lost[1].air[..3]);
    let mut out = [f32::NAN; COLUMNS];
    let all = of_ap.iter().chain(&own).chain(lost);
    out.iter_mut()
        .zip(all)
        .for_each(|(slot, v)| *slot = *v as f32);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ap(node: i64, x: f64, air: f64, hears: [f64; 2]) -> Ap {
        let mut all = [0.0; CHANNELS];
        all[..2].fill(air);
        Ap {
            node,
            at: [x, 0.0],
            channels: [0, 1, 0],
            air: all,
            hears: hears.to_vec(),
        }
    }

    fn world(other: f64) -> Deployment {
        let sta = |ap, x: f64, rssi_dbm| Sta {
            node: 9,
            ap,
            at: [x, 0.0],
            rssi_dbm,
            sinr_db: f64::NAN,
            truth: f64::NAN,
        };
        Deployment {
            aps: vec![
                ap(0, 0.0, 0.5, [f64::NAN, -90.0]),
                ap(1, 30.0, other, [-90.0, f64::NAN]),
            ],
            stas: vec![sta(0, 2.0, -50.0), sta(0, 12.0, -70.0), sta(1, 28.0, -50.0)],
            ..Deployment::default()
        }
    }

    #[test]
    fn physics_gives_the_near_more_and_shares_the_turns() {
        let said: Vec<f64> = seen(&world(0.0)).iter().map(|s| s.physics).collect();
        assert!(
            said[0] > 1.2 * said[1] && said[1] > 0.0 && said[2] == 0.0,
            "{said:?}"
        );
        // 40 MHz at the highest MCS is 244 Mbit/s for half of the time, shared by turns.
        assert!(said[0] + said[1] < 122.0);
    }

    #[test]
    fn a_hidden_sender_is_felt_by_who_is_near_it() {
        let (alone, beside) = (seen(&world(0.0)), seen(&world(0.9)));
        let smooth = 25 + 12 + 5;
        assert_eq!(alone[1].columns[smooth], 0.0);
        assert!(beside[1].columns[smooth] > 3.0 * beside[0].columns[smooth]);
        assert!(beside[0].columns[17].is_nan(), "no SINR is not a SINR of 0");
    }

    #[test]
    fn airtime_splits_by_width() {
        let mut a = ap(0, 0.0, 0.0, [f64::NAN; 2]);
        a.channels = [0, 3, 1];
        a.air[..4].copy_from_slice(&[0.5, 0.7, 0.2, 0.2]);
        let got = air_by_width(&a);
        for (got, want) in got.iter().zip([0.2, 0.3, 0.2, 0.0]) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
    }
}
