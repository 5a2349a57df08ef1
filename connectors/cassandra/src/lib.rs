//! fulmar-cassandra.
