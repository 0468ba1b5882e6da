//! `dmvpn-peer up`: from a configuration to a running peer, and its end.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use dmvpn_core::Node;
use dmvpn_core::config::{GreMode, Profile, Tunnel};
use dmvpn_core::entropy::Entropy as _;
use tracing_subscriber::EnvFilter;

use crate::capture::Capture;
use crate::cli::Up;
use crate::clock::Clock;
use crate::control::server::Server;
use crate::entropy::OsEntropy;
use crate::fail::Failure;
use crate::log::Log;
use crate::shell::{Shell, Signals};
use crate::state::State;
use crate::stats::Stats;
use crate::underlay::Underlay;

/// Runs a peer until it is told to stop.
///
/// # Errors
/// Why it did not start, or why it had to end.
pub fn run(arguments: &Up) -> Result<(), Failure> {
    let dmvpn_config::Settings { node: mut config, state } = dmvpn_config::load(&arguments.config)?;
    let system = |what: &'static str| {
        move |error: io::Error| Failure::environment(format!("{what}: {error}"), "look at the limits of this machine")
    };
    let filter = EnvFilter::try_new(&arguments.log).expect("the command line was checked");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("no event loop"))?;
    let stats = Arc::new(Stats::default());
    let result = runtime.block_on(async {
        let signals = Signals::install().map_err(system("no signals"))?;
        let mut entropy = OsEntropy::open().map_err(system("no /dev/urandom"))?;
        let first_id = u16::try_from(entropy.next_u64() >> 48).expect("16 bits are left");
        let state = state.map(State::at);
        if let Some(state) = &state {
            let unusable = |error: io::Error| Failure::state(state.path(), &error);
            if let Some(first) = state.load().map_err(unusable)? {
                config.first_request_id = first;
            }
            // Better now than at the first request.
            state.store(config.first_request_id).map_err(unusable)?;
        }
        let underlay = Underlay::open(&config, first_id)?;
        let (server, calls) = Server::start(&arguments.control.path, Arc::clone(&stats)).await?;
        let capture = match &arguments.capture {
            Some(path) => {
                Some(Capture::create(path, Arc::clone(&stats)).map_err(|error| Failure::capture(path, &error))?)
            }
            None => None,
        };
        let log = Log::start(filter, Arc::clone(&stats)).map_err(system("no log"))?;
        let mut ready = format!("ready: control {}", arguments.control.path.display());
        for tunnel in config.tunnels.iter().take(8) {
            let _ = write!(ready, "; {}", describe(tunnel));
        }
        log.notice(&ready);

        if state.is_none() {
            let first = config.first_request_id;
            tracing::warn!("no `state` is set: request IDs begin with {first} again after a restart");
        }
        let clock = Clock::start();
        let node = Node::new(config, Box::new(entropy), clock.now())
            .expect("what the configuration's reader accepts, a node can run");
        let shell = Shell { clock, node, underlay, server, calls, capture, state, stats };
        let result = shell.run(signals).await;
        log.finish();
        result.map_err(|error| {
            Failure::environment(
                format!("a raw socket or the timer does not work any more: {error}"),
                "start the peer again",
            )
        })
    });
    // A client that is slow to read its answer does not keep us.
    runtime.shutdown_background();
    result
}

/// A tunnel in a line, for people.
pub fn describe(tunnel: &Tunnel) -> String {
    let mut text = format!("{} {}/{} at {}", tunnel.name, tunnel.address, tunnel.prefix_len, tunnel.nbma);
    if let GreMode::PointToPoint { remote } = tunnel.mode {
        let _ = write!(text, " to {remote}");
    }
    if let Some(key) = tunnel.key {
        let _ = write!(text, ", key {key}");
    }
    let nhrp = &tunnel.nhrp;
    match nhrp.network_id {
        None => text.push_str(", without NHRP"),
        Some(_) => {
            if nhrp.server {
                text.push_str(", next hop server");
            }
            if !nhrp.nhs.is_empty() {
                let _ = write!(text, ", client of {}", nhrp.nhs.len());
            }
            if nhrp.profile == Profile::Rfc2332 {
                text.push_str(", profile rfc2332");
            }
        }
    }
    text
}
