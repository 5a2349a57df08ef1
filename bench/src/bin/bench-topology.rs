//! The program that the engine's benchmark submits to a cluster of ours: one workload, by configuration.

use std::process::ExitCode;

fn main() -> ExitCode {
    fulmar::main(fulmar_bench::workloads::topology)
}
