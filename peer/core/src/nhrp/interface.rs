//! What the node tells NHRP about its traffic, its routes and its end.

use std::net::IpAddr;
use std::time::Duration;

use super::cache::{Binding, BindingKind};
use super::requester::{Key, Source, Told};
use super::shortcut::Shortcut;
use super::{Context, Effect, Nhrp};
use crate::config::{everything, host_len, in_prefix};
use crate::ids::TunnelId;
use crate::rib::{Hop, Rib};
use crate::time::Instant;

impl Nhrp {
    /// The shortcut that traffic to `destination` takes: the longest prefix wins, and of a shortcut and a route to the same
    /// prefix the shortcut.
    pub fn shortcut_to(&self, rib: &Rib, destination: IpAddr) -> Option<&Shortcut> {
        let routed = rib.lookup(destination);
        self.shortcuts.find(destination).filter(|s| routed.is_none_or(|route| s.prefix_len >= route.prefix_len))
    }

    /// Somebody wants a direct way to `target`: an on-tunnel next hop without a binding, or what a redirect named. Starts
    /// at most one resolution. Says whether one is under way, so that a packet without any routed path can wait for it.
    pub fn wanted(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        tunnel: TunnelId,
        target: IpAddr,
        out: &mut Vec<Effect>,
    ) -> bool {
        // A direct way that is known is not asked for again.
        let direct = |b: &Binding| b.prefix_len == host_len(target);
        if self.shortcut_to(cx.rib, target).is_some() || self.cache.lookup(tunnel, target).is_some_and(direct) {
            return false;
        }
        self.ask(now, cx, tunnel, target, out)
    }

    /// A data packet took the shortcut to its destination, or the cached binding of its next hop: one that is near its end
    /// is asked for again.
    pub fn used(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        tunnel: TunnelId,
        reached: IpAddr,
        out: &mut Vec<Effect>,
    ) {
        let shortcut = self.shortcuts.used(now, reached);
        let shortcut = shortcut.map(|s| (s.tunnel, s.target, s.expires, s.holding_time));
        let cached = || {
            let binding = self.cache.lookup(tunnel, reached).filter(|b| b.kind == BindingKind::Cached)?;
            Some((tunnel, binding.protocol, binding.expires?, binding.holding_time))
        };
        let Some((tunnel, target, expires, holding_time)) = shortcut.or_else(cached) else { return };
        // CISCO-SC-02: in the last minute, or the last third of a short holding time.
        let last = Duration::from_secs(holding_time.into()) / 3;
        if expires - now <= last.min(Duration::from_secs(60)) {
            self.ask(now, cx, tunnel, target, out);
        }
    }

    /// The node forwards an inner packet that came in through a tunnel from a previous hop and leaves by another one. If
    /// that is of the same NBMA network, there is a shorter way, and the previous hop is told so.
    pub fn hairpinned(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        (came_in, previous_hop): (TunnelId, IpAddr),
        leaves: TunnelId,
        packet: &[u8],
        out: &mut Vec<Effect>,
    ) {
        // CISCO-RED-01, CISCO-NID-01.
        if cx.same_network(came_in, leaves) {
            self.indicate(now, cx, came_in, previous_hop, packet, out);
        }
    }

    /// A peer does not answer any more: what was found out and leads to it goes at once, and is asked for again with
    /// authority (NHRP-6.2.2-01). What is registered or configured stays: the stations behind it may be back.
    pub fn adjacency_lost(
        &mut self,
        now: Instant,
        cx: &Context<'_>,
        id: TunnelId,
        nbma: IpAddr,
        out: &mut Vec<Effect>,
    ) {
        let Some(tunnel) = cx.tunnel(id) else { return };
        let leads_there = |s: &&Shortcut| (s.tunnel, s.nbma) == (id, nbma);
        let targets: Vec<IpAddr> = self.shortcuts.view().filter(leads_there).map(|s| s.target).collect();
        let mut events = Vec::new();
        self.shortcuts.remove_if(|s| leads_there(&s), &mut events);
        let cached = |b: &Binding| (b.kind, b.nbma) == (BindingKind::Cached, nbma);
        let stations = self.cache.purge(id, everything(tunnel.address), cached, &mut events);
        for lost in stations.into_iter().map(|b| b.protocol).chain(targets) {
            self.resolutions.purged(now, id, lost, host_len(lost));
        }
        out.extend(events.into_iter().map(Effect::Event));
    }

    /// The routing table is another one now, as far as `prefix` is concerned.
    pub fn routes_changed(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        prefix: IpAddr,
        prefix_len: u8,
        out: &mut Vec<Effect>,
    ) {
        let mut events = Vec::new();
        // NHRP-2333-01: where routing goes another way now, a shortcut is looked for anew.
        let changed = |s: &Shortcut| {
            in_prefix(s.target, prefix, prefix_len)
                && cx.rib.lookup(s.target).is_none_or(|found| found.prefix_len <= prefix_len)
        };
        self.shortcuts.remove_if(changed, &mut events);
        out.extend(events.into_iter().map(Effect::Event));
        // NHRP-5.2.5-09: and so is what others were told and does not hold any more.
        for id in (0..).map(TunnelId).take(cx.tunnels.len()) {
            let rib = cx.rib;
            let untrue = |(_, prefix, len, _): &Key, told: &Told| {
                let out_here =
                    matches!(rib.lookup(*prefix).map(|f| f.hop), Some(Hop::Own | Hop::Attached | Hop::Beyond));
                told.source == Source::Egress && !(out_here && rib.widest(*prefix, *len) == Some(*len))
            };
            let told = self.requesters.take(now, id, (prefix, prefix_len), untrue);
            self.take_back(now, cx, told);
        }
    }

    /// The node stops: says goodbye where others would go on believing in it, and forgets everything.
    pub fn shutdown(&mut self, now: Instant, cx: &mut Context<'_>, out: &mut Vec<Effect>) {
        self.goodbye(now, cx, out);
        self.stop();
    }
}
