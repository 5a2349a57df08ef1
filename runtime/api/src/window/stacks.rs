//! The aggregate of a queue without recomputing it: two stacks of partial results.
//!
//! The older half keeps, for each item, the aggregate from it to the half's end, so that the oldest item
//! leaves in one step; the younger half keeps items and their running aggregate. When the older half is
//! empty the younger is turned over. Each item is combined at most three times in its life, whether or
//! not the operation can be undone (a maximum cannot).
//! Pure: no clock, no I/O, no async.

/// A queue with an aggregate.
#[derive(Clone, Debug)]
pub struct Stacks<P> {
    /// Aggregates from an item to the end of the older half; the oldest item on top.
    older: Vec<P>,
    younger: Vec<P>,
    younger_total: Option<P>,
}

impl<P> Default for Stacks<P> {
    fn default() -> Self {
        Self {
            older: Vec::new(),
            younger: Vec::new(),
            younger_total: None,
        }
    }
}

impl<P: Clone> Stacks<P> {
    /// Adds the youngest item. `combine(older, younger)` must be associative; it need not commute.
    pub fn push(&mut self, item: P, combine: impl Fn(&P, &P) -> P) {
        self.younger_total = Some(match &self.younger_total {
            Some(total) => combine(total, &item),
            None => item.clone(),
        });
        self.younger.push(item);
    }

    /// Takes the oldest item away.
    pub fn pop(&mut self, combine: impl Fn(&P, &P) -> P) {
        if self.older.is_empty() {
            self.younger_total = None;
            while let Some(item) = self.younger.pop() {
                let total = match self.older.last() {
                    Some(rest) => combine(&item, rest),
                    None => item,
                };
                self.older.push(total);
            }
        }
        self.older.pop();
    }

    /// The aggregate of all items; none when there are none.
    pub fn total(&self, combine: impl Fn(&P, &P) -> P) -> Option<P> {
        match (self.older.last(), &self.younger_total) {
            (Some(older), Some(younger)) => Some(combine(older, younger)),
            (older, younger) => older.or(younger.as_ref()).cloned(),
        }
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.older.len() + self.younger.len()
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Strings joined: an operation that neither commutes nor can be undone.
        #[test]
        fn totals_equal_the_naive_ones(ops in prop::collection::vec(prop::option::weighted(0.6, "[a-z]"), 0..200)) {
            let combined = Cell::new(0_usize);
            let combine = |a: &String, b: &String| {
                combined.set(combined.get() + 1);
                format!("{a}{b}")
            };
            let (mut stacks, mut naive, mut pushed) = (Stacks::default(), VecDeque::new(), 0);
            for op in ops {
                match op {
                    Some(item) => {
                        naive.push_back(item.clone());
                        stacks.push(item, combine);
                        pushed += 1;
                    }
                    None => {
                        naive.pop_front();
                        stacks.pop(combine);
                    }
                }
                let want: String = naive.iter().map(String::as_str).collect();
                let before = combined.get();
                prop_assert_eq!(stacks.total(combine).unwrap_or_default(), want);
                combined.set(before);
                prop_assert_eq!(stacks.len(), naive.len());
            }
            prop_assert!(combined.get() <= 2 * pushed);
        }
    }
}
