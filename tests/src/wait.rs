//! Waiting for a condition with a deadline: the only pause that a test may make.

use std::time::{Duration, Instant};

/// Asks until the answer is `Some`, every 20 ms.
///
/// # Panics
/// When the deadline passes, saying what was waited for.
pub fn wait_for<T>(what: &str, most: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + most;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited {most:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20)); // poll: the one pause of all integration tests
    }
}

/// Waits until a condition holds.
///
/// # Panics
/// When the deadline passes, saying what was waited for.
pub fn wait_until(what: &str, most: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, most, || holds().then_some(()));
}

/// Waits until a condition holds; what to say when it does not is asked at the deadline.
///
/// # Panics
/// When the deadline passes.
pub fn wait_until_or(
    most: Duration,
    mut holds: impl FnMut() -> bool,
    mut why: impl FnMut() -> String,
) {
    let end = Instant::now() + most;
    while !holds() {
        assert!(Instant::now() < end, "waited {most:?} in vain: {}", why());
        std::thread::sleep(Duration::from_millis(20)); // poll: the one pause of all integration tests
    }
}
