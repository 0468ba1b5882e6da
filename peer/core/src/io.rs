//! What goes into a node and what comes out: the words between the sans-IO core and its shells.

use std::net::IpAddr;

use crate::buf::PacketBuf;
use crate::config::Route;
use crate::ids::TunnelId;
use crate::nhrp::cache::Binding;
use crate::nhrp::registration::NhsRow;
use crate::nhrp::shortcut::Shortcut;
use crate::stats::{Counter, DropReason};
use crate::trace::Event;

/// The outer IP header of a packet that came from the underlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Underlay {
    /// Source address, as it arrived (after any NAT).
    pub src: IpAddr,
    /// Destination address: one of our NBMA addresses.
    pub dst: IpAddr,
    /// IP protocol; 47 is GRE.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Put into the caller's batch, as this many packets.
    Sent(usize),
    /// To be handed to the tunnel's interface: the inner IP packet.
    Deliver(TunnelId, PacketBuf),
    /// Kept until its next hop is known.
    Held,
    /// The node itself was meant; outputs may wait in [`Node::poll_output`](crate::node::Node::poll_output).
    Consumed,
    /// Discarded, and why. An Error Indication about it may wait among the outputs all the same.
    Dropped(DropReason),
}

/// Something that the shell must do or may want to know, in the order in which it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this packet.
    Transmit(Transmit),
    /// This happened.
    Event(Event),
}

/// A packet for the underlay: the fields of the outer IP header and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// IP protocol; 47 is GRE.
    pub protocol: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Don't Fragment.
    pub df: bool,
    /// Everything behind the outer IP header.
    pub payload: Vec<u8>,
}

/// A change of the underlay that the shell noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The tunnel's outer address is now another one: registrations start again at once.
    NbmaChanged {
        /// The tunnel.
        tunnel: TunnelId,
        /// Its new NBMA address.
        nbma: IpAddr,
    },
    /// The tunnel's underlay works (again): registrations start at once. Tunnels are up from the beginning.
    Up {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// The tunnel's underlay is gone: nothing is sent and nothing received until it is up.
    Down {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// A peer does not answer any more, as dead peer detection or an ICMP error of the underlay says: what was found out
    /// about it is forgotten, and traffic is back on the routed path (RFC 2332 §6.2.2).
    AdjacencyLost {
        /// The tunnel.
        tunnel: TunnelId,
        /// NBMA address of the peer.
        nbma: IpAddr,
    },
}

/// A question or an order from an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// All bindings and all next hop servers.
    ShowNhrp,
    /// All counters.
    ShowCounters,
    /// Forget bindings learned from registrations: those for one protocol address, or all.
    ClearNhrp {
        /// The protocol address.
        protocol: Option<IpAddr>,
    },
    /// Put a route into the table, in place of any other to the same prefix. One that can not be followed changes nothing
    /// ([`Config::check_route`](crate::config::Config::check_route)).
    AddRoute(Route),
    /// Take a route out of the table.
    DeleteRoute {
        /// First address of the prefix.
        prefix: IpAddr,
        /// Bits of it that count.
        prefix_len: u8,
    },
    /// Stop: no timer stays, nothing more is sent, every packet is dropped.
    Shutdown,
}

/// Answer to a [`Command`]: plain data for whoever prints or serialises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Command::ShowNhrp`].
    Nhrp(NhrpView),
    /// To [`Command::ShowCounters`].
    Counters(Vec<Counter>),
    /// To [`Command::ClearNhrp`].
    Cleared {
        /// Bindings removed.
        bindings: usize,
    },
    /// To [`Command::AddRoute`] and [`Command::DeleteRoute`].
    Route {
        /// Whether the table is another one now.
        changed: bool,
    },
    /// To [`Command::Shutdown`].
    Stopped,
}

/// The NHRP state of a node, in the order of tunnels and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NhrpView {
    /// Bindings of the cache, and what is asked for or was refused.
    pub bindings: Vec<Binding>,
    /// Direct ways for prefixes.
    pub shortcuts: Vec<Shortcut>,
    /// Next hop servers that this node is a client of.
    pub nhs: Vec<NhsRow>,
    /// Request ID that the next new request will carry; a shell may store it (see
    /// [`Config::first_request_id`](crate::config::Config::first_request_id)).
    pub next_request_id: u32,
}
