//! Faults around purges (RFC 2332 §5.2.5, §5.2.6), as a server and as a station that was told something.

use dmvpn_wire::nhrp::{Flags, MessageType};

use super::super::{Change, Fault};
use super::{clear, lose, mandatory};

/// Of purges.
pub static FAULTS: &[Fault] = &[
    Fault {
        name: "purge-not-answered",
        requirement: "NHRP-5.2.5-03",
        what: "Purge requests are not answered.",
        changes: &[Change::Says(|_, message| lose(message, MessageType::PURGE_REPLY))],
    },
    Fault {
        name: "purge-always-answered",
        requirement: "NHRP-5.2.5-04",
        what: "Purge requests are answered although no answer is wanted.",
        changes: &[Change::Hears(|_, message| {
            mandatory(message, MessageType::PURGE_REQUEST, |m| clear(&mut m.flags, Flags::PURGE_NO_REPLY))
        })],
    },
    Fault {
        name: "purge-not-heard",
        requirement: "NHRP-5.2.5-10",
        what: "A purge request changes nothing.",
        changes: &[Change::Hears(|_, message| lose(message, MessageType::PURGE_REQUEST))],
    },
    Fault {
        name: "purge-of-hosts-only",
        requirement: "NHRP-5.2.5-05",
        what: "A purge of a prefix purges its first address only.",
        changes: &[
            Change::Hears(|talk, message| {
                mandatory(message, MessageType::PURGE_REQUEST, |m| {
                    talk.aside = Some((m.request_id, m.cies.clone()));
                    m.cies.iter_mut().for_each(|cie| cie.prefix_len = 32);
                })
            }),
            Change::Says(|talk, message| {
                mandatory(message, MessageType::PURGE_REPLY, |m| {
                    if let Some((_, cies)) = talk.aside.take() {
                        m.cies = cies;
                    }
                })
            }),
        ],
    },
    Fault {
        name: "requesters-not-told",
        requirement: "NHRP-5.2.5-11",
        what: "Stations that were given a binding are not told when it is gone.",
        changes: &[Change::Says(|_, message| lose(message, MessageType::PURGE_REQUEST))],
    },
    Fault {
        name: "purge-reply-without-entries",
        requirement: "NHRP-5.2.6-01",
        what: "Purge replies have lost the entries of the request.",
        changes: &[Change::Says(|_, message| mandatory(message, MessageType::PURGE_REPLY, |m| m.cies.clear()))],
    },
    Fault {
        name: "purge-with-mtu",
        requirement: "NHRP-5.2.5-06",
        what: "Purge requests carry an MTU and a preference.",
        changes: &[Change::Says(|_, message| {
            mandatory(message, MessageType::PURGE_REQUEST, |m| {
                m.cies.iter_mut().for_each(|cie| (cie.mtu, cie.preference) = (1400, 1));
            })
        })],
    },
];
