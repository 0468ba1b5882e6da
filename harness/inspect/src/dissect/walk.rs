//! The way down through a packet's layers.
//!
//! Whoever reads packets does it as a [`Visitor`] of this walk: what is inside what is decided here once, so that a
//! summary of a million packets and the field tree of one can not disagree about it.

use std::fmt;
use std::net::IpAddr;

use dmvpn_wire::code::EtherType;
use dmvpn_wire::isakmp::{self, PayloadType, body};
use dmvpn_wire::{gre, ipv4, ipv6};

use super::fragments::Fragment;
use super::link;
use super::pieces::{MessageKey, Piece};
use super::session::Session;
use crate::capture::LinkType;
use crate::keys::Opened;

/// How many tunnels may be inside each other, and how deep decryption goes. Beyond it the rest is shown as octets.
pub(crate) const MAX_DEPTH: u8 = 12;

/// IP protocol numbers of what the lab knows.
pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const GRE: u8 = 47;
    pub(crate) const ESP: u8 = 50;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const NONE: u8 = 59;
    pub(crate) const EIGRP: u8 = 88;
    pub(crate) const OSPF: u8 = 89;
}

/// Ports that say what a datagram or segment carries.
mod port {
    pub(super) const IKE: u16 = 500;
    pub(super) const NAT: u16 = 4500;
    pub(super) const RIP: u16 = 520;
    pub(super) const RIPNG: u16 = 521;
    pub(super) const BGP: u16 = 179;
}

/// What keeps a translator's entry alive (RFC 3948 section 2.3).
pub(crate) const KEEPALIVE: [u8; 1] = [0xFF];
/// What tells IKE from ESP on port 4500 (RFC 3948 section 2.2).
const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// Octets of one layer: its header and all that it carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The octets.
    pub(crate) octets: &'a [u8],
    /// Where they begin in their buffer.
    pub(crate) start: usize,
    /// The buffer, as in [`Dissection::buffer`](super::Dissection::buffer).
    pub(crate) buffer: u8,
    /// How many IP headers are in front.
    pub(crate) level: u8,
    /// Whether a GRE header is in front: this is what a tunnel carries.
    pub(crate) tunnelled: bool,
    /// Whether the marker that tells IKE from ESP on port 4500 is in front.
    pub(crate) marked: bool,
    /// How many layers of any kind that can hold themselves are in front.
    depth: u8,
}

impl<'a> Place<'a> {
    /// All of a frame.
    pub(crate) fn frame(octets: &'a [u8]) -> Self {
        Self { octets, start: 0, buffer: 0, level: 0, tunnelled: false, marked: false, depth: 0 }
    }

    /// What stands behind the first `header` octets.
    fn behind(self, header: usize) -> Self {
        let octets = self.octets.get(header..).unwrap_or_default();
        Self { octets, start: self.start + header.min(self.octets.len()), ..self }
    }

    /// At most the first `len` octets.
    fn cut(self, len: usize) -> Self {
        Self { octets: self.octets.get(..len).unwrap_or(self.octets), ..self }
    }

    /// The same, one tunnel further in.
    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ethernet,
    Vlan,
    Sll,
    Sll2,
    /// BSD loopback; in whose order its number stands.
    Null(link::Order),
    Nflog,
    Ipv4,
    Ipv6,
    /// A fragment header of IPv6; the other extension headers are passed over.
    Fragment6,
    Udp,
    Tcp,
    Gre,
    Nhrp,
    Esp,
    Ike,
    /// The octet that keeps a translator's entry alive.
    Keepalive,
    Icmp,
    Icmpv6,
    Ospf,
    Eigrp,
    Rip,
    Bgp,
    /// An IP protocol, EtherType or port that the lab has no name for.
    Other,
}

/// Who looks at packets.
pub(crate) trait Visitor {
    /// A layer begins.
    fn enter(&mut self, kind: Kind, at: Place<'_>);

    /// ESP was opened; its plain text is known as a buffer from here on, and what it carries follows.
    fn opened_esp(&mut self, _at: Place<'_>, _opened: &Opened, _plain: Place<'_>) {}

    /// Encrypted payloads of IKEv2 were opened: the first of them is of type `first`, which is missing where they can
    /// not be read on (one piece of several, or a wrong check value).
    fn opened_ike(&mut self, _at: Place<'_>, _opened: &Opened, _first: Option<PayloadType>, _plain: Place<'_>) {}

    /// The last missing piece of an IKEv2 message has come: its payloads, the first of them of type `first`.
    fn whole_ike(&mut self, _at: Place<'_>, _first: PayloadType, _payloads: Place<'_>) {}

    /// Something can not be read at `at`.
    fn trouble(&mut self, _at: Place<'_>, _words: fmt::Arguments<'_>) {}

    /// Octets that do not stand in the frame; the visitor says by which number it knows them.
    fn derived(&mut self, what: &'static str, octets: &[u8]) -> u8;
}

/// One walk through one packet.
pub(crate) struct Walk<'w, V> {
    pub(crate) session: &'w mut Session,
    pub(crate) visitor: &'w mut V,
}

impl<V: Visitor> Walk<'_, V> {
    /// A frame that starts as `link` says.
    pub(crate) fn frame(&mut self, link: LinkType, octets: &[u8]) {
        let at = Place::frame(octets);
        match link {
            LinkType::ETHERNET => self.ethernet(at),
            LinkType::LINUX_SLL => self.linked(Kind::Sll, at, link::sll(octets)),
            LinkType::LINUX_SLL2 => self.linked(Kind::Sll2, at, link::sll2(octets)),
            LinkType::NULL => self.linked(Kind::Null(link::null_order(octets)), at, link::null(octets)),
            LinkType::LOOP => self.linked(Kind::Null(link::Order::Network), at, link::loopback(octets)),
            LinkType::NFLOG => self.linked(Kind::Nflog, at, link::nflog(octets)),
            LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 | LinkType::RAW_BSD => self.ip(at),
            LinkType(other) => {
                self.visitor.enter(Kind::Other, at);
                self.visitor.trouble(at, format_args!("link type {other} is not known"));
            }
        }
    }

    fn ethernet(&mut self, at: Place<'_>) {
        self.linked(Kind::Ethernet, at, link::ethernet(at.octets));
    }

    /// A header of the link, and what it says that follows.
    fn linked(&mut self, kind: Kind, at: Place<'_>, next: Option<link::Next>) {
        self.visitor.enter(kind, at);
        match next {
            Some(link::Next { header, carries }) => self.carried(carries, at.behind(header)),
            None => self.visitor.trouble(at, format_args!("the header of the link is cut")),
        }
    }

    fn carried(&mut self, carries: link::Carries, at: Place<'_>) {
        match carries {
            link::Carries::EtherType(number) => self.ether_type(number, at),
            link::Carries::Ip => self.ip(at),
            link::Carries::Other => self.visitor.enter(Kind::Other, at),
        }
    }

    fn ether_type(&mut self, number: u16, at: Place<'_>) {
        match EtherType(number) {
            EtherType::IPV4 | EtherType::IPV6 => self.ip(at),
            EtherType(0x8100 | 0x88A8 | 0x9100) if at.depth < MAX_DEPTH => {
                self.linked(Kind::Vlan, at.deeper(), link::vlan(at.octets));
            }
            _ => self.visitor.enter(Kind::Other, at),
        }
    }

    /// An IP packet of the version that its first octet says.
    fn ip(&mut self, at: Place<'_>) {
        if at.depth >= MAX_DEPTH {
            self.visitor.enter(Kind::Other, at);
            return self.visitor.trouble(at, format_args!("more than {MAX_DEPTH} layers inside each other"));
        }
        match at.octets.first().map(|first| first >> 4) {
            Some(4) => self.ipv4(at),
            Some(6) => self.ipv6(at),
            Some(version) => {
                self.visitor.enter(Kind::Other, at);
                self.visitor.trouble(at, format_args!("IP version is {version}"));
            }
            None => self.visitor.trouble(at, format_args!("the packet is empty")),
        }
    }

    fn ipv4(&mut self, at: Place<'_>) {
        self.visitor.enter(Kind::Ipv4, at);
        let view = ipv4::Packet::new(at.octets);
        let (Some(header), Some(payload), Some(protocol)) = (view.header_len(), view.payload(), view.protocol()) else {
            return;
        };
        let (Some(src), Some(dst)) = (view.src(), view.dst()) else { return };
        let offset = view.fragment_offset().unwrap_or(0);
        let more = view.more_fragments().unwrap_or(false);
        let ends = Ends { src: src.into(), dst: dst.into() };
        let inside = inside(at, header, payload.len());
        if offset == 0 && !more {
            return self.above_ip(ends, protocol.0, inside);
        }
        let id = view.id().unwrap_or(0).into();
        self.fragment(ends, Fragment { id, offset, more, protocol: protocol.0 }, inside);
    }

    fn ipv6(&mut self, at: Place<'_>) {
        self.visitor.enter(Kind::Ipv6, at);
        let view = ipv6::Packet::new(at.octets);
        let (Some(payload), Some(next)) = (view.payload(), view.next_header()) else { return };
        let (Some(src), Some(dst)) = (view.src(), view.dst()) else { return };
        let ends = Ends { src: src.into(), dst: dst.into() };
        let mut inside = inside(at, ipv6::HEADER_LEN, payload.len());
        let mut next = next.0;
        // Extension headers (RFC 8200 section 4) may stand in any number; the octets end before any patience does.
        loop {
            match link::extension6(next, inside.octets) {
                link::Extension::None => return self.above_ip(ends, next, inside),
                link::Extension::Passed { following, len } => {
                    next = following;
                    inside = inside.behind(len);
                }
                link::Extension::Fragment { id, offset, more, following } => {
                    self.visitor.enter(Kind::Fragment6, inside);
                    let rest = inside.behind(8);
                    if offset == 0 && !more {
                        return self.above_ip(ends, following, rest);
                    }
                    return self.fragment(ends, Fragment { id, offset, more, protocol: following }, rest);
                }
                link::Extension::Cut => {
                    return self.visitor.trouble(inside, format_args!("an extension header of IPv6 is cut"));
                }
            }
        }
    }

    /// A piece of a datagram. The last piece to come brings the whole one with it.
    fn fragment(&mut self, ends: Ends, fragment: Fragment, at: Place<'_>) {
        match self.session.fragments.add(ends, fragment, at.octets) {
            Ok(Some(whole)) => {
                let buffer = self.visitor.derived("reassembled IP", &whole);
                let inside = Place { octets: &whole, start: 0, buffer, ..at };
                self.above_ip(ends, fragment.protocol, inside);
            }
            Ok(None) => {}
            Err(why) => self.visitor.trouble(at, format_args!("{why}")),
        }
    }

    /// What an IP packet carries, where it is something that the lab knows.
    fn above_ip(&mut self, ends: Ends, protocol: u8, at: Place<'_>) {
        let at = at.deeper();
        match protocol {
            protocol::GRE => self.gre(at),
            protocol::UDP => self.udp(ends, at),
            protocol::ESP => self.esp(ends, at),
            protocol::IPV4 | protocol::IPV6 => self.ip(at),
            protocol::TCP => self.tcp(at),
            protocol::ICMP => self.visitor.enter(Kind::Icmp, at),
            protocol::ICMPV6 => self.visitor.enter(Kind::Icmpv6, at),
            protocol::OSPF => self.visitor.enter(Kind::Ospf, at),
            protocol::EIGRP => self.visitor.enter(Kind::Eigrp, at),
            protocol::NONE => {}
            _ => self.visitor.enter(Kind::Other, at),
        }
    }

    fn gre(&mut self, at: Place<'_>) {
        self.visitor.enter(Kind::Gre, at);
        let view = gre::Packet::new(at.octets);
        let Some(protocol) = view.protocol() else { return };
        // A source route (RFC 1701) would have to be walked to find the payload, and version 1 is another protocol.
        if view.has_routing() || view.version() != Some(0) || view.payload().is_none() {
            return;
        }
        let inside = Place { tunnelled: true, ..at.behind(view.header_len()).deeper() };
        match protocol {
            EtherType::NHRP => self.visitor.enter(Kind::Nhrp, inside),
            EtherType::IPV4 | EtherType::IPV6 => self.ip(inside),
            EtherType(0x6558) => self.ethernet(inside),
            _ if inside.octets.is_empty() => {}
            _ => self.visitor.enter(Kind::Other, inside),
        }
    }

    fn tcp(&mut self, at: Place<'_>) {
        self.visitor.enter(Kind::Tcp, at);
        let Some((src, dst)) = link::ports(at.octets) else { return };
        let Some(header) = at.octets.get(12).map(|octet| usize::from(octet >> 4) * 4) else { return };
        let inside = at.behind(header.max(20));
        if (src == port::BGP || dst == port::BGP) && !inside.octets.is_empty() {
            self.visitor.enter(Kind::Bgp, inside);
        }
    }

    fn udp(&mut self, ends: Ends, at: Place<'_>) {
        self.visitor.enter(Kind::Udp, at);
        let Some((src, dst)) = link::ports(at.octets) else { return };
        let Some(length) = link::pair(at.octets, 4).map(usize::from) else { return };
        // A length that lies is said by the visitor, and what is there is shown.
        let inside = at.cut(if length < 8 { at.octets.len() } else { length }).behind(8);
        // A datagram may carry nothing, and one that is cut may have nothing left.
        if inside.octets.is_empty() {
            return;
        }
        let on = |port: u16| src == port || dst == port;
        if on(port::IKE) {
            self.ike(inside);
        } else if on(port::NAT) {
            if inside.octets == KEEPALIVE {
                self.visitor.enter(Kind::Keepalive, inside);
            } else if inside.octets.starts_with(&NON_ESP_MARKER) {
                self.ike(Place { marked: true, ..inside.behind(NON_ESP_MARKER.len()) });
            } else {
                self.esp(ends, inside);
            }
        } else if on(port::RIP) || on(port::RIPNG) {
            self.visitor.enter(Kind::Rip, inside);
        } else {
            self.visitor.enter(Kind::Other, inside);
        }
    }

    fn esp(&mut self, ends: Ends, at: Place<'_>) {
        self.visitor.enter(Kind::Esp, at);
        let Some(spi) = at.octets.first_chunk::<4>().map(|spi| u32::from_be_bytes(*spi)) else { return };
        let mut plain = self.session.room.pop().unwrap_or_default();
        let opened = self.session.keys.esp(ends.src, ends.dst, spi).map(|sa| sa.open(at.octets, &mut plain));
        match opened {
            None => {}
            Some(Ok(opened)) => {
                let buffer = self.visitor.derived("decrypted ESP", &plain);
                let whole = Place { octets: &plain, start: 0, buffer, ..at };
                self.visitor.opened_esp(at, &opened, whole);
                let inside = whole.cut(opened.payload.end).behind(opened.payload.start);
                if at.depth < MAX_DEPTH && opened.authentic != Some(false) {
                    self.above_ip(ends, opened.next_header.unwrap_or(protocol::NONE), inside);
                }
            }
            Some(Err(why)) => self.visitor.trouble(at, format_args!("ESP is not opened: {why}")),
        }
        self.session.room.push(plain);
    }

    fn ike(&mut self, at: Place<'_>) {
        self.visitor.enter(Kind::Ike, at);
        if self.session.keys.is_empty() {
            return;
        }
        let header = isakmp::Packet::new(at.octets);
        let (Some(initiator), Some(responder)) = (header.initiator_spi(), header.responder_spi()) else { return };
        let Some(sa) = self.session.keys.ike2(initiator, responder) else { return };
        // RFC 7296 section 3.14: the encrypted payload is the last one.
        let mut payloads = header.payloads().map_while(Result::ok);
        let Some(payload) = payloads.find(|payload| payload.kind().is_encrypted()) else { return };
        let body = payload.body();
        // RFC 7383 section 2.5: number and total in front.
        let (body, piece) = match payload.kind() {
            PayloadType::SKF => {
                let view = body::Fragment::new(body);
                let (number, total) = (view.number().unwrap_or(0), view.total().unwrap_or(0));
                (body.behind(4), Some(Piece { number, total, next: payload.next_payload() }))
            }
            _ => (body, None),
        };
        let whole = piece.is_none_or(|piece| piece.total == 1);
        let flags = header.flags().map_or(0, |flags| flags.0);
        let mut plain = self.session.room.pop().unwrap_or_default();
        match sa.open(at.octets, body.range(), flags & 0x08 != 0, &mut plain) {
            Ok(opened) => {
                let buffer = self.visitor.derived("decrypted IKE", &plain);
                let inside = Place { octets: &plain, start: 0, buffer, ..at };
                let authentic = opened.authentic != Some(false);
                let first = (whole && authentic).then_some(payload.next_payload());
                self.visitor.opened_ike(at, &opened, first, inside);
                if let Some(piece) = piece.filter(|_| authentic && !whole) {
                    let exchange = header.exchange().map_or(0, |exchange| exchange.0);
                    let id = header.message_id().unwrap_or(0);
                    let key = MessageKey { spis: (initiator, responder), exchange, flags, id };
                    if let Some((first, octets)) = self.session.pieces.add(key, piece, &plain[opened.payload]) {
                        let buffer = self.visitor.derived("reassembled IKE", &octets);
                        self.visitor.whole_ike(at, first, Place { octets: &octets, start: 0, buffer, ..at });
                    }
                }
            }
            Err(why) => self.visitor.trouble(at, format_args!("IKE is not opened: {why}")),
        }
        self.session.room.push(plain);
    }
}

/// The two addresses of an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ends {
    /// Who sent it.
    pub(crate) src: IpAddr,
    /// Whom to.
    pub(crate) dst: IpAddr,
}

/// The payload of an IP packet.
fn inside(at: Place<'_>, header: usize, len: usize) -> Place<'_> {
    let inside = at.behind(header).cut(len);
    Place { level: at.level.saturating_add(1), ..inside }
}
