//! The program of the word-count example: `cargo run --bin word-count -- --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fulmar::main(fulmar_examples::word_count::topology)
}
