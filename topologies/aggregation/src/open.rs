//! One open window of one partition: a fold for each place and metric, rolled up to entities when it is told.
//!
//! An estimate costs one look-up and one addition, however many groupings there are. Names live as long as the window,
//! so that clients and access points that are gone are forgotten with it.
//! Pure: no clock, no I/O, no async.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::fold::Fold;
use crate::groupings::{Dims, Grouping};
use crate::series::{self, METRICS};

/// Between the names of a place; the decoder of telemetry refuses control characters in names.
const BETWEEN: char = '\u{1f}';

/// What is open.
#[derive(Debug, Default)]
pub struct Open {
    ids: FxHashMap<Box<str>, u32>,
    places: Vec<Place>,
    dirty: bool,
}

#[derive(Debug)]
struct Place {
    name: Box<str>,
    folds: [Fold; METRICS.len()],
    dirty: bool,
}

impl Open {
    /// Takes in one estimate of a metric (its position in [`METRICS`]). `name` is a buffer to be used again.
    pub fn add(&mut self, dims: &Dims<'_>, metric: usize, one: &Fold, name: &mut String) {
        name.clear();
        for (i, part) in [dims.org, dims.site, dims.ap, dims.band, dims.wlan]
            .into_iter()
            .enumerate()
        {
            if i > 0 {
                name.push(BETWEEN);
            }
            name.push_str(part);
        }
        let id = match self.ids.get(name.as_str()) {
            Some(id) => *id as usize,
            None => {
                let id = self.places.len();
                self.ids.insert(name.as_str().into(), id as u32);
                self.places.push(Place {
                    name: name.as_str().into(),
                    folds: Default::default(),
                    dirty: false,
                });
                id
            }
        };
        let place = &mut self.places[id];
        if let Some(fold) = place.folds.get_mut(metric) {
            fold.merge(one);
            (place.dirty, self.dirty) = (true, true);
        }
    }

    /// Whether anything came since the last [`Open::take`].
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The whole fold of each series that changed since the last call.
    pub fn take(&mut self, groupings: &[Grouping]) -> FxHashMap<String, Fold> {
        self.dirty = false;
        let mut changed = FxHashSet::default();
        for place in self.places.iter_mut().filter(|p| p.dirty) {
            place.dirty = false;
            let dims = dims(&place.name);
            changed.extend(groupings.iter().map(|g| (g.name(), g.entity(&dims))));
        }
        let mut folds: FxHashMap<String, Fold> = FxHashMap::default();
        for place in &self.places {
            let dims = dims(&place.name);
            for grouping in groupings {
                let entity = grouping.entity(&dims);
                if !changed.contains(&(grouping.name(), entity.clone())) {
                    continue;
                }
                for (metric, fold) in METRICS.iter().zip(&place.folds) {
                    if fold.count > 0 {
                        let key = series::key(dims.org, metric.name, grouping.name(), &entity);
                        folds.entry(key).or_default().merge(fold);
                    }
                }
            }
        }
        folds
    }
}

fn dims(name: &str) -> Dims<'_> {
    let mut parts = name.split(BETWEEN);
    let mut next = || parts.next().unwrap_or_default();
    Dims {
        org: next(),
        site: next(),
        ap: next(),
        band: next(),
        wlan: next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groupings::parse;

    #[test]
    fn only_what_changed_is_told_but_whole() {
        let groupings = parse(&["org", "site"]).unwrap();
        let (mut open, mut name) = (Open::default(), String::new());
        let mut add = |open: &mut Open, site: &str, value: i64| {
            let dims = Dims {
                org: "o",
                site,
                ap: "a",
                band: "5",
                wlan: "w",
            };
            let mut one = Fold::default();
            one.add(value, 1, 0);
            open.add(&dims, 0, &one, &mut name);
        };
        add(&mut open, "s1", 5);
        add(&mut open, "s2", 7);
        assert_eq!(open.take(&groupings).len(), 3);
        assert!(!open.is_dirty());
        add(&mut open, "s1", 1);
        let told = open.take(&groupings);
        assert_eq!(told.len(), 2);
        assert_eq!(told["o/throughput/org/o"].sum, 13);
        assert_eq!(told["o/throughput/site/o/s1"].count, 2);
    }
}
