//! The node's own memory and processor use, out of /proc.

/// Reads them; the processor's share is of the time since the last reading.
#[derive(Debug, Default)]
pub struct Node {
    busy: u64,
    all: u64,
}

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Load {
    /// Memory that is neither free nor can be freed, in bytes.
    pub memory_used_bytes: u64,
    /// Share of all cores, 0 to 100.
    pub cpu_used_percent: f64,
}

impl Node {
    /// A reading of now; zeros where /proc does not say.
    pub fn read(&mut self) -> Load {
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        Load {
            memory_used_bytes: used(&memory).unwrap_or(0),
            cpu_used_percent: self.cpu(&stat).unwrap_or(0.0),
        }
    }

    fn cpu(&mut self, stat: &str) -> Option<f64> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line
            .split_ascii_whitespace()
            .map_while(|t| t.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal; guest time is part of user's.
        let all: u64 = ticks.iter().take(8).sum();
        let busy = all - ticks.get(3)? - ticks.get(4)?;
        let (more_busy, more) = (busy.saturating_sub(self.busy), all.saturating_sub(self.all));
        (self.busy, self.all) = (busy, all);
        Some(if more == 0 {
            0.0
        } else {
            100.0 * more_busy as f64 / more as f64
        })
    }
}

fn used(meminfo: &str) -> Option<u64> {
    let kib = |key: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|l| l.strip_prefix(key))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
    Some(kib("MemTotal:")?.saturating_sub(kib("MemAvailable:")?) * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_the_time_between_two_readings() {
        let mut node = Node::default();
        node.cpu("cpu  100 0 100 700 100 0 0 0 0 0\n");
        let half = node.cpu("cpu  140 0 110 740 110 0 0 0 50 0\n");
        assert_eq!(half, Some(50.0));
        assert_eq!(node.cpu("cpu  140 0 110 740 110 0 0 0 50 0\n"), Some(0.0));
        assert_eq!(node.cpu("nothing"), None);
    }

    #[test]
    fn this_machine_uses_memory() {
        assert!(Node::default().read().memory_used_bytes > 1 << 20);
        assert_eq!(used("MemTotal: 10 kB\nMemAvailable: 4 kB\n"), Some(6_144));
        assert_eq!(used(""), None);
    }
}
