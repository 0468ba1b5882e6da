//! Between a node and its link: applies the changes of one fault to what passes.

use std::net::IpAddr;

use dmvpn_core::config::Config;
use dmvpn_core::io::Transmit;
use dmvpn_wire::code::EtherType;
use dmvpn_wire::gre;
use dmvpn_wire::nhrp::{Cies, Message, Packet};

use super::{Change, Fate, Fault};

/// What a fault may know: who the node is, and what it noted earlier.
#[derive(Debug)]
pub struct Talk {
    /// NBMA address of the node's first tunnel.
    pub nbma: IpAddr,
    /// Protocol address of the node's first tunnel.
    pub protocol: IpAddr,
    /// GRE key of the node's first tunnel.
    pub key: Option<u32>,
    /// Secret of the node's first tunnel.
    pub secret: Option<Vec<u8>>,
    /// NBMA address of the first server.
    pub server: Option<IpAddr>,
    /// A number that a fault remembers.
    pub number: u32,
    /// Another one.
    pub count: u32,
    /// Entries that a fault puts aside until the answer goes out.
    pub aside: Option<(u32, Cies)>,
}

/// A fault at work on one node.
#[derive(Debug)]
pub struct Shim {
    fault: &'static Fault,
    talk: Talk,
}

impl Shim {
    /// Puts a fault around a node, and into its configuration. `None` for a node without a tunnel: it says nothing.
    pub fn new(fault: &'static Fault, config: &mut Config) -> Option<Self> {
        let tunnel = config.tunnels.first()?;
        let talk = Talk {
            nbma: tunnel.nbma,
            protocol: tunnel.address,
            key: tunnel.key,
            secret: tunnel.nhrp.authentication.as_ref().map(|secret| secret.expose().to_vec()),
            server: tunnel.nhrp.nhs.first().map(|nhs| nhs.nbma),
            number: 0,
            count: 0,
            aside: None,
        };
        for change in fault.changes {
            if let Change::Configured(change) = change {
                change(config);
            }
        }
        Some(Self { fault, talk })
    }

    /// Changes a packet that the node sends. Returns how many copies of it go out.
    pub fn send(&mut self, transmit: &mut Transmit) -> usize {
        let mut copies = 1;
        for change in self.fault.changes {
            let fate = match change {
                Change::Says(change) => self.message(&mut transmit.payload, *change),
                Change::SaysOctets(change) => octets(&mut transmit.payload, |octets| {
                    change(octets);
                    Fate::Pass
                }),
                Change::Sends(change) => change(&mut self.talk, transmit),
                Change::Configured(_) | Change::Hears(_) | Change::HearsOctets(_) | Change::Gets(_) => Fate::Pass,
            };
            copies = copies_of(copies, fate);
        }
        copies
    }

    /// Changes a packet before the node gets it, from its GRE header on. Returns how often the node gets it.
    pub fn receive(&mut self, packet: &mut Vec<u8>) -> usize {
        let mut copies = 1;
        for change in self.fault.changes {
            let fate = match change {
                Change::Hears(change) => self.message(packet, *change),
                Change::HearsOctets(change) => octets(packet, *change),
                Change::Gets(change) => change(&mut self.talk, packet),
                Change::Configured(_) | Change::Says(_) | Change::SaysOctets(_) | Change::Sends(_) => Fate::Pass,
            };
            copies = copies_of(copies, fate);
        }
        copies
    }

    /// Changes the message in a GRE packet, if there is a whole one.
    fn message(&mut self, packet: &mut Vec<u8>, change: fn(&mut Talk, &mut Message) -> Fate) -> Fate {
        let talk = &mut self.talk;
        octets(packet, |octets| {
            let Ok(before) = Message::parse(octets) else { return Fate::Pass };
            let mut message = before.clone();
            let fate = change(talk, &mut message);
            if message != before
                && let Ok(changed) = message.to_vec()
            {
                *octets = changed;
            }
            fate
        })
    }
}

fn copies_of(copies: usize, fate: Fate) -> usize {
    match fate {
        Fate::Pass => copies,
        Fate::Lose => 0,
        Fate::Twice => copies * 2,
    }
}

/// Changes the octets behind the GRE header, if they are NHRP.
fn octets(packet: &mut Vec<u8>, change: impl FnOnce(&mut Vec<u8>) -> Fate) -> Fate {
    let header = gre::Packet::new(&packet[..]);
    if header.protocol() != Some(EtherType::NHRP) {
        return Fate::Pass;
    }
    let at = header.header_len().min(packet.len());
    let mut inside = packet.split_off(at);
    let fate = change(&mut inside);
    packet.append(&mut inside);
    fate
}

/// Makes the checksum of a message right again after its octets were changed.
pub(super) fn mend(octets: &mut [u8]) {
    Packet::new(octets).fill_checksum();
}
