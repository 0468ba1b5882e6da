//! `dmvpn-peer`: see [`dmvpn_peer::cli`].

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    dmvpn_peer::cli::Cli::parse().run()
}
