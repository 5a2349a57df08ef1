//! The program of the partitions example: `cargo run --bin partitions -- --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fulmar::main(fulmar_examples::partitions::topology)
}
