//! What work needs, from what was measured of it: cores, memory, network, and which of them rules the choice of machines.
//!
//! Pure: no clock, no I/O, no async.

use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use crate::market::Need;

/// Part of the cores that may be busy: what is left takes the replay after a loss.
pub const CPU_BUSY: f64 = 0.7;
/// Part of the memory that may be in use.
pub const MEMORY_USED: f64 = 0.8;

/// One component as it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Tuples that it executes, or as a spout emits, per second.
    pub tuples_per_s: f64,
    /// Core time of one, in microseconds.
    pub cpu_us_per_tuple: f64,
    /// Its tasks.
    pub tasks: u32,
    /// Memory of one, in MiB.
    pub memory_mib_per_task: f64,
    /// What one tuple adds to what goes between machines, in bytes; 0 where it stays on its machine.
    #[serde(default)]
    pub bytes_per_tuple: f64,
}

/// The measured components.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// All of them, of one topology or of several.
    pub components: Vec<Component>,
}

/// What rules the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Below 3 GiB a core.
    ComputeHeavy,
    /// Between.
    Balanced,
    /// Above 6 GiB a core.
    MemoryHeavy,
}

/// What machines have to give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Cores and memory, with their reserves.
    pub need: Need,
    /// Between machines, megabits per second.
    pub network_mbps: f64,
    /// What rules.
    pub kind: Kind,
}

impl Needs {
    /// Adds them up.
    ///
    /// # Errors
    /// A number that is negative or no number, or nothing is needed at all.
    pub fn demand(&self) -> Result<Demand> {
        for c in &self.components {
            let numbers = [
                ("tuples_per_s", c.tuples_per_s),
                ("cpu_us_per_tuple", c.cpu_us_per_tuple),
                ("memory_mib_per_task", c.memory_mib_per_task),
                ("bytes_per_tuple", c.bytes_per_tuple),
            ];
            for (field, number) in numbers {
                if !(number.is_finite() && number >= 0.0) {
                    let what = format!("{field} of {}", c.name);
                    return refuse(&what, number, "0 or more", "measure it again");
                }
            }
        }
        let sum = |f: &dyn Fn(&Component) -> f64| self.components.iter().map(f).sum::<f64>();
        let vcpu = sum(&|c| c.tuples_per_s * c.cpu_us_per_tuple) / 1e6 / CPU_BUSY;
        let memory_gib =
            sum(&|c| f64::from(c.tasks) * c.memory_mib_per_task) / 1024.0 / MEMORY_USED;
        let network_mbps = sum(&|c| c.tuples_per_s * c.bytes_per_tuple) * 8.0 / 1e6;
        if vcpu <= 0.0 || memory_gib <= 0.0 {
            let value = format!("{vcpu} cores, {memory_gib} GiB");
            let remedy = "measure while tuples flow, or state the needs in a file";
            return refuse("the sum of the needs", value, "above 0 of each", remedy);
        }
        Ok(Demand {
            need: Need { vcpu, memory_gib },
            network_mbps,
            kind: Kind::of(memory_gib / vcpu),
        })
    }
}

impl Kind {
    /// By GiB a core. The types on offer have 2, 4 and 8.
    pub fn of(gib_per_core: f64) -> Self {
        match gib_per_core {
            x if x < 3.0 => Self::ComputeHeavy,
            x if x <= 6.0 => Self::Balanced,
            _ => Self::MemoryHeavy,
        }
    }

    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Self::ComputeHeavy => "compute-heavy",
            Self::Balanced => "balanced",
            Self::MemoryHeavy => "memory-heavy",
        }
    }
}
