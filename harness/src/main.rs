//! `cargo lab`: see [`dmvpn_lab::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    dmvpn_lab::cli::main(std::env::args_os())
}
