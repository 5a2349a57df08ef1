//! Causes that are combinations: from the rows of the finest grouping of several fields, taken as a cube's leaves.
//!
//! Only where an organisation's aggregates hold such a grouping (`ap+band+wlan`); a combination need not be a grouping of its
//! own to be found. Pure: no clock, no I/O, no async.

use crate::attribute::Candidate;
use crate::attribution::cube::Cube;
use crate::attribution::of_amounts;
use crate::attribution::order::Coder;

/// Fewer leaves show nothing.
const LEAST_LEAVES: usize = 12;
/// A combination must be at least so sure to stand for the whole.
const SURE: f64 = 0.6;
/// And explain so much together.
const EXPLAINS: f64 = 0.5;

/// A combination that explains a part of the deviation.
#[derive(Clone, Debug, PartialEq)]
pub struct Combination {
    /// Fields joined by `+`.
    pub grouping: String,
    /// The organisation and the fields' values joined by `/`.
    pub entity: String,
    /// Part of what is missing, 0 to 1.
    pub share: f64,
}

/// The combinations that explain what is missing of an organisation; nothing where single fields do, or where it is not sure.
pub fn combine(org: &str, candidates: &[Candidate]) -> Vec<Combination> {
    let Some(grouping) = finest(candidates) else {
        return Vec::new();
    };
    let fields: Vec<&str> = grouping.split('+').collect();
    let (mut coder, mut cube) = (Coder::of(fields.len()), Cube::default());
    let (mut observed, mut expected) = (Vec::new(), Vec::new());
    cube.codes = vec![Vec::new(); fields.len()];
    for c in candidates.iter().filter(|c| c.grouping == grouping) {
        let parts = c.entity.strip_prefix(org).and_then(|e| e.strip_prefix('/'));
        let parts: Vec<&str> = parts.unwrap_or_default().split('/').collect();
        let now = c.expected - c.missing;
        // Amounts below 0 have no part that fell.
        if parts.len() != fields.len() || now < 0.0 || c.expected < 0.0 {
            continue;
        }
        for (dim, part) in parts.into_iter().enumerate() {
            let Ok(code) = coder.code(dim, part) else {
                return Vec::new();
            };
            cube.codes[dim].push(code);
        }
        observed.push(now);
        expected.push(c.expected);
    }
    let values = coder.finish(&mut cube);
    if cube.len() < LEAST_LEAVES {
        return Vec::new();
    }
    let causes = of_amounts(&cube, &observed, &expected);
    let together: f64 = causes.iter().map(|c| c.share).sum();
    let combined = causes
        .first()
        .is_some_and(|c| c.element.len() > 1 && c.confidence >= SURE);
    let fell = expected.iter().sum::<f64>() > observed.iter().sum::<f64>();
    if !combined || !fell || together < EXPLAINS {
        return Vec::new();
    }
    let named = causes.iter().map(|c| Combination {
        grouping: c
            .element
            .iter()
            .map(|(d, _)| fields[*d])
            .collect::<Vec<_>>()
            .join("+"),
        entity: c.element.iter().fold(org.to_owned(), |name, (d, v)| {
            format!("{name}/{}", values[*d][usize::from(*v)])
        }),
        share: c.share,
    });
    named.collect()
}

/// The grouping of the most fields, at least two.
fn finest(candidates: &[Candidate]) -> Option<&str> {
    let groupings = candidates.iter().map(|c| c.grouping.as_str());
    let several = groupings.filter(|g| g.contains('+'));
    several.max_by_key(|g| (g.matches('+').count(), *g))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaves of 6 access points × 2 bands × 3 networks, of which those that `hit` names lose 70 %.
    fn leaves(hit: impl Fn(usize, usize, usize) -> bool) -> Vec<Candidate> {
        let mut all = Vec::new();
        for (n, (ap, band, wlan)) in (0..6)
            .flat_map(|a| (0..2).flat_map(move |b| (0..3).map(move |w| (a, b, w))))
            .enumerate()
        {
            let expected = 1_000.0 + 200.0 * (n % 5) as f64;
            let off = 0.01 * ((n * 7 % 11) as f64 - 5.0);
            let part = if hit(ap, band, wlan) { 0.7 } else { off };
            all.push(Candidate {
                grouping: "ap+band+wlan".to_owned(),
                entity: format!("o/a{ap}/{band}/w{wlan}"),
                missing: part * expected,
                expected,
                score: part * 20.0,
            });
        }
        all
    }

    #[test]
    fn a_combination_that_is_no_grouping_of_its_own_is_found_and_a_single_field_is_left_to_the_rest()
     {
        let found = combine("o", &leaves(|ap, band, _| ap == 2 && band == 1));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].grouping.as_str(), found[0].entity.as_str()),
            ("ap+band", "o/a2/1")
        );
        assert!(found[0].share > 0.8);
        assert_eq!(combine("o", &leaves(|ap, _, _| ap == 2)), []);
        assert_eq!(combine("o", &leaves(|_, _, _| false)), []);
        assert_eq!(combine("o", &[]), []);
    }
}
