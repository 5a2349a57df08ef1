//! A forest of regression trees: how it stands in a file, and what it says of a row.
//!
//! The trainer (`grow`) predicts with this very code, so that both agree to the bit. A value that is
//! not known is NaN and goes right at every question, in training as later.
//! Pure: no clock, no I/O, no async.

use std::fmt::Write;

/// First line of a forest's file.
const HEAD: &str = "fulmar-trees 1";
/// Marks a leaf.
const LEAF: u16 = u16::MAX;
/// Most nodes of a forest: 16 bytes each, 16 MB.
const NODES_MOST: usize = 1 << 20;

/// A question, or an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// Column that is asked for, or [`LEAF`].
    feature: u16,
    /// Left if the column is at most this; a leaf's answer.
    value: f32,
    /// The left child; the right one follows it.
    left: u32,
}

impl Node {
    /// An answer.
    pub fn leaf(value: f32) -> Self {
        Self {
            feature: LEAF,
            value,
            left: 0,
        }
    }

    /// A question; the right child stands behind the left one.
    pub fn split(feature: u16, at_most: f32, left: u32) -> Self {
        Self {
            feature,
            value: at_most,
            left,
        }
    }
}

/// Trees whose answers add up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forest {
    base: f32,
    width: usize,
    nodes: Vec<Node>,
    roots: Vec<u32>,
}

impl Forest {
    /// No trees: answers `base` to rows of `width` columns.
    pub fn new(base: f32, width: usize) -> Self {
        Self {
            base,
            width,
            ..Self::default()
        }
    }

    /// Adds a tree whose children are counted from its own first node.
    pub fn push(&mut self, tree: &[Node]) {
        let first = self.nodes.len() as u32;
        self.roots.push(first);
        self.nodes.extend(tree.iter().map(|n| Node {
            left: if n.feature == LEAF { 0 } else { n.left + first },
            ..*n
        }));
    }

    /// Number of trees.
    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Columns that a row has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What it says of a row; columns that the row lacks count as not known.
    pub fn predict(&self, row: &[f32]) -> f32 {
        let sum = self.roots.iter().map(|r| self.answer(*r, row));
        sum.fold(self.base, |a, b| a + b)
    }

    /// The answer of the tree at a root.
    fn answer(&self, root: u32, row: &[f32]) -> f32 {
        let mut node = self.nodes[root as usize];
        while node.feature != LEAF {
            let known = row.get(usize::from(node.feature));
            let left = known.is_some_and(|v| *v <= node.value);
            node = self.nodes[(node.left + u32::from(!left)) as usize];
        }
        node.value
    }

    /// The file: a head, then a line for each node; numbers read back to the same bits.
    pub fn write(&self) -> String {
        let mut out = format!("{HEAD}\n{} {} {}\n", self.base, self.width, self.trees());
        for (at, root) in self.roots.iter().enumerate() {
            let end = self
                .roots
                .get(at + 1)
                .map_or(self.nodes.len(), |r| *r as usize);
            let nodes = &self.nodes[*root as usize..end];
            // Writing to a string cannot fail.
            let _ = writeln!(out, "tree {}", nodes.len());
            for n in nodes {
                let _ = if n.feature == LEAF {
                    writeln!(out, "{}", n.value)
                } else {
                    writeln!(out, "{} {} {}", n.feature, n.value, n.left - root)
                };
            }
        }
        out
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong in it and where: another form, a number that is none, a child that does not
    /// stand behind its question.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().enumerate();
        let mut line = || lines.next().ok_or_else(|| "ends too early".to_owned());
        if line()?.1 != HEAD {
            return Err(format!("line 1 is not {HEAD:?}"));
        }
        let (_, shape) = line()?;
        let shape: Vec<f64> = numbers(shape, 2)?;
        let [base, width, trees] = shape[..] else {
            return Err("line 2 is not base, columns and trees".to_owned());
        };
        let mut forest = Self::new(base as f32, width as usize);
        for _ in 0..trees as usize {
            let (at, count) = line()?;
            let count: usize = count
                .strip_prefix("tree ")
                .and_then(|c| c.parse().ok())
                .ok_or_else(|| format!("line {}: no number of nodes", at + 1))?;
            if count == 0 || forest.nodes.len() + count > NODES_MOST {
                return Err(format!(
                    "line {}: {count} nodes; 1 to {NODES_MOST} in all",
                    at + 1
                ));
            }
            let mut tree = Vec::with_capacity(count);
            for i in 0..count {
                let (at, text) = line()?;
                tree.push(node(text, at + 1, i, count, forest.width)?);
            }
            forest.push(&tree);
        }
        Ok(forest)
    }
}

fn numbers(text: &str, line: usize) -> Result<Vec<f64>, String> {
    text.split(' ')
        .map(|n| {
            let number = n.parse().ok().filter(|v: &f64| v.is_finite());
            number.ok_or_else(|| format!("line {line}: {n:?} is no number"))
        })
        .collect()
}

fn node(text: &str, line: usize, at: usize, count: usize, width: usize) -> Result<Node, String> {
    let float = |v: &str| {
        let number = v.parse().ok().filter(|v: &f32| v.is_finite());
        number.ok_or_else(|| format!("line {line}: {v:?} is no number"))
    };
    let parts: Vec<&str> = text.split(' ').collect();
    match parts[..] {
        [value] => Ok(Node::leaf(float(value)?)),
        [feature, value, left] => {
            let feature: u16 = feature.parse().unwrap_or(LEAF);
            let left: u32 = left.parse().unwrap_or(0);
            // Children stand behind their question: no row can go in circles.
            if usize::from(feature) >= width || left as usize <= at || left as usize + 1 >= count {
                return Err(format!("line {line}: no such column or child: {text:?}"));
            }
            Ok(Node::split(feature, float(value)?, left))
        }
        _ => Err(format!("line {line}: not one or three words: {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forest() -> Forest {
        let mut f = Forest::new(0.5, 2);
        f.push(&[
            Node::split(1, 0.1, 1),
            Node::leaf(-1.0),
            Node::split(0, f32::MIN_POSITIVE, 3),
            Node::leaf(1.0 / 3.0),
            Node::leaf(4.0),
        ]);
        f.push(&[Node::leaf(0.25)]);
        f
    }

    #[test]
    fn answers_add_up_and_what_is_not_known_goes_right() {
        let f = forest();
        assert_eq!(f.predict(&[9.0, 0.1]), 0.5 - 1.0 + 0.25);
        assert_eq!(f.predict(&[f32::NAN, f32::NAN]), 0.5 + 4.0 + 0.25);
        assert_eq!(f.predict(&[]), 0.5 + 4.0 + 0.25);
        assert_eq!((f.trees(), f.width()), (2, 2));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let f = forest();
        assert_eq!(Forest::read(&f.write()), Ok(f));
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_line() {
        let good = forest().write();
        let cases = [
            ("", "ends too early"),
            ("trees", "line 1"),
            (&good.replace("1 0.1 1", "1 NaN 1"), "line 4"),
            (&good.replace("1 0.1 1", "7 0.1 1"), "line 4"),
            (&good.replace("1 0.1 1", "1 0.1 0"), "line 4"),
            (&good.replace("tree 5", "tree 9"), "line"),
            (&good.replace("tree 5", "tree 0"), "line 3"),
        ];
        for (text, part) in cases {
            let error = Forest::read(text).unwrap_err();
            assert!(error.contains(part), "{error} instead of {part}");
        }
    }

    proptest! {
        #[test]
        fn no_text_can_hurt(text in "(fulmar-trees 1\n)?[ 0-9a-z.\n-]{0,200}") {
            if let Ok(f) = Forest::read(&text) {
                f.predict(&[1.0]);
            }
        }
    }
}
