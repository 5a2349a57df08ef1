//! Why a client gets no more: each factor is set to its ideal in turn, and what that would gain is
//! weighed by weights that start as "the largest gain wins" and are fitted to runs in which each
//! ailment was really removed (`cargo xtask train wifi`).
//! Pure: no clock, no I/O, no async.

use crate::air::{Calibration, Factors};

/// What can be the cause, `None` first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No removal helps by much.
    None,
    /// Weak signal.
    Coverage,
    /// Many other clients.
    ClientCount,
    /// A few other clients that use much.
    ClientUsage,
    /// Other networks.
    Wifi,
    /// Other sources.
    NonWifi,
    /// The client can do less than the access point.
    Device,
    /// The wire.
    Network,
}

/// All of them; the place in here is the class of the model.
pub const CAUSES: [Cause; 8] = [
    Cause::None,
    Cause::Coverage,
    Cause::ClientCount,
    Cause::ClientUsage,
    Cause::Wifi,
    Cause::NonWifi,
    Cause::Device,
    Cause::Network,
];

impl Cause {
    /// As the simulator's truth names it.
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Coverage => "coverage",
            Self::ClientCount => "capacity_client_count",
            Self::ClientUsage => "capacity_client_usage",
            Self::Wifi => "wifi_interference",
            Self::NonWifi => "non_wifi_interference",
            Self::Device => "device_capability",
            Self::Network => "network",
        }
    }

    /// As the throughput metric's classifiers name it (Mist's set); a bad interval always has one.
    pub fn classifier(self) -> &'static str {
        match self {
            Self::None | Self::Coverage => "coverage",
            Self::ClientCount => "capacity_client_count",
            Self::ClientUsage => "capacity_client_usage",
            Self::Wifi => "capacity_wifi_interference",
            Self::NonWifi => "capacity_non_wifi_interference",
            Self::Device => "device_capability",
            Self::Network => "network",
        }
    }
}

/// Columns of [`evidence`].
pub const EVIDENCE: usize = 14;
/// Column of each class's own gain; `None` has none.
const OWN: [Option<usize>; 8] = [
    None,
    Some(0),
    Some(1),
    Some(1),
    Some(2),
    Some(3),
    Some(4),
    Some(5),
];
/// Weight of a gain before anything is learnt.
const PRIOR: f64 = 3.0;

/// Gain of a removal where there is nothing to remove: such a cause is hardly one.
const ABSENT: f64 = -1.0;

/// Weights of each class over the evidence.
pub type Weights = [[f64; EVIDENCE]; 8];

/// The largest gain wins; many even clients make a crowd, few make usage.
pub fn prior() -> Weights {
    let mut w = [[0.0; EVIDENCE]; 8];
    for (class, own) in OWN.iter().enumerate() {
        if let Some(own) = own {
            w[class][*own] = PRIOR;
        }
    }
    // Less than ×1.3 counts as nothing.
    w[0][EVIDENCE - 1] = PRIOR * 1.3_f64.ln();
    w[2][6] = 1.0;
    w[3][7] = 1.0;
    w
}

/// The six removals in the order of the evidence: coverage, other clients, other networks, other
/// sources, device, wire.
pub fn ideals(f: &Factors) -> [Factors; 6] {
    let calm = f.loss.min(0.05);
    [
        Factors {
            phy_mbps: f.near_mbps,
            loss: if f.near_mbps > f.phy_mbps {
                calm
            } else {
                f.loss
            },
            ..*f
        },
        Factors {
            sending: 0.0,
            uplink: f.uplink * 0.2,
            overhead: 0.0,
            light: 0.0,
            equals: 0.0,
            others: 0.0,
            wire_light_mbps: 0.0,
            wire_equals: 0.0,
            ..*f
        },
        Factors {
            foreign: 0.0,
            phy_mbps: f.clean_mbps,
            loss: calm,
            ..*f
        },
        Factors {
            non_wifi: 0.0,
            phy_mbps: f.clean_mbps,
            loss: calm,
            ..*f
        },
        Factors {
            phy_mbps: f.device_mbps,
            ..*f
        },
        Factors {
            wired_mbps: f64::INFINITY,
            ..*f
        },
    ]
}

/// Weight of a class's own gain (0 for `None`), and its constant.
pub fn class(weights: &Weights, k: usize) -> (f64, f64) {
    let own = OWN[k].map_or(0.0, |own| weights[k][own]);
    (own, weights[k][EVIDENCE - 1])
}

/// Sets them.
pub fn set_class(weights: &mut Weights, k: usize, (gain, constant): (f64, f64)) {
    if let Some(own) = OWN[k] {
        weights[k][own] = gain;
    }
    weights[k][EVIDENCE - 1] = constant;
}

/// Logarithms of what each removal gains, then what tells a crowd from usage, airtimes, and a constant.
pub fn evidence(f: &Factors, c: &Calibration) -> [f64; EVIDENCE] {
    let now = f.throughput(c).mbps;
    let mut e = [0.0; EVIDENCE];
    for (slot, ideal) in e.iter_mut().zip(&ideals(f)) {
        let gain = (ideal.throughput(c).mbps + 0.5) / (now + 0.5);
        *slot = gain.max(1.0).ln().min(4.0);
    }
    let there = [
        f.near_mbps > f.phy_mbps,
        f.others > 0.0,
        f.foreign > 0.005,
        f.non_wifi > 0.001,
        f.device_mbps > f.phy_mbps,
        f.wired_mbps < 999.0,
    ];
    for (slot, there) in e.iter_mut().zip(there) {
        *slot = if there { *slot } else { ABSENT };
    }
    // Five even clients divide a crowd from usage.
    let crowd = 6.0 * (f.crowd.max(0.5) / 5.0).ln();
    e[6] = -(-crowd).exp().ln_1p();
    e[7] = -crowd.exp().ln_1p();
    e[8] = f.foreign;
    e[9] = f.non_wifi;
    e[10] = f.sending;
    e[11] = f.loss;
    e[12] = f.uplink;
    e[13] = 1.0;
    e
}

/// Probability of each class.
pub fn shares(weights: &Weights, evidence: &[f64; EVIDENCE]) -> [f64; 8] {
    let mut out = weights.map(|w| w.iter().zip(evidence).map(|(w, e)| w * e).sum::<f64>());
    let most = out.iter().fold(f64::MIN, |a, b| a.max(*b));
    out.iter_mut().for_each(|v| *v = (*v - most).exp());
    let sum: f64 = out.iter().sum();
    out.map(|v| v / sum)
}

/// The likeliest class; of a bad interval `None` is left out, so that it has exactly one.
pub fn likeliest(shares: &[f64; 8], bad: bool) -> Cause {
    let from = usize::from(bad);
    let best = (from..CAUSES.len()).max_by(|a, b| shares[*a].total_cmp(&shares[*b]));
    CAUSES[best.unwrap_or(from)]
}

/// One run with its truth: what was seen, the class, and how much it counts.
pub type Case = ([f64; EVIDENCE], usize, f64);

/// Fits the weights by multinomial logistic regression: a constant of each class and the weight of its
/// own gain, no more (with some hundred cases, more learns the deployments by heart). The penalty pulls
/// to [`prior`]; plain gradient descent, so that it repeats to the bit.
pub fn fit(cases: &[Case], penalty: f64) -> Weights {
    let (start, mut w) = (prior(), prior());
    let total: f64 = cases.iter().map(|c| c.2).sum::<f64>().max(1e-9);
    for _ in 0..600 {
        let mut slope = [[0.0; 2]; 8];
        for (e, class, weight) in cases {
            let p = shares(&w, e);
            for (k, slope) in slope.iter_mut().enumerate() {
                let miss = (f64::from(k == *class) - p[k]) * weight / total;
                slope[0] += miss * OWN[k].map_or(0.0, |own| e[own]);
                slope[1] += miss;
            }
        }
        for k in 0..8 {
            for (j, slope) in [(OWN[k], slope[k][0]), (Some(EVIDENCE - 1), slope[k][1])] {
                if let Some(j) = j {
                    w[k][j] += 0.3 * (slope - penalty * (w[k][j] - start[k][j]));
                }
            }
        }
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::air::{Mate, Moment};
    use crate::model::Model;
    use crate::physics::Standard;

    fn found(m: &Moment, mates: &[Mate]) -> Cause {
        let model = Model::built_in();
        let f = Factors::of(m, Some(mates), &model.calibration);
        let shares = shares(&model.weights, &evidence(&f, &model.calibration));
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        likeliest(&shares, true)
    }

    #[test]
    fn each_ailment_is_found_where_it_is_the_only_one() {
        let calm = Moment {
            standard: Standard::Ax,
            ap_standard: Standard::Ax,
            width_mhz: 80,
            ap_width_mhz: 80,
            streams: 2,
            ap_streams: 2,
            ap_power_dbm: 20.0,
            rssi_dbm: -50.0,
            snr_db: 38.0,
            rate_mbps: f64::NAN,
            frames: 50.0,
            retries: 1.0,
            own_air: 0.01,
            own_mbps: 3.0,
            sending: 0.03,
            uplink: 0.02,
            foreign: 0.0,
            non_wifi: 0.0,
            active: 1.0,
            wired_mbps: f64::INFINITY,
        };
        let far = Moment {
            rssi_dbm: -86.0,
            snr_db: 2.0,
            ..calm
        };
        assert_eq!(found(&far, &[]), Cause::Coverage);
        let slow = Moment {
            wired_mbps: 5.0,
            ..calm
        };
        assert_eq!(found(&slow, &[]), Cause::Network);
        let old = Moment {
            standard: Standard::N,
            width_mhz: 20,
            streams: 1,
            ..calm
        };
        assert_eq!(found(&old, &[]), Cause::Device);
        let foreign = Moment {
            foreign: 0.85,
            ..calm
        };
        assert_eq!(found(&foreign, &[]), Cause::Wifi);
        let oven = Moment {
            non_wifi: 0.85,
            ..calm
        };
        assert_eq!(found(&oven, &[]), Cause::NonWifi);
        let full = Moment {
            sending: 0.9,
            ..calm
        };
        let mate = |air| Mate { air, mbps: 5.0 };
        assert_eq!(found(&full, &[mate(0.06); 14]), Cause::ClientCount);
        assert_eq!(found(&full, &[mate(0.85)]), Cause::ClientUsage);
    }

    #[test]
    fn fitting_repeats_and_moves_towards_the_truth() {
        let mut e = [0.0; EVIDENCE];
        (e[2], e[3], e[EVIDENCE - 1]) = (1.0, 0.9, 1.0);
        let cases: Vec<Case> = vec![(e, 5, 1.0); 20];
        let fitted = fit(&cases, 0.1);
        assert_eq!(fitted, fit(&cases, 0.1));
        assert_eq!(likeliest(&shares(&prior(), &e), false), Cause::Wifi);
        assert_eq!(likeliest(&shares(&fitted, &e), false), Cause::NonWifi);
    }

    #[test]
    fn a_bad_interval_always_has_a_classifier_of_the_set() {
        for (k, cause) in CAUSES.iter().enumerate() {
            let mut shares = [0.0; 8];
            shares[k] = 1.0;
            assert_eq!(likeliest(&shares, false), *cause);
            assert!(!likeliest(&shares, true).classifier().is_empty());
            assert_ne!(likeliest(&shares, true), Cause::None);
        }
    }
}
