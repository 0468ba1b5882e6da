//! The node: the only place where engines meet. The same node is hub, spoke or both, by its configuration.
//!
//! ## When to call what
//! * Pass packets to [`Node::underlay`] and [`Node::overlay`] as they come, commands and link events likewise.
//! * After any call, poll [`Node::poll_output`] until it is empty, then ask [`Node::poll_timeout`].
//! * At that deadline, or later, call [`Node::handle_timeout`]. It is also safe to call it early.
//! * `now` never runs backwards; a smaller one is taken for the latest one seen.
//!
//! Every call first fires what is due at its `now`, so that a packet which arrives exactly when a binding expires finds
//! it gone, however late the shell is with its timers.

use std::collections::VecDeque;
use std::net::IpAddr;

use dmvpn_wire::code::{EtherType, IpProtocol};
use dmvpn_wire::nhrp::Packet;

use crate::buf::{PacketBuf, TxBatch};
use crate::config::{Config, ConfigError, Tunnel, host_len, is_station};
use crate::entropy::Entropy;
use crate::gre::Gre;
use crate::held::Held;
use crate::ids::TunnelId;
use crate::inner::Inner;
use crate::io::{Command, LinkEvent, NhrpView, Output, Reply, Underlay, Verdict};
use crate::nhrp::{Context, Effect, Nhrp, RateLimiter, Reason, Received};
use crate::rib::Rib;
use crate::stats::{DropReason, Stats};
use crate::time::Instant;
use crate::trace::Event;

mod forward;

/// Outputs and effects for which room is kept: what thousands of them took, as when all bindings of a hub expire at once,
/// is given back.
const KEPT: usize = 1024;

/// A DMVPN peer without any I/O.
pub struct Node {
    config: Config,
    entropy: Box<dyn Entropy + Send>,
    now: Instant,
    stopped: bool,
    /// Per tunnel: whether its underlay works.
    up: Vec<bool>,
    gre: Gre,
    nhrp: Nhrp,
    rib: Rib,
    held: Held,
    /// ICMP errors into the overlay.
    icmp: RateLimiter,
    stats: Stats,
    outputs: VecDeque<Output>,
    /// Kept for its allocation; empty between calls.
    effects: Vec<Effect>,
}

impl Node {
    /// A running node: first registrations are among the outputs at once.
    ///
    /// # Errors
    /// What [`Config::validate`] finds.
    pub fn new(config: Config, entropy: Box<dyn Entropy + Send>, now: Instant) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut effects = Vec::new();
        let mut nhrp = Nhrp::new(&config, now, &mut effects);
        for (id, tunnel) in (0..).map(TunnelId).zip(&config.tunnels) {
            nhrp.link_up(now, id, tunnel, &mut effects);
        }
        let rib = Rib::new(&config.tunnels, &config.routes);
        let limits = config.limits;
        let mut node = Self {
            up: vec![true; config.tunnels.len()],
            gre: Gre::new(&config.tunnels),
            config,
            entropy,
            now,
            stopped: false,
            nhrp,
            rib,
            held: Held::new(limits.held_packets),
            icmp: RateLimiter::new(limits.icmp_per_second),
            stats: Stats::default(),
            outputs: VecDeque::new(),
            effects,
        };
        node.apply_effects();
        node.handle_timeout(now);
        Ok(node)
    }

    /// Free octets in front of a packet from which [`Self::overlay`] needs no copy.
    pub fn headroom(&self, tunnel: TunnelId) -> usize {
        self.tunnel(tunnel).map_or(0, Gre::header_len)
    }

    /// The tunnels, with their NBMA addresses as they are now.
    pub fn tunnels(&self) -> &[Tunnel] {
        &self.config.tunnels
    }

    fn tunnel(&self, id: TunnelId) -> Option<&Tunnel> {
        self.config.tunnels.get(usize::from(id.0))
    }

    fn is_up(&self, id: TunnelId) -> bool {
        self.up.get(usize::from(id.0)).copied().unwrap_or(false)
    }

    /// Takes a packet from the underlay; `payload` is what follows the outer IP header. An inner packet that leaves by a
    /// tunnel again is put into the batch.
    pub fn underlay(&mut self, now: Instant, outer: Underlay, payload: PacketBuf, batch: &mut TxBatch) -> Verdict {
        self.handle_timeout(now);
        match self.accept(outer, payload, batch) {
            Ok(verdict) => verdict,
            Err((tunnel, reason)) => self.dropped(tunnel, Some(outer.src), None, reason),
        }
    }

    fn accept(
        &mut self,
        outer: Underlay,
        mut payload: PacketBuf,
        batch: &mut TxBatch,
    ) -> Result<Verdict, (Option<TunnelId>, DropReason)> {
        if self.stopped {
            return Err((None, DropReason::Stopped));
        }
        if outer.protocol != IpProtocol::GRE.0 {
            return Err((None, DropReason::NotGre));
        }
        if !is_station(outer.src) || outer.src == outer.dst {
            return Err((None, DropReason::InvalidOuterSource));
        }
        let header = self.gre.decapsulate(outer.src, outer.dst, &payload).map_err(|reason| (None, reason))?;
        let drop = |reason| (Some(header.tunnel), reason);
        if !self.is_up(header.tunnel) {
            return Err(drop(DropReason::TunnelDown));
        }
        self.stats.underlay_in += 1;
        payload.pop_front(header.header_len);
        match header.protocol {
            EtherType::NHRP => Ok(self.nhrp(header.tunnel, outer.src, &payload)),
            EtherType::IPV4 | EtherType::IPV6 => {
                self.take_from_tunnel((header.tunnel, outer.src), header.protocol, payload, batch).map_err(drop)
            }
            // GRE-2784-2.4-01.
            _ => Err(drop(DropReason::UnknownProtocolType)),
        }
    }

    fn nhrp(&mut self, tunnel: TunnelId, from: IpAddr, octets: &[u8]) -> Verdict {
        let received = Received { tunnel, from, octets };
        match self.with_nhrp(|nhrp, now, cx, out| nhrp.handle(now, cx, received, out)) {
            Ok(()) => Verdict::Consumed,
            Err(reason) => self.dropped(Some(tunnel), Some(from), Some(octets), reason),
        }
    }

    /// Takes an IP packet from a tunnel interface and puts it into the batch, addressed to the right peer.
    pub fn overlay(&mut self, now: Instant, tunnel: TunnelId, packet: PacketBuf, batch: &mut TxBatch) -> Verdict {
        self.handle_timeout(now);
        let source = Inner::read(&packet).map(|inner| inner.src);
        if self.stopped {
            return self.dropped(Some(tunnel), source, None, DropReason::Stopped);
        }
        self.stats.overlay_in += 1;
        match self.take_from_host(tunnel, packet, batch) {
            Ok(verdict) => verdict,
            Err(reason) => self.dropped(Some(tunnel), source, None, reason),
        }
    }

    /// Answers an operator.
    pub fn command(&mut self, now: Instant, command: Command) -> Reply {
        self.handle_timeout(now);
        match command {
            Command::ShowNhrp => Reply::Nhrp(self.view()),
            Command::ShowCounters => Reply::Counters(self.stats.view()),
            Command::ClearNhrp { protocol } => {
                let bindings = self.with_nhrp(|nhrp, now, cx, out| nhrp.clear(now, cx, protocol, out));
                Reply::Cleared { bindings }
            }
            Command::AddRoute(route) => {
                let mut changed = self.config.check_route(&route).is_ok() && self.rib.add(route);
                // One in place of another needs no room.
                if self.rib.len() > self.config.limits.routes {
                    changed = !self.rib.delete(route.prefix, route.prefix_len);
                }
                self.routes_changed(changed, route.prefix, route.prefix_len);
                Reply::Route { changed }
            }
            Command::DeleteRoute { prefix, prefix_len } => {
                let changed = self.rib.delete(prefix, prefix_len);
                self.routes_changed(changed, prefix, prefix_len);
                Reply::Route { changed }
            }
            Command::Shutdown => {
                if !self.stopped {
                    self.with_nhrp(|nhrp, now, cx, out| nhrp.shutdown(now, cx, out));
                    self.held.clear();
                    self.stopped = true;
                    self.emit(Event::Stopped);
                }
                Reply::Stopped
            }
        }
    }

    /// Follows a change of the underlay.
    pub fn link(&mut self, now: Instant, event: LinkEvent) {
        self.handle_timeout(now);
        let (LinkEvent::NbmaChanged { tunnel: id, .. }
        | LinkEvent::Up { tunnel: id }
        | LinkEvent::Down { tunnel: id }
        | LinkEvent::AdjacencyLost { tunnel: id, .. }) = event;
        let at = usize::from(id.0);
        if self.stopped || at >= self.config.tunnels.len() {
            self.emit(Event::LinkEventIgnored { tunnel: id });
            return;
        }
        match event {
            LinkEvent::Up { .. } if !self.up[at] => {
                self.up[at] = true;
                self.emit(Event::LinkUp { tunnel: id });
                // CISCO-REG-05: registration starts again when the tunnel comes up.
                self.nhrp.link_up(self.now, id, &self.config.tunnels[at], &mut self.effects);
                self.apply_effects();
            }
            LinkEvent::Down { .. } if self.up[at] => {
                self.up[at] = false;
                self.emit(Event::LinkDown { tunnel: id });
                self.nhrp.link_down(id);
            }
            LinkEvent::NbmaChanged { nbma, .. } => self.change_nbma(id, nbma),
            LinkEvent::AdjacencyLost { nbma, .. } => {
                self.with_nhrp(|nhrp, now, cx, out| nhrp.adjacency_lost(now, cx, id, nbma, out));
            }
            LinkEvent::Up { .. } | LinkEvent::Down { .. } => {}
        }
        self.handle_timeout(self.now);
    }

    fn change_nbma(&mut self, id: TunnelId, nbma: IpAddr) {
        let at = usize::from(id.0);
        let old = self.config.tunnels[at].nbma;
        if old == nbma {
            return;
        }
        self.config.tunnels[at].nbma = nbma;
        // The new address must keep the tunnels apart, and must not be a peer's.
        if host_len(old) != host_len(nbma) || self.config.validate().is_err() {
            self.config.tunnels[at].nbma = old;
            self.emit(Event::LinkEventIgnored { tunnel: id });
            return;
        }
        self.gre = Gre::new(&self.config.tunnels);
        self.emit(Event::NbmaChanged { tunnel: id, from: old, to: nbma });
        self.with_nhrp(|nhrp, now, cx, out| nhrp.nbma_changed(now, cx, id, out));
        if !self.up[at] {
            self.nhrp.link_down(id);
        }
        self.apply_effects();
    }

    /// Fires everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.poll_timeout().is_none_or(|(at, _)| at > self.now) {
            return;
        }
        self.with_nhrp(|nhrp, now, cx, out| nhrp.handle_timeout(now, cx, out));
        self.give_up_held();
    }

    /// Lets NHRP do something with what it may use of the node, and carries out what it wants.
    fn with_nhrp<T>(&mut self, act: impl FnOnce(&mut Nhrp, Instant, &mut Context<'_>, &mut Vec<Effect>) -> T) -> T {
        let mut effects = std::mem::take(&mut self.effects);
        let mut cx = Context {
            tunnels: &self.config.tunnels,
            rib: &self.rib,
            limits: &self.config.limits,
            entropy: &mut *self.entropy,
            stats: &mut self.stats,
        };
        let result = act(&mut self.nhrp, self.now, &mut cx, &mut effects);
        self.effects = effects;
        self.apply_effects();
        result
    }

    fn routes_changed(&mut self, changed: bool, prefix: IpAddr, prefix_len: u8) {
        if changed {
            self.with_nhrp(|nhrp, now, cx, out| nhrp.routes_changed(now, cx, prefix, prefix_len, out));
        }
    }

    /// When [`Self::handle_timeout`] must be called next, and for what. It changes with every other call.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        if self.stopped {
            return None;
        }
        let held = self.held.poll_timeout().map(|at| (at, Reason::Held));
        [self.nhrp.poll_timeout(), held].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// The next thing for the shell to do or to know.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            self.outputs.shrink_to(KEPT);
        }
        output
    }

    /// The NHRP state, for assertions and `show`.
    pub fn view(&self) -> NhrpView {
        self.nhrp.view()
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Checks what must always hold in all engines; for debug builds and fuzzing.
    ///
    /// # Errors
    /// The broken rule, in words.
    pub fn invariants(&self) -> Result<(), String> {
        self.nhrp.invariants()?;
        self.gre.invariants(&self.config.tunnels)?;
        self.rib.invariants()?;
        self.held.invariants()?;
        if !self.effects.is_empty() {
            return Err("effects are left over".into());
        }
        if self.outputs.len() > self.config.limits.outputs {
            return Err("more outputs than allowed".into());
        }
        Ok(())
    }

    /// Turns what engines want into outputs, until nothing is left.
    fn apply_effects(&mut self) {
        // Ahead of the messages, so that a shell stores the bound before it sends them.
        if let Some(below) = self.nhrp.ids_reserved() {
            self.emit(Event::RequestIdsReserved { below });
        }
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Event(event) => {
                    let found = (!self.held.is_empty()).then(|| event.clone());
                    self.emit(event);
                    if let Some(found) = found {
                        self.release_held(&found);
                    }
                }
                Effect::NhsLearned { tunnel, protocol, nbma } => {
                    let events = self.nhrp.nhs_learned(self.now, tunnel, protocol, nbma);
                    events.into_iter().for_each(|event| self.emit(event));
                }
                Effect::NhsForgotten { tunnel, protocol, nbma } => {
                    let events = self.nhrp.nhs_forgotten(tunnel, protocol, nbma);
                    events.into_iter().for_each(|event| self.emit(event));
                }
                Effect::Send { tunnel: id, to, message } => {
                    let Some(tunnel) = self.config.tunnels.get(usize::from(id.0)) else { continue };
                    let headroom = Gre::header_len(tunnel);
                    let mut octets = vec![0; headroom + message.emitted_len()];
                    // Engines build from parsed or configured parts only, so what does not fit is a message that grew
                    // beyond 65535 octets on our additions.
                    if message.emit(&mut octets[headroom..]).is_err() {
                        self.stats.outputs_lost += 1;
                        continue;
                    }
                    let payload = PacketBuf::from_parts(octets, headroom);
                    // GRE-NHRP-01, GRE-NHRP-02.
                    let transmit = Gre::encapsulate(tunnel, to, EtherType::NHRP, tunnel.tos, payload);
                    self.stats.nhrp_sent(message.message_type());
                    self.stats.underlay_out += 1;
                    self.output(Output::Transmit(transmit));
                }
            }
        }
        effects.shrink_to(KEPT);
        self.effects = effects;
    }

    fn dropped(
        &mut self,
        tunnel: Option<TunnelId>,
        from: Option<IpAddr>,
        nhrp: Option<&[u8]>,
        reason: DropReason,
    ) -> Verdict {
        self.stats.dropped(reason);
        let message = nhrp.and_then(|octets| Packet::new(octets).message_type());
        self.emit(Event::PacketDropped { tunnel, from, message, reason });
        Verdict::Dropped(reason)
    }

    fn emit(&mut self, event: Event) {
        self.output(Output::Event(event));
    }

    fn output(&mut self, output: Output) {
        if self.outputs.len() < self.config.limits.outputs {
            self.outputs.push_back(output);
        } else {
            self.stats.outputs_lost += 1;
        }
    }
}
