//! Rates of 802.11n, ac, ax and be, and the signal that they need.
//!
//! PHY rate = data subcarriers × bits × code rate × streams ÷ symbol time (IEEE 802.11-2020, 19.5,
//! 21.5, 27.5). The SNR that an MCS needs is what ns-3's table-based error model asks for.
//! Pure: no clock, no I/O, no async.

/// Bits per subcarrier times code rate, by MCS 0 to 13.
const BITS: [f64; 14] = [
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
    9.0,
    10.0,
];

/// SNR in dB that an MCS needs for about 10 % lost frames.
const SNR_NEEDED: [f64; 14] = [
    4.0, 7.0, 10.0, 13.0, 16.0, 18.0, 22.0, 25.0, 30.0, 33.0, 36.0, 39.0, 42.0, 45.0,
];

/// What a radio can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// 802.11a, b, g: counted as one stream of 802.11n's lowest rates.
    Legacy,
    /// 802.11n.
    N,
    /// 802.11ac.
    Ac,
    /// 802.11ax.
    Ax,
    /// 802.11be.
    Be,
}

impl Standard {
    /// By the names of telemetry: a, b, g, n, ac, ax, be.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "a" | "b" | "g" => Self::Legacy,
            "n" => Self::N,
            "ac" => Self::Ac,
            "ax" => Self::Ax,
            "be" => Self::Be,
            _ => return None,
        })
    }

    /// Highest MCS.
    pub fn mcs_most(self) -> usize {
        match self {
            Self::Legacy | Self::N => 7,
            Self::Ac => 9,
            Self::Ax => 11,
            Self::Be => 13,
        }
    }

    /// Data subcarriers and symbol time in µs with the guard interval of 0.4 (n, ac) or 0.8 µs.
    fn symbol(self, width_mhz: u32) -> (f64, f64) {
        let wide = |narrow: [f64; 5]| match width_mhz {
            0..=20 => narrow[0],
            21..=40 => narrow[1],
            41..=80 => narrow[2],
            81..=160 => narrow[3],
            _ => narrow[4],
        };
        match self {
            Self::Legacy => (48.0, 4.0),
            Self::N => (wide([52.0, 108.0, 108.0, 108.0, 108.0]), 3.6),
            Self::Ac => (wide([52.0, 108.0, 234.0, 468.0, 468.0]), 3.6),
            Self::Ax => (wide([234.0, 468.0, 980.0, 1960.0, 1960.0]), 13.6),
            Self::Be => (wide([234.0, 468.0, 980.0, 1960.0, 3920.0]), 13.6),
        }
    }
}

/// PHY rate in Mbit/s.
pub fn phy_rate(standard: Standard, width_mhz: u32, streams: u32, mcs: usize) -> f64 {
    let (subcarriers, symbol_us) = standard.symbol(width_mhz);
    let bits = BITS[mcs.min(standard.mcs_most())];
    subcarriers * bits * f64::from(streams.clamp(1, 8)) / symbol_us
}

/// Highest MCS that a signal carries. `snr_db` is that of the width in use: its noise already grew with
/// the width; each doubling of the streams needs 3 dB more, since they share the power.
pub fn mcs_for(standard: Standard, streams: u32, snr_db: f64) -> usize {
    let many = f64::from(streams.clamp(1, 8)).log2() * 3.0;
    let fits = SNR_NEEDED[..=standard.mcs_most()]
        .iter()
        .rposition(|need| *need + many <= snr_db);
    fits.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standard::{Ac, Ax, Be, Legacy, N};

    #[test]
    fn rates_are_those_of_the_standard() {
        let near = |a: f64, b: f64| assert!((a - b).abs() / b < 0.001, "{a} instead of {b}");
        near(phy_rate(Ax, 20, 1, 11), 143.4);
        near(phy_rate(Ac, 80, 1, 9), 433.3);
        near(phy_rate(Ax, 80, 2, 11), 1_201.0);
        near(phy_rate(Be, 320, 1, 13), 2_882.4);
        near(phy_rate(N, 20, 2, 7), 144.4);
    }

    #[test]
    fn more_signal_width_and_streams_never_give_less() {
        for standard in [Legacy, N, Ac, Ax, Be] {
            for streams in [1, 2, 4] {
                let mut last = 0.0;
                for snr in 0..60 {
                    let mcs = mcs_for(standard, streams, f64::from(snr));
                    let rate = phy_rate(standard, 20, streams, mcs);
                    assert!(rate >= last);
                    last = rate;
                }
                assert!(phy_rate(standard, 80, streams, 5) >= phy_rate(standard, 40, streams, 5));
            }
        }
    }
}
