//! One order of leaves and one numbering of values, whatever order they came in.
//!
//! Sums of floats depend on their order, and equals are told apart by their numbers. So values are numbered in the order
//! of their names, leaves are put in the order of their values and amounts, and the same leaves give the same
//! answer to the last bit. Pure: no clock, no I/O, no async.

use std::cmp::Ordering;

use rustc_hash::FxHashMap;

use super::cube::Cube;

/// More values of a dimension than codes can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a dimension has more than 65536 values; remedy: group them")]
pub struct TooManyValues;

/// Numbers the values of dimensions.
#[derive(Debug, Default)]
pub struct Coder {
    known: Vec<FxHashMap<String, u16>>,
}

impl Coder {
    /// For so many dimensions.
    pub fn of(dims: usize) -> Self {
        Self {
            known: vec![FxHashMap::default(); dims],
        }
    }

    /// The number of a value for the time being.
    ///
    /// # Errors
    /// It is the 65,537th of its dimension.
    pub fn code(&mut self, dim: usize, name: &str) -> Result<u16, TooManyValues> {
        let known = &mut self.known[dim];
        if let Some(code) = known.get(name) {
            return Ok(*code);
        }
        let code = u16::try_from(known.len()).map_err(|_| TooManyValues)?;
        known.insert(name.to_owned(), code);
        Ok(code)
    }

    /// Numbers the cube's values anew, in the order of their names; answers the names by dimension and code.
    pub fn finish(self, cube: &mut Cube) -> Vec<Vec<String>> {
        let mut names = Vec::with_capacity(self.known.len());
        for (known, codes) in self.known.into_iter().zip(&mut cube.codes) {
            let mut sorted: Vec<(String, u16)> = known.into_iter().collect();
            sorted.sort_unstable();
            let mut anew = vec![0_u16; sorted.len()];
            for (at, (_, code)) in sorted.iter().enumerate() {
                anew[usize::from(*code)] = at as u16;
            }
            codes.iter_mut().for_each(|c| *c = anew[usize::from(*c)]);
            names.push(sorted.into_iter().map(|(name, _)| name).collect());
        }
        cube.cardinality = names.iter().map(Vec::len).collect();
        names
    }
}

/// Leaves in the order of their values, then of their amounts; none where they are in it already.
pub fn order(cube: &Cube, amounts: &[&[f64]]) -> Option<Vec<u32>> {
    let values = |a: u32, b: u32| {
        let mut each = cube.codes.iter();
        let differ = each.find(|c| c[a as usize] != c[b as usize]);
        differ.map_or(Ordering::Equal, |c| c[a as usize].cmp(&c[b as usize]))
    };
    let strays = |a: u32, b: u32| {
        let mut each = amounts
            .iter()
            .map(|of| of[a as usize].total_cmp(&of[b as usize]));
        each.find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    };
    let sorted = |a: u32, b: u32| values(a, b).then_with(|| strays(a, b)).is_le();
    if (1..cube.len() as u32).all(|leaf| sorted(leaf - 1, leaf)) {
        return None;
    }
    let mut order = by_values(cube);
    order
        .chunk_by_mut(|a, b| values(*a, *b).is_eq())
        .filter(|same| same.len() > 1)
        .for_each(|same| same.sort_unstable_by(|a, b| strays(*a, *b)));
    Some(order)
}

/// By counting, from the last dimension to the first.
fn by_values(cube: &Cube) -> Vec<u32> {
    let mut order: Vec<u32> = (0..cube.len() as u32).collect();
    let mut next = order.clone();
    for (codes, values) in cube.codes.iter().zip(&cube.cardinality).rev() {
        let mut starts = vec![0_u32; values + 1];
        codes.iter().for_each(|c| starts[usize::from(*c) + 1] += 1);
        (1..=*values).for_each(|v| starts[v] += starts[v - 1]);
        for leaf in &order {
            let at = &mut starts[usize::from(codes[*leaf as usize])];
            next[*at as usize] = *leaf;
            *at += 1;
        }
        std::mem::swap(&mut order, &mut next);
    }
    order
}

/// A column in an order.
pub fn arranged<T: Copy>(column: &[T], order: &[u32]) -> Vec<T> {
    order.iter().map(|leaf| column[*leaf as usize]).collect()
}

impl Cube {
    /// The same leaves in another order.
    pub fn arranged(&self, order: &[u32]) -> Self {
        Self {
            cardinality: self.cardinality.clone(),
            codes: self.codes.iter().map(|c| arranged(c, order)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_by_name_and_leaves_put_in_order() {
        let mut coder = Coder::of(2);
        let mut cube = Cube {
            codes: vec![Vec::new(); 2],
            ..Cube::default()
        };
        for leaf in [["b", "y"], ["a", "y"], ["b", "x"], ["a", "y"]] {
            for (dim, name) in leaf.iter().enumerate() {
                cube.codes[dim].push(coder.code(dim, name).unwrap());
            }
        }
        assert_eq!(coder.finish(&mut cube), [["a", "b"], ["x", "y"]]);
        assert_eq!(cube.cardinality, [2, 2]);
        assert_eq!(cube.codes, [[1, 0, 1, 0], [1, 1, 0, 1]]);
        let amounts: [&[f64]; 2] = [&[1.0, 3.0, 1.0, 2.0], &[0.0; 4]];
        let found = order(&cube, &amounts).unwrap();
        assert_eq!(found, [3, 1, 2, 0]);
        let sorted = cube.arranged(&found);
        let amounts = amounts.map(|a| arranged(a, &found));
        assert_eq!(order(&sorted, &[&amounts[0], &amounts[1]]), None);
    }

    #[test]
    fn the_65537th_value_is_refused() {
        let mut coder = Coder::of(1);
        for n in 0..=usize::from(u16::MAX) {
            assert_eq!(coder.code(0, &n.to_string()), Ok(n as u16));
        }
        assert_eq!(coder.code(0, "one more"), Err(TooManyValues));
        assert_eq!(coder.code(0, "7"), Ok(7));
    }
}
