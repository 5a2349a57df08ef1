//! fulmar-query.
