//! What this process takes of the machine, as the kernel counts it.

use std::time::Duration;

/// CPU time and memory of this process.
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Resident memory.
    pub rss_mib: f64,
}

impl Usage {
    /// As `/proc` says now; zero where there is no `/proc`.
    pub fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name in parentheses may hold blanks; what follows it begins with the state.
        let after = stat.rsplit(')').next().unwrap_or_default();
        let field = |i: usize| -> u64 {
            let found = after.split_whitespace().nth(i);
            found.and_then(|f| f.parse().ok()).unwrap_or(0)
        };
        Self {
            // utime and stime, in ticks of 10 ms.
            cpu: Duration::from_millis(10 * (field(11) + field(12))),
            // rss, in pages of 4 KiB.
            rss_mib: field(21) as f64 / 256.0,
        }
    }
}
