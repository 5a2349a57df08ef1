//! fulmar-aggregation.
