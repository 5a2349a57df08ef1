//! The program of the journal example: `cargo run --bin journal -- --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fulmar::main(fulmar_examples::journal::topology)
}
