//! fulmar.
