//! The bolt against a store that a test can hold back and break.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fulmar_api::Config;
use fulmar_api::testing::BoltTester;
use fulmar_api::value::Value;
use tokio::sync::Semaphore;

use super::CassandraBolt;
use crate::StoreError;
use crate::row::{Cell, Column, Kind, Row, Table};
use crate::store::{Range, Store};

static NUMBERS: Table = Table {
    name: "numbers",
    partition: &[Column::new("p", Kind::Text)],
    clustering: &[Column::new("n", Kind::Int)],
    values: &[Column::new("v", Kind::Int)],
    descending: false,
    ttl_s: 0,
    window_h: 0,
};

/// A store that answers when it is let, and says that it is overloaded so many times first.
struct Held {
    gate: Semaphore,
    overloaded: AtomicUsize,
    refuses: bool,
    rows: Mutex<Vec<Row>>,
    ensured: AtomicUsize,
}

impl Held {
    fn new(open: usize, overloaded: usize, refuses: bool) -> Arc<Self> {
        Arc::new(Self {
            gate: Semaphore::new(open),
            overloaded: AtomicUsize::new(overloaded),
            refuses,
            rows: Mutex::new(Vec::new()),
            ensured: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl Store for Held {
    async fn ensure(&self, _: &[&'static Table]) -> Result<(), StoreError> {
        self.ensured.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn upsert(&self, _: &'static Table, rows: &[Row]) -> Result<(), StoreError> {
        let (address, problem) = (self.address(), "by the test".to_owned());
        if self.refuses {
            return Err(StoreError::Refused { address, problem });
        }
        let left = self
            .overloaded
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if left.is_ok() {
            return Err(StoreError::Overloaded { address, problem });
        }
        self.gate.acquire().await.unwrap().forget();
        self.rows.lock().unwrap().extend_from_slice(rows);
        Ok(())
    }

    async fn select(
        &self,
        _: &'static Table,
        _: &[Cell],
        _: &Range,
        _: usize,
        _: bool,
    ) -> Result<Vec<Row>, StoreError> {
        Ok(Vec::new())
    }

    async fn scan(
        &self,
        _: &'static Table,
        _: &mut (dyn FnMut(Row) + Send),
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn address(&self) -> String {
        "test://".to_owned()
    }
}

fn bolt(store: &Arc<Held>, conf: &[(&str, i64)]) -> BoltTester<CassandraBolt> {
    let bolt = CassandraBolt::with_store(store.clone(), &[&NUMBERS], |input| {
        let n = input.int("n")?;
        let row = Row {
            cells: vec![Cell::text("p"), Cell::Int(n), Cell::Int(n * n)],
            timestamp_us: n,
        };
        Ok(if n < 0 {
            Vec::new()
        } else {
            vec![(&NUMBERS, row)]
        })
    });
    let mut test = BoltTester::new(bolt, ["n"]);
    let mut all = Config::new();
    for (key, value) in conf {
        all.set(key, *value);
    }
    test.prepare(&all).unwrap();
    test
}

fn until(what: &str, mut there: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !there() {
        assert!(Instant::now() < end, "{what} within 10 s");
        std::thread::sleep(Duration::from_millis(1)); // poll: for what other threads do
    }
}

#[test]
fn an_input_is_acked_when_its_row_is_confirmed_and_not_before() {
    let store = Held::new(0, 0, false);
    let mut test = bolt(&store, &[]);
    for n in 0..3 {
        test.execute([n as i64]).unwrap();
    }
    assert_eq!(test.acked(), 0);
    store.gate.add_permits(10);
    until("three acks", || test.acked() == 3);
    assert_eq!(store.rows.lock().unwrap().len(), 3);
    assert_eq!(store.ensured.load(Ordering::SeqCst), 1);
}

#[test]
fn no_more_than_the_limit_is_in_flight_and_the_rest_is_gathered() {
    let store = Held::new(0, 0, false);
    let mut test = bolt(&store, &[("cassandra.max.inflight", 2)]);
    for n in 0..50_i64 {
        test.execute([n]).unwrap();
    }
    // Two single rows are under way; all others became one batch that waits.
    store.gate.add_permits(2);
    until("two acks", || test.acked() == 2);
    until("a wake", || test.told().unwrap().wakes > 0);
    test.wake().unwrap();
    store.gate.add_permits(1);
    until("the gathered batch", || test.acked() == 50);
    assert_eq!(store.gate.available_permits(), 0);
}

#[test]
fn an_overloaded_store_is_tried_again_and_one_that_refuses_fails_the_input() {
    let store = Held::new(1, 3, false);
    let mut test = bolt(&store, &[("cassandra.reconnectionPolicy.baseDelayMs", 1)]);
    test.execute([7_i64]).unwrap();
    until("an ack", || test.acked() == 1);
    assert_eq!(
        test.told().unwrap().counters["fulmar_cassandra_retries_total"],
        3
    );

    let mut test = bolt(&Held::new(1, 0, true), &[]);
    test.execute([7_i64]).unwrap();
    until("a fail", || test.failed() == 1);
    assert!(test.told().unwrap().errors[0].contains("refuses: by the test"));
}

#[test]
fn what_cannot_be_mapped_and_what_is_too_much_is_an_error_with_the_remedy() {
    let store = Held::new(0, 0, false);
    let mut test = bolt(&store, &[("cassandra.max.pending.rows", 2)]);
    assert!(test.execute([Value::from("seven")]).is_err());
    test.execute([-1_i64]).unwrap();
    assert_eq!(test.acked(), 1, "no rows, nothing to wait for");
    test.execute([1_i64]).unwrap();
    test.execute([2_i64]).unwrap();
    let error = test.execute([3_i64]).unwrap_err().to_string();
    assert!(
        error.contains("2 rows wait") && error.contains("max.spout.pending"),
        "{error}"
    );
    let told = test.told().unwrap();
    assert_eq!(told.counters["fulmar_cassandra_unmapped_total"], 1);
    assert_eq!(told.counters["fulmar_cassandra_overflow_total"], 1);
}

#[test]
fn a_wrong_address_or_limit_is_refused_before_anything_is_written() {
    let mut test = BoltTester::new(
        CassandraBolt::new("mysql://x", &[&NUMBERS], |_| Ok(Vec::new())),
        ["n"],
    );
    assert!(test.prepare(&Config::new()).is_err());
    let mut conf = Config::new();
    conf.set("cassandra.max.inflight", 0_i64);
    let mut test = BoltTester::new(
        CassandraBolt::with_store(Held::new(0, 0, false), &[&NUMBERS], |_| Ok(Vec::new())),
        ["n"],
    );
    let error = test.prepare(&conf).unwrap_err().to_string();
    assert!(error.contains("cassandra.max.inflight"), "{error}");
}
