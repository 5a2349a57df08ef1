//! fulmar-supervisor.
