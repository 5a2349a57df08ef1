//! Every bound and every time of the supervisor in one place.

/// A worker that died for the second time in a row waits so long before it starts again; twice as
/// long each further time. The first restart does not wait.
pub const RESTART_FIRST_MS: u64 = 200;

/// The longest wait before a restart, or before another attempt to fetch a program.
pub const RESTART_MOST_MS: u64 = 10_000;

/// A worker that has run so long has recovered: its next death counts as the first again.
pub const STEADY_MS: u64 = 30_000;

/// Slots are looked at this often.
pub const TICK_MS: u64 = 100;

/// At the start, a slot's port may be held so long by what ended with the last supervisor.
pub const PORT_MS: u64 = 2_000;

/// When the supervisor itself stood still for so long, silence of a worker proves nothing.
pub const STALL_MS: u64 = 5_000;

/// After SIGKILL, another one so often, until the process is gone.
pub const KILL_AGAIN_MS: u64 = 1_000;

/// A deadline further ahead than this is not believed: EC2's longest notice is a lifecycle hook of 48 h.
pub const PLAUSIBLE_MS: u64 = 48 * 3_600 * 1_000;

/// So many answers "there is none" in a row take a notice back.
pub const RETRACT_AFTER: u32 = 3;

/// Notices known at once: two kinds of a few sources; more would be someone's mistake.
pub const NOTICES_MOST: usize = 16;

/// A notice file is a line of JSON; a larger one is a mistake and is not read.
pub const NOTICE_FILE_MOST: u64 = 4_096;

/// Exits and notices that wait for a Nimbus: in the long run a slot dies once in
/// [`RESTART_MOST_MS`], and a new registration tells what runs in any case. What finds no room is
/// counted.
pub const REPORTS_KEPT: usize = 1_024;

/// Lines of what happened, kept for the page: at 200 bytes, 40 KB.
pub const STORY_KEPT: usize = 200;

/// Largest program, in bytes: as large as Nimbus takes.
pub const BLOB_MOST: u64 = 2 << 30;

/// Logs of a worker: so many bytes a file, and as many again in the one before it.
pub const LOG_MOST: u64 = 16 << 20;

/// Folders of logs that are kept after their worker has gone: with [`LOG_MOST`], 1.3 GB at worst.
pub const LOG_FOLDERS_KEPT: usize = 20;

/// Programs kept besides those in use.
pub const BLOBS_KEPT: usize = 4;
