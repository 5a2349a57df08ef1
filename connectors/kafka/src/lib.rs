//! fulmar-kafka.
