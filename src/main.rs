//! The `skyql` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    skyql::cli::main()
}
