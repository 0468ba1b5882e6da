//! `cargo lab shell`.

use std::process::ExitCode;

use clap::Args;

use super::{Trouble, up};
use crate::shell::Place;
use crate::shell::client::{Visit, visit};

/// Into which router, and for what.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab shell hub                                  its own command line (vtysh), else a shell
  cargo lab shell hub -- sh                            a shell, with ip, ping and so on
  cargo lab shell spoke -- ping -c 3 10.0.0.1          one command
  cargo lab shell hub -- vtysh -c 'show ip nhrp' | grep dynamic
  cargo lab shell hub -- cat /proc/net/dev > devices   through pipes, octet by octet

The command runs inside the router: in its network, its files and, where the lab's kernel is used,
on that. On a terminal it has one of its own; else its output and its complaints come out apart.

Exit codes: the command's own, 128 and more if a signal ended it, 127 if it could not be started;
2 for a node that nobody can go into, 4 if no topology is up or it went down.")]
pub(super) struct ShellArgs {
    /// The router's node, as `cargo lab up` lists it.
    node: String,
    /// What to run instead of the router's own command line.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// The name that the topology was brought up under.
    #[arg(long, default_value = up::USUAL_NAME, value_parser = up::name)]
    name: String,
}

pub(super) fn run(args: &ShellArgs) -> Result<ExitCode, Trouble> {
    let command = (!args.command.is_empty()).then(|| args.command.clone());
    match visit(&Place::of(&args.name)?, &args.node, command)? {
        Visit::Ended(code) => Ok(ExitCode::from(code)),
        Visit::NotStarted(reason) => {
            eprintln!("error: {reason}");
            Ok(ExitCode::from(127))
        }
        Visit::Refused(problem, help) => Err(Trouble::Usage(miette::miette!(help = help, "{problem}"))),
    }
}
