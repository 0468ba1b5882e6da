//! Faults of formats: what a message must look like, and what a receiver must not mind.

use dmvpn_wire::nhrp::{CieCode, Extension, ExtensionType, ExtensionValue, Message, Packet};

use super::super::shim::mend;
use super::super::{Change, Fate, Fault};
use super::{forwarded, reply};

fn is_reply(octets: &[u8]) -> bool {
    matches!(octets.get(17), Some(2 | 4 | 6))
}

/// Drops what a receiver must not mind.
fn minds(octets: &[u8], fault: impl FnOnce(&Packet<&[u8]>, &[u8]) -> bool) -> Fate {
    if fault(&Packet::new(octets), octets) { Fate::Lose } else { Fate::Pass }
}

/// Of the formats.
pub static FAULTS: &[Fault] = &[
    Fault {
        name: "checksum-off-by-one",
        requirement: "NHRP-5.1-15",
        what: "The checksum of replies is wrong in one bit.",
        changes: &[Change::SaysOctets(|octets| {
            if is_reply(octets)
                && let Some(octet) = octets.get_mut(13)
            {
                *octet ^= 1;
            }
        })],
    },
    Fault {
        name: "checksum-of-odd-messages",
        requirement: "NHRP-5.1-16",
        what: "The checksum of messages of odd length leaves the last octet out.",
        changes: &[Change::SaysOctets(|octets| {
            if octets.len() % 2 == 1
                && let Some(last) = octets.last_mut()
            {
                let kept = std::mem::replace(last, 0);
                mend(octets);
                if let Some(last) = octets.last_mut() {
                    *last = kept;
                }
            }
        })],
    },
    Fault {
        name: "snap-not-zero",
        requirement: "NHRP-5.1-03",
        what: "ar$pro.snap is not zero in what is sent.",
        changes: &[Change::SaysOctets(|octets| {
            if let Some(octet) = octets.get_mut(6) {
                *octet = 1;
                mend(octets);
            }
        })],
    },
    Fault {
        name: "hop-count-copied",
        requirement: "NHRP-5.1-11",
        what: "Replies have a hop count of 1.",
        changes: &[Change::SaysOctets(|octets| {
            if is_reply(octets)
                && let Some(octet) = octets.get_mut(9).filter(|octet| **octet == 255)
            {
                *octet = 1;
                mend(octets);
            }
        })],
    },
    Fault {
        name: "hop-count-zero",
        requirement: "CISCO-REG-04",
        what: "Own messages have hop count 0.",
        changes: &[Change::SaysOctets(|octets| {
            if let Some(octet) = octets.get_mut(9).filter(|octet| **octet == 255) {
                *octet = 0;
                mend(octets);
            }
        })],
    },
    Fault {
        name: "size-with-gre",
        requirement: "NHRP-5.1-12",
        what: "The packet size counts the GRE header.",
        changes: &[Change::SaysOctets(|octets| {
            let size = u16::try_from(octets.len() + 8).unwrap_or(u16::MAX).to_be_bytes();
            if let Some(field) = octets.get_mut(10..12) {
                field.copy_from_slice(&size);
                mend(octets);
            }
        })],
    },
    Fault {
        name: "list-without-end",
        requirement: "NHRP-5.3-04",
        what: "The list of extensions does not end with End.",
        changes: &[Change::SaysOctets(|octets| {
            if octets.ends_with(&[0x80, 0, 0, 0]) {
                octets.truncate(octets.len() - 4);
                let size = u16::try_from(octets.len()).unwrap_or(u16::MAX).to_be_bytes();
                octets[10..12].copy_from_slice(&size);
                mend(octets);
            }
        })],
    },
    Fault {
        name: "end-not-compulsory",
        requirement: "NHRP-5.3.0-01",
        what: "End is sent with bit C clear.",
        changes: &[Change::SaysOctets(|octets| {
            if octets.ends_with(&[0x80, 0, 0, 0]) {
                let at = octets.len() - 4;
                octets[at] = 0;
                mend(octets);
            }
        })],
    },
    Fault {
        name: "extension-offset-beside",
        requirement: "NHRP-5.1-18",
        what: "The offset of the extensions of replies points behind them.",
        changes: &[Change::SaysOctets(|octets| {
            if is_reply(octets) && octets.len() > 24 {
                let end = u16::try_from(octets.len() - 4).unwrap_or(u16::MAX).to_be_bytes();
                octets[14..16].copy_from_slice(&end);
                mend(octets);
            }
        })],
    },
    Fault {
        name: "extension-with-u",
        requirement: "NHRP-5.3-02",
        what: "Extensions are sent with the unused bit set.",
        changes: &[Change::Says(|_, message| {
            message.extensions.iter_mut().for_each(|extension| extension.unused = true);
            Fate::Pass
        })],
    },
    Fault {
        name: "unused-flags-set",
        requirement: "NHRP-5-04",
        what: "A flag that is not defined is set in what is sent.",
        changes: &[Change::Says(|_, message| {
            if let Some(mandatory) = message.mandatory_mut() {
                mandatory.flags.0 |= 1;
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "extension-of-its-own",
        requirement: "NHRP-5.3-10",
        what: "Replies have an extension that the request did not have.",
        changes: &[Change::Says(|_, message| {
            if !forwarded(message) && matches!(message.message_type().0, 2 | 4 | 6) {
                let code = ExtensionType(0x3800);
                message.extensions.push(Extension::new(ExtensionValue::Unknown { code, data: Vec::new() }));
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "extension-twice",
        requirement: "NHRP-5.3-08",
        what: "The first extension is sent twice.",
        changes: &[Change::Says(|_, message| {
            if let Some(first) = message.extensions.first().cloned() {
                message.extensions.push(first);
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "unknown-extension-not-returned",
        requirement: "NHRP-5.3-12",
        what: "Replies have lost the extensions that the responder does not know.",
        changes: &[Change::Says(|_, message| {
            if !forwarded(message) {
                message.extensions.retain(|extension| !matches!(extension.value, ExtensionValue::Unknown { .. }));
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "vendor-extension-not-returned",
        requirement: "NHRP-5.3.5-02",
        what: "Replies have lost the vendor-private extension.",
        changes: &[Change::Says(|_, message| {
            message.extensions.retain(|extension| extension.code() != ExtensionType::VENDOR_PRIVATE);
            Fate::Pass
        })],
    },
    Fault {
        name: "one-vendor-extension",
        requirement: "NHRP-5.3.5-04",
        what: "Of several vendor-private extensions only the first is returned.",
        changes: &[Change::Says(|_, message| {
            let mut seen = false;
            message.extensions.retain(|extension| {
                extension.code() != ExtensionType::VENDOR_PRIVATE || !std::mem::replace(&mut seen, true)
            });
            Fate::Pass
        })],
    },
    Fault {
        name: "compulsory-extension-ignored",
        requirement: "NHRP-5.3-11",
        what: "An unknown compulsory extension is ignored.",
        changes: &[Change::Hears(|_, message| {
            for extension in &mut message.extensions {
                if matches!(extension.value, ExtensionValue::Unknown { .. }) {
                    extension.compulsory = false;
                }
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "minds-unknown-extensions",
        requirement: "NHRP-5.3-17",
        what: "Messages with unknown extensions are dropped.",
        changes: &[Change::Hears(|_, message| {
            let unknown = |extension: &Extension| {
                matches!(extension.value, ExtensionValue::Unknown { .. }) && !extension.compulsory
            };
            if message.extensions.iter().any(unknown) { Fate::Lose } else { Fate::Pass }
        })],
    },
    Fault {
        name: "minds-vendor-extensions",
        requirement: "NHRP-5.3.5-03",
        what: "Messages with a vendor-private extension are dropped.",
        changes: &[Change::Hears(|_, message| {
            if message.extension(ExtensionType::VENDOR_PRIVATE).is_some() { Fate::Lose } else { Fate::Pass }
        })],
    },
    Fault {
        name: "minds-order-of-extensions",
        requirement: "NHRP-5.3-07",
        what: "Messages whose extensions do not stand in ascending order are dropped.",
        changes: &[Change::Hears(|_, message| {
            let ascending = |m: &Message| m.extensions.windows(2).all(|pair| pair[0].code().0 <= pair[1].code().0);
            if ascending(message) { Fate::Pass } else { Fate::Lose }
        })],
    },
    Fault {
        name: "compulsory-bit-is-type",
        requirement: "NHRP-5.3-03",
        what: "Standard extensions without bit C are not recognised.",
        changes: &[Change::Hears(|_, message| {
            message.extensions.retain(|extension| {
                extension.compulsory
                    || !matches!(
                        extension.code(),
                        ExtensionType::RESPONDER_ADDRESS
                            | ExtensionType::FORWARD_TRANSIT
                            | ExtensionType::REVERSE_TRANSIT
                    )
            });
            Fate::Pass
        })],
    },
    Fault {
        name: "minds-snap",
        requirement: "NHRP-5.1-04",
        what: "Messages whose ar$pro.snap is not zero are dropped.",
        changes: &[Change::HearsOctets(|octets| {
            minds(octets, |_, octets| octets.get(4..9).is_some_and(|snap| snap != [0; 5]))
        })],
    },
    Fault {
        name: "minds-unused-flags",
        requirement: "NHRP-5-05",
        what: "Messages with a flag that is not defined are dropped.",
        changes: &[Change::HearsOctets(|octets| {
            minds(octets, |_, octets| {
                octets.get(17) == Some(&3)
                    && octets.get(22..24).is_some_and(|flags| (flags[0] & 0x7F) != 0 || (flags[1] & 0xFD) != 0)
            })
        })],
    },
    Fault {
        name: "minds-unused-of-entries",
        requirement: "NHRP-5-05",
        what: "Messages with an unused field of an entry set are dropped.",
        changes: &[Change::HearsOctets(|octets| {
            minds(octets, |packet, _| packet.cies().map_while(Result::ok).any(|cie| cie.unused() != 0))
        })],
    },
    Fault {
        name: "minds-padding",
        requirement: "NHRP-5.1-13",
        what: "Messages with octets behind their end are dropped.",
        changes: &[Change::HearsOctets(|octets| minds(octets, |packet, octets| packet.end() < octets.len()))],
    },
    Fault {
        name: "minds-missing-extensions",
        requirement: "NHRP-5-02",
        what: "Messages without extensions are dropped.",
        changes: &[Change::Hears(|_, message| {
            if message.extensions.is_empty() && message.mandatory().is_some() { Fate::Lose } else { Fate::Pass }
        })],
    },
    Fault {
        name: "minds-low-hop-count",
        requirement: "NHRP-5.1-09",
        what: "Messages for the station itself with hop count 0 are dropped.",
        changes: &[Change::Hears(|_, message| if message.fixed.hop_count == 0 { Fate::Lose } else { Fate::Pass })],
    },
    Fault {
        name: "minds-mtu-zero",
        requirement: "NHRP-5.2.0.1-11",
        what: "Entries with MTU 0 are refused.",
        changes: &[
            Change::Says(|talk, message| {
                let refuse = talk.number == 1;
                reply(message, |m| {
                    if refuse {
                        m.cies.iter_mut().for_each(|cie| cie.code = CieCode::ADMINISTRATIVELY_PROHIBITED);
                    }
                })
            }),
            Change::Hears(|talk, message| {
                talk.number = u32::from(message.mandatory().is_some_and(|m| m.cies.iter().any(|cie| cie.mtu == 0)));
                Fate::Pass
            }),
        ],
    },
    Fault {
        name: "checksum-unread",
        requirement: "NHRP-5.1-17",
        what: "Messages with a wrong checksum are acted upon.",
        changes: &[Change::HearsOctets(|octets| {
            mend(octets);
            Fate::Pass
        })],
    },
    Fault {
        name: "version-unread",
        requirement: "NHRP-5.1-20",
        what: "Messages of other versions are acted upon.",
        changes: &[Change::HearsOctets(|octets| {
            if let Some(version) = octets.get_mut(16).filter(|version| **version != 1) {
                *version = 1;
                mend(octets);
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "protocol-type-unread",
        requirement: "NHRP-5.1-06",
        what: "Messages about other protocols are taken for IP.",
        changes: &[Change::HearsOctets(|octets| {
            if let Some(code) =
                octets.get_mut(2..4).filter(|code| ![[8, 0], [0x86, 0xDD], [0, 0x80]].contains(&[code[0], code[1]]))
            {
                code.copy_from_slice(&[8, 0]);
                mend(octets);
            }
            Fate::Pass
        })],
    },
];
