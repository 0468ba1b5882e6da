//! Faults of a station that passes messages on, and of Error and Traffic Indications.

use dmvpn_wire::nhrp::{Body, Cie, ErrorCode, ExtensionType, ExtensionValue, Message, MessageType};

use super::super::shim::{Talk, mend};
use super::super::{Change, Fate, Fault};
use super::{entries, forwarded, is, lose, lose_errors};

/// Whether the message is a request that is passed on.
fn request(message: &Message) -> bool {
    forwarded(message)
        && matches!(message.body, Body::ResolutionRequest(_) | Body::RegistrationRequest(_) | Body::PurgeRequest(_))
}

/// Whether the message is a reply that is passed on.
fn reply(message: &Message) -> bool {
    forwarded(message)
        && matches!(message.body, Body::ResolutionReply(_) | Body::RegistrationReply(_) | Body::PurgeReply(_))
}

/// Takes the node itself out of a record before the node looks at it, so that it sees no loop.
fn unseen(talk: &mut Talk, message: &mut Message, code: ExtensionType) -> Fate {
    let own = talk.protocol.into();
    entries(message, code, |cies| cies.retain(|cie| cie.proto != own))
}

/// Of the transit station.
pub static FAULTS: &[Fault] =
    &[
        Fault {
            name: "hop-count-stays",
            requirement: "NHRP-5.1-07",
            what: "The hop count is not lowered when a message is passed on.",
            changes: &[Change::Says(|_, message| {
                if forwarded(message) {
                    message.fixed.hop_count += 1;
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "hop-count-zero-passed-on",
            requirement: "NHRP-5.1-08",
            what: "A message with hop count 0 is passed on.",
            changes: &[Change::Hears(|_, message| {
                message.fixed.hop_count = message.fixed.hop_count.max(1);
                Fate::Pass
            })],
        },
        Fault {
            name: "hop-count-zero-in-silence",
            requirement: "NHRP-5.1-08",
            what: "That a message has run out of hops is not reported.",
            changes: &[Change::Says(|_, message| lose_errors(message, ErrorCode::HOP_COUNT_EXCEEDED))],
        },
        Fault {
            name: "nothing-passed-on",
            requirement: "NHRP-2.2-04",
            what: "Requests for others are dropped.",
            changes: &[Change::Says(|_, message| if request(message) { Fate::Lose } else { Fate::Pass })],
        },
        Fault {
            name: "replies-not-passed-on",
            requirement: "NHRP-5.2.2-19",
            what: "Replies for others are dropped.",
            changes: &[Change::Says(|_, message| if reply(message) { Fate::Lose } else { Fate::Pass })],
        },
        Fault {
            name: "not-in-forward-record",
            requirement: "NHRP-5.3.2-02",
            what: "The station does not put itself into the forward transit record.",
            changes: &[Change::Says(|talk, message| {
                if request(message) { unseen(talk, message, ExtensionType::FORWARD_TRANSIT) } else { Fate::Pass }
            })],
        },
        Fault {
            name: "forward-record-with-prefix",
            requirement: "NHRP-5.3.2-06",
            what: "The station's entry in the forward transit record has a prefix length.",
            changes: &[Change::Says(|_, message| {
                if request(message) {
                    entries(message, ExtensionType::FORWARD_TRANSIT, |cies| {
                        cies.iter_mut().for_each(|cie| cie.prefix_len = 32)
                    })
                } else {
                    Fate::Pass
                }
            })],
        },
        Fault {
            name: "forward-record-unasked",
            requirement: "NHRP-5.3.2-07",
            what: "The station adds a forward transit record to requests that have none.",
            changes: &[Change::Says(|talk, message| {
                if request(message) && message.extension(ExtensionType::FORWARD_TRANSIT).is_none() {
                    let own = Cie { nbma: talk.nbma.into(), proto: talk.protocol.into(), ..Cie::default() };
                    let record = ExtensionValue::ForwardTransit(dmvpn_wire::nhrp::Cies::from_elem(own, 1));
                    message.extensions.push(dmvpn_wire::nhrp::Extension::new(record));
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "not-in-reverse-record",
            requirement: "NHRP-5.3.3-01",
            what: "The station does not put itself into the reverse transit record.",
            changes: &[Change::Says(|talk, message| {
                if reply(message) { unseen(talk, message, ExtensionType::REVERSE_TRANSIT) } else { Fate::Pass }
            })],
        },
        Fault {
            name: "requests-in-reverse-record",
            requirement: "NHRP-5.3.3-04",
            what: "The station puts itself into the reverse transit record of requests.",
            changes: &[Change::Says(|talk, message| {
                let (nbma, proto) = (talk.nbma.into(), talk.protocol.into());
                if request(message) {
                    entries(message, ExtensionType::REVERSE_TRANSIT, |cies| {
                        cies.push(Cie { nbma, proto, ..Cie::default() })
                    })
                } else {
                    Fate::Pass
                }
            })],
        },
        Fault {
            name: "forward-loop-unseen",
            requirement: "NHRP-5.3.2-05",
            what: "A request that has been here before is passed on again.",
            changes: &[Change::Hears(|talk, message| unseen(talk, message, ExtensionType::FORWARD_TRANSIT))],
        },
        Fault {
            name: "reverse-loop-unseen",
            requirement: "NHRP-5.3.3-03",
            what: "A reply that has been here before is passed on again.",
            changes: &[Change::Hears(|talk, message| unseen(talk, message, ExtensionType::REVERSE_TRANSIT))],
        },
        Fault {
            name: "responder-loop-unseen",
            requirement: "NHRP-5.3.1-06",
            what: "A reply that names the station itself as its responder is passed on.",
            changes: &[Change::Hears(|talk, message| unseen(talk, message, ExtensionType::RESPONDER_ADDRESS))],
        },
        Fault {
            name: "loops-in-silence",
            requirement: "NHRP-5.3.2-05",
            what: "A loop is not reported.",
            changes: &[Change::Says(|_, message| lose_errors(message, ErrorCode::LOOP_DETECTED))],
        },
        Fault {
            name: "order-of-extensions-lost",
            requirement: "NHRP-5.3-09",
            what: "Extensions change their order when a message is passed on.",
            changes: &[Change::Says(|_, message| {
                if forwarded(message) {
                    message.extensions.reverse();
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "unknown-extensions-not-passed-on",
            requirement: "NHRP-5.3-13",
            what: "Unknown extensions are taken out of what is passed on.",
            changes: &[Change::Says(|_, message| {
                if forwarded(message) {
                    message.extensions.retain(|extension| !matches!(extension.value, ExtensionValue::Unknown { .. }));
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "compulsory-bit-lost",
            requirement: "NHRP-5.3-13",
            what: "Unknown compulsory extensions lose their bit C when they are passed on.",
            changes: &[Change::Says(|_, message| {
                if forwarded(message) {
                    message
                        .extensions
                        .iter_mut()
                        .filter(|extension| matches!(extension.value, ExtensionValue::Unknown { .. }))
                        .for_each(|extension| extension.compulsory = false);
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "source-rewritten",
            requirement: "NHRP-5.2.0.1-16",
            what: "What is passed on has the station itself as its source.",
            changes: &[Change::Says(|talk, message| {
                let own = talk.nbma.into();
                if forwarded(message)
                    && let Some(mandatory) = message.mandatory_mut()
                {
                    mandatory.src_nbma = own;
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "public-address-not-filled-in",
            requirement: "CISCO-NAT-10",
            what: "The NAT extension of a station behind a NAT stays empty in what is passed on.",
            changes: &[Change::Says(|_, message| {
                if forwarded(message) {
                    entries(message, ExtensionType::CISCO_NAT, |cies| cies.clear())
                } else {
                    Fate::Pass
                }
            })],
        },
        Fault {
            name: "no-redirect",
            requirement: "DMVPN-4.3-01",
            what: "No Traffic Indication is sent about a packet that goes back where it came from.",
            changes: &[Change::Says(|_, message| lose(message, MessageType::TRAFFIC_INDICATION))],
        },
        Fault {
            name: "redirect-for-each-packet",
            requirement: "CISCO-RED-03",
            what: "Traffic Indications are not limited.",
            changes: &[Change::Says(|_, message| {
                if is(message, MessageType::TRAFFIC_INDICATION) { Fate::Twice } else { Fate::Pass }
            })],
        },
        Fault {
            name: "redirect-from-nobody",
            requirement: "DMVPN-5.1-02",
            what: "A Traffic Indication does not say who sends it.",
            changes: &[Change::Says(|_, message| {
                if let Body::TrafficIndication(indication) = &mut message.body {
                    indication.src_nbma = std::net::IpAddr::from([203, 0, 113, 1]).into();
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "redirect-quotes-too-little",
            requirement: "DMVPN-4.3-02",
            what: "A Traffic Indication quotes less than the header of the packet.",
            changes: &[Change::Says(|_, message| {
                if let Body::TrafficIndication(indication) = &mut message.body {
                    indication.packet.truncate(16);
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "error-from-the-client",
            requirement: "NHRP-5.2.7-04",
            what: "Error Indications have the NBMA address of the station at fault as their source.",
            changes: &[Change::Says(|_, message| {
                if let Body::ErrorIndication(error) = &mut message.body {
                    error.src_nbma = std::net::IpAddr::from([192, 0, 2, 11]).into();
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "error-to-the-wrong-station",
            requirement: "NHRP-5.2.7-05",
            what: "Error Indications have the station that noticed the error as their destination.",
            changes: &[Change::Says(|_, message| {
                if let Body::ErrorIndication(error) = &mut message.body {
                    error.dst_proto = error.src_proto;
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "error-without-offset",
            requirement: "NHRP-5.2.7-03",
            what: "Error Indications point at offset 4, wherever the error is.",
            changes: &[Change::Says(|_, message| {
                if let Body::ErrorIndication(error) = &mut message.body {
                    error.offset = 4;
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "error-quotes-too-little",
            requirement: "NHRP-5.2.7-06",
            what: "Error Indications quote the fixed part of the message only.",
            changes: &[Change::Says(|_, message| {
                if let Body::ErrorIndication(error) = &mut message.body {
                    error.packet.truncate(20);
                }
                Fate::Pass
            })],
        },
        Fault {
            name: "error-twice",
            requirement: "NHRP-5.2.7-09",
            what: "Two Error Indications are sent about one message.",
            changes: &[Change::Says(
                |_, message| {
                    if is(message, MessageType::ERROR_INDICATION) { Fate::Twice } else { Fate::Pass }
                },
            )],
        },
        Fault {
            name: "error-with-extensions",
            requirement: "NHRP-5.2.7-11",
            what: "Error Indications have extensions.",
            changes: &[Change::SaysOctets(|octets| {
                if octets.get(17) == Some(&MessageType::ERROR_INDICATION.0) {
                    let extensions_at = u16::try_from(octets.len()).unwrap_or(u16::MAX);
                    octets.extend([0x80, 4, 0, 0, 0x80, 0, 0, 0]);
                    octets[14..16].copy_from_slice(&extensions_at.to_be_bytes());
                    octets[10..12].copy_from_slice(&extensions_at.saturating_add(8).to_be_bytes());
                    mend(octets);
                }
            })],
        },
        Fault {
            name: "errors-with-code-2",
            requirement: "NHRP-5.2.7-02",
            what: "Error Indications have a code that is not defined.",
            changes: &[Change::Says(|_, message| {
                if let Body::ErrorIndication(error) = &mut message.body {
                    error.code = ErrorCode(2);
                }
                Fate::Pass
            })],
        },
    ];
