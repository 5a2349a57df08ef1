//! Free ports on loopback: asked of the kernel, never fixed.

use std::net::TcpListener;

/// This many free ports, different from one another. They are free when asked; whoever binds one late can find it taken.
///
/// # Panics
/// When loopback has no free port.
pub fn free(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"))
        .collect();
    held.iter()
        .map(|l| {
            l.local_addr()
                .expect("a bound socket has an address")
                .port()
        })
        .collect()
}

/// This many free slot ports whose HTTP ports (slot + 1000) are free too.
///
/// # Panics
/// When none are found in a thousand tries.
pub fn free_slots(count: usize) -> Vec<u16> {
    let mut slots = Vec::new();
    let mut held = Vec::new();
    for _ in 0..1000 {
        let slot = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = slot
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        let Some(http) = port.checked_add(1000) else {
            continue;
        };
        if let Ok(door) = TcpListener::bind(("127.0.0.1", http)) {
            held.extend([slot, door]);
            slots.push(port);
            if slots.len() == count {
                return slots;
            }
        }
    }
    panic!("no {count} slot ports with a free HTTP port beside them");
}
