//! The command line.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::control::client;
use crate::control::proto::{Request, Response};
use crate::fail::Failure;
use crate::{table, up};

const EXAMPLES: &str = "\
Examples:
  dmvpn-peer check --config spoke.yaml
  sudo dmvpn-peer up --config spoke.yaml --capture spoke.pcapng
  sudo dmvpn-peer show nhrp
  sudo dmvpn-peer show nhrp --json | jq '.cache[] | select(.type == \"dynamic\")'
  sudo dmvpn-peer clear nhrp 10.0.0.11
  sudo dmvpn-peer route add 172.20.0.0/16 10.0.0.1
  sudo dmvpn-peer stop

Exit codes:
  0  done
  1  not found, or refused by the peer
  2  usage or configuration
  4  this machine: no permission, no such address, no peer on the control socket";

/// A DMVPN peer: hub or spoke, by its configuration. It registers and answers registrations (NHRP over GRE); it does not
/// carry traffic yet.
#[derive(Debug, Parser)]
#[command(name = "dmvpn-peer", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a peer in the foreground until SIGINT, SIGTERM, SIGHUP or `dmvpn-peer stop`
    Up(Up),
    /// Check a configuration and say what it makes
    Check {
        /// Configuration (YAML)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Show the state of a running peer
    #[command(subcommand)]
    Show(Show),
    /// Forget what a running peer has learned
    #[command(subcommand)]
    Clear(Clear),
    /// Change the routing table of a running peer
    #[command(subcommand)]
    Route(Route),
    /// Stop a running peer and wait for its end
    Stop {
        #[command(flatten)]
        control: Control,
    },
}

/// Arguments of `up`.
#[derive(Args, Debug)]
pub struct Up {
    /// Configuration (YAML)
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Write what is sent and received, with the outer IP headers, to this pcapng file; an old one is overwritten
    #[arg(long, value_name = "FILE")]
    pub capture: Option<PathBuf>,
    /// What to log on standard error: a level (error, warn, info, debug, trace), or a filter as tracing has them
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "info", value_parser = filter)]
    pub log: String,
    /// Where to listen
    #[command(flatten)]
    pub control: Control,
}

/// Refuses a filter before anything runs.
fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Where a peer listens for commands.
#[derive(Args, Debug)]
pub struct Control {
    /// Control socket of the peer
    #[arg(long = "control", value_name = "PATH", env = "DMVPN_PEER_CONTROL", default_value = "/run/dmvpn-peer.sock")]
    pub path: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Show {
    /// Bindings and next hop servers
    Nhrp {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        control: Control,
    },
    /// Counters
    Counters {
        /// As JSON, zeros included
        #[arg(long)]
        json: bool,
        /// With those that are zero
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        control: Control,
    },
}

#[derive(Debug, Subcommand)]
enum Route {
    /// Put a route in, in place of another to the same prefix
    Add {
        /// Prefix, such as 172.20.0.0/16
        #[arg(value_name = "PREFIX")]
        to: String,
        /// Next hop: an address inside a tunnel, `beyond` (a router outside all tunnels) or `attached`
        #[arg(value_name = "VIA")]
        via: String,
        /// Name of the tunnel, where the next hop's address does not say which one
        #[arg(long, value_name = "NAME")]
        tunnel: Option<String>,
        #[command(flatten)]
        control: Control,
    },
    /// Take a route out
    Delete {
        /// Prefix
        #[arg(value_name = "PREFIX")]
        to: String,
        #[command(flatten)]
        control: Control,
    },
}

#[derive(Debug, Subcommand)]
enum Clear {
    /// What was registered and what was found out by asking: all, or what there is for one protocol address
    Nhrp {
        /// Protocol address
        #[arg(value_name = "ADDR")]
        address: Option<IpAddr>,
        #[command(flatten)]
        control: Control,
    },
}

/// Runs a command line, the program's name first, and says how the process ends.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => cli.run(),
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
    }
}

impl Cli {
    /// Carries the command out.
    pub fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Up(arguments) => up::run(&arguments),
            Command::Check { config } => check(&config),
            Command::Show(Show::Nhrp { json, control }) => show_nhrp(&control.path, json),
            Command::Show(Show::Counters { json, all, control }) => show_counters(&control.path, json, all),
            Command::Clear(Clear::Nhrp { address, control }) => clear(&control.path, address),
            Command::Route(Route::Add { to, via, tunnel, control }) => {
                route(&control.path, &Request::AddRoute { to, via, tunnel }, "the table is full, or has that route")
            }
            Command::Route(Route::Delete { to, control }) => {
                route(&control.path, &Request::DeleteRoute { to }, "there is no such route")
            }
            Command::Stop { control } => stop(&control.path),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                let code = failure.exit_code();
                // `Debug` of a report is its rendering for people.
                let _ = writeln!(io::stderr(), "{:?}", failure.report());
                code
            }
        }
    }
}

fn check(path: &Path) -> Result<(), Failure> {
    let config = dmvpn_config::load(path)?.node;
    let mut out = format!("{}: good\n", path.display());
    for tunnel in &config.tunnels {
        out.push_str(&format!("  {}\n", up::describe(tunnel)));
    }
    print(&out);
    Ok(())
}

fn show_nhrp(path: &Path, as_json: bool) -> Result<(), Failure> {
    match client::ask(path, &Request::ShowNhrp)? {
        Response::Nhrp(view) if as_json => print(&json(&view)),
        Response::Nhrp(view) => print(&table::nhrp(&view)),
        other => return Err(unexpected(other)),
    }
    Ok(())
}

fn show_counters(path: &Path, as_json: bool, all: bool) -> Result<(), Failure> {
    let counters = match client::ask(path, &Request::ShowCounters)? {
        Response::Counters(counters) => counters,
        other => return Err(unexpected(other)),
    };
    if as_json {
        let map: std::collections::BTreeMap<_, _> =
            counters.iter().map(|counter| (counter.name.as_str(), counter.value)).collect();
        print(&json(&map));
    } else {
        print(&table::counters(&counters, all));
    }
    Ok(())
}

fn clear(path: &Path, protocol: Option<IpAddr>) -> Result<(), Failure> {
    match (client::ask(path, &Request::ClearNhrp { protocol })?, protocol) {
        (Response::Cleared { bindings: 0 }, Some(address)) => {
            Err(Failure::Refused(format!("there is no learned binding for {address}")))
        }
        (Response::Cleared { bindings }, _) => {
            print(&format!("{bindings} binding{} forgotten\n", if bindings == 1 { "" } else { "s" }));
            Ok(())
        }
        (other, _) => Err(unexpected(other)),
    }
}

fn route(path: &Path, request: &Request, unchanged: &str) -> Result<(), Failure> {
    match client::ask(path, request)? {
        Response::Route { changed: true } => Ok(()),
        Response::Route { changed: false } => Err(Failure::Refused(unchanged.into())),
        other => Err(unexpected(other)),
    }
}

fn stop(path: &Path) -> Result<(), Failure> {
    match client::ask(path, &Request::Stop)? {
        Response::Stopping(_) => Ok(()),
        other => Err(unexpected(other)),
    }
}

fn unexpected(response: Response) -> Failure {
    match response {
        Response::Error { message, .. } => Failure::Refused(format!("the peer refuses: {message}")),
        _ => Failure::Refused("the peer answers something else".into()),
    }
}

fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("keys are strings and numbers are finite");
    text.push('\n');
    text
}

/// To standard output; a reader that has seen enough is no error.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}
