//! Faults of a client: registration and resolution as a spoke has them.

use dmvpn_wire::nhrp::{Body, CieCode, ErrorCode, ExtensionType, Flags, MessageType};

use super::super::{Change, Fate, Fault};
use super::{clear, entries, is, lose, mandatory, set};

const REGISTRATION: MessageType = MessageType::REGISTRATION_REQUEST;
const RESOLUTION: MessageType = MessageType::RESOLUTION_REQUEST;

/// Of the client.
pub static FAULTS: &[Fault] = &[
    Fault {
        name: "refresh-at-half",
        requirement: "NHRP-5.2.3-21",
        what: "Registrations are refreshed at half of the holding time instead of a third.",
        changes: &[
            Change::Configured(|config| {
                for tunnel in &mut config.tunnels {
                    tunnel.nhrp.holding_time = tunnel.nhrp.holding_time.saturating_add(tunnel.nhrp.holding_time / 2);
                }
            }),
            Change::Says(|_, message| {
                mandatory(message, REGISTRATION, |m| {
                    m.cies.iter_mut().for_each(|cie| cie.holding_time = cie.holding_time / 3 * 2)
                })
            }),
        ],
    },
    Fault {
        name: "retransmits-with-new-id",
        requirement: "NHRP-5.2.0.1-06",
        what: "Every transmission of a registration has a request id of its own.",
        changes: &[
            Change::Says(|talk, message| {
                mandatory(message, REGISTRATION, |m| {
                    talk.number = m.request_id;
                    talk.count += 1;
                    m.request_id = m.request_id.wrapping_add(1000 * talk.count);
                })
            }),
            Change::Hears(|talk, message| {
                mandatory(message, MessageType::REGISTRATION_REPLY, |m| m.request_id = talk.number)
            }),
        ],
    },
    Fault {
        name: "one-id-for-all",
        requirement: "NHRP-5.2.0.1-05",
        what: "Every registration has the same request id.",
        changes: &[
            Change::Says(|talk, message| {
                mandatory(message, REGISTRATION, |m| {
                    talk.number = m.request_id;
                    m.request_id = 1;
                })
            }),
            Change::Hears(|talk, message| {
                mandatory(message, MessageType::REGISTRATION_REPLY, |m| m.request_id = talk.number)
            }),
        ],
    },
    Fault {
        name: "ids-fall-back",
        requirement: "NHRP-5.2.3-09",
        what: "After a restart the request ids begin where they began before.",
        changes: &[Change::Configured(|config| config.first_request_id = 1)],
    },
    Fault {
        name: "no-retransmission",
        requirement: "NHRP-5.2.3-22",
        what: "An unanswered registration is not sent again.",
        changes: &[Change::Says(|talk, message| {
            let id = message.mandatory().map(|m| m.request_id);
            if is(message, REGISTRATION) && id == Some(talk.number) {
                return Fate::Lose;
            }
            if is(message, REGISTRATION) {
                talk.number = id.unwrap_or(0);
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "no-back-off",
        requirement: "NHRP-5.2.3-22",
        what: "Unanswered registrations are sent again each second.",
        changes: &[Change::Configured(|config| {
            for tunnel in &mut config.tunnels {
                tunnel.nhrp.retry.max = tunnel.nhrp.retry.first;
            }
        })],
    },
    Fault {
        name: "request-with-code",
        requirement: "NHRP-5.2.3-13",
        what: "Registration requests carry a code.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, REGISTRATION, |m| m.cies.iter_mut().for_each(|cie| cie.code = CieCode(1)))
        })],
    },
    Fault {
        name: "unique-with-prefix-32",
        requirement: "NHRP-5.2.3-08",
        what: "Unique registrations have prefix length 32.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, REGISTRATION, |m| m.cies.iter_mut().for_each(|cie| cie.prefix_len = 32))
        })],
    },
    Fault {
        name: "not-unique",
        requirement: "CISCO-REG-01",
        what: "Registrations are not unique although they are configured so.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, REGISTRATION, |m| clear(&mut m.flags, Flags::REGISTRATION_UNIQUE))
        })],
    },
    Fault {
        name: "refusal-is-success",
        requirement: "NHRP-5.2.4-03",
        what: "A refused registration is taken for a successful one.",
        changes: &[Change::Hears(|_, message| {
            mandatory(message, MessageType::REGISTRATION_REPLY, |m| {
                m.cies.iter_mut().for_each(|cie| cie.code = CieCode::SUCCESS);
            })
        })],
    },
    Fault {
        name: "reply-id-unchecked",
        requirement: "NHRP-5.2.0.1-08",
        what: "A registration reply is believed whatever its request id.",
        changes: &[
            Change::Says(|talk, message| mandatory(message, REGISTRATION, |m| talk.number = m.request_id)),
            Change::Hears(|talk, message| {
                mandatory(message, MessageType::REGISTRATION_REPLY, |m| m.request_id = talk.number)
            }),
        ],
    },
    Fault {
        name: "reply-source-unchecked",
        requirement: "NHRP-5.2.0.1-08",
        what: "A registration reply is believed whatever its source addresses.",
        changes: &[Change::Hears(|talk, message| {
            mandatory(message, MessageType::REGISTRATION_REPLY, |m| {
                (m.src_nbma, m.src_proto) = (talk.nbma.into(), talk.protocol.into());
            })
        })],
    },
    Fault {
        name: "resolution-reply-id-unchecked",
        requirement: "DMVPN-4.7-06",
        what: "A resolution reply is believed whatever its request id.",
        changes: &[
            Change::Says(|talk, message| mandatory(message, RESOLUTION, |m| talk.number = m.request_id)),
            Change::Hears(|talk, message| {
                mandatory(message, MessageType::RESOLUTION_REPLY, |m| m.request_id = talk.number)
            }),
        ],
    },
    Fault {
        name: "unsolicited-reply-in-silence",
        requirement: "NHRP-5.2.2-18",
        what: "A resolution reply that nobody asked for is no error.",
        changes: &[Change::Says(|_, message| match &message.body {
            Body::ErrorIndication(error) if error.code == ErrorCode::INVALID_RESOLUTION_REPLY => Fate::Lose,
            _ => Fate::Pass,
        })],
    },
    Fault {
        name: "errors-are-not-heard",
        requirement: "NHRP-5.2.7-17",
        what: "An Error Indication about an own request changes nothing.",
        changes: &[Change::Hears(|_, message| lose(message, MessageType::ERROR_INDICATION))],
    },
    Fault {
        name: "asks-as-host",
        requirement: "NHRP-5.2.1-02",
        what: "Resolution requests of a router do not say that it is one.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLUTION, |m| clear(&mut m.flags, Flags::RESOLUTION_ROUTER))
        })],
    },
    Fault {
        name: "asks-with-d",
        requirement: "NHRP-5.2.1-04",
        what: "Resolution requests have flag D.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLUTION, |m| set(&mut m.flags, Flags::RESOLUTION_DESTINATION_STABLE))
        })],
    },
    Fault {
        name: "asks-for-unique",
        requirement: "NHRP-5.2.1-06",
        what: "Resolution requests ask for unique bindings although any will do.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLUTION, |m| set(&mut m.flags, Flags::RESOLUTION_UNIQUE))
        })],
    },
    Fault {
        name: "asks-unstable-with-holding-time",
        requirement: "NHRP-5.2.1-13",
        what: "Resolution requests give a holding time while S is clear.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLUTION, |m| {
                clear(&mut m.flags, Flags::RESOLUTION_SOURCE_STABLE);
                m.cies.iter_mut().for_each(|cie| cie.holding_time = cie.holding_time.max(60));
            })
        })],
    },
    Fault {
        name: "asks-with-two-entries",
        requirement: "NHRP-5.2.1-08",
        what: "Resolution requests have two entries.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLUTION, |m| {
                if let Some(first) = m.cies.first().copied() {
                    m.cies.push(first);
                }
            })
        })],
    },
    Fault {
        name: "asks-with-addresses",
        requirement: "NHRP-5.2.1-15",
        what: "The entry of a resolution request has addresses of its own.",
        changes: &[Change::Says(|talk, message| {
            mandatory(message, RESOLUTION, |m| {
                m.cies.iter_mut().for_each(|cie| (cie.nbma, cie.proto) = (talk.nbma.into(), talk.protocol.into()));
            })
        })],
    },
    Fault {
        name: "asks-for-each-packet",
        requirement: "NHRP-2.2-01",
        what: "Resolution requests go out twice.",
        changes: &[Change::Says(|talk, message| {
            if is(message, RESOLUTION) && message.mandatory().is_some_and(|m| m.src_proto == talk.protocol.into()) {
                Fate::Twice
            } else {
                Fate::Pass
            }
        })],
    },
    Fault {
        name: "never-asks",
        requirement: "DMVPN-4.3-07",
        what: "A Traffic Indication leads to no resolution request.",
        changes: &[Change::Hears(|_, message| lose(message, MessageType::TRAFFIC_INDICATION))],
    },
    Fault {
        name: "resolution-not-repeated",
        requirement: "NHRP-5.2.0.1-06",
        what: "An unanswered resolution request is not sent again.",
        changes: &[Change::Says(|talk, message| {
            let Some(id) = message.mandatory().map(|m| m.request_id) else { return Fate::Pass };
            if !is(message, RESOLUTION) {
                return Fate::Pass;
            }
            let again = talk.count > 0 && talk.number == id;
            (talk.number, talk.count) = (id, 1);
            if again { Fate::Lose } else { Fate::Pass }
        })],
    },
    Fault {
        name: "negative-answer-is-positive",
        requirement: "NHRP-5.2.2-09",
        what: "What a negative resolution reply says is installed.",
        changes: &[Change::Hears(|_, message| {
            mandatory(message, MessageType::RESOLUTION_REPLY, |m| {
                m.cies.iter_mut().for_each(|cie| cie.code = CieCode::SUCCESS);
            })
        })],
    },
    Fault {
        name: "negative-answer-not-heard",
        requirement: "CISCO-SC-03",
        what: "A negative resolution reply does not end the asking.",
        changes: &[Change::Hears(|_, message| {
            let refused = message.mandatory().is_some_and(|m| m.cies.iter().any(|cie| cie.code != CieCode::SUCCESS));
            if is(message, MessageType::RESOLUTION_REPLY) && refused { Fate::Lose } else { Fate::Pass }
        })],
    },
    Fault {
        name: "prefix-zero-is-everything",
        requirement: "NHRP-5.2.0.1-09",
        what: "Prefix length 0 in an answer is taken for a network.",
        changes: &[Change::Hears(|_, message| {
            mandatory(message, MessageType::RESOLUTION_REPLY, |m| {
                m.cies.iter_mut().filter(|cie| cie.prefix_len == 0).for_each(|cie| cie.prefix_len = 16);
            })
        })],
    },
    Fault {
        name: "prefix-answers-as-host",
        requirement: "DMVPN-4.7-08",
        what: "An answer for a prefix is used for the one address only.",
        changes: &[Change::Hears(|_, message| {
            mandatory(message, MessageType::RESOLUTION_REPLY, |m| {
                m.cies.iter_mut().for_each(|cie| cie.prefix_len = 32);
            })
        })],
    },
    Fault {
        name: "shortcut-outlives-holding-time",
        requirement: "NHRP-6.2.1-02",
        what: "Shortcuts live ten seconds longer than they may.",
        changes: &[Change::Hears(|_, message| {
            mandatory(message, MessageType::RESOLUTION_REPLY, |m| {
                m.cies.iter_mut().for_each(|cie| cie.holding_time = cie.holding_time.saturating_add(10));
            })
        })],
    },
    Fault {
        name: "first-entry-instead-of-preferred",
        requirement: "NHRP-5.2.0.1-15",
        what: "Of several entries the first is used, whatever their preference.",
        changes: &[Change::Hears(|_, message| {
            mandatory(message, MessageType::RESOLUTION_REPLY, |m| m.cies.truncate(1))
        })],
    },
    Fault {
        name: "public-address-of-peer-ignored",
        requirement: "CISCO-NAT-11",
        what: "The NAT extension of an answer is not looked at.",
        changes: &[Change::Hears(|_, message| {
            if is(message, MessageType::RESOLUTION_REPLY) {
                entries(message, ExtensionType::CISCO_NAT, |cies| cies.clear());
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "own-public-address-not-learned",
        requirement: "CISCO-NAT-08",
        what: "A client behind a NAT does not learn its public address.",
        changes: &[Change::Hears(|_, message| {
            if is(message, MessageType::REGISTRATION_REPLY) {
                entries(message, ExtensionType::CISCO_NAT, |cies| cies.truncate(1));
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "redirected-for-others",
        requirement: "DMVPN-4.3-06",
        what: "A Traffic Indication is believed although the packet in it comes from behind another station.",
        changes: &[Change::Hears(|talk, message| {
            if let (Body::TrafficIndication(indication), std::net::IpAddr::V4(own)) = (&mut message.body, talk.protocol)
                && let Some(source) = indication.packet.get_mut(12..16)
            {
                source.copy_from_slice(&own.octets());
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "redirected-though-told-not-to",
        requirement: "CISCO-SC-01",
        what: "Traffic Indications are acted upon although shortcuts are off.",
        changes: &[Change::Configured(|config| {
            config.tunnels.iter_mut().for_each(|tunnel| tunnel.nhrp.shortcut = true);
        })],
    },
    Fault {
        name: "leaves-without-a-word",
        requirement: "NHRP-5.2.5-12",
        what: "A client that stops does not take its registration back.",
        changes: &[Change::Says(|talk, message| {
            let own = message.mandatory().is_some_and(|m| m.src_proto == talk.protocol.into());
            if is(message, MessageType::PURGE_REQUEST) && own { Fate::Lose } else { Fate::Pass }
        })],
    },
    Fault {
        name: "purge-does-not-reach-shortcuts",
        requirement: "NHRP-5.2.5-02",
        what: "A purge is answered, and nothing is purged.",
        changes: &[
            Change::Hears(|talk, message| {
                mandatory(message, MessageType::PURGE_REQUEST, |m| {
                    talk.aside = Some((m.request_id, m.cies.clone()));
                    m.cies.iter_mut().for_each(|cie| {
                        cie.proto = std::net::IpAddr::from([203, 0, 113, 254]).into();
                        cie.prefix_len = 32;
                    });
                })
            }),
            Change::Says(|talk, message| {
                mandatory(message, MessageType::PURGE_REPLY, |m| {
                    if let Some((id, cies)) = &talk.aside
                        && *id == m.request_id
                    {
                        m.cies.clone_from(cies);
                    }
                })
            }),
        ],
    },
    Fault {
        name: "not-authoritative-after-purge",
        requirement: "NHRP-5.2.5-14",
        what: "Resolution requests never ask for authoritative answers.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLUTION, |m| clear(&mut m.flags, Flags::RESOLUTION_AUTHORITATIVE))
        })],
    },
    Fault {
        name: "priorities-ignored",
        requirement: "DMVPN-4.5-01",
        what: "All next hop servers have the same priority.",
        changes: &[Change::Configured(|config| {
            for nhs in config.tunnels.iter_mut().flat_map(|tunnel| &mut tunnel.nhrp.nhs) {
                nhs.priority = 0;
            }
        })],
    },
    Fault {
        name: "asks-unicast-by-multicast",
        requirement: "NHRP-3-03",
        what: "Resolution requests go to a multicast NBMA address.",
        changes: &[Change::Sends(|_, transmit| {
            if super::data::nhrp_type(&transmit.payload) == Some(RESOLUTION.0) {
                transmit.dst = std::net::IpAddr::from([224, 0, 0, 22]);
            }
            Fate::Pass
        })],
    },
];
