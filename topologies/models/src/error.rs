//! Why a model is refused, with the remedy.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file cannot be had.
    #[error("the model {file} cannot be read: {why}")]
    File {
        /// As it was given.
        file: String,
        /// What the system says.
        why: String,
    },
    /// It is no dump of trees.
    #[error(
        "this is no dump of trees ({why}); use XGBoost's save_model(\"….json\") or json.dump of LightGBM's dump_model()"
    )]
    Form {
        /// What the reader found.
        why: String,
    },
    /// It is a dump, of something that is not computed here.
    #[error("the model's {what} is {found:?}, known is {known}")]
    Unknown {
        /// Which property.
        what: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        known: &'static str,
    },
    /// A tree that leads nowhere, or to a number that is none.
    #[error("tree {tree}, node {node}: {why}; the file is damaged, dump the model again")]
    Tree {
        /// Position of the tree.
        tree: usize,
        /// Position of the node.
        node: usize,
        /// What is wrong.
        why: String,
    },
    /// More than fits.
    #[error("the model has more than {limit} nodes; train fewer or smaller trees")]
    Size {
        /// The limit.
        limit: usize,
    },
    /// Its columns are not those that the bolt gives it.
    #[error(
        "the model asks for {wants}, the bolt gives it {gives}; name each column of the model as a field, in any order"
    )]
    Columns {
        /// Names or number of the model's columns.
        wants: String,
        /// Names of the fields.
        gives: String,
    },
}
