//! Free ports on loopback, below the range that the kernel gives to outgoing connections.
//!
//! A JVM takes seconds from being told a port to listening on it; a port of the kernel's own range could be gone by then.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

const FIRST: u32 = 15_000;
const SPAN: u32 = 5_000;

/// This many ports that nobody listens on; never one that was given out before by this process.
///
/// # Errors
/// There are none.
pub fn free(count: usize) -> Result<Vec<u16>> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Two of us that run side by side begin at different places.
    let start = std::process::id().wrapping_mul(97);
    let mut found = Vec::new();
    for _ in 0..SPAN {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + start.wrapping_add(step) % SPAN) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            found.push(port);
            if found.len() == count {
                return Ok(found);
            }
        }
    }
    bail!(
        "no {count} free ports from {FIRST} to {}; remedy: stop what listens there",
        FIRST + SPAN
    )
}
