//! What the cache holds, and what goes into it.

use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;

use super::Key;
use crate::config::host_len;
use crate::ids::TunnelId;
use crate::time::Instant;
use crate::trace::BindingName;

/// Where a binding comes from. What stands before [`Dynamic`](Self::Dynamic) stands above any registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BindingKind {
    /// An own address of this node.
    Local,
    /// Configured.
    Static,
    /// A next hop server, configured or learned from its reply.
    Nhs,
    /// Registered by a client.
    Dynamic,
    /// Found out by asking, or read in a message that passed: good for traffic and for non-authoritative answers.
    Cached,
    /// Refused or not answered: not asked again before its time. Has no NBMA address, and is only seen in views.
    Negative,
    /// Asked for, no answer yet. Has no NBMA address, and is only seen in views.
    Incomplete,
}

impl BindingKind {
    /// Name in views and traces, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Static => "static",
            Self::Nhs => "nhs",
            Self::Dynamic => "dynamic",
            Self::Cached => "cached",
            Self::Negative => "negative",
            Self::Incomplete => "incomplete",
        }
    }

    /// Whether it came from others and goes when its time is over.
    pub const fn learned(self) -> bool {
        matches!(self, Self::Dynamic | Self::Cached)
    }

    /// Whether the node that has such a binding may answer for it with authority (NHRP-5.2.2-02).
    pub const fn authoritative(self) -> bool {
        matches!(self, Self::Local | Self::Static | Self::Nhs | Self::Dynamic)
    }
}

impl fmt::Display for BindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One row of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Tunnel that it belongs to.
    pub tunnel: TunnelId,
    /// Protocol address; with a shorter prefix than the host length, its first address.
    pub protocol: IpAddr,
    /// Bits of `protocol` that count.
    pub prefix_len: u8,
    /// NBMA address that packets go to: as seen from outside if there is a NAT.
    pub nbma: IpAddr,
    /// NBMA address that the station gave itself; differs from `nbma` behind a NAT.
    pub claimed_nbma: IpAddr,
    /// Where the binding comes from.
    pub kind: BindingKind,
    /// Whether it was registered as unique (flag U).
    pub unique: bool,
    /// MTU of the station in octets, 0: default.
    pub mtu: u16,
    /// Preference that the station gave it; of several the highest is used.
    pub preference: u8,
    /// Whether it is said to hold for its whole holding time (RFC 2332 §5.2.1 and §5.2.2, flags S and D).
    pub stable: bool,
    /// NBMA address that the information came from: only that station takes back what it registered.
    pub learned_from: IpAddr,
    /// Seconds that the last registration asked for; 0 if the binding does not expire.
    pub holding_time: u16,
    /// When the binding came into being.
    pub created: Instant,
    /// When it was last registered.
    pub refreshed: Instant,
    /// When it goes: it is there one nanosecond earlier and gone at this instant. `None`: never.
    pub expires: Option<Instant>,
    /// Request ID of the last registration, 0 without one.
    pub request_id: u32,
}

impl Binding {
    /// A binding that stays until it is removed.
    pub fn permanent(now: Instant, tunnel: TunnelId, kind: BindingKind, protocol: IpAddr, nbma: IpAddr) -> Self {
        Self {
            tunnel,
            protocol,
            prefix_len: host_len(protocol),
            nbma,
            claimed_nbma: nbma,
            kind,
            unique: true,
            mtu: 0,
            preference: 0,
            stable: true,
            learned_from: nbma,
            holding_time: 0,
            created: now,
            refreshed: now,
            expires: None,
            request_id: 0,
        }
    }

    /// How it is called in traces.
    pub fn name(&self) -> BindingName {
        BindingName { tunnel: self.tunnel, protocol: self.protocol, prefix_len: self.prefix_len, kind: self.kind }
    }

    /// Of several bindings of one address the smallest is used: those with authority, then the highest preference.
    pub(super) fn rank(&self) -> (bool, Reverse<u8>, IpAddr) {
        (!self.kind.authoritative(), Reverse(self.preference), self.nbma)
    }

    pub(super) fn key(&self) -> Key {
        (self.tunnel, self.protocol, self.prefix_len, self.nbma)
    }
}

/// One entry of a registration, ready for the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Tunnel it came through.
    pub tunnel: TunnelId,
    /// Protocol address.
    pub protocol: IpAddr,
    /// Prefix length, bits, at most the host length.
    pub prefix_len: u8,
    /// NBMA address that packets shall go to.
    pub nbma: IpAddr,
    /// NBMA address that the client gave.
    pub claimed_nbma: IpAddr,
    /// Flag U.
    pub unique: bool,
    /// MTU, octets.
    pub mtu: u16,
    /// Preference.
    pub preference: u8,
    /// Outer source of the request.
    pub from: IpAddr,
    /// Seconds to hold the binding, above 0.
    pub holding_time: u16,
    /// Request ID.
    pub request_id: u32,
}

/// What a registration did to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The binding is new.
    Added,
    /// It was there and holds longer.
    Refreshed,
    /// It took the place of one to another NBMA address.
    Moved,
}

/// A binding that was found out, ready for the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// Tunnel it came through.
    pub tunnel: TunnelId,
    /// Protocol address of one station.
    pub protocol: IpAddr,
    /// NBMA address that packets shall go to.
    pub nbma: IpAddr,
    /// NBMA address that the station has without translation.
    pub claimed_nbma: IpAddr,
    /// MTU, octets.
    pub mtu: u16,
    /// Preference.
    pub preference: u8,
    /// Whether it holds for its whole holding time.
    pub stable: bool,
    /// Outer source of the message.
    pub from: IpAddr,
    /// Seconds to hold the binding, above 0.
    pub holding_time: u16,
    /// Request ID of the message.
    pub request_id: u32,
}
