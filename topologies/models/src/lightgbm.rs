//! LightGBM's `dump_model()` as JSON: trees as nested objects, all numbers of double precision.
//! Pure: no clock, no I/O, no async.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::ModelError;
use crate::model::{Link, Missing, Model, NODES_MOST, Node};
use crate::number::Number;

#[derive(Deserialize)]
struct File {
    num_tree_per_iteration: usize,
    max_feature_idx: usize,
    #[serde(default)]
    objective: String,
    #[serde(default)]
    average_output: bool,
    #[serde(default)]
    feature_names: Vec<String>,
    tree_info: Vec<Tree>,
}

#[derive(Deserialize)]
struct Tree {
    tree_structure: Part,
}

#[derive(Deserialize)]
struct Part {
    leaf_value: Option<Number>,
    split_feature: Option<u32>,
    threshold: Option<Box<RawValue>>,
    #[serde(default)]
    decision_type: String,
    #[serde(default)]
    default_left: bool,
    #[serde(default)]
    missing_type: String,
    left_child: Option<Box<Part>>,
    right_child: Option<Box<Part>>,
}

/// Reads it; what it refers to is checked by the caller.
pub fn read(text: &str) -> Result<Model, ModelError> {
    let file: File =
        serde_json::from_str(text).map_err(|e| ModelError::Form { why: e.to_string() })?;
    if file.average_output {
        return Err(ModelError::Unknown {
            what: "boosting",
            found: "rf".to_owned(),
            known: "gbdt, dart or goss",
        });
    }
    let outputs = file.num_tree_per_iteration.max(1);
    let trees = file.tree_info.iter().enumerate().map(|(at, tree)| {
        let mut nodes = Vec::new();
        flatten(at, &tree.tree_structure, &mut nodes)?;
        // Trees of one round stand together, one for each output.
        Ok((at % outputs, nodes))
    });
    Ok(Model {
        single: false,
        base: vec![0.0; outputs],
        link: link(&file.objective)?,
        columns: file.max_feature_idx + 1,
        trees: trees.collect::<Result<_, ModelError>>()?,
        names: file.feature_names,
    })
}

fn link(objective: &str) -> Result<Link, ModelError> {
    let unknown = || ModelError::Unknown {
        what: "objective",
        found: objective.to_owned(),
        known: "regression, regression_l1, huber, fair, quantile, mape, poisson, gamma, tweedie, binary, cross_entropy, multiclass, lambdarank and rank_xendcg",
    };
    let mut words = objective.split(' ');
    let name = words.next().unwrap_or_default();
    let option = |key: &str| words.clone().find_map(|w| w.strip_prefix(key));
    match name {
        // The root of the target was learnt: what it says would have to be squared.
        "regression" if words.clone().any(|w| w == "sqrt") => Err(unknown()),
        "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" | "lambdarank"
        | "rank_xendcg" => Ok(Link::Identity),
        "poisson" | "gamma" | "tweedie" => Ok(Link::Exponential),
        "cross_entropy" => Ok(Link::Logistic(1.0)),
        "binary" => {
            let factor = option("sigmoid:").unwrap_or("1").parse::<f64>();
            factor.map(Link::Logistic).map_err(|_| unknown())
        }
        "multiclass" => Ok(Link::Softmax),
        _ => Err(unknown()),
    }
}

/// Puts a part and all below it behind what is there; answers where it stands.
fn flatten(tree: usize, part: &Part, nodes: &mut Vec<Node>) -> Result<u32, ModelError> {
    let node = nodes.len();
    if node >= NODES_MOST {
        return Err(ModelError::Size { limit: NODES_MOST });
    }
    let wrong = |why: String| ModelError::Tree { tree, node, why };
    if let Some(leaf) = part.leaf_value {
        nodes.push(Node::Leaf(leaf.0));
        return Ok(node as u32);
    }
    let (Some(left), Some(right), Some(column), Some(threshold)) = (
        &part.left_child,
        &part.right_child,
        part.split_feature,
        &part.threshold,
    ) else {
        return Err(wrong(
            "it is neither a leaf nor a whole question".to_owned(),
        ));
    };
    if part.decision_type != "<=" {
        return Err(wrong(format!(
            "it asks by {:?}, known is \"<=\": encode categories as numbers before training",
            part.decision_type
        )));
    }
    let threshold = threshold
        .get()
        .parse::<f64>()
        .ok()
        .filter(|t| t.is_finite());
    let threshold =
        threshold.ok_or_else(|| wrong("its threshold is no finite number".to_owned()))?;
    let missing = match part.missing_type.as_str() {
        "NaN" => Missing::Unknown,
        "Zero" => Missing::Zero,
        "None" => Missing::Never,
        other => return Err(wrong(format!("its missing_type is {other:?}"))),
    };
    nodes.push(Node::Leaf(0.0));
    let left = flatten(tree, left, nodes)?;
    let right = flatten(tree, right, nodes)?;
    nodes[node] = Node::Split {
        column,
        threshold,
        at: true,
        missing,
        missing_left: part.default_left,
        left,
        right,
    };
    Ok(node as u32)
}
