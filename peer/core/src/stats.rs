//! Counters, and the reasons for which a packet does not pass.
//!
//! A tool that judges others must say *why* something did not happen, so the reasons are an exhaustive list, every drop
//! is counted under exactly one of them, and each is traced.

use std::fmt;

use dmvpn_wire::code::MessageType;

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $reason:ident = $name:literal => $text:literal,)*) => {
        /// Why a packet was discarded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DropReason {
            $($(#[$doc])* $reason,)*
        }

        impl DropReason {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$reason),*];

            /// Name in counters and reports, in snake case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$reason => $name,)*
                }
            }
        }

        impl fmt::Display for DropReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$reason => $text,)*
                })
            }
        }
    };
}

drop_reasons! {
    /// The node was shut down.
    Stopped = "stopped" => "the node is stopped",
    /// The outer protocol is not GRE.
    NotGre = "not_gre" => "not a GRE packet",
    /// The outer source is an address that no station can have, or our own.
    InvalidOuterSource = "invalid_outer_source" => "impossible outer source address",
    /// The GRE header is cut off, of another version, or has bits that RFC 2784 §2.3 wants a discard for.
    GreMalformed = "gre_malformed" => "malformed GRE header",
    /// The GRE checksum is wrong.
    GreChecksum = "gre_checksum" => "wrong GRE checksum",
    /// No tunnel has the outer destination as its NBMA address (or there is no tunnel of that id).
    UnknownTunnel = "unknown_tunnel" => "no such tunnel",
    /// A tunnel has the address, but with another key, or with or without one.
    KeyMismatch = "key_mismatch" => "GRE key of no tunnel",
    /// A point-to-point tunnel has address and key, but another remote.
    RemoteMismatch = "remote_mismatch" => "outer source is not the tunnel's remote",
    /// The tunnel's underlay is down.
    TunnelDown = "tunnel_down" => "the tunnel is down",
    /// The GRE protocol type is neither IPv4, IPv6 nor NHRP.
    UnknownProtocolType = "unknown_protocol_type" => "unknown GRE protocol type",
    /// The inner packet is not the IP packet that it is announced as.
    InnerMalformed = "inner_malformed" => "malformed inner packet",
    /// NHRP on a tunnel without a network id.
    NhrpOff = "nhrp_off" => "NHRP is off on this tunnel",
    /// Another NHRP version.
    NhrpVersion = "nhrp_version" => "unknown NHRP version",
    /// Wrong NHRP checksum.
    NhrpChecksum = "nhrp_checksum" => "wrong NHRP checksum",
    /// An unknown NHRP message type.
    NhrpUnknownType = "nhrp_unknown_type" => "unknown NHRP message type",
    /// Lengths, offsets or addresses that contradict each other.
    NhrpMalformed = "nhrp_malformed" => "malformed NHRP message",
    /// Addresses of another family than the tunnel's.
    NhrpFamily = "nhrp_family" => "NHRP addresses of another family",
    /// The authentication extension is missing or wrong.
    AuthenticationFailure = "authentication_failure" => "NHRP authentication failure",
    /// A compulsory extension is unknown.
    UnrecognizedExtension = "unrecognized_extension" => "unknown compulsory NHRP extension",
    /// A registration at a node that is not an NHS.
    NotAServer = "not_a_server" => "registration at a node that is no NHS",
    /// A message that would have to be forwarded has no hops left.
    HopCount = "hop_count" => "NHRP hop count ran out",
    /// A message to be forwarded was here already.
    Loop = "loop" => "NHRP message that was here already",
    /// No way to the address that a message is for, or about.
    Unreachable = "unreachable" => "no way to the protocol address",
    /// A message to be forwarded does not fit the tunnel.
    SduSize = "sdu_size" => "NHRP message larger than the tunnel's MTU",
    /// A request of our own came back.
    OwnSource = "own_source" => "own NHRP request came back",
    /// An extension comes twice.
    InvalidExtension = "invalid_extension" => "NHRP extension out of place",
    /// A Traffic Indication that this node does not act upon: shortcuts are off, its sender is unknown, or what it quotes
    /// is no packet of a host behind this node to one behind another.
    RedirectIgnored = "redirect_ignored" => "traffic indication ignored",
    /// One station sends more than [`Limits::messages_per_second_per_peer`](crate::config::Limits).
    PeerRate = "peer_rate" => "too many NHRP messages from one station",
    /// A registration or resolution without a usable source or destination, or a registration without a client
    /// information entry.
    NoEntry = "no_entry" => "NHRP request without a usable address",
    /// A reply from an address that is none of our servers'.
    NotFromNhs = "not_from_nhs" => "reply from a station that was not asked",
    /// A reply whose request ID is not outstanding: late, repeated or made up.
    UnsolicitedReply = "unsolicited_reply" => "reply without an outstanding request",
    /// A reply whose source fields are not those of our request, or without a client information entry.
    ReplyMismatch = "reply_mismatch" => "reply does not fit the request",
    /// An Error Indication about nothing that is outstanding.
    UnsolicitedError = "unsolicited_error" => "error indication without an outstanding request",
    /// A packet that a tunnel end sent to itself by way of this node (RFC 2784 §3.1).
    Looped = "looped" => "would go back to the tunnel end that sent it",
    /// The TTL or hop limit of a packet to be forwarded is used up.
    TtlExpired = "ttl_expired" => "TTL used up",
    /// Too many packets wait for a next hop already.
    HeldFull = "held_full" => "too many packets wait for their next hop",
    /// The next hop that a packet waited for was refused, or not found out in time.
    NotFoundOut = "not_found_out" => "its next hop was not found out",
    /// No way to the inner destination.
    NoAdjacency = "no_adjacency" => "no way to the inner destination",
    /// The inner destination is this node.
    OwnAddress = "own_address" => "inner destination is this node itself",
}

const REASONS: usize = DropReason::ALL.len();
/// Message types 0 to 8; higher ones share slot 0 with the reserved type.
const TYPES: usize = 9;

/// One counter with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Dotted name, for example `drop.key_mismatch` or `nhrp.in.registration_request`.
    pub name: String,
    /// Value since the node was made.
    pub value: u64,
}

/// All counters of a node.
#[derive(Clone, Debug)]
pub struct Stats {
    drops: [u64; REASONS],
    nhrp_in: [u64; TYPES],
    nhrp_out: [u64; TYPES],
    /// GRE packets accepted for a tunnel.
    pub underlay_in: u64,
    /// Packets given out for the underlay.
    pub underlay_out: u64,
    /// Inner packets taken from a tunnel interface.
    pub overlay_in: u64,
    /// Inner packets delivered to a tunnel interface.
    pub overlay_out: u64,
    /// Inner packets that came through a tunnel and left through one.
    pub forwarded: u64,
    /// ICMP errors sent into the overlay.
    pub icmp_out: u64,
    /// ICMP errors not sent because of [`Limits::icmp_per_second`](crate::config::Limits::icmp_per_second).
    pub icmp_suppressed: u64,
    /// Copies of multicast packets not sent because of
    /// [`Limits::multicast_copies`](crate::config::Limits::multicast_copies).
    pub multicast_copies_refused: u64,
    /// Error Indications not sent because of [`Limits::errors_per_second`](crate::config::Limits::errors_per_second).
    pub errors_suppressed: u64,
    /// Client information entries refused with code 5.
    pub entries_refused_for_resources: u64,
    /// Resolution Requests refused with code 5.
    pub resolutions_refused_for_resources: u64,
    /// Resolution Requests not sent because of [`Limits::resolutions`](crate::config::Limits::resolutions) or
    /// [`Limits::resolutions_per_second`](crate::config::Limits::resolutions_per_second).
    pub resolutions_suppressed: u64,
    /// Traffic Indications not sent because one was sent lately or there is no room to remember it.
    pub redirects_suppressed: u64,
    /// Purge Requests not sent for lack of room.
    pub purges_suppressed: u64,
    /// Bindings not cached because of [`Limits::cached`](crate::config::Limits::cached).
    pub bindings_not_cached: u64,
    /// Outputs lost because the shell did not poll; see [`Limits::outputs`](crate::config::Limits::outputs).
    pub outputs_lost: u64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            drops: [0; REASONS],
            nhrp_in: [0; TYPES],
            nhrp_out: [0; TYPES],
            underlay_in: 0,
            underlay_out: 0,
            overlay_in: 0,
            overlay_out: 0,
            forwarded: 0,
            icmp_out: 0,
            icmp_suppressed: 0,
            multicast_copies_refused: 0,
            errors_suppressed: 0,
            entries_refused_for_resources: 0,
            resolutions_refused_for_resources: 0,
            resolutions_suppressed: 0,
            redirects_suppressed: 0,
            purges_suppressed: 0,
            bindings_not_cached: 0,
            outputs_lost: 0,
        }
    }
}

fn slot(of: MessageType) -> usize {
    let slot = usize::from(of.0);
    if slot < TYPES { slot } else { 0 }
}

impl Stats {
    /// Counts a discarded packet.
    pub fn dropped(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }

    /// Packets discarded for `reason`.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

    /// Counts an NHRP message received with a right checksum.
    pub fn nhrp_received(&mut self, of: MessageType) {
        self.nhrp_in[slot(of)] += 1;
    }

    /// Counts an NHRP message sent.
    pub fn nhrp_sent(&mut self, of: MessageType) {
        self.nhrp_out[slot(of)] += 1;
    }

    /// NHRP messages of a type sent.
    pub fn sent(&self, of: MessageType) -> u64 {
        self.nhrp_out[slot(of)]
    }

    /// All counters, zeros included, always in the same order.
    pub fn view(&self) -> Vec<Counter> {
        let plain = [
            ("underlay.in", self.underlay_in),
            ("underlay.out", self.underlay_out),
            ("overlay.in", self.overlay_in),
            ("overlay.out", self.overlay_out),
            ("overlay.forwarded", self.forwarded),
            ("overlay.icmp_out", self.icmp_out),
            ("overlay.icmp_suppressed", self.icmp_suppressed),
            ("overlay.multicast_copies_refused", self.multicast_copies_refused),
            ("nhrp.errors_suppressed", self.errors_suppressed),
            ("nhrp.entries_refused_for_resources", self.entries_refused_for_resources),
            ("nhrp.resolutions_refused_for_resources", self.resolutions_refused_for_resources),
            ("nhrp.resolutions_suppressed", self.resolutions_suppressed),
            ("nhrp.redirects_suppressed", self.redirects_suppressed),
            ("nhrp.purges_suppressed", self.purges_suppressed),
            ("nhrp.bindings_not_cached", self.bindings_not_cached),
            ("outputs_lost", self.outputs_lost),
        ];
        let types = |direction: &'static str, counts: [u64; TYPES]| {
            counts.into_iter().enumerate().map(move |(of, value)| {
                let of = MessageType(of as u8).name().unwrap_or("unknown").to_lowercase().replace(' ', "_");
                Counter { name: format!("nhrp.{direction}.{of}"), value }
            })
        };
        plain
            .into_iter()
            .map(|(name, value)| Counter { name: name.into(), value })
            .chain(types("in", self.nhrp_in))
            .chain(types("out", self.nhrp_out))
            .chain(
                DropReason::ALL
                    .iter()
                    .map(|reason| Counter { name: format!("drop.{}", reason.name()), value: self.drops(*reason) }),
            )
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_name() {
        let mut stats = Stats::default();
        for reason in DropReason::ALL {
            stats.dropped(*reason);
        }
        assert!(DropReason::ALL.iter().all(|reason| stats.drops(*reason) == 1));
        let mut names: Vec<String> = stats.view().into_iter().map(|c| c.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn types_beyond_the_table_do_not_panic() {
        let mut stats = Stats::default();
        stats.nhrp_received(MessageType(255));
        assert!(stats.view().contains(&Counter { name: "nhrp.in.unknown".into(), value: 1 }));
    }
}
