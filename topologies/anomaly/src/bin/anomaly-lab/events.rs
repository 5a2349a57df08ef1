//! Event F1: whether incidents are noticed soon, and how many alarms are false.
//!
//! A labelled segment is found where one of its first 8 points is alarmed. Alarms at most 10 points apart are one; one that
//! touches no segment widened by 7 points is false. Pure: no clock, no I/O, no async.

use crate::vus::segments;

/// Points after the first in which a segment must be found.
const DELAY: usize = 7;
/// Alarms so many points apart are one.
const APART: usize = 10;

/// Counts of one series or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Events {
    /// Segments found in time.
    pub found: usize,
    /// Segments not found.
    pub missed: usize,
    /// Alarms that touch none.
    pub false_alarms: usize,
}

impl Events {
    /// Counts alarms against labels.
    pub fn of(labels: &[bool], alarms: &[bool]) -> Self {
        let mut events = Self::default();
        let mut wide = vec![false; labels.len()];
        for (first, last) in segments(labels) {
            let soon = first..=last.min(first + DELAY);
            if alarms[soon].iter().any(|a| *a) {
                events.found += 1;
            } else {
                events.missed += 1;
            }
            let to = (last + DELAY).min(labels.len() - 1);
            wide[first.saturating_sub(DELAY)..=to].fill(true);
        }
        let mut open: Option<(usize, bool)> = None;
        for at in (0..alarms.len()).filter(|at| alarms[*at]) {
            let touches = wide[at];
            open = match open {
                Some((last, touched)) if at - last <= APART => Some((at, touched || touches)),
                Some((_, false)) => {
                    events.false_alarms += 1;
                    Some((at, touches))
                }
                _ => Some((at, touches)),
            };
        }
        events.false_alarms += usize::from(open.is_some_and(|(_, touched)| !touched));
        events
    }

    /// Of several series.
    pub fn sum<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        all.fold(Self::default(), |sum, e| Self {
            found: sum.found + e.found,
            missed: sum.missed + e.missed,
            false_alarms: sum.false_alarms + e.false_alarms,
        })
    }

    /// 2·found / (2·found + missed + false).
    pub fn f1(&self) -> f64 {
        let all = 2 * self.found + self.missed + self.false_alarms;
        2.0 * self.found as f64 / all.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(points: usize, marked: &[usize]) -> Vec<bool> {
        (0..points).map(|p| marked.contains(&p)).collect()
    }

    #[test]
    fn late_alarms_do_not_find_and_near_ones_are_not_false() {
        let labels: Vec<bool> = (0..100).map(|p| (40..60).contains(&p)).collect();
        let of = |alarms: &[usize]| Events::of(&labels, &at(100, alarms));
        let counts = |e: Events| (e.found, e.missed, e.false_alarms);
        assert_eq!(counts(of(&[47])), (1, 0, 0));
        assert_eq!(counts(of(&[48])), (0, 1, 0));
        assert_eq!(counts(of(&[33])), (0, 1, 0));
        assert_eq!(counts(of(&[32])), (0, 1, 1));
        assert_eq!(counts(of(&[0, 10, 21, 99])), (0, 1, 3));
        // One alarm that reaches the segment is true as a whole.
        assert_eq!(counts(of(&[20, 30, 40])), (1, 0, 0));
        assert_eq!(of(&[47, 90]).f1(), 2.0 / 3.0);
        assert_eq!(counts(Events::of(&at(5, &[]), &at(5, &[]))), (0, 0, 0));
    }
}
