//! `dmvpn-peer`: see [`dmvpn_peer::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    dmvpn_peer::cli::main(std::env::args_os())
}
