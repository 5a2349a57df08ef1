//! What a record may lack, and what is then assumed; the interval widens by what that costs.
//! Pure: no clock, no I/O, no async.

use crate::air::Moment;
use crate::physics::Standard;

/// Fields that are missing together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// What the client's radio can do.
    Device,
    /// How loud the client is heard.
    Signal,
    /// The rate at which it was sent to.
    Rate,
    /// How busy the channel is.
    Channel,
}

/// All of them, with their names in the model's file.
pub const LACKS: [(Lack, &str); 4] = [
    (Lack::Device, "device"),
    (Lack::Signal, "signal"),
    (Lack::Rate, "rate"),
    (Lack::Channel, "channel"),
];

/// The same moment without these fields: a client without a word of its radio is the least of today's
/// (802.11n, 20 MHz, one stream), a channel without a word is idle but for what the client moves.
pub fn without(m: &Moment, lack: Lack) -> Moment {
    let mut m = *m;
    match lack {
        Lack::Device => (m.standard, m.width_mhz, m.streams) = (Standard::N, 20, 1),
        Lack::Signal => (m.rssi_dbm, m.snr_db) = (f64::NAN, f64::NAN),
        Lack::Rate => m.rate_mbps = f64::NAN,
        Lack::Channel => {
            (m.sending, m.uplink, m.foreign, m.non_wifi) = (0.0, 0.0, 0.0, 0.0);
        }
    }
    m
}
