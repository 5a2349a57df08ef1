//! fulmar-engine.
