//! A model of trees: rows in, numbers out, as the trainer's own library says them.
//!
//! Sums are made in the trainer's precision and order, so that they agree to the bit; what is done to them
//! afterwards (the logistic function, the softmax) agrees up to the exponential function's last digits.
//! Pure: no clock, no I/O, no async.

use crate::error::ModelError;
use crate::{lightgbm, xgboost};

/// Most nodes of a model: 32 bytes each, 32 MB.
pub const NODES_MOST: usize = 1 << 20;

/// When a value counts as missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Where it is not known.
    Unknown,
    /// Where it is not known, or 0.
    Zero,
    /// Never: what is not known is 0.
    Never,
}

/// A question, or an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Node {
    /// What the tree says.
    Leaf(f64),
    /// Children by their positions in the tree, behind this one.
    Split {
        /// Column that is asked for.
        column: u32,
        /// Left if the column is below this, or at it where `at` says so.
        threshold: f64,
        at: bool,
        missing: Missing,
        missing_left: bool,
        left: u32,
        right: u32,
    },
}

/// What is done to the sums.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Link {
    Identity,
    /// 1 ÷ (1 + e^(−factor·x)).
    Logistic(f64),
    /// e^x.
    Exponential,
    /// Probabilities of the classes.
    Softmax,
}

/// A model that was read and checked.
#[derive(Clone, Debug)]
pub struct Model {
    /// Sums and answers are single precision, as XGBoost's.
    pub(crate) single: bool,
    /// By output.
    pub(crate) base: Vec<f64>,
    pub(crate) link: Link,
    pub(crate) columns: usize,
    /// Empty where the model does not know them.
    pub(crate) names: Vec<String>,
    /// Each with the output that it adds to.
    pub(crate) trees: Vec<(usize, Vec<Node>)>,
}

impl Model {
    /// Reads a dump of XGBoost (`save_model`, JSON) or LightGBM (`dump_model`, as JSON).
    ///
    /// # Errors
    /// It is neither, or holds what is not computed here or cannot be right.
    pub fn read(text: &str) -> Result<Self, ModelError> {
        let form = |e: serde_json::Error| ModelError::Form { why: e.to_string() };
        let keys: std::collections::BTreeMap<String, serde::de::IgnoredAny> =
            serde_json::from_str(text).map_err(form)?;
        let model = if keys.contains_key("learner") {
            xgboost::read(text)?
        } else if keys.contains_key("tree_info") {
            lightgbm::read(text)?
        } else {
            let why = "neither `learner` nor `tree_info` stands at its top".to_owned();
            return Err(ModelError::Form { why });
        };
        model.check()
    }

    /// Columns of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Names of the columns; empty where the dump holds none.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Numbers that it answers: 1, or one a class.
    pub fn outputs(&self) -> usize {
        self.base.len()
    }

    /// What it says of a row of [`Model::columns`] values; NaN, and what the row lacks, is not known.
    pub fn predict(&self, row: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.extend(&self.base);
        for (output, tree) in &self.trees {
            let answer = answer(tree, row, self.single);
            let sum = out[*output] + answer;
            out[*output] = if self.single {
                f64::from(out[*output] as f32 + answer as f32)
            } else {
                sum
            };
        }
        match self.link {
            Link::Identity => {}
            Link::Logistic(factor) => {
                let logistic = |v: f64| 1.0 / (1.0 + (-factor * v).exp());
                out.iter_mut().for_each(|v| *v = logistic(*v));
            }
            Link::Exponential => out.iter_mut().for_each(|v| *v = v.exp()),
            Link::Softmax => {
                let most = out.iter().copied().fold(f64::MIN, f64::max);
                out.iter_mut().for_each(|v| *v = (*v - most).exp());
                let sum: f64 = out.iter().sum();
                out.iter_mut().for_each(|v| *v /= sum);
            }
        }
    }

    fn check(self) -> Result<Self, ModelError> {
        if self.trees.iter().map(|(_, t)| t.len()).sum::<usize>() > NODES_MOST {
            return Err(ModelError::Size { limit: NODES_MOST });
        }
        for (tree, (output, nodes)) in self.trees.iter().enumerate() {
            let wrong = |node, why| Err(ModelError::Tree { tree, node, why });
            if *output >= self.base.len() || nodes.is_empty() {
                return wrong(
                    0,
                    format!("it adds to output {output} of {}", self.base.len()),
                );
            }
            for (at, node) in nodes.iter().enumerate() {
                let Node::Split {
                    column,
                    left,
                    right,
                    ..
                } = node
                else {
                    continue;
                };
                if *column as usize >= self.columns {
                    return wrong(
                        at,
                        format!("it asks for column {column} of {}", self.columns),
                    );
                }
                // Children stand behind their parent, so no way is endless.
                for child in [*left as usize, *right as usize] {
                    if child <= at || child >= nodes.len() {
                        return wrong(at, format!("its child {child} is not behind it"));
                    }
                }
            }
        }
        Ok(self)
    }
}

fn answer(tree: &[Node], row: &[f64], single: bool) -> f64 {
    let mut at = 0;
    loop {
        match tree[at] {
            Node::Leaf(value) => return value,
            Node::Split {
                column,
                threshold,
                at: equal,
                missing,
                missing_left,
                left,
                right,
            } => {
                let mut value = row.get(column as usize).copied().unwrap_or(f64::NAN);
                if single {
                    value = f64::from(value as f32);
                }
                if missing == Missing::Never && value.is_nan() {
                    value = 0.0;
                }
                // LightGBM's zero.
                let zero = missing == Missing::Zero && value.abs() <= 1e-35;
                let goes_left = if value.is_nan() || zero {
                    missing_left
                } else {
                    value < threshold || (equal && value == threshold)
                };
                at = if goes_left { left } else { right } as usize;
            }
        }
    }
}
