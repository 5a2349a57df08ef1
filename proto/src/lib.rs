//! fulmar-proto.
