//! The queue of windows against a naive model that keeps everything and recomputes each window.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::machine::{Activation, Machine};
use super::shape::{Shape, Span};

/// What one window held: its end, all items, the new ones, and what had left since the one before.
type Window = (i64, Vec<usize>, Vec<usize>, Vec<usize>);

#[derive(Clone, Debug)]
enum Op {
    /// An item, this far from the watermark or the clock.
    Add(i64),
    /// The watermark or the clock goes on.
    Go(i64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![4 => (-15_i64..40).prop_map(Op::Add), 2 => (0_i64..35).prop_map(Op::Go)];
    prop::collection::vec(op, 0..120)
}

fn span() -> impl Strategy<Value = Span> {
    prop_oneof![
        (1_u64..9).prop_map(Span::Count),
        (1_i64..30).prop_map(Span::Millis)
    ]
}

fn shapes() -> impl Strategy<Value = Shape> {
    (span(), span(), any::<bool>()).prop_map(|(length, slide, tumbling)| Shape {
        length,
        slide: if tumbling { length } else { slide },
    })
}

/// Drains what is due and writes down what each window held.
fn take(machine: &mut Machine<usize>, time: i64, left: &mut usize, out: &mut Vec<Window>) {
    while let Some(Activation {
        len, new_from, end, ..
    }) = machine.due(time)
    {
        *left += machine.take_left();
        let ids = |from: usize| {
            machine
                .items()
                .range(from..len)
                .map(|(_, id)| *id)
                .collect()
        };
        let (all, new) = (ids(0), ids(new_from));
        out.push((end, all, new, machine.take_expired()));
    }
    *left += machine.take_left();
}

/// The model: every item ever taken in, in the order of windows.
#[derive(Default)]
struct Naive {
    items: Vec<(i64, usize)>,
    shown: BTreeSet<usize>,
    gone: BTreeSet<usize>,
    windows: Vec<Window>,
}

impl Naive {
    /// Writes down one window over the `upto` first items.
    fn fire(&mut self, shape: Shape, upto: usize, end: i64, begin_counts: bool) {
        let items = &self.items[..upto];
        let inside: Vec<usize> = match shape.length {
            Span::Count(n) => items
                .iter()
                .rev()
                .take(n as usize)
                .rev()
                .map(|i| i.1)
                .collect(),
            Span::Millis(ms) => {
                let young = |ts: i64| ts > end - ms || begin_counts && ts == end - ms;
                let young = items.iter().filter(|i| young(i.0));
                young.map(|i| i.1).collect()
            }
        };
        if inside.is_empty() {
            return;
        }
        let new = inside.iter().copied().filter(|id| !self.shown.contains(id));
        let new: Vec<usize> = new.collect();
        let old = items.iter().map(|i| i.1);
        let expired: Vec<usize> = old
            .filter(|id| !inside.contains(id) && !self.gone.contains(id))
            .collect();
        self.shown.extend(&inside);
        self.gone.extend(&expired);
        self.windows.push((end, inside, new, expired));
    }
}

fn naive_event_time(shape: Shape, ops: &[Op]) -> Naive {
    let (mut naive, mut mark, mut fired, mut counted) =
        (Naive::default(), 0, BTreeSet::new(), 0_usize);
    for (id, op) in ops.iter().enumerate() {
        match op {
            Op::Add(off) => {
                let ts = mark + off;
                let lost = match (shape.length, shape.slide) {
                    (Span::Millis(l), Span::Millis(s)) => s >= l && fired.contains(&ts),
                    _ => false,
                };
                if ts >= mark && !lost {
                    naive.items.push((ts, id));
                    naive.items.sort();
                }
            }
            Op::Go(by) => mark += by,
        }
        match shape.slide {
            Span::Count(n) => {
                while let Some((end, _)) = naive.items.get(counted + n as usize - 1).copied()
                    && end <= mark
                    && matches!(op, Op::Go(_))
                {
                    counted += n as usize;
                    naive.fire(shape, counted, end, false);
                }
            }
            Span::Millis(ms) if matches!(op, Op::Go(_)) => {
                for end in (0..=mark).filter(|e| e % ms == 0) {
                    if fired.contains(&end) {
                        continue;
                    }
                    let upto = naive.items.iter().filter(|i| i.0 <= end).count();
                    let before = naive.windows.len();
                    naive.fire(shape, upto, end, false);
                    if naive.windows.len() > before {
                        fired.insert(end);
                    }
                }
            }
            Span::Millis(_) => {}
        }
    }
    naive
}

fn naive_by_arrival(shape: Shape, ops: &[Op]) -> Naive {
    let (mut naive, mut now, mut since) = (Naive::default(), 0, 0);
    for (id, op) in ops.iter().enumerate() {
        match (op, shape.slide) {
            (Op::Add(_), slide) => {
                naive.items.push((now, id));
                since += 1;
                if slide == Span::Count(since) {
                    since = 0;
                    naive.fire(shape, naive.items.len(), now, false);
                }
            }
            (Op::Go(by), Span::Millis(ms)) => {
                for end in (now + 1..=now + by).filter(|e| e % ms == 0) {
                    naive.fire(shape, naive.items.len(), end, true);
                }
                now += by;
            }
            (Op::Go(by), Span::Count(_)) => now += by,
        }
    }
    naive
}

/// Windows equal, except that what expired is compared as a whole up to each window: the model knows
/// only at a window that something left.
fn same(got: &[Window], want: &[Window]) -> std::result::Result<(), TestCaseError> {
    let shown = |w: &[Window]| -> Vec<_> {
        w.iter()
            .map(|(end, all, new, _)| (*end, all.clone(), new.clone()))
            .collect()
    };
    prop_assert_eq!(shown(got), shown(want));
    let expired = |w: &[Window]| -> Vec<Vec<usize>> { w.iter().map(|w| w.3.clone()).collect() };
    prop_assert_eq!(expired(got), expired(want));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn event_time_windows_equal_the_naive_ones(shape in shapes(), ops in ops()) {
        let (mut machine, mut mark) = (Machine::new(shape, true, 0), 0);
        let (mut left, mut added, mut got) = (0, 0, Vec::new());
        for (id, op) in ops.iter().enumerate() {
            match op {
                Op::Add(off) => {
                    let ts = mark + off;
                    if ts >= mark && !machine.is_past(ts) {
                        let at = machine.add(ts, id);
                        prop_assert_eq!(machine.items()[at], (ts, id));
                        added += 1;
                    }
                }
                Op::Go(by) => {
                    mark += by;
                    take(&mut machine, mark, &mut left, &mut got);
                }
            }
        }
        same(&got, &naive_event_time(shape, &ops).windows)?;
        // Nothing is lost: what is not in the queue was told to have left.
        prop_assert_eq!(left + machine.items().len(), added);
    }

    #[test]
    fn windows_by_arrival_equal_the_naive_ones(shape in shapes(), ops in ops()) {
        let (mut machine, mut now) = (Machine::new(shape, false, 0), 0);
        let (mut left, mut added, mut got) = (0, 0, Vec::new());
        for (id, op) in ops.iter().enumerate() {
            take(&mut machine, now, &mut left, &mut got);
            match op {
                Op::Add(_) => {
                    machine.add(now, id);
                    added += 1;
                }
                Op::Go(by) => now += by,
            }
            take(&mut machine, now, &mut left, &mut got);
        }
        same(&got, &naive_by_arrival(shape, &ops).windows)?;
        prop_assert_eq!(left + machine.items().len(), added);
    }

    #[test]
    fn every_item_is_in_exactly_one_tumbling_window(millis in 1_i64..30, ops in ops()) {
        let shape = Shape { length: Span::Millis(millis), slide: Span::Millis(millis) };
        for event_time in [false, true] {
            let (mut machine, mut time) = (Machine::new(shape, event_time, 0), 0);
            let (mut left, mut added, mut got) = (0, Vec::new(), Vec::new());
            for (id, op) in ops.iter().enumerate() {
                match op {
                    Op::Add(off) => {
                        let ts = if event_time { time + off } else { time };
                        if ts >= time && !(event_time && machine.is_past(ts)) {
                            machine.add(ts, id);
                            added.push(id);
                        }
                    }
                    Op::Go(by) => time += by,
                }
                take(&mut machine, time, &mut left, &mut got);
            }
            take(&mut machine, time + 1_000, &mut left, &mut got);
            let mut seen: Vec<usize> = got.iter().flat_map(|w| w.1.clone()).collect();
            seen.sort();
            prop_assert_eq!(seen, added);
        }
    }
}

#[test]
fn a_long_silence_costs_nothing() {
    let slide = Shape {
        length: Span::Millis(10),
        slide: Span::Millis(1),
    };
    for event_time in [false, true] {
        let mut machine = Machine::new(slide, event_time, 0);
        let (year, mut got) = (31_536_000_000, Vec::new());
        assert_eq!(machine.due(year), None);
        // By arrival, what was due before an item comes is taken before.
        if !event_time {
            assert_eq!(machine.due(year + 5), None);
        }
        machine.add(year + 5, 0);
        take(&mut machine, 2 * year, &mut 0, &mut got);
        assert_eq!(got.len(), 10);
    }
}

#[test]
fn what_expires_early_is_counted_when_it_is_too_much_to_show() {
    let shape = Shape {
        length: Span::Count(1),
        slide: Span::Millis(10),
    };
    let mut machine = Machine::new(shape, false, 0);
    let n = super::machine::MOST_EXPIRED_EARLY + 10;
    (0..n).for_each(|i| {
        machine.add(1, i);
    });
    assert_eq!(machine.take_left(), n - 1);
    assert_eq!(machine.due(10).map(|a| a.len), Some(1));
    assert_eq!(machine.take_not_shown(), 9);
    assert_eq!(machine.take_expired().len(), n - 10);
}
