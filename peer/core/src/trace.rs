//! Every observable fact of a node. `Display` is one line of a ladder; nothing secret is in here.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use dmvpn_wire::code::{CieCode, ErrorCode, MessageType};

use crate::ids::{NhsId, TunnelId};
use crate::nhrp::cache::BindingKind;
use crate::stats::DropReason;

mod line;

/// Something that happened in the node. The instant is the `now` of the call during which it was put out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A Registration Request went out.
    RegistrationSent {
        /// To which server.
        nhs: NhsId,
        /// Its NBMA address.
        nbma: IpAddr,
        /// Request ID.
        request_id: u32,
        /// 1 for the first transmission since the last success, then counting on.
        attempt: u32,
        /// Wait until the next transmission if no reply comes.
        retry_after: Duration,
    },
    /// A Registration Reply with code 0 came.
    RegistrationAcknowledged {
        /// From which server.
        nhs: NhsId,
        /// Its NBMA address.
        nbma: IpAddr,
        /// Its protocol address, if known.
        protocol: Option<IpAddr>,
        /// Request ID.
        request_id: u32,
        /// Wait until the refresh.
        refresh_after: Duration,
    },
    /// A server refused: this node is not registered there.
    RegistrationRefused {
        /// Which server.
        nhs: NhsId,
        /// Its NBMA address.
        nbma: IpAddr,
        /// Request ID.
        request_id: u32,
        /// What it said.
        refusal: Refusal,
        /// Wait until the next attempt.
        retry_after: Duration,
    },
    /// The holding time ran out without an acknowledgment: this node is not registered there any more.
    RegistrationLost {
        /// Which server.
        nhs: NhsId,
        /// Its NBMA address.
        nbma: IpAddr,
    },
    /// A server does not answer any more, or has never answered: traffic and its cluster turn to others.
    NhsUnanswered {
        /// Which server.
        nhs: NhsId,
        /// Its NBMA address.
        nbma: IpAddr,
    },
    /// A server of a bounded cluster is registered with from now on.
    NhsActivated {
        /// Which server.
        nhs: NhsId,
        /// Its NBMA address.
        nbma: IpAddr,
    },
    /// A server of a bounded cluster is a spare again: enough better ones stand.
    NhsReleased {
        /// Which server.
        nhs: NhsId,
        /// Its NBMA address.
        nbma: IpAddr,
    },
    /// The protocol address of a server became known from its reply.
    NhsLearned {
        /// Which server.
        nhs: NhsId,
        /// Its NBMA address.
        nbma: IpAddr,
        /// Its protocol address.
        protocol: IpAddr,
    },
    /// A server sees this node under another NBMA address: there is a NAT between.
    PublicAddress {
        /// Which server.
        nhs: NhsId,
        /// The address it sees; `None` if the NAT is gone.
        nbma: Option<IpAddr>,
    },
    /// A Registration Request was answered.
    RegistrationAnswered {
        /// On which tunnel.
        tunnel: TunnelId,
        /// Outer destination of the reply.
        to: IpAddr,
        /// Protocol address of the client.
        client: IpAddr,
        /// Request ID.
        request_id: u32,
        /// Client information entries with code 0.
        accepted: u16,
        /// Client information entries with another code.
        refused: u16,
    },
    /// A Resolution Request of our own went out.
    ResolutionSent {
        /// On which tunnel.
        tunnel: TunnelId,
        /// Outer destination.
        to: IpAddr,
        /// The address that is asked for.
        target: IpAddr,
        /// Request ID.
        request_id: u32,
        /// 1 for the first transmission.
        attempt: u32,
    },
    /// A Resolution Request of our own was answered.
    ResolutionDone {
        /// On which tunnel.
        tunnel: TunnelId,
        /// The address that was asked for.
        target: IpAddr,
        /// Request ID.
        request_id: u32,
        /// NBMA address that traffic goes to.
        nbma: IpAddr,
    },
    /// A Resolution Request of our own was refused, or not answered.
    ResolutionRefused {
        /// On which tunnel.
        tunnel: TunnelId,
        /// The address that was asked for.
        target: IpAddr,
        /// Request ID.
        request_id: u32,
        /// Why.
        refusal: Refusal,
    },
    /// A Traffic Indication went out.
    RedirectSent {
        /// On which tunnel.
        tunnel: TunnelId,
        /// Outer destination: the previous hop.
        to: IpAddr,
        /// Source of the packet that turned around.
        source: IpAddr,
        /// Its destination.
        destination: IpAddr,
    },
    /// A Purge Request of our own went out.
    PurgeSent {
        /// On which tunnel.
        tunnel: TunnelId,
        /// Outer destination.
        to: IpAddr,
        /// First address of what is taken back.
        prefix: IpAddr,
        /// Its length.
        prefix_len: u8,
        /// Request ID.
        request_id: u32,
        /// 1 for the first transmission.
        attempt: u32,
    },
    /// A Purge Request of our own was acknowledged.
    PurgeAcknowledged {
        /// On which tunnel.
        tunnel: TunnelId,
        /// Request ID.
        request_id: u32,
    },
    /// A Purge Request came and was carried out.
    Purged {
        /// On which tunnel.
        tunnel: TunnelId,
        /// Outer source.
        from: IpAddr,
        /// Bindings and shortcuts that went.
        count: usize,
    },
    /// A Resolution Request was answered.
    ResolutionAnswered {
        /// On which tunnel.
        tunnel: TunnelId,
        /// Outer destination of the reply.
        to: IpAddr,
        /// Protocol address of the requester.
        requester: IpAddr,
        /// The address that was asked for.
        target: Option<IpAddr>,
        /// Request ID.
        request_id: u32,
        /// Code of the first client information entry.
        code: CieCode,
    },
    /// An entry of a registration was refused; the cache is as it was.
    BindingRefused {
        /// On which tunnel.
        tunnel: TunnelId,
        /// Protocol address of the entry.
        protocol: IpAddr,
        /// NBMA address of the entry.
        nbma: IpAddr,
        /// Code in the reply.
        code: CieCode,
    },
    /// A binding is new.
    BindingAdded {
        /// The binding.
        binding: BindingName,
        /// NBMA address.
        nbma: IpAddr,
        /// Seconds it holds; `None`: for ever.
        holding_time: Option<u16>,
    },
    /// A binding was registered again.
    BindingRefreshed {
        /// The binding.
        binding: BindingName,
        /// NBMA address.
        nbma: IpAddr,
        /// Seconds it holds from now on.
        holding_time: u16,
    },
    /// A binding was registered with another NBMA address.
    BindingMoved {
        /// The binding.
        binding: BindingName,
        /// NBMA address before.
        from: IpAddr,
        /// NBMA address now.
        to: IpAddr,
        /// Seconds it holds from now on.
        holding_time: u16,
    },
    /// A binding's holding time ran out.
    BindingExpired {
        /// The binding.
        binding: BindingName,
        /// NBMA address.
        nbma: IpAddr,
    },
    /// A binding was taken away by an operator or by the node.
    BindingRemoved {
        /// The binding.
        binding: BindingName,
        /// NBMA address.
        nbma: IpAddr,
    },
    /// The last binding that led to an NBMA address is gone: what a lower layer keeps for it (IPsec) can go too.
    AdjacencyGone {
        /// On which tunnel.
        tunnel: TunnelId,
        /// The NBMA address.
        nbma: IpAddr,
    },
    /// Traffic for a prefix takes a direct way.
    ShortcutAdded {
        /// The shortcut.
        shortcut: ShortcutName,
        /// NBMA address of its next hop.
        nbma: IpAddr,
        /// Seconds it holds.
        holding_time: u16,
    },
    /// A shortcut's holding time ran out.
    ShortcutExpired {
        /// The shortcut.
        shortcut: ShortcutName,
    },
    /// A shortcut was taken away: purged, withdrawn or cleared.
    ShortcutRemoved {
        /// The shortcut.
        shortcut: ShortcutName,
    },
    /// An Error Indication went out.
    ErrorSent {
        /// On which tunnel.
        tunnel: TunnelId,
        /// Outer destination.
        to: IpAddr,
        /// Error code.
        code: ErrorCode,
        /// Offset into the offending packet, octets.
        offset: u16,
    },
    /// An Error Indication came, whether it concerns us or not.
    ErrorReceived {
        /// On which tunnel.
        tunnel: TunnelId,
        /// Outer source.
        from: IpAddr,
        /// Error code.
        code: ErrorCode,
        /// Offset into the offending packet, octets.
        offset: u16,
    },
    /// A packet was discarded.
    PacketDropped {
        /// On which tunnel, if that is known.
        tunnel: Option<TunnelId>,
        /// Outer or, from a tunnel interface, inner source; `None` if it is not readable.
        from: Option<IpAddr>,
        /// Type of the NHRP message, if it is one and readable.
        message: Option<MessageType>,
        /// Why.
        reason: DropReason,
    },
    /// The outer address of a tunnel changed.
    NbmaChanged {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Address before.
        from: IpAddr,
        /// Address now.
        to: IpAddr,
    },
    /// A tunnel's underlay came back.
    LinkUp {
        /// Which tunnel.
        tunnel: TunnelId,
    },
    /// A tunnel's underlay went away.
    LinkDown {
        /// Which tunnel.
        tunnel: TunnelId,
    },
    /// A link event made no sense: no such tunnel, or an address that no station can have.
    LinkEventIgnored {
        /// Which tunnel it named.
        tunnel: TunnelId,
    },
    /// From now on request IDs up to, and without, this one may be on their way: a shell that wants IDs which do not come
    /// again after a restart (RFC 2332 §5.2.3) stores the number before it sends what comes out next, and passes it as
    /// [`Config::first_request_id`](crate::config::Config::first_request_id) then.
    RequestIdsReserved {
        /// The first one that is not reserved.
        below: u32,
    },
    /// The node stopped on command.
    Stopped,
}

/// How a server said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// By a code in a client information entry of its reply.
    Code(CieCode),
    /// By an Error Indication about the request.
    Error(ErrorCode),
    /// By nothing: no answer came in time.
    NoAnswer,
    /// By an answer that leads nowhere: impossible addresses, too short a prefix, no holding time, no room for it.
    Unusable,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "code {} ({})", code.0, code.name().unwrap_or("unknown")),
            Self::Error(code) => write!(f, "error {} ({})", code.0, code.name().unwrap_or("unknown")),
            Self::NoAnswer => f.write_str("no answer"),
            Self::Unusable => f.write_str("unusable answer"),
        }
    }
}

/// What a trace line needs to name a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindingName {
    /// Tunnel it belongs to.
    pub tunnel: TunnelId,
    /// Protocol address, or the first one of the prefix.
    pub protocol: IpAddr,
    /// Prefix length, bits.
    pub prefix_len: u8,
    /// Where it comes from.
    pub kind: BindingKind,
}

impl fmt::Display for BindingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} binding {}/{}", self.tunnel, self.kind, self.protocol, self.prefix_len)
    }
}

/// What a trace line needs to name a shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortcutName {
    /// Tunnel it leads through.
    pub tunnel: TunnelId,
    /// First address of the prefix.
    pub prefix: IpAddr,
    /// Prefix length, bits.
    pub prefix_len: u8,
    /// Protocol address of the next hop.
    pub via: IpAddr,
}

impl fmt::Display for ShortcutName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: shortcut {}/{} via {}", self.tunnel, self.prefix, self.prefix_len, self.via)
    }
}
