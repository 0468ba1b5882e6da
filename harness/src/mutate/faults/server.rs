//! Faults of a next hop server and of an egress: what is accepted, what is answered, what is forgotten.

use dmvpn_wire::nhrp::{
    Body, Cie, CieCode, Cies, ErrorCode, Extension, ExtensionType, ExtensionValue, Flags, Message, MessageType,
};

use super::super::{Change, Fate, Fault};
use super::{clear, entries, forwarded, is, lose_errors, mandatory, reply, set};

const REGISTRATION: MessageType = MessageType::REGISTRATION_REQUEST;
const REGISTERED: MessageType = MessageType::REGISTRATION_REPLY;
const RESOLVED: MessageType = MessageType::RESOLUTION_REPLY;

/// Loses own replies that refuse with a code.
fn lose_refusals(message: &Message, code: CieCode) -> Fate {
    let refuses = message.mandatory().is_some_and(|m| m.cies.iter().any(|cie| cie.code == code));
    if refuses && matches!(message.body, Body::ResolutionReply(_) | Body::RegistrationReply(_)) {
        Fate::Lose
    } else {
        Fate::Pass
    }
}

/// Of the server.
pub static FAULTS: &[Fault] = &[
    Fault {
        name: "reply-with-other-id",
        requirement: "NHRP-5.2.0.1-04",
        what: "Replies do not have the request id of the request.",
        changes: &[Change::Says(|_, message| reply(message, |m| m.request_id = m.request_id.wrapping_add(1)))],
    },
    Fault {
        name: "reply-swaps-addresses",
        requirement: "NHRP-2.2-06",
        what: "Replies have source and destination protocol addresses the other way round.",
        changes: &[Change::Says(|_, message| reply(message, |m| std::mem::swap(&mut m.src_proto, &mut m.dst_proto)))],
    },
    Fault {
        name: "reply-with-own-source",
        requirement: "NHRP-5.2.0.1-16",
        what: "Replies have the NBMA address of the responder as their source.",
        changes: &[Change::Says(|talk, message| reply(message, |m| m.src_nbma = talk.nbma.into()))],
    },
    Fault {
        name: "refusal-keeps-holding-time",
        requirement: "NHRP-5.2.0.1-13",
        what: "Refused entries keep their holding time.",
        changes: &[Change::Says(|_, message| {
            reply(message, |m| {
                m.cies.iter_mut().filter(|cie| cie.code != CieCode::SUCCESS).for_each(|cie| cie.holding_time = 300);
            })
        })],
    },
    Fault {
        name: "hub-holding-time-in-reply",
        requirement: "NHRP-5.2.4-01",
        what: "Registration replies have the holding time of the server instead of the client's.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, REGISTERED, |m| {
                m.cies.iter_mut().for_each(|cie| cie.holding_time = cie.holding_time.saturating_add(1));
            })
        })],
    },
    Fault {
        name: "unique-not-kept",
        requirement: "NHRP-5.2.3-03",
        what: "Any station may take over a unique binding.",
        changes: &[
            Change::Hears(|talk, message| {
                mandatory(message, REGISTRATION, |m| {
                    talk.number = u32::from(m.flags.contains(Flags::REGISTRATION_UNIQUE));
                    clear(&mut m.flags, Flags::REGISTRATION_UNIQUE);
                })
            }),
            Change::Says(|talk, message| {
                mandatory(message, REGISTERED, |m| {
                    if talk.number == 1 {
                        set(&mut m.flags, Flags::REGISTRATION_UNIQUE);
                    }
                })
            }),
        ],
    },
    Fault {
        name: "everything-unique",
        requirement: "NHRP-5.2.3-06",
        what: "Bindings that are not unique can not be replaced.",
        changes: &[
            Change::Hears(|talk, message| {
                mandatory(message, REGISTRATION, |m| {
                    talk.number = u32::from(m.flags.contains(Flags::REGISTRATION_UNIQUE));
                    set(&mut m.flags, Flags::REGISTRATION_UNIQUE);
                })
            }),
            Change::Says(|talk, message| {
                mandatory(message, REGISTERED, |m| {
                    if talk.number == 0 {
                        clear(&mut m.flags, Flags::REGISTRATION_UNIQUE);
                    }
                })
            }),
        ],
    },
    Fault {
        name: "conflict-as-prohibited",
        requirement: "NHRP-5.2.3-03",
        what: "A conflict over a unique binding is refused with code 4 instead of 14.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, REGISTERED, |m| {
                m.cies
                    .iter_mut()
                    .filter(|cie| cie.code == CieCode::ALREADY_REGISTERED)
                    .for_each(|cie| cie.code = CieCode::ADMINISTRATIVELY_PROHIBITED);
            })
        })],
    },
    Fault {
        name: "expires-late",
        requirement: "NHRP-5.2.0.1-12",
        what: "Bindings live a second longer than registered.",
        changes: &[
            Change::Hears(|_, message| {
                mandatory(message, REGISTRATION, |m| {
                    m.cies.iter_mut().for_each(|cie| cie.holding_time += u16::from(cie.holding_time < u16::MAX))
                })
            }),
            Change::Says(|_, message| {
                mandatory(message, REGISTERED, |m| {
                    m.cies.iter_mut().for_each(|cie| cie.holding_time = cie.holding_time.saturating_sub(1));
                })
            }),
        ],
    },
    Fault {
        name: "expires-early",
        requirement: "NHRP-5.2.0.1-12",
        what: "Bindings live a second shorter than registered.",
        changes: &[
            Change::Hears(|_, message| {
                mandatory(message, REGISTRATION, |m| {
                    m.cies.iter_mut().for_each(|cie| cie.holding_time = cie.holding_time.saturating_sub(1).max(1));
                })
            }),
            Change::Says(|_, message| {
                mandatory(message, REGISTERED, |m| {
                    m.cies
                        .iter_mut()
                        .filter(|cie| cie.code == CieCode::SUCCESS)
                        .for_each(|cie| cie.holding_time = cie.holding_time.saturating_add(1));
                })
            }),
        ],
    },
    Fault {
        name: "one-entry-per-registration",
        requirement: "NHRP-5.2.3-10",
        what: "Of several entries in a registration only the first is registered.",
        changes: &[
            Change::Hears(|talk, message| {
                mandatory(message, REGISTRATION, |m| {
                    talk.aside = Some((m.request_id, m.cies.clone()));
                    m.cies.truncate(1);
                })
            }),
            Change::Says(|talk, message| {
                mandatory(message, REGISTERED, |m| {
                    if let Some((id, cies)) = &talk.aside
                        && *id == m.request_id
                    {
                        m.cies.extend(cies.iter().skip(1).copied());
                    }
                })
            }),
        ],
    },
    Fault {
        name: "one-result-for-all-entries",
        requirement: "NHRP-5.2.4-02",
        what: "All entries of a registration reply have the code of the first.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, REGISTERED, |m| {
                let first = m.cies.first().map_or(CieCode::SUCCESS, |cie| cie.code);
                m.cies.iter_mut().for_each(|cie| cie.code = first);
            })
        })],
    },
    Fault {
        name: "serves-everybody",
        requirement: "NHRP-5.2.3-19",
        what: "What the server does not serve is left without an answer instead of refused.",
        changes: &[Change::Says(|_, message| lose_refusals(message, CieCode::ADMINISTRATIVELY_PROHIBITED))],
    },
    Fault {
        name: "answers-claimed-address",
        requirement: "CISCO-NAT-07",
        what: "Replies go to the NBMA address that the client claims, not to where it is.",
        changes: &[Change::Sends(|_, transmit| {
            if let Some(claimed) = super::data::claimed_source(&transmit.payload, REGISTERED) {
                transmit.dst = claimed;
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "nat-not-noticed",
        requirement: "CISCO-NAT-05",
        what: "A client behind a NAT is not told its public address.",
        changes: &[Change::Says(|_, message| {
            if is(message, REGISTERED) {
                entries(message, ExtensionType::CISCO_NAT, |cies| cies.truncate(1));
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "nat-unasked",
        requirement: "CISCO-NAT-07",
        what: "Replies have a NAT extension that was not asked for.",
        changes: &[Change::Says(|_, message| {
            if is(message, REGISTERED) && message.extension(ExtensionType::CISCO_NAT).is_none() {
                message.extensions.push(Extension::new(ExtensionValue::CiscoNat(Cies::new())));
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "responder-not-named",
        requirement: "NHRP-5.3.1-02",
        what: "The responder address extension of replies stays empty.",
        changes: &[Change::Says(|_, message| {
            if forwarded(message) {
                Fate::Pass
            } else {
                entries(message, ExtensionType::RESPONDER_ADDRESS, |cies| cies.clear())
            }
        })],
    },
    Fault {
        name: "responder-is-the-asker",
        requirement: "NHRP-5.3.1-02",
        what: "The responder address extension names the station that asked.",
        changes: &[Change::Says(|_, message| {
            let Some(asker) = message.mandatory().map(|m| (m.src_nbma, m.src_proto)) else { return Fate::Pass };
            entries(message, ExtensionType::RESPONDER_ADDRESS, |cies| {
                cies.iter_mut().for_each(|cie| (cie.nbma, cie.proto) = asker);
            })
        })],
    },
    Fault {
        name: "responder-with-prefix",
        requirement: "NHRP-5.3.1-03",
        what: "The entry of the responder has a prefix length.",
        changes: &[Change::Says(|_, message| {
            entries(message, ExtensionType::RESPONDER_ADDRESS, |cies| {
                cies.iter_mut().for_each(|cie| cie.prefix_len = 32)
            })
        })],
    },
    Fault {
        name: "responder-adds-itself-forward",
        requirement: "NHRP-5.3.2-04",
        what: "The responder is in the forward transit record.",
        changes: &[Change::Says(|talk, message| {
            let (nbma, proto) = (talk.nbma.into(), talk.protocol.into());
            if matches!(message.body, Body::ResolutionReply(_) | Body::RegistrationReply(_)) && !forwarded(message) {
                entries(message, ExtensionType::FORWARD_TRANSIT, |cies| {
                    cies.push(Cie { nbma, proto, ..Cie::default() });
                });
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "responder-adds-itself-reverse",
        requirement: "NHRP-5.3.3-02",
        what: "The responder is in the reverse transit record.",
        changes: &[Change::Says(|talk, message| {
            let (nbma, proto) = (talk.nbma.into(), talk.protocol.into());
            if matches!(message.body, Body::ResolutionReply(_) | Body::RegistrationReply(_)) && !forwarded(message) {
                entries(message, ExtensionType::REVERSE_TRANSIT, |cies| {
                    cies.push(Cie { nbma, proto, ..Cie::default() });
                });
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "no-answer-for-unknown",
        requirement: "NHRP-2.2-05",
        what: "A request that nobody can resolve is left without an answer.",
        changes: &[Change::Says(|_, message| match lose_refusals(message, CieCode::NO_BINDING) {
            Fate::Pass => lose_errors(message, ErrorCode::PROTOCOL_ADDRESS_UNREACHABLE),
            fate => fate,
        })],
    },
    Fault {
        name: "not-unique-as-unknown",
        requirement: "NHRP-5.2.2-13",
        what: "A binding that is not unique is refused with code 12 instead of 13.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| {
                m.cies
                    .iter_mut()
                    .filter(|cie| cie.code == CieCode::NOT_UNIQUE)
                    .for_each(|cie| cie.code = CieCode::NO_BINDING);
            })
        })],
    },
    Fault {
        name: "refusal-with-content",
        requirement: "NHRP-5.2.2-09",
        what: "The entry of a negative resolution reply has an address and an MTU.",
        changes: &[Change::Says(|talk, message| {
            let nbma = talk.nbma.into();
            mandatory(message, RESOLVED, |m| {
                for cie in m.cies.iter_mut().filter(|cie| cie.code != CieCode::SUCCESS) {
                    (cie.nbma, cie.mtu) = (nbma, 1400);
                }
            })
        })],
    },
    Fault {
        name: "not-authoritative",
        requirement: "NHRP-2.2-03",
        what: "The serving NHS does not mark its answers as authoritative.",
        changes: &[Change::Says(|_, message| {
            if forwarded(message) {
                Fate::Pass
            } else {
                mandatory(message, RESOLVED, |m| clear(&mut m.flags, Flags::RESOLUTION_AUTHORITATIVE))
            }
        })],
    },
    Fault {
        name: "always-authoritative",
        requirement: "NHRP-5.2.2-02",
        what: "Every answer is marked as authoritative, also one from a cache.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| set(&mut m.flags, Flags::RESOLUTION_AUTHORITATIVE))
        })],
    },
    Fault {
        name: "q-not-copied",
        requirement: "NHRP-5.2.2-01",
        what: "Flag Q of the request is not in the reply.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| clear(&mut m.flags, Flags::RESOLUTION_ROUTER))
        })],
    },
    Fault {
        name: "s-not-copied",
        requirement: "NHRP-5.2.2-01",
        what: "Flag S of the request is not in the reply.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| clear(&mut m.flags, Flags::RESOLUTION_SOURCE_STABLE))
        })],
    },
    Fault {
        name: "always-stable",
        requirement: "NHRP-5.2.2-05",
        what: "Every answer has flag D.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| set(&mut m.flags, Flags::RESOLUTION_DESTINATION_STABLE))
        })],
    },
    Fault {
        name: "never-stable",
        requirement: "NHRP-5.2.2-05",
        what: "No answer has flag D.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| clear(&mut m.flags, Flags::RESOLUTION_DESTINATION_STABLE))
        })],
    },
    Fault {
        name: "full-holding-time-in-answers",
        requirement: "NHRP-5.2.2-15",
        what: "Answers have the registered holding time instead of what is left of it.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| {
                m.cies.iter_mut().filter(|cie| cie.holding_time > 0).for_each(|cie| cie.holding_time = 300);
            })
        })],
    },
    Fault {
        name: "mtu-lost",
        requirement: "NHRP-5.2.2-16",
        what: "Answers do not have the MTU that was registered.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| m.cies.iter_mut().for_each(|cie| cie.mtu = 0))
        })],
    },
    Fault {
        name: "preference-lost",
        requirement: "NHRP-5.2.2-16",
        what: "Answers do not have the preference that was registered.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| m.cies.iter_mut().for_each(|cie| cie.preference = 0))
        })],
    },
    Fault {
        name: "least-preferred-first",
        requirement: "NHRP-5.2.2-07",
        what: "The entries of an answer stand in the wrong order.",
        changes: &[Change::Says(|_, message| mandatory(message, RESOLVED, |m| m.cies.reverse()))],
    },
    Fault {
        name: "host-instead-of-prefix",
        requirement: "DMVPN-4.7-01",
        what: "The egress answers for the host instead of its whole prefix.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| {
                m.cies.iter_mut().filter(|cie| cie.code == CieCode::SUCCESS).for_each(|cie| cie.prefix_len = 32);
            })
        })],
    },
    Fault {
        name: "prefix-too-wide",
        requirement: "NHRP-6.3-01",
        what: "Answers cover twice the addresses that they may.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| {
                m.cies.iter_mut().filter(|cie| (1..=32).contains(&cie.prefix_len)).for_each(|cie| cie.prefix_len -= 1);
            })
        })],
    },
    Fault {
        name: "egress-names-the-target",
        requirement: "DMVPN-4.7-02",
        what: "The entry of an answer has the target as its protocol address instead of the egress.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, RESOLVED, |m| {
                let target = m.dst_proto;
                m.cies.iter_mut().filter(|cie| cie.code == CieCode::SUCCESS).for_each(|cie| cie.proto = target);
            })
        })],
    },
    Fault {
        name: "requester-not-kept",
        requirement: "DMVPN-4.6-03",
        what: "The egress does not keep the binding of the station that asked.",
        changes: &[Change::Hears(|_, message| {
            mandatory(message, MessageType::RESOLUTION_REQUEST, |m| {
                m.cies.iter_mut().for_each(|cie| cie.holding_time = 0)
            })
        })],
    },
    Fault {
        name: "wrong-secret-accepted",
        requirement: "NHRP-5.3.4-02",
        what: "A wrong secret is as good as the right one.",
        changes: &[Change::Hears(|talk, message| {
            if let (Some(secret), Some(value)) = (&talk.secret, message.extension_mut(ExtensionType::AUTHENTICATION)) {
                *value = Extension::cisco_authentication(secret).value;
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "missing-secret-accepted",
        requirement: "NHRP-5.3.4-03",
        what: "Messages without a secret are accepted although one is demanded.",
        changes: &[Change::Hears(|talk, message| {
            if let Some(secret) = &talk.secret
                && message.mandatory().is_some()
                && message.extension(ExtensionType::AUTHENTICATION).is_none()
            {
                message.extensions.push(Extension::cisco_authentication(secret));
            }
            Fate::Pass
        })],
    },
    Fault {
        name: "wrong-secret-in-silence",
        requirement: "NHRP-5.3.4-02",
        what: "A wrong secret is not reported.",
        changes: &[Change::Says(|_, message| lose_errors(message, ErrorCode::AUTHENTICATION_FAILURE))],
    },
    Fault {
        name: "says-no-secret",
        requirement: "CISCO-AUTH-04",
        what: "Own messages do not carry the secret.",
        changes: &[Change::Says(|_, message| {
            message.extensions.retain(|extension| extension.code() != ExtensionType::AUTHENTICATION);
            Fate::Pass
        })],
    },
];
