//! The program of the exclamation example: `cargo run --bin exclamation -- --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fulmar::main(fulmar_examples::exclamation::topology)
}
