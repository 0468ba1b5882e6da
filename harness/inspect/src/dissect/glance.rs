//! A packet at a glance: the few numbers that say what happened, for those who have a million packets to see.
//!
//! It is a second reader of the same walk, and a test holds it against the field tree on every capture.

use std::net::IpAddr;

use dmvpn_wire::isakmp::PayloadType;
use dmvpn_wire::nhrp::{self, MessageType};
use dmvpn_wire::{gre, ipv4, ipv6};

use super::ike_glance::{IkeGlance, IkeInside};
use super::session::Session;
use super::walk::{Ends, Kind, Place, Visitor, Walk};
use crate::capture::LinkType;
use crate::keys::Opened;

/// What can be said of a packet without keeping anything of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Source and destination of the outermost IP header (NBMA addresses).
    pub outer: Option<(IpAddr, IpAddr)>,
    /// Source, destination and protocol of the IP packet in the tunnel, if that is what the tunnel carries.
    pub inner: Option<(IpAddr, IpAddr, u8)>,
    /// The GRE header, if there is one.
    pub gre: Option<GreGlance>,
    /// The ESP header, if there is one.
    pub esp: Option<EspGlance>,
    /// The NHRP message, if there is one.
    pub nhrp: Option<NhrpGlance>,
    /// The IKE message, if there is one.
    pub ike: Option<IkeGlance>,
    /// What routing speaks inside, if anything does.
    pub routing: Option<Routing>,
    /// Whether the walk came to something that it could not read.
    pub broken: bool,
}

/// GRE at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GreGlance {
    /// The key, RFC 2890.
    pub key: Option<u32>,
    /// EtherType of the payload.
    pub protocol: u16,
    /// Whether it came out of ESP that was opened.
    pub protected: bool,
}

/// ESP at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspGlance {
    /// Security Parameters Index.
    pub spi: u32,
    /// Sequence number, the low 32 bits.
    pub seq: u32,
    /// Whether it is in UDP (RFC 3948).
    pub in_udp: bool,
    /// Whether a key opened it.
    pub opened: bool,
}

/// NHRP at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NhrpGlance {
    /// `ar$op.type`.
    pub kind: u8,
    /// Request ID of types 1 to 6.
    pub request_id: Option<u32>,
    /// Whether no reply to a purge is wanted (N).
    pub no_reply: bool,
    /// Source NBMA address, as the message claims it.
    pub src_nbma: Option<IpAddr>,
    /// Source protocol address.
    pub src_protocol: Option<IpAddr>,
    /// Destination protocol address.
    pub dst_protocol: Option<IpAddr>,
    /// The first client information entry, if there is one.
    pub entry: Option<Entry>,
    /// How many entries there are.
    pub entries: usize,
    /// Code of an Error or Traffic Indication.
    pub code: Option<u16>,
    /// What an Error Indication quotes: type, request id and source protocol address of the offending message.
    pub quoted: Option<(u8, u32, Option<IpAddr>)>,
    /// Source and destination of the packet that a Traffic Indication is about.
    pub hairpinned: Option<(IpAddr, IpAddr)>,
    /// Whether it carries an authentication extension.
    pub authenticated: bool,
}

/// A client information entry at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// 0 is success, else the NAK code.
    pub code: u8,
    /// Prefix length; 0 and 255 mean the host.
    pub prefix_len: u8,
    /// Holding time in seconds.
    pub holding_time: u16,
    /// NBMA address of the client.
    pub nbma: Option<IpAddr>,
    /// Protocol address of the client.
    pub protocol: Option<IpAddr>,
}

/// Routing protocols that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "their names say it")]
pub enum Routing {
    Rip,
    Ospf,
    Eigrp,
    Bgp,
}

impl Routing {
    /// All of them, in their order.
    pub const ALL: [Routing; 4] = [Routing::Rip, Routing::Ospf, Routing::Eigrp, Routing::Bgp];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Routing::Rip => "RIP",
            Routing::Ospf => "OSPF",
            Routing::Eigrp => "EIGRP",
            Routing::Bgp => "BGP",
        }
    }
}

impl Glance {
    /// Looks at a frame that starts as `link` says.
    pub fn of(session: &mut Session, link: LinkType, octets: &[u8]) -> Self {
        let mut look = Look::default();
        Walk { session, visitor: &mut look }.frame(link, octets);
        look.seen
    }
}

#[derive(Default)]
struct Look {
    seen: Glance,
    in_udp: bool,
}

impl Look {
    fn ip(&mut self, ends: Option<Ends>, protocol: Option<u8>) {
        let Some(ends) = ends else {
            self.seen.broken = true;
            return;
        };
        match self.seen.outer {
            None => self.seen.outer = Some((ends.src, ends.dst)),
            Some(_) if self.seen.inner.is_none() => {
                self.seen.inner = Some((ends.src, ends.dst, protocol.unwrap_or(0)));
            }
            Some(_) => {}
        }
    }

    fn esp(&mut self, at: Place<'_>) {
        let (Some(spi), Some(seq)) = (word(at.octets, 0), word(at.octets, 4)) else {
            self.seen.broken = true;
            return;
        };
        self.seen.esp.get_or_insert(EspGlance { spi, seq, in_udp: self.in_udp, opened: false });
    }

    fn ike(&mut self, at: Place<'_>) {
        match IkeGlance::of(at) {
            Some(glance) => _ = self.seen.ike.get_or_insert(glance),
            None => self.seen.broken = true,
        }
    }

    /// The payloads of an IKE message that was opened.
    fn inside(&mut self, first: PayloadType, octets: &[u8]) {
        if let Some(ike) = &mut self.seen.ike {
            ike.inside.get_or_insert_with(|| IkeInside::opened(first, octets));
        }
    }
}

impl Visitor for Look {
    fn enter(&mut self, kind: Kind, at: Place<'_>) {
        match kind {
            Kind::Ipv4 => {
                let view = ipv4::Packet::new(at.octets);
                let ends = view.src().zip(view.dst()).map(|(src, dst)| Ends { src: src.into(), dst: dst.into() });
                self.ip(ends, view.protocol().map(|protocol| protocol.0));
            }
            Kind::Ipv6 => {
                let view = ipv6::Packet::new(at.octets);
                let ends = view.src().zip(view.dst()).map(|(src, dst)| Ends { src: src.into(), dst: dst.into() });
                self.ip(ends, view.next_header().map(|protocol| protocol.0));
            }
            Kind::Gre if !at.tunnelled => {
                let view = gre::Packet::new(at.octets);
                let protected = at.buffer > 0 && self.seen.esp.is_some_and(|esp| esp.opened);
                match view.protocol() {
                    Some(protocol) => {
                        self.seen.gre = Some(GreGlance { key: view.key(), protocol: protocol.0, protected });
                    }
                    None => self.seen.broken = true,
                }
            }
            Kind::Udp => self.in_udp = !at.tunnelled,
            Kind::Esp if !at.tunnelled => self.esp(at),
            Kind::Ike if !at.tunnelled => self.ike(at),
            Kind::Nhrp => {
                let glance = NhrpGlance::of(&nhrp::Packet::new(at.octets));
                self.seen.nhrp.get_or_insert(glance);
            }
            Kind::Ospf => self.seen.routing = Some(Routing::Ospf),
            Kind::Eigrp => self.seen.routing = Some(Routing::Eigrp),
            Kind::Rip => self.seen.routing = Some(Routing::Rip),
            Kind::Bgp => self.seen.routing = Some(Routing::Bgp),
            _ => {}
        }
    }

    fn opened_esp(&mut self, at: Place<'_>, opened: &Opened, _: Place<'_>) {
        if let (false, Some(esp)) = (at.tunnelled, &mut self.seen.esp) {
            esp.opened = opened.authentic != Some(false);
        }
    }

    fn opened_ike(&mut self, at: Place<'_>, opened: &Opened, first: Option<PayloadType>, plain: Place<'_>) {
        let payloads = plain.octets.get(opened.payload.clone());
        if let (false, Some(first), Some(payloads)) = (at.tunnelled, first, payloads) {
            self.inside(first, payloads);
        }
    }

    fn whole_ike(&mut self, at: Place<'_>, first: PayloadType, payloads: Place<'_>) {
        if !at.tunnelled {
            self.inside(first, payloads.octets);
        }
    }

    fn trouble(&mut self, _: Place<'_>, _: std::fmt::Arguments<'_>) {
        self.seen.broken = true;
    }

    fn derived(&mut self, _: &'static str, _: &[u8]) -> u8 {
        // Nothing is kept; all that matters is that it is not the frame.
        1
    }
}

impl NhrpGlance {
    fn of(view: &nhrp::Packet<&[u8]>) -> Self {
        let kind = view.message_type().map_or(0, |kind| kind.0);
        let mut seen = Self {
            kind,
            src_nbma: view.src_nbma().and_then(dmvpn_wire::NbmaAddr::ip),
            src_protocol: view.src_proto().and_then(dmvpn_wire::ProtoAddr::ip),
            dst_protocol: view.dst_proto().and_then(dmvpn_wire::ProtoAddr::ip),
            authenticated: view.extensions().map_while(Result::ok).any(|extension| extension.code().0 == 7),
            ..Self::default()
        };
        match MessageType(kind) {
            MessageType::ERROR_INDICATION => {
                seen.code = view.error_code().map(|code| code.0);
                seen.quoted = view.quoted().and_then(|quoted| {
                    let quoted = nhrp::Packet::new(quoted);
                    let kind = quoted.message_type()?.0;
                    let source = quoted.src_proto().and_then(dmvpn_wire::ProtoAddr::ip);
                    Some((kind, quoted.request_id().filter(|_| (1..=6).contains(&kind))?, source))
                });
            }
            MessageType::TRAFFIC_INDICATION => {
                seen.code = view.traffic_code().map(|code| code.0);
                seen.hairpinned = view.quoted().and_then(ends_of);
            }
            _ => {
                seen.request_id = view.request_id();
                seen.no_reply = kind == 5 && view.flags().is_some_and(|flags| flags.0 & 0x8000 != 0);
                for cie in view.cies().map_while(Result::ok) {
                    seen.entries += 1;
                    seen.entry.get_or_insert_with(|| Entry {
                        code: cie.code().0,
                        prefix_len: cie.prefix_len(),
                        holding_time: cie.holding_time(),
                        nbma: super::read::ip_of(cie.nbma_octets()),
                        protocol: super::read::ip_of(cie.proto_octets()),
                    });
                }
            }
        }
        seen
    }
}

/// The addresses of an IP packet of which only the beginning may be there.
fn ends_of(octets: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let (v4, v6) = (ipv4::Packet::new(octets), ipv6::Packet::new(octets));
    match octets.first()? >> 4 {
        4 => Some((v4.src()?.into(), v4.dst()?.into())),
        6 => Some((v6.src()?.into(), v6.dst()?.into())),
        _ => None,
    }
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*octets.get(at..)?.first_chunk::<4>()?))
}
