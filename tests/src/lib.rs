//! fulmar-tests.
