//! The program of the sliding-window example: `cargo run --bin sliding-window -- --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fulmar::main(fulmar_examples::sliding_window::topology)
}
