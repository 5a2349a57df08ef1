//! fulmar-examples.
