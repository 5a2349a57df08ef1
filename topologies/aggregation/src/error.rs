//! What can go wrong in the aggregation, with the remedy.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AggregationError {
    /// A configured grouping that cannot be used.
    #[error(
        "grouping \"{grouping}\": {problem}; aggregation.groupings takes org, site, ap, band, wlan and combinations such as site+band"
    )]
    Grouping {
        /// As configured.
        grouping: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A configured window length that no table holds.
    #[error(
        "aggregation.resolutions: {resolution} has no table; use some of 1m, 10m, 1h and 1d, 10m among them"
    )]
    Resolution {
        /// As configured, or what is missing.
        resolution: String,
    },
    /// A message between the two bolts that cannot be read: they are of different builds.
    #[error(
        "a {what} from another task cannot be read ({why}): run all workers of this topology from one build"
    )]
    Message {
        /// Which message.
        what: &'static str,
        /// What the decoder said.
        why: String,
    },
}

impl From<AggregationError> for fulmar::prelude::Error {
    fn from(error: AggregationError) -> Self {
        fulmar::prelude::Error::author(error)
    }
}
