//! The keys that a component counts under (streams out, streams in, roots), and counts on the wire.
//!
//! Pure: no clock, no I/O, no async.

use fulmar_proto::nimbus as pb;

use super::window::{Counts, mean};

/// What a cell of three numbers counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Roots of a spout: acked, failed, timed out.
    Roots,
    /// A stream: emitted, transferred.
    Out(String),
    /// Component and stream of an input: executed, acked, failed.
    In(String, String),
}

/// The keys of one component, in the order in which they were first seen.
#[derive(Clone, Debug)]
pub struct Keys(Vec<Names>);

/// Where [`Names::Roots`] is.
pub const ROOTS: usize = 0;

impl Default for Keys {
    fn default() -> Self {
        Self(vec![Names::Roots])
    }
}

impl Keys {
    /// The index of a key.
    pub fn find(&self, name: &Names) -> Option<usize> {
        self.0.iter().position(|n| n == name)
    }

    fn index(&mut self, name: Names, most: usize) -> Option<usize> {
        if let Some(at) = self.find(&name) {
            return Some(at);
        }
        (self.0.len() < most).then(|| {
            self.0.push(name);
            self.0.len() - 1
        })
    }

    /// The totals of a report, and how many of its entries were beyond `most` keys.
    pub fn read(&mut self, stats: &pb::ExecutorStats, most: usize) -> (Counts, u64) {
        let mut counts = Counts::default();
        *counts.cell(ROOTS) = [stats.spout_acked, stats.spout_failed, stats.spout_timed_out];
        let outputs = stats.outputs.iter().map(|o| {
            let name = Names::Out(o.stream.clone());
            (name, [o.emitted, o.transferred, 0])
        });
        let inputs = stats.inputs.iter().map(|i| {
            let name = Names::In(i.component.clone(), i.stream.clone());
            (name, [i.executed, i.acked, i.failed])
        });
        let mut over = 0;
        for (name, numbers) in outputs.chain(inputs) {
            match self.index(name, most) {
                Some(key) => *counts.cell(key) = numbers,
                None => over += 1,
            }
        }
        (counts, over)
    }

    /// Tuples emitted and executed.
    pub fn totals(&self, counts: &Counts) -> Totals {
        let mut t = Totals::default();
        for (key, name) in self.0.iter().enumerate() {
            let cell = counts.get(key);
            match name {
                Names::Roots => {
                    t.acked += cell[0];
                    t.failed += cell[1] + cell[2];
                }
                Names::Out(_) => t.emitted += cell[0],
                Names::In(..) => {
                    t.executed += cell[0];
                    t.acked += cell[1];
                    t.failed += cell[2];
                }
            }
        }
        t
    }

    /// A window on the wire.
    pub fn window(&self, secs: u32, component: &str, counts: &Counts) -> pb::WindowStats {
        let roots = counts.get(ROOTS);
        let mut stats = pb::ComponentStats {
            component: component.to_owned(),
            spout_acked: roots[0],
            spout_failed: roots[1],
            spout_timed_out: roots[2],
            execute_ms: mean(counts.execute),
            process_ms: mean(counts.process),
            complete_ms: mean(counts.complete),
            ..Default::default()
        };
        for (key, name) in self.0.iter().enumerate() {
            let [a, b, c] = counts.get(key);
            match name {
                Names::Roots => {}
                Names::Out(stream) => stats.outputs.push(pb::StreamCount {
                    stream: stream.clone(),
                    emitted: a,
                    transferred: b,
                }),
                Names::In(component, stream) => stats.inputs.push(pb::InputCount {
                    component: component.clone(),
                    stream: stream.clone(),
                    executed: a,
                    acked: b,
                    failed: c,
                }),
            }
        }
        pb::WindowStats {
            secs,
            stats: Some(stats),
        }
    }
}

/// Sums over all keys.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Tuples emitted.
    pub emitted: u64,
    /// Tuples executed.
    pub executed: u64,
    /// Roots or inputs acked.
    pub acked: u64,
    /// Roots or inputs failed; roots that timed out too.
    pub failed: u64,
}
