//! What the node tells NHRP about its traffic, its routes and its end.

use std::net::IpAddr;

use super::{Context, Effect, Nhrp};
use crate::ids::TunnelId;
use crate::time::Instant;

impl Nhrp {
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
        let _ = (now, cx, tunnel, target, out);
        false
    }

    /// A data packet to `destination` took a shortcut or a cached binding: one that is near its end is asked for again.
    pub fn used(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        tunnel: TunnelId,
        destination: IpAddr,
        out: &mut Vec<Effect>,
    ) {
        let _ = (cx, tunnel, out);
        self.shortcuts.used(now, destination);
    }

    /// The node forwards an inner packet that came in from `previous_hop` and leaves by the same NBMA network: there is a
    /// shorter way, and the previous hop is told so.
    pub fn hairpinned(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        came_in: TunnelId,
        previous_hop: IpAddr,
        leaves: TunnelId,
        packet: &[u8],
        out: &mut Vec<Effect>,
    ) {
        let _ = (now, cx, came_in, previous_hop, leaves, packet, out);
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
        let _ = (now, cx, prefix, prefix_len, out);
    }

    /// The node stops: says goodbye where others would go on believing in it, and forgets everything.
    pub fn shutdown(&mut self, now: Instant, cx: &mut Context<'_>, out: &mut Vec<Effect>) {
        let _ = (now, cx, out);
        self.stop();
    }
}
