//! fulmar-nimbus.
