//! Where an NHRP message goes on its way to a protocol address (RFC 2332 §3, §5.3.2; draft-detienne-dmvpn-01 §4.5).

use std::net::IpAddr;

use dmvpn_wire::nhrp::{Cie, ExtensionType, ExtensionValue, Message};

use super::cache::{BindingKind, Learned};
use super::{Context, Nhrp, Received};
use crate::config::{host_len, is_station};
use crate::ids::TunnelId;
use crate::rib::Hop;

/// The next station on a message's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextHop {
    /// Through this tunnel.
    pub(crate) tunnel: TunnelId,
    /// To this NBMA address.
    pub(crate) nbma: IpAddr,
    /// Its protocol address, if known.
    pub(crate) protocol: Option<IpAddr>,
}

/// What the way out of the NBMA network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Egress {
    /// This node itself.
    Own,
    /// A network attached to it.
    Attached,
    /// A router behind it, or another NBMA network that it is in.
    Beyond,
}

/// Where a message for a protocol address goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Forwarding stops here: this node is the way out (DMVPN-4.5-02).
    Here(Egress),
    /// On to the next station.
    Through(NextHop),
    /// Nobody knows.
    Nowhere,
}

impl Nhrp {
    /// The way to `destination` for a message that came through `tunnel` from `from`.
    pub(crate) fn way(&self, cx: &Context<'_>, tunnel: TunnelId, from: IpAddr, destination: IpAddr) -> Way {
        let route = cx.rib.lookup(destination);
        // A registered station is reached by its binding, as by a route of the binding's prefix: tunnels whose subnet is
        // not known have no other.
        let bound = self.cache.lookup(tunnel, destination).filter(|b| b.kind != BindingKind::Local);
        if let Some(b) = bound.filter(|b| route.is_none_or(|route| route.prefix_len < b.prefix_len)) {
            return Way::Through(NextHop { tunnel, nbma: b.nbma, protocol: Some(b.protocol) });
        }
        let here = cx.tunnel(tunnel);
        let hop = route.map(|route| match route.hop {
            Hop::Tunnel { next_hop, .. }
                if next_hop == destination && here.is_some_and(|t| t.connects(destination, route.prefix_len)) =>
            {
                Hop::Tunnel { tunnel, next_hop }
            }
            hop => hop,
        });
        let tunnel = match hop {
            Some(Hop::Own) => return Way::Here(Egress::Own),
            Some(Hop::Attached) => return Way::Here(Egress::Attached),
            Some(Hop::Beyond) => return Way::Here(Egress::Beyond),
            // NHRP-2.2-08: here ends the NBMA network that the message came by.
            Some(Hop::Tunnel { tunnel: leaves, .. }) if !cx.same_network(tunnel, leaves) => {
                return Way::Here(Egress::Beyond);
            }
            Some(Hop::Tunnel { tunnel, next_hop }) => {
                // Never back to the server that it came from.
                let back = |kind, nbma| kind == BindingKind::Nhs && nbma == from;
                match self.cache.lookup(tunnel, next_hop) {
                    Some(b) if b.kind == BindingKind::Local => return Way::Here(Egress::Own),
                    Some(b) if !back(b.kind, b.nbma) => {
                        return Way::Through(NextHop { tunnel, nbma: b.nbma, protocol: Some(next_hop) });
                    }
                    _ => tunnel,
                }
            }
            None => tunnel,
        };
        let server = self.registrations.preferred(tunnel).filter(|via| via.registered && via.nbma != from);
        server.map_or(Way::Nowhere, |via| Way::Through(NextHop { tunnel, nbma: via.nbma, protocol: None }))
    }

    /// What a message tells about its source (`claimed` by the header), ready for the cache: only where that is a station
    /// of another node, and not one of ours (NHRP-5.2.0.1-17). A translated address from the NAT extension is preferred
    /// (CISCO-NAT-12).
    pub(crate) fn learnable(
        cx: &Context<'_>,
        received: Received<'_>,
        message: &Message,
        cie: &Cie,
        protocol: IpAddr,
        claimed: IpAddr,
        stable: bool,
    ) -> Option<Learned> {
        let tunnel = cx.tunnel(received.tunnel)?;
        let nbma = public_nbma(message, protocol).unwrap_or(claimed);
        let foreign = !matches!(cx.rib.lookup(protocol).map(|f| f.hop), Some(Hop::Own | Hop::Attached));
        let usable = is_station(protocol)
            && host_len(protocol) == host_len(tunnel.address)
            && protocol != tunnel.address
            && foreign
            && is_station(nbma)
            && host_len(nbma) == host_len(tunnel.nbma)
            && nbma != tunnel.nbma
            && cie.holding_time > 0;
        usable.then(|| Learned {
            tunnel: received.tunnel,
            protocol,
            nbma,
            claimed_nbma: claimed,
            mtu: cie.mtu,
            preference: cie.preference,
            stable,
            from: received.from,
            holding_time: cie.holding_time,
            request_id: message.mandatory().map_or(0, |m| m.request_id),
        })
    }
}

/// CISCO-NAT-11, CISCO-NAT-12: where a station is seen from outside, if the NAT extension says so.
pub(crate) fn public_nbma(message: &Message, protocol: IpAddr) -> Option<IpAddr> {
    match message.extension(ExtensionType::CISCO_NAT)? {
        ExtensionValue::CiscoNat(cies) => {
            cies.iter().find(|cie| cie.proto.ip() == Some(protocol)).and_then(|cie| cie.nbma.ip())
        }
        _ => None,
    }
}
