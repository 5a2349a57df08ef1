//! Every bound of the engine in one place, each with the sum behind it.

/// Tuples in one batch: at 24 bytes a value and 4 values, 256 tuples are 24 KiB and stay in L1/L2.
pub const BATCH_TUPLES: usize = 256;

/// Tuples queued at one task above which its senders are not called: 16 batches, so that a sender on
/// another core can work for about 100 µs while its receiver is away.
pub const TASK_QUEUE_TUPLES: usize = 16 * BATCH_TUPLES;

/// Tuples queued at one task over an edge that closes a cycle, above which such a tuple fails.
pub const CYCLE_QUEUE_TUPLES: usize = 4 * TASK_QUEUE_TUPLES;

/// Emptied batches on their way back to the core that filled them: 64 × 24 KiB = 1.5 MiB.
pub const RETURNED_BATCHES: usize = 64;

/// Messages in the ring from one core to another, 128 bytes each: 32 KiB stay in L1. A batch is one;
/// 16 full ones are all that a task may have queued.
pub const RING_MESSAGES: usize = 256;

/// Calls of one spout in its first turn; afterwards as many as take about [`TURN_US`].
pub const SPOUT_CALLS: usize = 128;

/// The most calls of one spout in a turn.
pub const SPOUT_CALLS_MOST: usize = 16_384;

/// About how long a spout may keep its core before the others have their turn, in microseconds.
pub const TURN_US: u128 = 100;

/// Full batches after which a spout's turn ends, so that its back-pressure is looked at again.
pub const READY_BATCHES: usize = 4;

/// Roots settled within a spout's own turn after which it is told of them: 512 × 32 bytes stay in L1.
pub const TOLD_AT_ONCE: usize = 512;

/// Calls that may lie on each other in a chain of fused tasks: each takes about 1 KiB of stack and
/// what the author's code takes.
pub const FUSE_DEPTH: u32 = 16;

/// Tuples that one call may emit beyond what its targets take, before its thread waits inside emit:
/// 512 Ki × 128 bytes (four values and a root) are 64 MiB, the default of `topology.emit.overflow.max`.
pub const EMIT_OVERFLOW_TUPLES: usize = 512 << 10;

/// How long a call may last before another thread adopts its core's other executors, in
/// milliseconds (DESIGN 3.3).
pub const STUCK_MS: u64 = 100;

/// Cores that can be made for executors that block without having said so.
pub const SPARE_CORES: usize = 64;

/// A closed root is forgotten when its ledger's ring is at least this long and less than a quarter
/// of it is open; the open ones in front move to a map.
pub const LEDGER_SPARSE: usize = 4_096;

/// Batches that a bolt executes before its core looks after its other executors.
pub const BOLT_BATCHES: usize = 16;

/// Batches kept for reuse by one core: 512 × 24 KiB = 12 MiB at most.
pub const RECYCLED_BATCHES: usize = 512;

/// Rounds that an idle core spins before it parks: about 5 µs.
pub const IDLE_SPINS: u32 = 64;

/// First wait of an idle spout, in microseconds (DESIGN 2).
pub const SPOUT_IDLE_FIRST_US: u64 = 20;

/// Longest wait of an idle spout, in microseconds.
pub const SPOUT_IDLE_MOST_US: u64 = 10_000;

/// Errors kept for a heartbeat; more are counted.
pub const ERRORS_KEPT: usize = 256;

/// Longest pause before an executor that panics again and again is made anew, in milliseconds.
pub const RESTART_MOST_MS: u64 = 10_000;

/// Largest frame between workers, in bytes: a batch of 256 tuples of 256 KiB. What is larger fails
/// its tuples with an error that names the component.
pub const FRAME_MOST: usize = 64 << 20;

/// Frames kept for a peer that does not confirm: the sender's back-pressure stops long before.
pub const UNCONFIRMED_FRAMES: usize = 65_536;

/// Workers that credit is kept for before an assignment names them; each takes some bytes for each of its tasks.
pub const OWED_MOST: usize = 1_024;
/// Peers that are remembered when an assignment leaves them out. What was on its way to each is bounded by its credit; with
/// everything confirmed it takes some hundred bytes.
pub const PARTED_MOST: usize = 1_024;

/// A peer that was silent for so long is lost (DESIGN 3.7), in milliseconds.
pub const PEER_SILENT_MS: u64 = 1_000;

/// An idle link says so this often, in milliseconds.
pub const PING_MS: u64 = 200;

/// Memory that an encoder keeps from one frame to the next.
pub const SCRATCH_MOST: usize = 1 << 20;

/// Tuples queued at one task of another worker above which its senders are not called: a round trip
/// between threads and sockets takes 100 µs to 1 ms, in which a core emits 10,000 tuples.
pub const REMOTE_QUEUE_TUPLES: usize = 4 * TASK_QUEUE_TUPLES;

/// Bytes that wait for a socket above which its thread is woken at once; what is less waits until
/// the core has nothing else to do, or for [`FLUSH_US`].
pub const FLUSH_BYTES: usize = 128 << 10;

/// How long what a core sends to other workers waits for more, in microseconds, while the core works.
pub const FLUSH_US: u64 = 200;

/// Bytes received after which a peer's frames are confirmed, if not after [`CONFIRM_MS`].
pub const CONFIRM_BYTES: usize = 256 << 10;

/// How long frames that have arrived stay unconfirmed, in milliseconds.
pub const CONFIRM_MS: u64 = 5;
