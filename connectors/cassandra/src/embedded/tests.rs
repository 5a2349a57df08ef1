//! The embedded store against its promises: durable, repaired after a full disk, clients that come back.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fulmar_proto::store::{SelectRequest, StoredRow, TableShape, UpsertRequest};
use redb::{Database, StorageBackend};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::disk::{Disk, DiskError};
use super::run;
use crate::row::{Cell, Column, Kind, Row, Table};
use crate::store::{Range, Store, connect};
use crate::tables::AGGREGATES_10M;
use crate::{StoreError, cql};

static NUMBERS: Table = Table {
    name: "numbers",
    partition: &[Column::new("p", Kind::Text)],
    clustering: &[Column::new("n", Kind::Int)],
    values: &[Column::new("v", Kind::Text)],
    descending: false,
    ttl_s: 0,
    window_h: 0,
};

fn row(p: &str, n: i64, v: &str, timestamp_us: i64) -> Row {
    Row {
        cells: vec![Cell::text(p), Cell::Int(n), Cell::text(v)],
        timestamp_us,
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), StoreError>>,
}

async fn serve(dir: &Path, address: &str) -> Running {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let dir = dir.to_owned();
    let served = tokio::spawn(async move {
        run(&dir, listener, async {
            stopped.await.ok();
        })
        .await
    });
    Running {
        address,
        stop,
        served,
    }
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }

    async fn client(&self) -> Arc<dyn Store> {
        connect(&format!("embedded://{}", self.address))
            .await
            .unwrap()
    }
}

async fn all(store: &Arc<dyn Store>, p: &str) -> Vec<Row> {
    let key = [Cell::text(p)];
    let all = Range::all();
    let rows = store.select(&NUMBERS, &key, &all, 10_000, false);
    rows.await.unwrap()
}

#[tokio::test]
async fn rows_survive_a_restart_and_the_client_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path(), "127.0.0.1:0").await;
    let store = server.client().await;
    store.ensure(&[&NUMBERS, &AGGREGATES_10M]).await.unwrap();
    let rows: Vec<Row> = (0..3000).map(|n| row("a", n, "x", 1)).collect();
    store.upsert(&NUMBERS, &rows).await.unwrap();
    let address = server.address.to_string();
    server.stop().await;
    // The write below starts while nobody listens.
    let late = tokio::spawn({
        let store = store.clone();
        async move { store.upsert(&NUMBERS, &[row("a", 7, "y", 2)]).await }
    });
    let server = serve(dir.path(), &address).await;
    late.await.unwrap().unwrap();
    let read = all(&store, "a").await;
    assert_eq!(read.len(), 3000);
    assert_eq!(read[7], row("a", 7, "y", 2));
    let mut scanned = 0;
    store.scan(&NUMBERS, &mut |_| scanned += 1).await.unwrap();
    assert_eq!(scanned, 3000);
    server.stop().await;

    // An empty folder: the client tells the server its tables again.
    let empty = tempfile::tempdir().unwrap();
    let server = serve(empty.path(), &address).await;
    store
        .upsert(&NUMBERS, &[row("a", 1, "z", 1)])
        .await
        .unwrap();
    assert_eq!(all(&store, "a").await, [row("a", 1, "z", 1)]);
    server.stop().await;
}

#[tokio::test]
async fn many_writers_share_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path(), "127.0.0.1:0").await;
    let store = server.client().await;
    store.ensure(&[&NUMBERS]).await.unwrap();
    let writers: Vec<_> = (0..64)
        .map(|w: i64| {
            let store = store.clone();
            tokio::spawn(async move {
                // All write the same keys; the largest timestamp is the last writer's.
                let rows: Vec<Row> = (0..100).map(|n| row("a", n, &w.to_string(), w)).collect();
                store.upsert(&NUMBERS, &rows).await
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let read = all(&store, "a").await;
    let want: Vec<Row> = (0..100).map(|n| row("a", n, "63", 63)).collect();
    assert_eq!(read, want);
    server.stop().await;
}

#[tokio::test]
async fn mistakes_have_names() {
    static OTHER: Table = Table {
        values: &[Column::new("v", Kind::Double)],
        ..NUMBERS_SHAPE
    };
    const NUMBERS_SHAPE: Table = Table {
        name: "numbers",
        partition: &[Column::new("p", Kind::Text)],
        clustering: &[Column::new("n", Kind::Int)],
        values: &[],
        descending: false,
        ttl_s: 0,
        window_h: 0,
    };
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path(), "127.0.0.1:0").await;
    let store = server.client().await;
    let unknown = store.upsert(&NUMBERS, &[row("a", 1, "x", 1)]).await;
    let unknown = unknown.unwrap_err().to_string();
    assert!(unknown.contains("no table fulmar.numbers"), "{unknown}");
    store.ensure(&[&NUMBERS]).await.unwrap();
    let clash = store.ensure(&[&OTHER]).await.unwrap_err();
    assert!(matches!(clash, StoreError::Schema { .. }), "{clash}");
    assert!(clash.to_string().contains("v Double"), "{clash}");
    let mut short = row("a", 1, "x", 1);
    short.cells.pop();
    let short = store.upsert(&NUMBERS, &[short]).await.unwrap_err();
    assert!(
        short.to_string().contains("2 cells for 3 columns"),
        "{short}"
    );
    // A second server on the same folder.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second = run(dir.path(), listener, async {}).await.unwrap_err();
    assert!(second.to_string().contains("another process"), "{second}");
    server.stop().await;
}

/// A disk in memory that takes so many bytes.
#[derive(Debug, Clone)]
struct SmallDisk {
    bytes: Arc<Mutex<Vec<u8>>>,
    limit: Arc<AtomicU64>,
}

impl SmallDisk {
    fn full(&self, end: u64) -> std::io::Result<()> {
        if end > self.limit.load(Ordering::SeqCst) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

impl StorageBackend for SmallDisk {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let at = offset as usize;
        out.copy_from_slice(&self.bytes.lock().unwrap()[at..at + out.len()]);
        Ok(())
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.full(len)?;
        self.bytes.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }
    fn sync_data(&self) -> std::io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        let at = offset as usize;
        self.bytes.lock().unwrap()[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn shape(ttl_s: u32) -> TableShape {
    TableShape {
        keyspace: "k".into(),
        name: "t".into(),
        shape: "s".into(),
        ttl_s,
    }
}

fn request(keys: std::ops::Range<u32>, size: usize) -> UpsertRequest {
    let mut values = Vec::new();
    cql::push(&mut values, &Cell::text("x".repeat(size)));
    let rows = keys.map(|k| StoredRow {
        key: k.to_be_bytes().to_vec(),
        timestamp_us: 1,
        values: values.clone(),
    });
    UpsertRequest {
        keyspace: "k".into(),
        table: "t".into(),
        rows: rows.collect(),
    }
}

fn count(disk: &Disk, now_s: u64) -> usize {
    let all = SelectRequest {
        keyspace: "k".into(),
        table: "t".into(),
        ..SelectRequest::default()
    };
    let mut n = 0;
    disk.select(&all, now_s, |_| {
        n += 1;
        true
    })
    .unwrap();
    n
}

#[test]
fn a_full_disk_is_told_and_serves_again_once_there_is_space() {
    let small = SmallDisk {
        bytes: Arc::default(),
        limit: Arc::new(AtomicU64::new(4 << 20)),
    };
    let backend = small.clone();
    let open = move |_: &Path| Database::builder().create_with_backend(backend.clone());
    let disk = Disk::open_with(Path::new("."), Box::new(open)).unwrap();
    disk.ensure(&[shape(0)]).unwrap();
    disk.upsert(&[request(0..100, 1000)], 0).unwrap();
    let full = disk.upsert(&[request(100..10_000, 1000)], 0).unwrap_err();
    assert!(matches!(full, DiskError::Full(_)), "{full:?}");
    assert_eq!(count(&disk, 0), 100);
    small.limit.store(u64::MAX, Ordering::SeqCst);
    disk.upsert(&[request(100..10_000, 1000)], 0).unwrap();
    assert_eq!(count(&disk, 0), 10_000);
}

#[test]
fn rows_vanish_by_their_ttl_and_are_swept() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open(dir.path()).unwrap();
    disk.ensure(&[shape(10)]).unwrap();
    disk.upsert(&[request(0..50, 1)], 100).unwrap();
    disk.upsert(&[request(50..80, 1)], 105).unwrap();
    assert_eq!((count(&disk, 109), count(&disk, 110)), (80, 30));
    let (mut cursor, mut steps) = (None, 0);
    loop {
        cursor = disk.sweep(cursor, 7, 110).unwrap();
        steps += 1;
        if cursor.is_none() {
            break;
        }
    }
    assert!(steps > 10, "{steps}");
    // Seen by a clock that is behind, only what was removed from disk is missing.
    assert_eq!(count(&disk, 0), 30);
    // A later write with a smaller timestamp does not meet what has vanished.
    let mut old = request(60..61, 1);
    old.rows[0].timestamp_us = 0;
    disk.upsert(&[old], 200).unwrap();
    assert_eq!(count(&disk, 200), 1);
}
