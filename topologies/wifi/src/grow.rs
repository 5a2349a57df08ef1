//! Grows a forest: gradient boosting of regression trees over histograms, leaf by leaf.
//!
//! Squared error with weights; each tree sees a part of the rows and of the columns. Everything hangs
//! on the data and the seed alone, so that a training repeats to the bit (Friedman, Annals of
//! Statistics 29(5) 2001; leaf-wise growth over binned columns as LightGBM, NIPS 2017).
//! Pure: no clock, no I/O, no async.

use crate::trees::{Forest, Node};

/// Bins of a column; the last holds what is not known.
const BINS: usize = 128;
const UNKNOWN: u8 = (BINS - 1) as u8;

/// How to grow.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// Trees.
    pub trees: usize,
    /// Leaves of a tree.
    pub leaves: usize,
    /// Part of each tree's answer that counts.
    pub rate: f64,
    /// Fewest rows of a leaf.
    pub least_rows: u32,
    /// Weight that pulls a leaf's answer to zero, in mean row weights.
    pub ridge: f64,
    /// Part of the rows that a tree sees.
    pub rows: f64,
    /// Part of the columns that a tree sees.
    pub columns: f64,
    /// Of the draws.
    pub seed: u64,
}

/// Numbers that follow from a seed (SplitMix64; Steele, Lea, Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    pub fn part(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Brings things into a random order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for i in (1..things.len()).rev() {
            let j = (self.roll() % (i as u64 + 1)) as usize;
            things.swap(i, j);
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Cell {
    gradient: f64,
    weight: f64,
    rows: u32,
}

impl Cell {
    fn add(&mut self, o: Cell) {
        self.gradient += o.gradient;
        self.weight += o.weight;
        self.rows += o.rows;
    }

    fn minus(self, o: Cell) -> Cell {
        Cell {
            gradient: self.gradient - o.gradient,
            weight: self.weight - o.weight,
            rows: self.rows - o.rows,
        }
    }
}

/// Rows in bins.
struct Table<'a> {
    width: usize,
    /// Row by row.
    bins: Vec<u8>,
    /// Upper edge of each bin, by column.
    edges: Vec<Vec<f32>>,
    weights: &'a [f32],
}

/// Cuts between values: between all where they are few, else at even shares of the rows.
fn edges(column: &mut Vec<f32>) -> Vec<f32> {
    column.retain(|v| !v.is_nan());
    column.sort_by(f32::total_cmp);
    let mut distinct = column.clone();
    distinct.dedup();
    // Half-way between two values, so that the last bit of a feature cannot move a row.
    let between = |low: f32, high: f32| low / 2.0 + high / 2.0;
    if distinct.len() < BINS {
        return distinct
            .windows(2)
            .map(|w| between(w[0], w[1]))
            .take(BINS - 2)
            .collect();
    }
    let mut out: Vec<f32> = (1..BINS - 1)
        .filter_map(|i| {
            let high = *column.get(i * column.len() / (BINS - 1))?;
            let low = distinct.partition_point(|v| *v < high).checked_sub(1)?;
            Some(between(distinct[low], high))
        })
        .collect();
    out.dedup();
    out
}

impl<'a> Table<'a> {
    fn new(rows: &[f32], width: usize, weights: &'a [f32]) -> Self {
        let mut bins = vec![0_u8; rows.len()];
        let mut all = Vec::with_capacity(width);
        for c in 0..width {
            let mut column: Vec<f32> = rows.iter().skip(c).step_by(width).copied().collect();
            let edges = edges(&mut column);
            for (bin, v) in bins[c..]
                .iter_mut()
                .step_by(width)
                .zip(rows[c..].iter().step_by(width))
            {
                *bin = if v.is_nan() {
                    UNKNOWN
                } else {
                    edges.partition_point(|e| *e < *v) as u8
                };
            }
            all.push(edges);
        }
        Self {
            width,
            bins,
            edges: all,
            weights,
        }
    }

    fn histogram(&self, rows: &[u32], columns: &[usize], gradients: &[f32]) -> Vec<Cell> {
        let mut cells = vec![Cell::default(); columns.len() * BINS];
        for row in rows {
            let r = *row as usize;
            let (g, w) = (f64::from(gradients[r]), f64::from(self.weights[r]));
            let bins = &self.bins[r * self.width..(r + 1) * self.width];
            for (i, c) in columns.iter().enumerate() {
                let cell = &mut cells[i * BINS + usize::from(bins[*c])];
                cell.gradient += g;
                cell.weight += w;
                cell.rows += 1;
            }
        }
        cells
    }
}

/// Where to cut a leaf.
#[derive(Clone, Copy)]
struct Cut {
    gain: f64,
    column: usize,
    bin: u8,
}

/// A leaf that may be cut.
struct Leaf {
    node: usize,
    rows: Vec<u32>,
    cells: Vec<Cell>,
    cut: Option<Cut>,
}

struct Grower<'a> {
    table: &'a Table<'a>,
    growth: &'a Growth,
    ridge: f64,
}

impl Grower<'_> {
    fn score(&self, c: Cell) -> f64 {
        c.gradient * c.gradient / (c.weight + self.ridge)
    }

    fn answer(&self, c: Cell) -> f32 {
        (self.growth.rate * c.gradient / (c.weight + self.ridge)) as f32
    }

    fn total(cells: &[Cell]) -> Cell {
        let mut all = Cell::default();
        cells.iter().take(BINS).for_each(|c| all.add(*c));
        all
    }

    fn cut(&self, cells: &[Cell], columns: &[usize]) -> Option<Cut> {
        let all = Self::total(cells);
        let (whole, least) = (self.score(all), self.growth.least_rows);
        let mut best: Option<Cut> = None;
        for (i, column) in columns.iter().enumerate() {
            let mut left = Cell::default();
            for bin in 0..self.table.edges[*column].len() {
                left.add(cells[i * BINS + bin]);
                let right = all.minus(left);
                if left.rows < least || right.rows < least {
                    continue;
                }
                let gain = self.score(left) + self.score(right) - whole;
                if gain > best.map_or(1e-9, |b| b.gain) {
                    best = Some(Cut {
                        gain,
                        column: *column,
                        bin: bin as u8,
                    });
                }
            }
        }
        best
    }

    /// One tree over these rows and columns.
    fn tree(&self, rows: Vec<u32>, columns: &[usize], gradients: &[f32]) -> Vec<Node> {
        let cells = self.table.histogram(&rows, columns, gradients);
        let mut nodes = vec![Node::leaf(self.answer(Self::total(&cells)))];
        let cut = self.cut(&cells, columns);
        let mut open = vec![Leaf {
            node: 0,
            rows,
            cells,
            cut,
        }];
        while open.len() < self.growth.leaves {
            let gain = |l: &Leaf| l.cut.map_or(0.0, |c| c.gain);
            let best = (0..open.len()).max_by(|a, b| gain(&open[*a]).total_cmp(&gain(&open[*b])));
            let Some((at, cut)) = best.and_then(|b| Some((b, open[b].cut?))) else {
                break;
            };
            let leaf = open.swap_remove(at);
            let (w, c) = (self.table.width, cut.column);
            let (left, right): (Vec<u32>, Vec<u32>) = leaf
                .rows
                .iter()
                .partition(|r| self.table.bins[**r as usize * w + c] <= cut.bin);
            let first = nodes.len();
            let at_most = self.table.edges[c][usize::from(cut.bin)];
            nodes[leaf.node] = Node::split(c as u16, at_most, first as u32);
            // The smaller half is counted, the other is the rest.
            let small = if left.len() < right.len() {
                &left
            } else {
                &right
            };
            let counted = self.table.histogram(small, columns, gradients);
            let rest = leaf
                .cells
                .iter()
                .zip(&counted)
                .map(|(a, b)| a.minus(*b))
                .collect();
            let halves = if left.len() < right.len() {
                [(left, counted), (right, rest)]
            } else {
                [(left, rest), (right, counted)]
            };
            for (node, (rows, cells)) in (first..).zip(halves) {
                nodes.push(Node::leaf(self.answer(Self::total(&cells))));
                let cut = self.cut(&cells, columns);
                open.push(Leaf {
                    node,
                    rows,
                    cells,
                    cut,
                });
            }
        }
        nodes
    }
}

/// Draws so many of `n`, in their order.
fn draw(dice: &mut Dice, n: usize, part: f64) -> Vec<usize> {
    let take = ((n as f64 * part).round() as usize).clamp(1.min(n), n);
    let mut all: Vec<usize> = (0..n).collect();
    dice.shuffle(&mut all);
    all.truncate(take);
    all.sort_unstable();
    all
}

/// Grows a forest over `rows` (row by row, `width` columns) that predicts `targets`.
pub fn grow(
    rows: &[f32],
    width: usize,
    targets: &[f32],
    weights: &[f32],
    growth: &Growth,
) -> Forest {
    let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    let mean = targets
        .iter()
        .zip(weights)
        .map(|(t, w)| f64::from(*t) * f64::from(*w));
    let base = (mean.sum::<f64>() / total.max(1e-12)) as f32;
    let mut forest = Forest::new(base, width);
    if targets.is_empty() || width == 0 {
        return forest;
    }
    let table = Table::new(rows, width, weights);
    let grower = Grower {
        table: &table,
        growth,
        ridge: growth.ridge * total / targets.len() as f64,
    };
    let (mut dice, mut said) = (Dice(growth.seed), vec![base; targets.len()]);
    for _ in 0..growth.trees {
        let gradients: Vec<f32> = (0..targets.len())
            .map(|i| (targets[i] - said[i]) * weights[i])
            .collect();
        let some = draw(&mut dice, targets.len(), growth.rows);
        let some = some.into_iter().map(|r| r as u32).collect();
        let columns = draw(&mut dice, width, growth.columns);
        let tree = grower.tree(some, &columns, &gradients);
        let mut one = Forest::new(0.0, width);
        one.push(&tree);
        for (s, row) in said.iter_mut().zip(rows.chunks_exact(width)) {
            *s += one.predict(row);
        }
        forest.push(&tree);
    }
    forest
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROWTH: Growth = Growth {
        trees: 60,
        leaves: 8,
        rate: 0.2,
        least_rows: 5,
        ridge: 1.0,
        rows: 0.8,
        columns: 1.0,
        seed: 7,
    };

    fn world(n: usize) -> (Vec<f32>, Vec<f32>) {
        let mut dice = Dice(1);
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        for i in 0..n {
            let (a, b) = (dice.part() as f32, dice.part() as f32);
            rows.extend([a, if i % 5 == 0 { f32::NAN } else { b }, dice.part() as f32]);
            let step = if i % 5 == 0 { 3.0 } else { 2.0 * b };
            targets.push(step + if a > 0.5 { 1.0 } else { 0.0 });
        }
        (rows, targets)
    }

    #[test]
    fn it_learns_steps_slopes_and_what_a_missing_value_means() {
        let (rows, targets) = world(2_000);
        let forest = grow(&rows, 3, &targets, &vec![1.0; 2_000], &GROWTH);
        let errors = rows
            .chunks(3)
            .zip(&targets)
            .map(|(r, t)| (forest.predict(r) - t).abs());
        assert!(errors.sum::<f32>() / 2_000.0 < 0.05);
    }

    #[test]
    fn the_same_seed_gives_the_same_forest_and_another_another() {
        let (rows, targets) = world(300);
        let of = |seed| {
            let growth = Growth { seed, ..GROWTH };
            grow(&rows, 3, &targets, &vec![1.0; 300], &growth)
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!(Forest::read(&of(1).write()), Ok(of(1)));
    }

    #[test]
    fn nothing_to_learn_from_is_no_accident() {
        assert_eq!(grow(&[], 3, &[], &[], &GROWTH).trees(), 0);
        let flat = grow(&[1.0, 1.0, 1.0], 1, &[2.0; 3], &[1.0; 3], &GROWTH);
        assert_eq!(flat.predict(&[1.0]), 2.0);
    }
}
