//! XGBoost's JSON, as `save_model` writes it: trees as columns, all numbers of single precision.
//! Pure: no clock, no I/O, no async.

use serde::Deserialize;

use crate::error::ModelError;
use crate::model::{Link, Missing, Model, Node};
use crate::number::Number;

#[derive(Deserialize)]
struct File {
    learner: Learner,
}

#[derive(Deserialize)]
struct Learner {
    #[serde(default)]
    feature_names: Vec<String>,
    gradient_booster: Booster,
    learner_model_param: Param,
    objective: Objective,
}

#[derive(Deserialize)]
struct Booster {
    name: String,
    model: Option<Trees>,
}

#[derive(Deserialize)]
struct Trees {
    trees: Vec<Tree>,
    tree_info: Vec<usize>,
}

#[derive(Deserialize)]
struct Tree {
    left_children: Vec<i64>,
    right_children: Vec<i64>,
    split_conditions: Vec<Number>,
    split_indices: Vec<u32>,
    default_left: Vec<u8>,
    #[serde(default)]
    split_type: Vec<u8>,
}

#[derive(Deserialize)]
struct Param {
    base_score: String,
    num_class: String,
    num_feature: String,
    #[serde(default)]
    num_target: String,
}

#[derive(Deserialize)]
struct Objective {
    name: String,
}

/// Reads it; what it refers to is checked by the caller.
pub fn read(text: &str) -> Result<Model, ModelError> {
    let file: File = serde_json::from_str(text).map_err(|e| form(e.to_string()))?;
    let l = file.learner;
    let trees = l
        .gradient_booster
        .model
        .filter(|_| l.gradient_booster.name == "gbtree");
    let trees = trees.ok_or_else(|| ModelError::Unknown {
        what: "booster",
        found: l.gradient_booster.name.clone(),
        known: "gbtree",
    })?;
    let number = |what: &str, text: &str| {
        text.parse::<usize>()
            .map_err(|_| form(format!("{what} {text:?} is no number")))
    };
    if number(
        "num_target",
        if l.learner_model_param.num_target.is_empty() {
            "1"
        } else {
            &l.learner_model_param.num_target
        },
    )? > 1
    {
        return Err(ModelError::Unknown {
            what: "num_target",
            found: l.learner_model_param.num_target,
            known: "1",
        });
    }
    let outputs = number("num_class", &l.learner_model_param.num_class)?.max(1);
    let link = link(&l.objective.name)?;
    let base = base(&l.learner_model_param.base_score, outputs, link)?;
    if trees.tree_info.len() != trees.trees.len() {
        return Err(form(format!(
            "{} trees, and outputs of {}",
            trees.trees.len(),
            trees.tree_info.len()
        )));
    }
    let read = trees.trees.into_iter().zip(trees.tree_info).enumerate();
    let read = read.map(|(at, (tree, output))| Ok((output, nodes(at, &tree)?)));
    Ok(Model {
        single: true,
        base,
        link,
        columns: number("num_feature", &l.learner_model_param.num_feature)?,
        names: l.feature_names,
        trees: read.collect::<Result<_, ModelError>>()?,
    })
}

fn form(why: String) -> ModelError {
    ModelError::Form { why }
}

fn link(objective: &str) -> Result<Link, ModelError> {
    match objective {
        "reg:squarederror"
        | "reg:absoluteerror"
        | "reg:pseudohubererror"
        | "reg:quantileerror"
        | "binary:logitraw"
        | "rank:ndcg"
        | "rank:pairwise"
        | "rank:map" => Ok(Link::Identity),
        "binary:logistic" | "reg:logistic" => Ok(Link::Logistic(1.0)),
        "count:poisson" | "reg:gamma" | "reg:tweedie" => Ok(Link::Exponential),
        "multi:softprob" => Ok(Link::Softmax),
        _ => Err(ModelError::Unknown {
            what: "objective",
            found: objective.to_owned(),
            known: "reg:squarederror, reg:absoluteerror, reg:logistic, reg:gamma, reg:tweedie, count:poisson, binary:logistic, binary:logitraw, multi:softprob and rank:…",
        }),
    }
}

/// What is added to the trees: the file has it after the link's function, one or one a class.
fn base(text: &str, outputs: usize, link: Link) -> Result<Vec<f64>, ModelError> {
    let parts = text.trim_matches(['[', ']']).split(',');
    let read = parts.map(|p| p.trim().parse::<f32>().ok().filter(|v| v.is_finite()));
    let all: Option<Vec<f32>> = read.collect();
    let all = all.ok_or_else(|| form(format!("base_score {text:?} is no number")))?;
    let margin = |v: f32| match link {
        Link::Logistic(_) => -(1.0 / v - 1.0).ln(),
        Link::Exponential => v.ln(),
        Link::Identity | Link::Softmax => v,
    };
    let all: Vec<f64> = all.into_iter().map(|v| f64::from(margin(v))).collect();
    match all.len() {
        1 => Ok(vec![all[0]; outputs]),
        n if n == outputs => Ok(all),
        n => Err(form(format!("{n} base scores of {outputs} outputs"))),
    }
}

fn nodes(at: usize, t: &Tree) -> Result<Vec<Node>, ModelError> {
    let n = t.left_children.len();
    let lengths = [
        t.right_children.len(),
        t.split_conditions.len(),
        t.split_indices.len(),
        t.default_left.len(),
    ];
    if lengths.iter().any(|l| *l != n) || t.split_type.iter().any(|s| *s != 0) {
        let why = if lengths.iter().any(|l| *l != n) {
            format!("its columns are of {n} and {lengths:?} nodes")
        } else {
            "it asks for categories; encode them as numbers before training".to_owned()
        };
        return Err(ModelError::Tree {
            tree: at,
            node: 0,
            why,
        });
    }
    let node = |i: usize| {
        // Single precision, as the file means it.
        let threshold = f64::from(t.split_conditions[i].0 as f32);
        match (
            u32::try_from(t.left_children[i]),
            u32::try_from(t.right_children[i]),
        ) {
            (Ok(left), Ok(right)) => Node::Split {
                column: t.split_indices[i],
                threshold,
                at: false,
                missing: Missing::Unknown,
                missing_left: t.default_left[i] != 0,
                left,
                right,
            },
            _ => Node::Leaf(threshold),
        }
    };
    Ok((0..n).map(node).collect())
}
