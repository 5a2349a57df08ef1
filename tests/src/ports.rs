//! Free ports on loopback: below the range that the kernel gives to outgoing connections, never the same twice.
//!
//! A port asked of the kernel (bind 0) lies in that range and can be taken by any connection before the
//! process that is to listen there has started; one from below it cannot.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Mutex;

/// From here on ports are handed out; the kernel's own range starts at 32768 by default.
const FIRST: u16 = 20_000;
/// Ports that are looked at before the search starts again.
const SPAN: u16 = 11_000;

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// This many free ports, different from all that were handed out before.
///
/// # Panics
/// When there are none.
pub fn free(count: usize) -> Vec<u16> {
    take(count, |_| true)
}

/// This many free slot ports whose HTTP ports (slot + 1000) are free too.
///
/// # Panics
/// When there are none.
pub fn free_slots(count: usize) -> Vec<u16> {
    take(count, |port| claim(port + 1000))
}

fn take(count: usize, also: impl Fn(u16) -> bool) -> Vec<u16> {
    // Test programs that run side by side start their search at different places.
    let start = (std::process::id() % u32::from(SPAN)) as u16;
    let found: Vec<u16> = (0..SPAN)
        .map(|step| FIRST + (start + step) % SPAN)
        .filter(|port| claim(*port) && also(*port))
        .take(count)
        .collect();
    assert_eq!(
        found.len(),
        count,
        "no {count} free ports between {FIRST} and {}",
        FIRST + SPAN
    );
    found
}

/// Whether the port was free and is now ours.
fn claim(port: u16) -> bool {
    let mut given = GIVEN.lock().expect("no thread panics with this lock");
    !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() && given.insert(port)
}
