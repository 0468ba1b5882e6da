//! From a document to the core's model, and from the core's complaints back to a place in the file.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use dmvpn_core::TunnelId;
use dmvpn_core::config::{
    Backoff, Cluster, Config, ConfigError, ConfigProblem, GreMode, Limits, Map, Multicast, Nhrp, Nhs, Route,
    RouteFault, RouteVia, Tunnel as CoreTunnel,
};

use crate::Settings;
use crate::document::{self, Document, Gateway, Located, Tunnel};
use crate::error::Error;
use crate::scalar::Scalar;

/// Where and what.
type Fault = (Range<usize>, String);

/// See [`Document::into_settings`].
pub(crate) fn settings(document: Document, file: &str, text: &str) -> Result<Settings, Error> {
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
    config.routes = document.lan.iter().map(lan).collect();
    for written in &document.routes {
        config.routes.push(route(&written.value, &config.tunnels).map_err(complain)?);
    }
    config.validate().map_err(|error| {
        let span = at_fault(&document, &config, &error);
        Error::at("config::contradiction", file, text, span, error.to_string())
    })?;
    Ok(Settings { node: config, state: document.state.map(|state| state.value) })
}

/// An attached network.
fn lan(written: &Located<document::Interface>) -> Route {
    let document::Interface { address, prefix_len } = written.value;
    Route { prefix: first_of(address, prefix_len), prefix_len, via: RouteVia::Attached { address: Some(address) } }
}

fn first_of(address: IpAddr, len: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// A route given in words, for nodes that run: see [`crate::route`].
pub(crate) fn route_in_words(
    to: &str,
    via: &str,
    tunnel: Option<&str>,
    tunnels: &[CoreTunnel],
) -> Result<Route, String> {
    fn word<T: Scalar>(text: &str) -> Result<Located<T>, String> {
        T::read(text).map(|value| Located { value, span: 0..0 })
    }
    let written = document::Route { to: word(to)?, via: word(via)?, tunnel: tunnel.map(word).transpose()? };
    route(&written, tunnels).map_err(|(_, message)| message)
}

/// A prefix in words.
pub(crate) fn prefix_in_words(text: &str) -> Result<(IpAddr, u8), String> {
    document::Prefix::read(text).map(|prefix| (prefix.first, prefix.len))
}

fn route(written: &document::Route, tunnels: &[CoreTunnel]) -> Result<Route, Fault> {
    let document::Prefix { first: prefix, len: prefix_len } = written.to.value;
    let next_hop = match (written.via.value, &written.tunnel) {
        (Gateway::Station(next_hop), _) => next_hop,
        (Gateway::Beyond, None) => return Ok(Route { prefix, prefix_len, via: RouteVia::Beyond }),
        (Gateway::Attached, None) => {
            return Ok(Route { prefix, prefix_len, via: RouteVia::Attached { address: None } });
        }
        (Gateway::Beyond | Gateway::Attached, Some(name)) => {
            return Err((name.span.clone(), "only a next hop with an address is reached by a tunnel".into()));
        }
    };
    let mut all = (0..).map(TunnelId).zip(tunnels);
    let found = match &written.tunnel {
        Some(name) => all.find(|(_, tunnel)| tunnel.name == name.value),
        // A tunnel whose subnet is not known says nothing about who is on it: it has to be named.
        None => all.find(|(_, t)| t.prefix_len != if t.address.is_ipv4() { 32 } else { 128 } && t.serves(next_hop)),
    };
    match (found, &written.tunnel) {
        (Some((tunnel, _)), _) => Ok(Route { prefix, prefix_len, via: RouteVia::Tunnel { tunnel, next_hop } }),
        (None, Some(name)) => Err((name.span.clone(), format!("there is no tunnel {:?}", name.value))),
        (None, None) => {
            let message = format!("{next_hop} is in no tunnel's subnet; name the tunnel with `tunnel`");
            Err((written.via.span.clone(), message))
        }
    }
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
    limits.bindings_per_peer = count(&written.bindings_per_peer, limits.bindings_per_peer);
    limits.entries_per_request = count(&written.entries_per_request, limits.entries_per_request);
    set(&mut limits.errors_per_second, &written.errors_per_second);
    limits.routes = count(&written.routes, limits.routes);
    limits.resolutions = count(&written.resolutions, limits.resolutions);
    limits.held_packets = count(&written.held_packets, limits.held_packets);
    limits.multicast_copies = count(&written.multicast_copies, limits.multicast_copies);
    limits.cached = count(&written.cached, limits.cached);
    limits.requesters = count(&written.requesters, limits.requesters);
    limits.redirects = count(&written.redirects, limits.redirects);
    set(&mut limits.resolutions_per_second, &written.resolutions_per_second);
    set(&mut limits.purges_per_second, &written.purges_per_second);
    set(&mut limits.icmp_per_second, &written.icmp_per_second);
    set(&mut limits.messages_per_second_per_peer, &written.messages_per_second_per_peer);
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
    set(&mut nhrp.profile, &written.profile);
    set(&mut nhrp.answers, &written.answers);
    set(&mut nhrp.redirect, &written.redirect);
    set(&mut nhrp.shortcut, &written.shortcut);
    nhrp.resolution_holding_time = written.resolution_holding_time.as_ref().map(whole_seconds).transpose()?;
    if let Some(receivers) = &written.multicast {
        nhrp.multicast = receivers.iter().map(|receiver| receiver.value).collect();
    }
    nhrp.clusters = written.clusters.iter().map(|cluster| bound(&cluster.value)).collect();
    set(&mut nhrp.fallback, &written.fallback);
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
        cluster: written.cluster.as_ref().map_or(0, |cluster| cluster.value),
    }
}

fn bound(written: &document::Cluster) -> Cluster {
    Cluster { id: written.id.value, max_connections: written.max_connections.value }
}

fn binding(written: &document::Map) -> Map {
    Map { protocol: written.protocol.value, nbma: written.nbma.value }
}

/// The place that the core's complaint is about: the setting it names, else the tunnel's name.
fn at_fault(document: &Document, config: &Config, error: &ConfigError) -> Range<usize> {
    let named = |written: &&Tunnel| written.name.value == error.tunnel;
    let last = error.problem == ConfigProblem::DuplicateName;
    let found = if last { document.tunnels.iter().rfind(named) } else { document.tunnels.iter().find(named) };
    if let ConfigProblem::Route { prefix, prefix_len, fault } = &error.problem {
        let lans = document.lan.iter().map(|lan| (self::lan(lan), lan.span.clone()));
        let lans = lans.map(|(route, span)| ((route.prefix, route.prefix_len), span));
        let routes = document.routes.iter().map(|route| &route.value);
        let routes = routes.map(|route| match fault {
            RouteFault::WrongFamily { .. } | RouteFault::NotOnTunnel { .. } => (route, route.via.span.clone()),
            _ => (route, route.to.span.clone()),
        });
        let routes = routes.map(|(route, span)| ((route.to.value.first, route.to.value.len), span));
        let mut named = lans.chain(routes).filter(|(key, _)| key == &(*prefix, *prefix_len)).map(|(_, span)| span);
        // Of two the second one is too many.
        let place = if *fault == RouteFault::Duplicate { named.nth(1) } else { named.next_back() };
        return place.unwrap_or(0..0);
    }
    if let ConfigProblem::TooManyRoutes { limit, .. } = &error.problem {
        let all = document.lan.iter().map(|lan| &lan.span).chain(document.routes.iter().map(|route| &route.span));
        return all.into_iter().nth(*limit).cloned().unwrap_or(0..0);
    }
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
        ConfigProblem::HoldingTime => {
            let times = [nhrp.holding_time, nhrp.resolution_holding_time];
            span(times.into_iter().flatten().find(|time| time.value.is_zero()).map(|time| time.span))
        }
        ConfigProblem::EmptyCluster { id } | ConfigProblem::DuplicateCluster { id } => {
            let cluster = nhrp.clusters.iter().rfind(|cluster| cluster.value.id.value == *id);
            span(cluster.map(|cluster| cluster.value.id.span.clone()))
        }
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
    let mut all = nhs.chain(maps).chain(&tunnel.remote);
    let found = all.find(|written| written.value == address).map(|written| written.span.clone());
    let mut receivers = nhrp.multicast.iter().flatten();
    let found = found.or_else(|| {
        let receiver = receivers.find(|written| written.value == Multicast::Static(address));
        receiver.map(|written| written.span.clone())
    });
    let found = found.or_else(|| (tunnel.nbma.value == address).then(|| tunnel.nbma.span.clone()));
    found.or_else(|| (tunnel.address.value.address == address).then(|| tunnel.address.span.clone()))
}
