//! The program `oplogsync`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    oplogsync::main()
}
