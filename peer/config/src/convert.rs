//! From a document to the core's model, and from the core's complaints back to a place in the file.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use dmvpn_core::config::{
    Backoff, Config, ConfigError, ConfigProblem, GreMode, Limits, Map, Nhrp, Nhs, Tunnel as CoreTunnel,
};

use crate::document::{self, Document, Located, Tunnel};
use crate::error::Error;

/// Where and what.
type Fault = (Range<usize>, String);

/// See [`Document::into_config`].
pub(crate) fn config(document: Document, file: &str, text: &str) -> Result<Config, Error> {
    let complain = |(span, message): Fault| Error::at("config::value", file, text, span, message);
    let mut config = Config { limits: limits(&document.limits), ..Config::default() };
    if let Some(id) = &document.first_request_id {
        config.first_request_id = id.value;
    }
    if document.tunnels.is_empty() {
        let error = Error::at("config::no_tunnel", file, text, 0..0, "there is no tunnel");
        return Err(error.with_help("`tunnels` is a list with at least one entry"));
    }
    for written in &document.tunnels {
        config.tunnels.push(tunnel(written).map_err(complain)?);
    }
    config.validate().map_err(|error| {
        let span = at_fault(&document, &config, &error);
        Error::at("config::contradiction", file, text, span, error.to_string())
    })?;
    Ok(config)
}

fn set<T: Clone>(target: &mut T, written: &Option<Located<T>>) {
    if let Some(written) = written {
        *target = written.value.clone();
    }
}

fn limits(written: &document::Limits) -> Limits {
    let mut limits = Limits::default();
    let count = |written: &Option<Located<u32>>, default: usize| {
        written.as_ref().map_or(default, |written| usize::try_from(written.value).unwrap_or(usize::MAX))
    };
    limits.bindings = count(&written.bindings, limits.bindings);
    limits.entries_per_request = count(&written.entries_per_request, limits.entries_per_request);
    set(&mut limits.errors_per_second, &written.errors_per_second);
    limits
}

fn tunnel(written: &Tunnel) -> Result<CoreTunnel, Fault> {
    let interface = written.address.value;
    let mut tunnel =
        CoreTunnel::new(written.name.value.clone(), written.nbma.value, interface.address, interface.prefix_len);
    if let Some(remote) = &written.remote {
        tunnel.mode = GreMode::PointToPoint { remote: remote.value };
    }
    tunnel.key = written.key.as_ref().map(|key| key.value);
    set(&mut tunnel.ttl, &written.ttl);
    set(&mut tunnel.tos, &written.tos);
    set(&mut tunnel.mtu, &written.mtu);
    tunnel.nhrp = match &written.nhrp {
        Some(written) => nhrp(written)?,
        None => Nhrp { network_id: None, ..Nhrp::default() },
    };
    Ok(tunnel)
}

fn nhrp(written: &document::Nhrp) -> Result<Nhrp, Fault> {
    let mut nhrp = Nhrp::default();
    if let Some(id) = &written.network_id {
        nhrp.network_id = Some(id.value);
    }
    if let Some(time) = &written.holding_time {
        nhrp.holding_time = whole_seconds(time)?;
    }
    nhrp.authentication = written.authentication.as_ref().map(|secret| secret.value.clone());
    set(&mut nhrp.unique, &written.unique);
    set(&mut nhrp.server, &written.server);
    nhrp.prefix_len = written.registration_prefix.as_ref().map(|len| len.value);
    if let Some(retry) = &written.retry {
        nhrp.retry = backoff(&retry.value);
    }
    nhrp.nhs = written.nhs.iter().map(|nhs| server(&nhs.value)).collect();
    nhrp.maps = written.map.iter().map(|map| binding(&map.value)).collect();
    Ok(nhrp)
}

/// A holding time is 16 bits of seconds on the wire.
fn whole_seconds(time: &Located<Duration>) -> Result<u16, Fault> {
    let fault = |message: &str| (time.span.clone(), message.to_owned());
    if time.value.subsec_nanos() != 0 {
        return Err(fault("a holding time is a whole number of seconds"));
    }
    u16::try_from(time.value.as_secs()).map_err(|_| fault("a holding time is at most 65535s, which is 18h 12m 15s"))
}

fn backoff(written: &document::Retry) -> Backoff {
    let mut backoff = Backoff::default();
    set(&mut backoff.first, &written.first);
    set(&mut backoff.max, &written.max);
    set(&mut backoff.jitter_percent, &written.jitter_percent);
    backoff
}

fn server(written: &document::Nhs) -> Nhs {
    Nhs {
        protocol: written.protocol.as_ref().map(|protocol| protocol.value),
        nbma: written.nbma.value,
        priority: written.priority.as_ref().map_or(0, |priority| priority.value),
        cluster: 0,
    }
}

fn binding(written: &document::Map) -> Map {
    Map { protocol: written.protocol.value, nbma: written.nbma.value }
}

/// The place that the core's complaint is about: the setting it names, else the tunnel's name.
fn at_fault(document: &Document, config: &Config, error: &ConfigError) -> Range<usize> {
    let named = |written: &&Tunnel| written.name.value == error.tunnel;
    let last = error.problem == ConfigProblem::DuplicateName;
    let found = if last { document.tunnels.iter().rfind(named) } else { document.tunnels.iter().find(named) };
    let Some(tunnel) = found else {
        // Only the whole is at fault: the first tunnel that is one too many.
        let extra = document.tunnels.get(config.limits.tunnels).or(document.tunnels.first());
        return extra.map_or(0..0, |tunnel| tunnel.name.span.clone());
    };
    let nhrp = tunnel.nhrp.clone().unwrap_or_default();
    let span = |written: Option<Range<usize>>| written.unwrap_or_else(|| tunnel.name.span.clone());
    match &error.problem {
        ConfigProblem::Indistinguishable { .. } => tunnel.nbma.span.clone(),
        ConfigProblem::NotAStation { address, .. }
        | ConfigProblem::OwnAddress { address, .. }
        | ConfigProblem::NhsNotRemote { nbma: address }
        | ConfigProblem::WrongFamily { address, .. } => span(address_at(tunnel, &nhrp, *address)),
        ConfigProblem::PrefixLength { len, .. } => {
            let own = tunnel.address.value.prefix_len == *len;
            let registration = nhrp.registration_prefix.map(|len| len.span);
            span(if own { Some(tunnel.address.span.clone()) } else { registration })
        }
        ConfigProblem::Ttl => span(tunnel.ttl.as_ref().map(|ttl| ttl.span.clone())),
        ConfigProblem::HoldingTime => span(nhrp.holding_time.map(|time| time.span)),
        ConfigProblem::NetworkId => span(nhrp.network_id.map(|id| id.span)),
        ConfigProblem::Authentication => span(nhrp.authentication.map(|secret| secret.span)),
        ConfigProblem::Backoff => span(nhrp.retry.map(|retry| retry.span)),
        ConfigProblem::DuplicateNhs { nbma } => {
            span(nhrp.nhs.iter().rfind(|nhs| nhs.value.nbma.value == *nbma).map(|nhs| nhs.value.nbma.span.clone()))
        }
        ConfigProblem::DuplicateMap { protocol } => {
            let map = nhrp.map.iter().rfind(|map| map.value.protocol.value == *protocol);
            span(map.map(|map| map.value.protocol.span.clone()))
        }
        _ => span(None),
    }
}

/// Where an address is written, peers first: they are what a wrong family or a copied own address is found at.
fn address_at(tunnel: &Tunnel, nhrp: &document::Nhrp, address: IpAddr) -> Option<Range<usize>> {
    let nhs = nhrp.nhs.iter().flat_map(|nhs| nhs.value.protocol.iter().chain([&nhs.value.nbma]));
    let maps = nhrp.map.iter().flat_map(|map| [&map.value.protocol, &map.value.nbma]);
    let mut all = nhs.chain(maps).chain(&tunnel.remote).chain([&tunnel.nbma]);
    let found = all.find(|written| written.value == address).map(|written| written.span.clone());
    found.or_else(|| (tunnel.address.value.address == address).then(|| tunnel.address.span.clone()))
}
