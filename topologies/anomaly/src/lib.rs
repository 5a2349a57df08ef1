//! fulmar-anomaly.
