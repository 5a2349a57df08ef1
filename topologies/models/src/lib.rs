//! Models as parts of a topology: trees that XGBoost or LightGBM trained, asked tuple by tuple.
//!
//! * [`ModelBolt`]: the bolt.
//! * [`Model`]: a model that was read and checked; [`ModelError`]: why one is refused.

mod bolt;
mod error;
mod lightgbm;
mod model;
mod number;
mod xgboost;

pub use bolt::ModelBolt;
pub use error::ModelError;
pub use model::{Model, NODES_MOST};
