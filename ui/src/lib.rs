//! fulmar-ui.
