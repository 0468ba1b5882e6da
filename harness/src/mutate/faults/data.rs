//! Faults of GRE and of data packets.

use std::net::IpAddr;

use dmvpn_wire::code::EtherType;
use dmvpn_wire::nhrp::{Message, MessageType, Packet};
use dmvpn_wire::{gre, ipv4};

use super::super::{Change, Fate, Fault};

/// What follows the GRE header, if it is NHRP.
fn nhrp(packet: &[u8]) -> Option<&[u8]> {
    let header = gre::Packet::new(packet);
    (header.protocol() == Some(EtherType::NHRP)).then(|| packet.get(header.header_len()..))?
}

/// Type of the NHRP message in a GRE packet.
pub(super) fn nhrp_type(packet: &[u8]) -> Option<u8> {
    Packet::new(nhrp(packet)?).message_type().map(|kind| kind.0)
}

/// The NBMA address that the source of a message claims, if the message is of this type.
pub(super) fn claimed_source(packet: &[u8], kind: MessageType) -> Option<IpAddr> {
    let message = Message::parse(nhrp(packet)?).ok()?;
    (message.message_type() == kind).then(|| message.mandatory()?.src_nbma.ip())?
}

/// Where the inner IPv4 packet of a GRE packet begins.
fn inner(packet: &[u8]) -> Option<usize> {
    let header = gre::Packet::new(packet);
    (header.protocol() == Some(EtherType::IPV4)).then(|| header.header_len())
}

fn inner_source(packet: &[u8]) -> Option<IpAddr> {
    ipv4::Packet::new(packet.get(inner(packet)?..)?).src().map(IpAddr::V4)
}

fn inner_destination(packet: &[u8]) -> Option<IpAddr> {
    ipv4::Packet::new(packet.get(inner(packet)?..)?).dst().map(IpAddr::V4)
}

/// Of data packets and of GRE.
pub static FAULTS: &[Fault] =
    &[
        Fault {
            name: "other-key-for-data",
            requirement: "GRE-2890-2.1-03",
            what: "Data packets have another key than NHRP.",
            changes: &[Change::Sends(|_, transmit| {
                if inner(&transmit.payload).is_some() {
                    let mut header = gre::Packet::new(&mut transmit.payload[..]);
                    if let Some(key) = header.key() {
                        header.set_key(key.wrapping_add(1));
                    }
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "any-key",
            requirement: "GRE-2890-2.1-01",
            what: "Packets with any key are taken.",
            changes: &[Change::Gets(|talk, packet| {
                if let Some(own) = talk.key
                    && gre::Packet::new(&packet[..]).has_key()
                {
                    gre::Packet::new(&mut packet[..]).set_key(own);
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "gre-checksum-unread",
            requirement: "GRE-2784-2.5-01",
            what: "GRE packets with a wrong checksum are taken.",
            changes: &[Change::Gets(|_, packet| {
                if gre::Packet::new(&packet[..]).has_checksum() {
                    gre::Packet::new(&mut packet[..]).fill_checksum();
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "minds-gre-checksum",
            requirement: "GRE-2784-2.2-01",
            what: "GRE packets with a checksum are dropped.",
            changes: &[Change::Gets(|_, packet| {
                if gre::Packet::new(&packet[..]).has_checksum() { Fate::Lose } else { Fate::Pass }
            })],
        },
        Fault {
            name: "minds-reserved-bits",
            requirement: "GRE-2784-2.3-02",
            what: "GRE packets with a reserved bit that is to be ignored are dropped.",
            changes: &[Change::Gets(|_, packet| {
                let word = gre::Packet::new(&packet[..]).flags_and_version().unwrap_or(0);
                if word & 0x03F8 != 0 { Fate::Lose } else { Fate::Pass }
            })],
        },
        Fault {
            name: "routing-bits-unread",
            requirement: "GRE-2784-2.3-01",
            what: "GRE packets with the bits of RFC 1701 are taken.",
            changes: &[Change::Gets(|_, packet| {
                let word = gre::Packet::new(&packet[..]).flags_and_version().unwrap_or(0);
                if packet.len() >= 2 {
                    gre::Packet::new(&mut packet[..]).set_flags_and_version(word & !0x4C00);
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "gre-version-unread",
            requirement: "GRE-2784-2.3.1-01",
            what: "GRE packets of any version are taken.",
            changes: &[Change::Gets(|_, packet| {
                let word = gre::Packet::new(&packet[..]).flags_and_version().unwrap_or(0);
                if packet.len() >= 2 {
                    gre::Packet::new(&mut packet[..]).set_flags_and_version(word & !0x0007);
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "ttl-stays",
            requirement: "GRE-2784-3.1-01",
            what: "The TTL of data packets is not lowered when they are passed on.",
            changes: &[Change::Sends(|talk, transmit| {
                if inner_source(&transmit.payload).is_some_and(|source| source != talk.protocol)
                    && let Some(at) = inner(&transmit.payload)
                    && let Some(octets) = transmit.payload.get_mut(at..)
                {
                    let mut packet = ipv4::Packet::new(octets);
                    if let Some(ttl) = packet.ttl() {
                        packet.set_ttl(ttl.saturating_add(1));
                        packet.fill_checksum();
                    }
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "data-never-direct",
            requirement: "DMVPN-4.7-07",
            what: "Data keeps going by way of the server although there is a shortcut.",
            changes: &[Change::Sends(|talk, transmit| {
                if let Some(server) = talk.server
                    && inner(&transmit.payload).is_some()
                {
                    transmit.dst = server;
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "data-lost-while-asking",
            requirement: "NHRP-2.2-02",
            what: "Data packets are lost while a resolution is under way.",
            changes: &[
                Change::Says(|talk, message| {
                    if message.message_type() == MessageType::RESOLUTION_REQUEST {
                        talk.number = 1;
                    }
                    Fate::Pass
                }),
                Change::Hears(|talk, message| {
                    if message.message_type() == MessageType::RESOLUTION_REPLY {
                        talk.number = 0;
                    }
                    Fate::Pass
                }),
                Change::Sends(|talk, transmit| {
                    if talk.number == 1 && inner(&transmit.payload).is_some() { Fate::Lose } else { Fate::Pass }
                }),
            ],
        },
        Fault {
            name: "no-copies-of-multicast",
            requirement: "CISCO-MC-01",
            what: "Overlay multicast reaches nobody.",
            changes: &[Change::Sends(|_, transmit| {
                if inner_destination(&transmit.payload).is_some_and(|to| to.is_multicast()) {
                    Fate::Lose
                } else {
                    Fate::Pass
                }
            })],
        },
        Fault {
            name: "gre-reserved-bits-set",
            requirement: "GRE-2784-2.3-02",
            what: "Packets are sent with a reserved bit of the GRE header set.",
            changes: &[Change::Sends(|_, transmit| {
                let mut header = gre::Packet::new(&mut transmit.payload[..]);
                let word = header.flags_and_version().unwrap_or(0);
                header.set_flags_and_version(word | 0x0008);
                Fate::Pass
            })],
        },
        Fault {
            name: "gre-key-missing",
            requirement: "GRE-2890-2.1-02",
            what: "Packets are sent without the key.",
            changes: &[Change::Sends(|_, transmit| {
                let header = gre::Packet::new(&transmit.payload[..]);
                if header.has_key() {
                    let protocol = header.protocol().unwrap_or(EtherType::NHRP).0.to_be_bytes();
                    let rest = header.payload().map(<[u8]>::to_vec).unwrap_or_default();
                    transmit.payload = [&[0, 0], &protocol[..], &rest].concat();
                }
                Fate::Pass
            })],
        },
    ];
