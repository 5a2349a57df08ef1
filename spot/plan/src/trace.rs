//! Recorded losses: a table of additions and removals, read as moments at which a share of a pool went.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::table::Table;

/// One pool's recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// The pool that was recorded.
    pub pool: String,
    /// How long, in seconds, above 0.
    pub length_s: f64,
    /// Moments of loss in seconds from the start, ascending, each with the share of the nodes then there, above 0 up to 1.
    pub events: Vec<(f64, f64)>,
    /// For each moment, how long until the pool had as many nodes again; the rest of the recording if it never did.
    pub outages_s: Vec<f64>,
}

/// Reads `time_s,pool,event,node,count`. Rows with the same time are one moment: its removals are counted against
/// what was there before it.
///
/// `length_s` is the recording's length where it is known; otherwise it ends with the last row.
///
/// # Errors
/// A row that cannot be read, times that run backwards, more removed than was there, an empty table.
pub fn parse(name: &str, text: &str, length_s: Option<f64>) -> Result<Vec<Track>> {
    let mut pools: BTreeMap<String, Vec<(f64, u32, u32)>> = BTreeMap::new();
    let mut last = 0.0f64;
    for row in Table::new(name, text, &["time_s", "pool", "event", "count"])? {
        let time = row.number(0)?;
        if time < last {
            return Err(row.wrong(&format!(
                "time {time} lies before {last}: sort the rows by time"
            )));
        }
        last = time;
        let count = row.number(3)?;
        if count.fract() != 0.0 || count > 1e6 {
            return Err(row.wrong(&format!(
                "a count of {count}; 0 to 1000000 nodes are allowed"
            )));
        }
        let (add, remove) = match row.text(2) {
            "add" => (count as u32, 0),
            "remove" => (0, count as u32),
            other => return Err(row.wrong(&format!("event \"{other}\"; allowed are add, remove"))),
        };
        let moments = pools.entry(row.text(1).to_owned()).or_default();
        match moments.last_mut() {
            Some(m) if m.0 == time => {
                m.1 += add;
                m.2 += remove;
            }
            _ => moments.push((time, add, remove)),
        }
    }
    // A recording that only begins is a second long: there is no time in which it could have lost anything.
    let length = length_s.unwrap_or(last).max(last).max(1.0);
    if pools.is_empty() {
        return Err(Error::Missing(format!(
            "{name} holds no recording: it needs rows of time_s,pool,event,node,count"
        )));
    }
    pools
        .into_iter()
        .map(|(pool, moments)| track(name, pool, &moments, length))
        .collect()
}

/// One pool's moments as shares and outages.
fn track(name: &str, pool: String, moments: &[(f64, u32, u32)], length_s: f64) -> Result<Track> {
    let (mut there, mut events, mut open) = (0u32, Vec::new(), Vec::new());
    let mut outages_s = Vec::new();
    for (time, add, remove) in moments {
        // What came in the same tick may be what went: then it was there.
        let before = if *remove > there { there + add } else { there };
        if *remove > before {
            return Err(Error::Missing(format!(
                "{name}: pool {pool} loses {remove} nodes at {time} s but has {before}: the rows before it are incomplete"
            )));
        }
        if *remove > 0 {
            events.push((*time, f64::from(*remove) / f64::from(before)));
            outages_s.push(length_s - time);
            open.push((outages_s.len() - 1, there, *time));
        }
        there = there + add - remove;
        open.retain(|(at, wanted, since)| {
            let back = there >= *wanted && time > since;
            if back {
                outages_s[*at] = time - since;
            }
            !back
        });
    }
    Ok(Track {
        pool,
        length_s,
        events,
        outages_s,
    })
}

/// A recording as an index lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its file.
    pub file: String,
    /// When it began: recordings that began together were taken side by side.
    pub start: String,
    /// How long it is, in seconds.
    pub length_s: f64,
}

/// Reads an index of `file,start,length_s`.
///
/// # Errors
/// A row that cannot be read.
pub fn index(name: &str, text: &str) -> Result<Vec<Entry>> {
    let row = |row: crate::table::Row<'_>| {
        Ok(Entry {
            file: row.text(0).to_owned(),
            start: row.text(1).to_owned(),
            length_s: row.number(2)?,
        })
    };
    Table::new(name, text, &["file", "start", "length_s"])?
        .map(row)
        .collect()
}
