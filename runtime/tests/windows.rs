//! Windows and joins in a running topology.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fulmar::prelude::*;

const LONG: Duration = Duration::from_secs(30);

type Acks = Arc<Mutex<HashMap<MessageId, u32>>>;

/// Emits rows of integers once each, tracked by their place, and again when they fail.
#[derive(Clone)]
struct Rows {
    rows: Arc<Vec<Vec<i64>>>,
    fields: Vec<&'static str>,
    next: usize,
    again: Vec<MessageId>,
    acks: Acks,
}

impl Spout for Rows {
    fn outputs(&self) -> Outputs {
        Outputs::fields(self.fields.clone())
    }
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        let place = match self.again.pop() {
            Some(failed) => failed as usize,
            None => {
                self.next += 1;
                self.next - 1
            }
        };
        match self.rows.get(place) {
            Some(row) => {
                out.emit_with_id(place as MessageId, row.clone())?;
                Ok(Next::Emitted)
            }
            None => Ok(Next::Idle),
        }
    }
    fn ack(&mut self, id: MessageId) -> Result<()> {
        *self.acks.lock().unwrap().entry(id).or_default() += 1;
        Ok(())
    }
    fn fail(&mut self, id: MessageId, _: FailReason) -> Result<()> {
        self.again.push(id);
        Ok(())
    }
}

fn rows(fields: &[&'static str], rows: impl IntoIterator<Item = Vec<i64>>) -> (Rows, Acks) {
    let acks = Acks::default();
    let spout = Rows {
        rows: Arc::new(rows.into_iter().collect()),
        fields: fields.to_vec(),
        next: 0,
        again: Vec::new(),
        acks: acks.clone(),
    };
    (spout, acks)
}

/// One window: begin, end, numbers.
type Seen = Arc<Mutex<Vec<(Option<i64>, i64, Vec<i64>)>>>;

/// Writes down its windows; fails on the first that holds this number.
#[derive(Clone)]
struct Watch {
    seen: Seen,
    fail_on: Arc<Mutex<Option<i64>>>,
}

impl Watch {
    fn new(fail_on: Option<i64>) -> (Self, Seen) {
        let (seen, fail_on) = (Seen::default(), Arc::new(Mutex::new(fail_on)));
        (
            Self {
                seen: seen.clone(),
                fail_on,
            },
            seen,
        )
    }
}

impl WindowedBolt for Watch {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["n"])
    }
    fn execute(
        &mut self,
        window: &TupleWindow<'_>,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()> {
        let numbers = window.get().map(|t| t.int("n"));
        let numbers = numbers.collect::<Result<Vec<i64>>>()?;
        let fail_on = &mut *self.fail_on.lock().unwrap();
        if fail_on.is_some_and(|n| numbers.contains(&n)) {
            *fail_on = None;
            return Err(Error::msg("not this window"));
        }
        out.emit([numbers.len() as i64])?;
        let (start, end) = (window.start_timestamp(), window.end_timestamp());
        self.seen.lock().unwrap().push((start, end, numbers));
        Ok(())
    }
}

/// Takes anything.
struct End;

impl BasicBolt for End {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        Ok(())
    }
}

fn numbers_of(seen: &Seen) -> Vec<i64> {
    let seen = seen.lock().unwrap();
    seen.iter().flat_map(|w| w.2.iter().copied()).collect()
}

#[test]
fn event_time_windows_hold_each_tuple_once_and_ack_what_expired() {
    // Two streams, out of order by up to 30 ms, and a last tuple far ahead that moves the watermark.
    let stream = |odd: i64| {
        let mixed = (0..500).map(move |i| {
            let n = 2 * (i ^ 1) + odd;
            vec![n, 1_000 + 10 * n]
        });
        mixed.chain([vec![100_000 + odd, 60_000 + odd]])
    };
    let (even, even_acks) = rows(&["n", "ts"], stream(0));
    let (odd, odd_acks) = rows(&["n", "ts"], stream(1));
    let (watch, seen) = Watch::new(None);
    let mut t = TopologyBuilder::new("event-time");
    t.spout("even", even);
    t.spout("odd", odd);
    t.bolt("window", move || {
        Windowed::new(watch.clone())
            .tumbling_window(Duration::from_millis(100))
            .timestamp_field("ts")
            .lag(Duration::from_millis(40))
            .watermark_interval(Duration::from_millis(20))
    })
    .shuffle("even")
    .shuffle("odd");
    t.bolt("end", || End).shuffle("window");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    cluster
        .wait_until(LONG, |_| numbers_of(&seen).len() >= 1_000)
        .unwrap();
    let mut numbers = numbers_of(&seen);
    numbers.sort();
    assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
    for (start, end, numbers) in seen.lock().unwrap().iter() {
        assert_eq!((end % 100, *start), (0, Some(end - 100)));
        assert!(numbers.is_sorted());
        let mut times = numbers.iter().map(|n| 1_000 + 10 * n);
        assert!(times.all(|ts| end - 100 < ts && ts <= *end));
    }
    // Windows before the last one have expired.
    let acked = |acks: &Acks| acks.lock().unwrap().len();
    cluster
        .wait_until(LONG, |_| {
            acked(&even_acks) >= 490 && acked(&odd_acks) >= 490
        })
        .unwrap();
    assert!(even_acks.lock().unwrap().values().all(|times| *times == 1));
}

#[test]
fn windows_by_the_clock_end_without_another_tuple() {
    let (spout, _) = rows(&["n"], (0..100).map(|n| vec![n]));
    let (watch, seen) = Watch::new(None);
    let mut t = TopologyBuilder::new("clock");
    t.spout("numbers", spout);
    t.bolt("window", move || {
        Windowed::new(watch.clone()).tumbling_window(Duration::from_millis(50))
    })
    .shuffle("numbers");
    let started = Instant::now();
    let cluster = LocalCluster::submit(t.build().unwrap(), 1).unwrap();
    cluster
        .wait_until(LONG, |_| numbers_of(&seen).len() >= 100)
        .unwrap();
    assert_eq!(numbers_of(&seen), (0..100).collect::<Vec<_>>());
    assert!(started.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_failed_window_comes_again_and_every_tuple_is_acked_once() {
    let (spout, acks) = rows(&["n"], (0..1_000).map(|n| vec![n]));
    let (watch, seen) = Watch::new(Some(500));
    let mut t = TopologyBuilder::new("again");
    t.spout("numbers", spout);
    t.bolt("window", move || {
        Windowed::new(watch.clone()).window(Count(10), Count(5))
    })
    .shuffle("numbers");
    t.bolt("end", || End).shuffle("window");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    // The last 10 stay in the window.
    cluster
        .wait_until(LONG, |_| acks.lock().unwrap().len() == 990)
        .unwrap();
    assert!(acks.lock().unwrap().values().all(|times| *times == 1));
    let mut times = BTreeMap::<i64, u32>::new();
    for n in numbers_of(&seen) {
        *times.entry(n).or_default() += 1;
    }
    assert_eq!(times.len(), 1_000);
    let errors = cluster.errors();
    assert!(errors.iter().any(|e| e.error.contains("not this window")));
}

/// Writes down rows.
struct Collect(Arc<Mutex<Vec<Vec<Value>>>>);

impl BasicBolt for Collect {
    fn execute(&mut self, input: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        self.0.lock().unwrap().push(input.values().to_vec());
        Ok(())
    }
}

#[test]
fn streams_are_joined_over_tasks_by_key() {
    let (users, _) = rows(&["id", "age"], (0..20).map(|id| vec![id, 20 + id]));
    let (orders, _) = rows(&["user", "amount"], (0..60).map(|n| vec![n % 30, n]));
    let found = Arc::new(Mutex::new(Vec::new()));
    let shared = found.clone();
    let mut t = TopologyBuilder::new("join");
    t.spout("users", users);
    t.spout("orders", orders);
    t.bolt("join", || {
        let join = JoinBolt::new("orders", "user")
            .left_join("users", "id", "orders")
            .select("user,amount,age");
        Windowed::new(join).tumbling_window(Count(80))
    })
    .fields("users", ["id"])
    .fields("orders", ["user"]);
    t.bolt("collect", move || Collect(shared.clone()))
        .global("join");
    let cluster = LocalCluster::submit(t.build().unwrap(), 2).unwrap();
    cluster
        .wait_until(LONG, |_| found.lock().unwrap().len() >= 60)
        .unwrap();
    let mut rows = found.lock().unwrap().clone();
    rows.sort_by_key(|r| r[1].as_int());
    let want = (0..60_i64).map(|n| {
        let age = (n % 30 < 20).then_some(20 + n % 30);
        vec![Value::from(n % 30), Value::from(n), Value::from(age)]
    });
    assert_eq!(rows, want.collect::<Vec<_>>());
}
