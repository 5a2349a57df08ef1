//! The workloads of the engine's benchmark as topologies of ours, and what they count: shared by the benchmark and by
//! `bench-topology`, the program that it submits to a cluster.

pub mod buckets;
pub mod paced;
pub mod workloads;
