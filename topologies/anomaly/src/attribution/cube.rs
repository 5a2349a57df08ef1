//! A cube's leaves: one code for each dimension of each leaf, and the cuboids that they add up to.
//!
//! A cuboid is a set of dimensions, kept as bits; its cells are numbered densely in mixed radix, and each
//! coarser cuboid is summed from the smallest finer one, so that all of them cost little more than the finest.
//! Pure: no clock, no I/O, no async.

/// A combination of dimension values: `(dimension, value)` in the order of dimensions.
pub type Element = Vec<(usize, u16)>;

/// Most cells of a cuboid that is kept: three sums of 4 bytes for each are 200 MB.
const MOST_CELLS: usize = 16 << 20;

/// Leaves by columns.
#[derive(Clone, Debug, Default)]
pub struct Cube {
    /// Values of each dimension: codes are below it.
    pub cardinality: Vec<usize>,
    /// For each dimension, the code of each leaf.
    pub codes: Vec<Vec<u16>>,
}

impl Cube {
    /// Number of leaves.
    pub fn len(&self) -> usize {
        self.codes.first().map_or(0, Vec::len)
    }

    /// Whether there is no leaf.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of dimensions.
    pub fn dims(&self) -> usize {
        self.cardinality.len()
    }

    /// Dimensions of a cuboid.
    pub fn dims_of(mask: usize) -> impl Iterator<Item = usize> {
        (0..usize::BITS as usize).filter(move |d| mask >> d & 1 == 1)
    }

    /// Number of cells of a cuboid, saturating.
    pub fn cells(&self, mask: usize) -> usize {
        Self::dims_of(mask).fold(1, |all: usize, d| all.saturating_mul(self.cardinality[d]))
    }

    /// The cell of a cuboid that a leaf belongs to.
    pub fn cell(&self, mask: usize, leaf: usize) -> usize {
        Self::dims_of(mask).fold(0, |at, d| {
            at * self.cardinality[d] + usize::from(self.codes[d][leaf])
        })
    }

    /// The combination that a cell stands for.
    pub fn element(&self, mask: usize, mut cell: usize) -> Element {
        let dims: Vec<usize> = Self::dims_of(mask).collect();
        let mut element: Element = dims
            .iter()
            .rev()
            .map(|d| {
                let value = cell % self.cardinality[*d];
                cell /= self.cardinality[*d];
                (*d, value as u16)
            })
            .collect();
        element.reverse();
        element
    }
}

/// For each dimension and value the leaves that hold it, ascending.
#[derive(Debug, Default)]
pub struct Lists {
    starts: Vec<Vec<u32>>,
    leaves: Vec<Vec<u32>>,
}

impl Lists {
    /// By counting.
    pub fn of(cube: &Cube) -> Self {
        let mut lists = Self::default();
        for (codes, values) in cube.codes.iter().zip(&cube.cardinality) {
            let mut starts = vec![0_u32; values + 1];
            codes.iter().for_each(|c| starts[usize::from(*c) + 1] += 1);
            (1..=*values).for_each(|v| starts[v] += starts[v - 1]);
            let mut next = starts.clone();
            let mut leaves = vec![0_u32; codes.len()];
            for (leaf, code) in codes.iter().enumerate() {
                let at = &mut next[usize::from(*code)];
                leaves[*at as usize] = leaf as u32;
                *at += 1;
            }
            lists.starts.push(starts);
            lists.leaves.push(leaves);
        }
        lists
    }

    fn holding(&self, (dim, value): (usize, u16)) -> &[u32] {
        let (starts, value) = (&self.starts[dim], usize::from(value));
        &self.leaves[dim][starts[value] as usize..starts[value + 1] as usize]
    }

    /// Leaves of an element, into `found`.
    pub fn leaves_of(&self, cube: &Cube, element: &[(usize, u16)], found: &mut Vec<u32>) {
        found.clear();
        let lists = element.iter().map(|pair| self.holding(*pair));
        let Some(shortest) = lists.min_by_key(|l| l.len()) else {
            found.extend(0..cube.len() as u32);
            return;
        };
        let all = |leaf: &&u32| {
            element
                .iter()
                .all(|(d, v)| cube.codes[*d][**leaf as usize] == *v)
        };
        found.extend(shortest.iter().filter(all));
    }
}

/// Sums over the leaves of each cell of each cuboid that is small enough to keep; the finest is the leaves themselves
/// where it is not.
#[derive(Debug, Default)]
pub struct Sums {
    /// By mask; empty where it is not kept.
    pub of: Vec<Vec<[f32; 3]>>,
}

impl Sums {
    /// Sums three amounts of each leaf.
    pub fn of(cube: &Cube, amounts: &[[f32; 3]]) -> Self {
        let full = (1_usize << cube.dims()) - 1;
        let mut sums = Self {
            of: vec![Vec::new(); full + 1],
        };
        let mut masks: Vec<usize> = (1..=full).collect();
        masks.sort_by_key(|m| std::cmp::Reverse(m.count_ones()));
        for mask in masks {
            let cells = cube.cells(mask);
            if cells > MOST_CELLS {
                continue;
            }
            // From the smallest cuboid that has one dimension more.
            let finer = Cube::dims_of(full & !mask).map(|d| mask | 1 << d);
            let finer = finer
                .filter(|m| !sums.of[*m].is_empty())
                .min_by_key(|m| sums.of[*m].len());
            let finer = finer.filter(|m| sums.of[*m].len() <= 2 * cube.len());
            let mut into = vec![[0.0; 3]; cells];
            match finer {
                Some(from) => add_up(cube, from, mask, &sums.of[from], &mut into),
                None => {
                    for (leaf, amount) in amounts.iter().enumerate() {
                        add(&mut into[cube.cell(mask, leaf)], amount);
                    }
                }
            }
            sums.of[mask] = into;
        }
        sums
    }

    /// Adds to every cell of a leaf.
    pub fn change(&mut self, cube: &Cube, leaf: usize, by: &[f32; 3]) {
        for (mask, cells) in self.of.iter_mut().enumerate() {
            if !cells.is_empty() {
                add(&mut cells[cube.cell(mask, leaf)], by);
            }
        }
    }
}

fn add(to: &mut [f32; 3], by: &[f32; 3]) {
    to.iter_mut().zip(by).for_each(|(t, b)| *t += b);
}

/// Sums one dimension away.
fn add_up(cube: &Cube, from: usize, to: usize, finer: &[[f32; 3]], into: &mut [[f32; 3]]) {
    let gone = (from & !to).trailing_zeros() as usize;
    let inner = cube.cells(to & !((1 << gone) - 1) & !(1 << gone));
    let values = cube.cardinality[gone];
    for (outer, block) in finer.chunks_exact(inner * values).enumerate() {
        let target = &mut into[outer * inner..(outer + 1) * inner];
        for row in block.chunks_exact(inner) {
            target.iter_mut().zip(row).for_each(|(t, r)| add(t, r));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cuboid_holds_the_sums_of_its_leaves() {
        let cardinality = vec![3, 4, 2];
        let all: Vec<[u16; 3]> = (0..24)
            .filter(|n| n % 5 != 0)
            .map(|n| [n / 8, n / 2 % 4, n % 2])
            .collect();
        let cube = Cube {
            codes: (0..3)
                .map(|d| all.iter().map(|leaf| leaf[d]).collect())
                .collect(),
            cardinality,
        };
        let amounts: Vec<[f32; 3]> = (0..cube.len())
            .map(|n| [n as f32, 1.0, (n * n) as f32])
            .collect();
        let mut sums = Sums::of(&cube, &amounts);
        let lists = Lists::of(&cube);
        let mut found = Vec::new();
        for mask in 1..8 {
            for cell in 0..cube.cells(mask) {
                let element = cube.element(mask, cell);
                lists.leaves_of(&cube, &element, &mut found);
                let mut wanted = [0.0; 3];
                for leaf in &found {
                    assert_eq!(cube.cell(mask, *leaf as usize), cell);
                    add(&mut wanted, &amounts[*leaf as usize]);
                }
                assert_eq!(sums.of[mask][cell], wanted, "{element:?}");
            }
        }
        sums.change(&cube, 0, &[1.0, 0.0, 0.0]);
        let total: f32 = sums.of[2].iter().map(|c| c[0]).sum();
        assert_eq!(total, amounts.iter().map(|a| a[0]).sum::<f32>() + 1.0);
    }
}
