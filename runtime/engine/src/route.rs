//! Which tasks a tuple goes to: Storm's groupings, one function each.
//!
//! Shuffle walks a shuffled list of tasks round and round, as Storm's does without load awareness.
//! Pure: no clock, no I/O, no async.

use fulmar_api::TaskId;
use fulmar_api::grouping::Grouping;
use fulmar_api::hash;
use fulmar_api::value::Value;

/// A small generator of random numbers (xorshift64*): edge ids need to be unpredictable to
/// coincidence, not to an adversary.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Any seed will do.
    pub fn new(seed: u64) -> Self {
        // A multiplied odd constant spreads small seeds; 0 would stay 0 for ever.
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0x2545_f491_4f6c_dd1d) | 1)
    }

    /// The next number, never 0.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    #[inline]
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.draw()) * n as u128) >> 64) as usize
    }
}

/// The chooser of one edge at one emitting task.
#[derive(Clone, Debug)]
pub struct Chooser {
    kind: Grouping,
    keys: Vec<usize>,
    /// Positions in the edge's target list, walked by shuffles.
    order: Vec<usize>,
    at: usize,
}

/// What was chosen: positions in the edge's target list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// One target.
    One(usize),
    /// Every target.
    All,
    /// None: the task named in a direct emit does not listen.
    Nobody,
}

impl Chooser {
    /// A chooser among `targets`; `local` are the positions of those in the same worker.
    pub fn new(
        kind: &Grouping,
        keys: &[usize],
        targets: usize,
        local: &[usize],
        random: &mut Random,
    ) -> Self {
        let mut order: Vec<usize> = match kind {
            Grouping::LocalOrShuffle if !local.is_empty() => local.to_vec(),
            _ => (0..targets).collect(),
        };
        for i in (1..order.len()).rev() {
            order.swap(i, random.below(i + 1));
        }
        Self {
            kind: kind.clone(),
            keys: keys.to_vec(),
            order,
            at: 0,
        }
    }

    /// Chooses for one tuple. `targets` are the edge's tasks, ascending; `direct` the task that the
    /// emitter named.
    #[inline]
    pub fn choose(
        &mut self,
        values: &[Value],
        targets: &[TaskId],
        direct: Option<TaskId>,
        random: &mut Random,
    ) -> Choice {
        match &self.kind {
            Grouping::Shuffle | Grouping::LocalOrShuffle => {
                let chosen = self.order[self.at];
                self.at += 1;
                if self.at == self.order.len() {
                    self.at = 0;
                }
                Choice::One(chosen)
            }
            Grouping::Fields(_) => Choice::One(hash::fields_index(
                self.keys.iter().map(|k| &values[*k]),
                targets.len(),
            )),
            Grouping::All => Choice::All,
            Grouping::Global => Choice::One(0),
            Grouping::None => Choice::One(random.below(targets.len())),
            Grouping::Direct => direct
                .and_then(|task| targets.binary_search(&task).ok())
                .map_or(Choice::Nobody, Choice::One),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(kind: Grouping, keys: &[usize], local: &[usize]) -> Vec<usize> {
        let (mut random, targets) = (Random::new(1), [3, 4, 5, 6]);
        let mut chooser = Chooser::new(&kind, keys, targets.len(), local, &mut random);
        let mut counts = vec![0; targets.len()];
        for i in 0..400_i64 {
            match chooser.choose(&[Value::Int(i % 2)], &targets, Some(5), &mut random) {
                Choice::One(at) => counts[at] += 1,
                Choice::All => counts.iter_mut().for_each(|c| *c += 1),
                Choice::Nobody => {}
            }
        }
        counts
    }

    #[test]
    fn each_grouping_keeps_storms_rule() {
        assert_eq!(counts(Grouping::Shuffle, &[], &[]), [100; 4]);
        assert_eq!(
            counts(Grouping::LocalOrShuffle, &[], &[1, 2]),
            [0, 200, 200, 0]
        );
        assert_eq!(counts(Grouping::LocalOrShuffle, &[], &[]), [100; 4]);
        assert_eq!(counts(Grouping::All, &[], &[]), [400; 4]);
        assert_eq!(counts(Grouping::Global, &[], &[]), [400, 0, 0, 0]);
        assert_eq!(counts(Grouping::Direct, &[], &[]), [0, 0, 400, 0]);
        // Arrays.deepHashCode([0L]) = 31 and ([1L]) = 32; modulo 4 they are 3 and 0.
        assert_eq!(
            counts(Grouping::Fields(vec!["k".into()]), &[0], &[]),
            [200, 0, 0, 200]
        );
        let none = counts(Grouping::None, &[], &[]);
        assert!(none.iter().all(|c| (60..140).contains(c)), "{none:?}");
    }
}
