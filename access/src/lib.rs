//! fulmar-access.
