//! Small topologies to read and to start from; each is run by its tests.

pub mod exclamation;
pub mod journal;
pub mod partitions;
pub mod sliding_window;
pub mod word_count;
