//! Which tasks a tuple goes to: Storm's groupings, one function each.
//!
//! What shuffles walk is in [`balance`](crate::balance).
//! Pure: no clock, no I/O, no async.

use fulmar_api::TaskId;
use fulmar_api::grouping::{CustomGrouping, Grouping};
use fulmar_api::hash::{self, FloorMod};
use fulmar_api::value::Value;

use crate::balance::{Balance, Bounds};
use crate::outbox::Placement;
use crate::plan::Edge;

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

/// Positions of those targets of an edge that are near one emitting task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Near {
    /// On the same core, where each core that has targets has emitters too: then nobody is left
    /// without work when each emitter stays at home.
    pub core: Vec<usize>,
    /// In the same worker.
    pub worker: Vec<usize>,
}

impl Near {
    /// What is near task `me`, one of the `emitters` of edge `e`.
    pub fn of(
        e: &Edge,
        emitters: &[TaskId],
        me: TaskId,
        placement: &Placement,
        core_of: &dyn Fn(TaskId) -> Option<usize>,
    ) -> Self {
        let core = |t: TaskId| core_of(t).filter(|_| placement.is_local(t));
        let worker: Vec<usize> = (0..e.targets.len())
            .filter(|i| placement.is_local(e.targets[*i]))
            .collect();
        let emits = |c: usize| emitters.iter().any(|t| core(*t) == Some(c));
        let mine = core(me);
        let balanced = worker
            .iter()
            .all(|i| core(e.targets[*i]).is_some_and(emits));
        let same = |i: &usize| mine.is_some() && core(e.targets[*i]) == mine;
        Self {
            core: if balanced {
                worker.iter().copied().filter(same).collect()
            } else {
                Vec::new()
            },
            worker,
        }
    }
}

/// The chooser of one edge at one emitting task.
pub struct Chooser {
    kind: Grouping,
    keys: Vec<usize>,
    targets: usize,
    modulus: FloorMod,
    /// Walked by shuffles.
    balance: Balance,
    /// Tuples sent to each target, for partial keys.
    used: Vec<u64>,
    custom: Option<Box<dyn CustomGrouping>>,
    named: Vec<TaskId>,
    /// Positions that a custom grouping chose.
    pub picked: Vec<usize>,
}

/// What was chosen: positions in the edge's target list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// One target.
    One(usize),
    /// Every target.
    All,
    /// Those in [`Chooser::picked`].
    Picked,
    /// None: the task named in a direct emit does not listen.
    Nobody,
}

impl Chooser {
    /// A chooser among an edge's targets, of which some are near.
    pub fn new(e: &Edge, near: &Near, bounds: Bounds, random: &mut Random) -> Self {
        let targets = e.targets.len();
        let all: Vec<usize> = (0..targets).collect();
        let scopes: &[&[usize]] = match e.grouping {
            Grouping::LocalOrShuffle => &[&near.core, &near.worker],
            Grouping::Shuffle if bounds.aware => &[&near.worker, &all],
            _ => &[&all],
        };
        let balance = Balance::new(scopes, targets, bounds, random);
        Self {
            kind: e.grouping.clone(),
            keys: e.keys.clone(),
            targets,
            modulus: FloorMod::new(targets),
            balance,
            used: vec![0; targets],
            custom: None,
            named: Vec::new(),
            picked: Vec::new(),
        }
    }

    /// Gives a custom grouping its code.
    pub fn with(mut self, custom: Option<Box<dyn CustomGrouping>>) -> Self {
        self.custom = custom;
        self
    }

    /// The target that is chosen whatever is emitted, if there is such a one.
    pub fn always(&self) -> Option<usize> {
        match &self.kind {
            Grouping::Shuffle | Grouping::LocalOrShuffle => self.balance.only(),
            Grouping::Global => Some(0),
            Grouping::Direct | Grouping::Custom(_) => None,
            Grouping::Fields(_) | Grouping::All | Grouping::None | Grouping::PartialKey(_) => {
                (self.targets == 1).then_some(0)
            }
        }
    }

    /// Takes the loads of targets into account; answers whether other targets may be chosen now.
    pub fn refresh(&mut self, load: impl Fn(usize) -> f64, random: &mut Random) -> bool {
        match self.kind {
            Grouping::Shuffle | Grouping::LocalOrShuffle => self.balance.refresh(load, random),
            _ => false,
        }
    }

    /// Chooses for one tuple. `targets` are the edge's tasks, ascending; `from` is the emitter and
    /// `direct` the task that it named.
    #[inline]
    pub fn choose(
        &mut self,
        values: &[Value],
        targets: &[TaskId],
        from: TaskId,
        direct: Option<TaskId>,
        random: &mut Random,
    ) -> Choice {
        match &self.kind {
            Grouping::Shuffle | Grouping::LocalOrShuffle => Choice::One(self.balance.next()),
            Grouping::Fields(_) => {
                let keys = self.keys.iter().map(|k| &values[*k]);
                Choice::One(self.modulus.of_fields(keys))
            }
            Grouping::All => Choice::All,
            Grouping::Global => Choice::One(0),
            Grouping::None => Choice::One(random.below(targets.len())),
            Grouping::Direct => direct
                .and_then(|task| targets.binary_search(&task).ok())
                .map_or(Choice::Nobody, Choice::One),
            Grouping::PartialKey(_) => Choice::One(self.lighter(values, targets.len())),
            Grouping::Custom(_) => self.ask(values, targets, from),
        }
    }

    /// Of the two tasks that the key names, the one used less.
    fn lighter(&mut self, values: &[Value], targets: usize) -> usize {
        let keys = self.keys.iter().filter_map(|k| values.get(*k));
        let (first, second) = match (self.keys.is_empty(), values.first()) {
            (true, Some(only)) => hash::partial_key_of_text(&only.to_string(), targets),
            _ => hash::partial_key(keys, targets),
        };
        let lighter = if self.used[first] <= self.used[second] {
            first
        } else {
            second
        };
        self.used[lighter] += 1;
        lighter
    }

    fn ask(&mut self, values: &[Value], targets: &[TaskId], from: TaskId) -> Choice {
        let Some(custom) = &mut self.custom else {
            return Choice::Nobody;
        };
        self.named.clear();
        custom.choose(from, values, &mut self.named);
        let places = self
            .named
            .iter()
            .filter_map(|t| targets.binary_search(t).ok());
        self.picked.clear();
        self.picked.extend(places);
        Choice::Picked
    }
}

#[cfg(test)]
mod tests;
