//! The `fulmar` program: every daemon and every verb in one binary.
fn main() {}
