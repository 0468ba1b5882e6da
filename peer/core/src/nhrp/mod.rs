//! NHRP (RFC 2332 with what DMVPN adds): the state of a node, and what it does with it.
//!
//! Messages come in through the gate (`gate`), what the node notices through `interface`. The engines behind know ids and
//! tables and never GRE: what they want done comes out as [`Effect`]s.

mod answer;
mod auth;
pub mod cache;
mod error;
mod extension;
mod gate;
mod interface;
mod limit;
mod purge;
mod redirect;
pub mod registration;
pub mod reqid;
mod requester;
mod resolution;
mod route;
mod server;
pub mod shortcut;
mod transit;

use std::net::IpAddr;

use dmvpn_wire::Family;
use dmvpn_wire::nhrp::{AddressFamily, Fixed, Message, Packet, ProtocolType};

use crate::config::{Config, Limits, Tunnel, everything, host_len, in_prefix, same_network};
use crate::entropy::Entropy;
use crate::ids::TunnelId;
use crate::io::NhrpView;
use crate::rib::Rib;
use crate::stats::Stats;
use crate::time::Instant;
use crate::trace::Event;

use cache::{Binding, BindingKind, Cache};
use limit::PeerLimiter;
pub(crate) use limit::RateLimiter;
use purge::Purges;
use redirect::Redirects;
use registration::Registrations;
use reqid::RequestIds;
use requester::{Requesters, Source};
use resolution::Resolutions;
use shortcut::Shortcuts;

/// Hop count of every message of our own. It is never 0 on the wire: IOS drops that (CISCO-REG-04).
pub const HOP_COUNT: u8 = 255;

/// What an engine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this message through a tunnel to an NBMA address.
    Send {
        /// The tunnel.
        tunnel: TunnelId,
        /// Outer destination.
        to: IpAddr,
        /// The message; boxed because it is ten times as large as any other effect.
        message: Box<Message>,
    },
    /// This happened.
    Event(Event),
    /// The protocol address of a server was learned.
    NhsLearned {
        /// The tunnel.
        tunnel: TunnelId,
        /// Protocol address of the server.
        protocol: IpAddr,
        /// Its NBMA address.
        nbma: IpAddr,
    },
    /// What was learned about a server holds no longer.
    NhsForgotten {
        /// The tunnel.
        tunnel: TunnelId,
        /// Protocol address of the server.
        protocol: IpAddr,
        /// Its NBMA address.
        nbma: IpAddr,
    },
}

/// What an engine may use of the node while it handles something.
pub struct Context<'a> {
    /// Tunnels as they are now; the id is the position.
    pub tunnels: &'a [Tunnel],
    /// The routed path.
    pub rib: &'a Rib,
    /// Limits of the node.
    pub limits: &'a Limits,
    /// Source of randomness.
    pub entropy: &'a mut dyn Entropy,
    /// Counters.
    pub stats: &'a mut Stats,
}

impl<'a> Context<'a> {
    /// The tunnel of an id.
    pub fn tunnel(&self, id: TunnelId) -> Option<&'a Tunnel> {
        self.tunnels.get(usize::from(id.0))
    }

    /// Whether two tunnels are of one NBMA network.
    fn same_network(&self, a: TunnelId, b: TunnelId) -> bool {
        same_network(self.tunnels, a, b)
    }
}

/// An NHRP message as it came: through which tunnel, from which NBMA address, and its octets from ar$afn on.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The tunnel.
    pub tunnel: TunnelId,
    /// Outer source address.
    pub from: IpAddr,
    /// The octets behind the GRE header.
    pub octets: &'a [u8],
}

/// The fixed part of a message that a tunnel's station sends.
pub(crate) fn fixed(tunnel: &Tunnel) -> Fixed {
    let family = |ip| if matches!(ip, IpAddr::V4(_)) { Family::V4 } else { Family::V6 };
    Fixed {
        afn: AddressFamily::from(family(tunnel.nbma)),
        // NHRP-5.1-02: the Ethertype, in the short form.
        protocol: ProtocolType::from(family(tunnel.address)),
        hop_count: HOP_COUNT,
    }
}

/// All NHRP state of a node.
#[derive(Clone, Debug)]
pub struct Nhrp {
    cache: Cache,
    shortcuts: Shortcuts,
    registrations: Registrations,
    ids: RequestIds,
    resolutions: Resolutions,
    redirects: Redirects,
    purges: Purges,
    requesters: Requesters,
    errors: RateLimiter,
    peers: PeerLimiter,
}

impl Nhrp {
    /// Own and configured bindings; registrations are started by [`Self::link_up`].
    pub fn new(config: &Config, now: Instant, out: &mut Vec<Effect>) -> Self {
        let mut cache = Cache::new(&config.limits);
        let mut events = Vec::new();
        for (id, tunnel) in (0..).map(TunnelId).zip(&config.tunnels) {
            if tunnel.nhrp.network_id.is_none() {
                continue;
            }
            let mut insert = |kind, protocol, nbma| {
                cache.insert(Binding::permanent(now, id, kind, protocol, nbma), &mut events);
            };
            for nhs in &tunnel.nhrp.nhs {
                if let Some(protocol) = nhs.protocol {
                    insert(BindingKind::Nhs, protocol, nhs.nbma);
                }
            }
            for map in &tunnel.nhrp.maps {
                insert(BindingKind::Static, map.protocol, map.nbma);
            }
            insert(BindingKind::Local, tunnel.address, tunnel.nbma);
        }
        out.extend(events.into_iter().map(Effect::Event));
        Self {
            cache,
            shortcuts: Shortcuts::new(config.limits.cached),
            registrations: Registrations::new(&config.tunnels),
            ids: RequestIds::starting_at(config.first_request_id),
            resolutions: Resolutions::new(&config.limits),
            redirects: Redirects::new(config.limits.redirects),
            purges: Purges::new(&config.limits),
            requesters: Requesters::new(config.limits.requesters),
            errors: RateLimiter::new(config.limits.errors_per_second),
            peers: PeerLimiter::new(config.limits.messages_per_second_per_peer),
        }
    }

    /// The bound of request IDs that must be stored before what was put out since the last call is sent.
    pub fn ids_reserved(&mut self) -> Option<u32> {
        self.ids.newly_reserved()
    }

    /// The bindings, for forwarding decisions and views.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The direct ways that were found out, for forwarding decisions and views.
    pub fn shortcuts(&self) -> &Shortcuts {
        &self.shortcuts
    }

    /// The next hop servers, for forwarding decisions and views.
    pub fn registrations(&self) -> &Registrations {
        &self.registrations
    }

    /// Registers with the servers of a tunnel, at once.
    pub fn link_up(&mut self, now: Instant, id: TunnelId, tunnel: &Tunnel, out: &mut Vec<Effect>) {
        self.registrations.start(now, id, tunnel, out);
    }

    /// Ends the registrations of a tunnel; nothing is sent for it.
    pub fn link_down(&mut self, tunnel: TunnelId) {
        self.registrations.stop(tunnel);
    }

    /// Follows a change of the tunnel's own NBMA address.
    pub fn nbma_changed(&mut self, now: Instant, cx: &mut Context<'_>, id: TunnelId, out: &mut Vec<Effect>) {
        let Some(tunnel) = cx.tunnel(id) else { return };
        let old = self.cache.get(id, tunnel.address, host_len(tunnel.address)).map(|b| b.nbma);
        if let Some(old) = old.filter(|_| tunnel.nhrp.unique) {
            // CISCO-REG-03: a unique binding is in the way of the one that follows.
            self.deregister(id, tunnel, old, out);
        }
        let mut events = Vec::new();
        let local = Binding::permanent(now, id, BindingKind::Local, tunnel.address, tunnel.nbma);
        if tunnel.nhrp.network_id.is_some() {
            self.cache.insert(local, &mut events);
        }
        out.extend(events.into_iter().map(Effect::Event));
        // Whoever was told the old address asks again.
        let all = everything(tunnel.address);
        let told = self.requesters.take(now, id, all, |_, told| told.source == Source::Egress);
        self.take_back(now, cx, told);
        self.registrations.start(now, id, tunnel, out);
    }

    /// Binds a server's address that a registration found out. A server does not get an address that is bound otherwise.
    pub fn nhs_learned(&mut self, now: Instant, tunnel: TunnelId, protocol: IpAddr, nbma: IpAddr) -> Vec<Event> {
        let mut events = Vec::new();
        let bound = self.cache.get(tunnel, protocol, host_len(protocol));
        if bound.is_none_or(|binding| binding.kind == BindingKind::Nhs) {
            let binding = Binding::permanent(now, tunnel, BindingKind::Nhs, protocol, nbma);
            self.cache.insert(binding, &mut events);
        }
        events
    }

    /// Takes back what [`Self::nhs_learned`] did, unless another server has the address by now.
    pub fn nhs_forgotten(&mut self, tunnel: TunnelId, protocol: IpAddr, nbma: IpAddr) -> Vec<Event> {
        let mut events = Vec::new();
        self.cache.remove_nhs(tunnel, protocol, nbma, &mut events);
        events
    }

    /// Forgets what was registered and what was found out; says how many bindings. Who was told of a registration hears
    /// of it.
    pub fn clear(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        protocol: Option<IpAddr>,
        out: &mut Vec<Effect>,
    ) -> usize {
        let from = out.len();
        let mut events = Vec::new();
        let count = self.cache.clear(protocol, &mut events).len();
        self.shortcuts
            .remove_if(|s| protocol.is_none_or(|p| s.via == p || in_prefix(p, s.prefix, s.prefix_len)), &mut events);
        self.resolutions.forget_refusals(|(_, target)| protocol.is_none_or(|p| p == target));
        out.extend(events.into_iter().map(Effect::Event));
        self.tell_of_changes(now, cx, out, from);
        count
    }

    /// Stops everything without a word.
    fn stop(&mut self) {
        self.registrations.stop_all();
        self.resolutions.stop();
        self.purges.stop();
        self.shortcuts.stop();
        self.cache.stop();
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant, cx: &mut Context<'_>, out: &mut Vec<Effect>) {
        let mut events = Vec::new();
        self.shortcuts.handle_timeout(now, &mut events);
        self.cache.handle_timeout(now, &mut events);
        out.extend(events.into_iter().map(Effect::Event));
        self.registrations.handle_timeout(now, cx, &mut self.ids, out);
        self.resolution_timeout(now, cx, out);
        self.purge_timeout(now, cx, out);
    }

    /// The next deadline and what it is for.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let expiry = self.cache.poll_timeout().map(|at| (at, Reason::BindingExpiry));
        let shortcut = self.shortcuts.poll_timeout().map(|at| (at, Reason::ShortcutExpiry));
        let purge = self.purges.poll_timeout().map(|at| (at, Reason::Purge));
        [expiry, shortcut, purge, self.registrations.poll_timeout(), self.resolutions.poll_timeout()]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    /// All NHRP state.
    pub fn view(&self) -> NhrpView {
        let mut bindings: Vec<Binding> = self.cache.view().cloned().chain(self.resolutions.view()).collect();
        bindings.sort_by_key(|b| (b.tunnel, b.protocol, b.prefix_len, b.kind));
        NhrpView {
            bindings,
            shortcuts: self.shortcuts.view().cloned().collect(),
            nhs: self.registrations.view(),
            next_request_id: self.ids.peek(),
        }
    }

    /// Checks what must always hold; for debug builds and fuzzing.
    ///
    /// # Errors
    /// The broken rule, in words.
    pub fn invariants(&self) -> Result<(), String> {
        self.cache.invariants()?;
        self.shortcuts.invariants()?;
        self.requesters.invariants()?;
        self.resolutions.invariants()?;
        self.redirects.invariants()?;
        self.purges.invariants()?;
        self.registrations.invariants()
    }
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A binding's holding time ends.
    BindingExpiry,
    /// A shortcut's holding time ends.
    ShortcutExpiry,
    /// A resolution is to be sent again, or given up.
    Resolution,
    /// A purge is to be sent, for the first time or again, or given up.
    Purge,
    /// What was refused may be asked for again.
    NegativeExpiry,
    /// A registration is to be sent, for the first time or again.
    Registration,
    /// A registration is to be refreshed.
    Refresh,
    /// A registration's holding time ends without an acknowledgment.
    RegistrationLapse,
    /// Packets have waited too long for their next hop.
    Held,
    /// A server that came back has stood long enough to be preferred again.
    Probation,
}

/// The octets of a message up to ar$pktsz.
pub(crate) fn message_octets(octets: &[u8]) -> &[u8] {
    let end = Packet::new(octets).end();
    octets.get(..end).unwrap_or(octets)
}
