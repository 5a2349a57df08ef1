//! Every bound and every time of Nimbus in one place.

/// A node is dead when neither its supervisor nor any of its workers was heard for so long (DESIGN 8).
pub const NODE_TIMEOUT_MS: u64 = 3_000;

/// After a start, so long a node that has not reported is believed to live: a supervisor tries again
/// each second.
pub const GRACE_MS: u64 = 5_000;

/// A move whose new owner is not ready after so long is made all the same.
pub const MOVE_MOST_MS: u64 = 30_000;

/// So long before its deadline a node's work moves, ready or not.
pub const DEADLINE_MARGIN_MS: u64 = 3_000;

/// A deadline further ahead than this is not believed: EC2's longest notice is a lifecycle hook of 48 h.
pub const PLAUSIBLE_MS: u64 = 48 * 3_600 * 1_000;

/// An event's advice that no sentence follows ends after so long, as a supervisor's own does.
pub const ADVICE_MS: u64 = 600_000;

/// A node that still speaks so long after the deadline that an event gave was spared.
pub const OVERDUE_MS: u64 = 600_000;

/// Incarnations remembered as lost, per topology: a lost worker that returns is refused by them.
pub const LOST_KEPT: usize = 256;

/// Largest upload, in bytes: ten times a static Rust program with debug symbols.
pub const BLOB_MOST: u64 = 2 << 30;

/// Events kept for the page: at 200 bytes, 400 KB.
pub const EVENTS_KEPT: usize = 2_000;

/// Streams and inputs that one component is counted under; more are counted as refused.
pub const STAT_KEYS: usize = 256;

/// Errors of components kept for the page, per topology.
pub const ERRORS_KEPT: usize = 200;

/// Longest text of such an error, in bytes.
pub const ERROR_BYTES: usize = 4_096;

/// `supervisor.cpu.capacity` of a supervisor that says nothing, in points (Storm's default).
pub const CPU_POINTS: f64 = 400.0;

/// `supervisor.memory.capacity.mb` of a supervisor that says nothing (Storm's default).
pub const MEMORY_MB: f64 = 4096.0;

/// Node losses that are tried at most; more need not be told apart.
pub const ENDURES_MOST: usize = 32;

/// Placements of the whole cluster for one answer to how many losses it bears.
pub const DRY_RUNS: usize = 300;

/// Between two answers to how many losses each topology bears, at least.
pub const ENDURES_EVERY_MS: u64 = 5_000;

/// Topologies that are spread anew at one look, so that a look stays short.
pub const SPREAD_AT_ONCE: usize = 8;
