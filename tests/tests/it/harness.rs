//! The harness itself: what it starts it ends, and its waiting has an end.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use fulmar_tests::process::Process;
use fulmar_tests::{ports, wait};

#[test]
fn a_process_is_killed_by_its_pid_and_its_log_is_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut process = Process::start(
        "cat",
        Command::new("sh").args(["-c", "echo ready; exec tail -f /dev/null"]),
        dir.path(),
    );
    wait::wait_until("the first line", Duration::from_secs(10), || {
        process.log() == "ready\n"
    });
    assert!(process.is_running());
    process.kill_9();
    assert!(!process.is_running());
    assert_eq!(process.wait(Duration::from_secs(1)).signal(), Some(9));
}

#[test]
fn waiting_has_an_end_and_says_what_for() {
    let waited =
        std::panic::catch_unwind(|| wait::wait_until("rain", Duration::from_millis(1), || false));
    let message = waited.expect_err("it never rains");
    let text = message.downcast_ref::<String>().expect("a message");
    assert!(text.contains("for rain"), "{text}");
}

#[test]
fn ports_are_never_the_same_twice_and_outside_the_range_of_outgoing_connections() {
    let slots = ports::free_slots(4);
    let mut all: Vec<u16> = slots.iter().flat_map(|s| [*s, s + 1000]).collect();
    all.extend(ports::free(8));
    let many = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!((slots.len(), many, all.len()), (4, 16, 16), "{all:?}");
    assert!(all.iter().all(|p| (20_000..32_768).contains(p)), "{all:?}");
}
