//! What the machine itself can do, as the denominators of the engine's figures: rings between two
//! threads, dynamic calls on one thread, bytes through a loopback socket.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::report::Figure;

/// Measures all limits.
///
/// # Errors
/// A socket or a thread cannot be made.
pub fn measure(runs: usize, span: Duration) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut add = |name: &str, unit, runs: Vec<f64>| {
        figures.push(Figure {
            name: format!("limit/{name}"),
            runs,
            unit,
            against: None,
            note: "of this machine, in the same run".to_owned(),
        });
    };
    add(
        "ring16",
        "items/s",
        (0..runs).map(|_| ring([0_u64; 2], span)).collect(),
    );
    add(
        "ring112",
        "items/s",
        (0..runs).map(|_| ring([0_u64; 14], span)).collect(),
    );
    add("calls", "calls/s", (0..runs).map(|_| calls(span)).collect());
    let tcp = (0..runs)
        .map(|_| tcp(span))
        .collect::<std::io::Result<_>>()?;
    add("tcp", "bytes/s", tcp);
    Ok(figures)
}

/// Items through a single-producer ring of 4,096 between two threads, in chunks of 256.
fn ring<T: Copy + Default + Send + 'static>(item: T, span: Duration) -> f64 {
    let (mut tx, mut rx) = rtrb::RingBuffer::<T>::new(4_096);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let producer = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            let room = tx.slots().min(256);
            match tx.write_chunk_uninit(room) {
                Ok(chunk) if room > 0 => {
                    chunk.fill_from_iter(std::iter::repeat_n(black_box(item), room));
                }
                _ => std::hint::spin_loop(),
            }
        }
    });
    let (started, mut got) = (Instant::now(), 0_u64);
    while started.elapsed() < span {
        let there = rx.slots().min(256);
        match rx.read_chunk(there) {
            Ok(chunk) if there > 0 => chunk.into_iter().for_each(|item| {
                black_box(item);
                got += 1;
            }),
            _ => std::hint::spin_loop(),
        }
    }
    let rate = got as f64 / started.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    // Nothing in it can panic.
    let _ = producer.join();
    rate
}

trait Take {
    fn take(&mut self, item: [u64; 2]);
}

struct Last([u64; 2], u64);

impl Take for Last {
    fn take(&mut self, item: [u64; 2]) {
        self.0 = item;
        self.1 += 1;
    }
}

/// Dynamic calls on one thread, each with a copy of 16 bytes.
fn calls(span: Duration) -> f64 {
    let mut last = Last([0; 2], 0);
    let taker: &mut dyn Take = black_box(&mut last);
    let (started, mut n) = (Instant::now(), 0_u64);
    while started.elapsed() < span {
        for _ in 0..10_000 {
            n += 1;
            taker.take(black_box([n, n]));
        }
    }
    black_box(&mut last);
    n as f64 / started.elapsed().as_secs_f64()
}

/// Bytes through one loopback connection, written 256 KiB at a time.
fn tcp(span: Duration) -> std::io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut write = TcpStream::connect(listener.local_addr()?)?;
    let (mut read, _) = listener.accept()?;
    let writer = std::thread::spawn(move || {
        let bytes = vec![7_u8; 256 << 10];
        // Ends when the reader closes.
        while write.write_all(&bytes).is_ok() {}
    });
    let (started, mut got, mut bytes) = (Instant::now(), 0_u64, vec![0_u8; 256 << 10]);
    while started.elapsed() < span {
        got += read.read(&mut bytes)? as u64;
    }
    let rate = got as f64 / started.elapsed().as_secs_f64();
    drop(read);
    let _ = writer.join();
    Ok(rate)
}
