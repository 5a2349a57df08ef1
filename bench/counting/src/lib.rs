//! What the benchmark's topologies and timely's twin share: how a process counts, and the text of the word count.
//! A crate of its own, without the engine, so that building timely does not build everything else anew.

pub mod counts;
pub mod text;
