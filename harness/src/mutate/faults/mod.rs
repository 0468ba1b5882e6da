//! The faults themselves, and what they have in common.

pub mod client;
pub mod data;
pub mod formats;
pub mod purge;
pub mod server;
pub mod transit;

use dmvpn_wire::nhrp::{Body, Cies, ErrorCode, ExtensionType, Flags, Mandatory, Message, MessageType};

use super::Fate;

/// Whether a message has this type.
fn is(message: &Message, kind: MessageType) -> bool {
    message.message_type() == kind
}

/// Whether the node passes the message on: its own have a hop count of 255.
fn forwarded(message: &Message) -> bool {
    message.fixed.hop_count < 255
}

/// Changes the mandatory part of messages of one type.
fn mandatory(message: &mut Message, kind: MessageType, change: impl FnOnce(&mut Mandatory)) -> Fate {
    if is(message, kind)
        && let Some(mandatory) = message.mandatory_mut()
    {
        change(mandatory);
    }
    Fate::Pass
}

/// Changes the mandatory part of own replies.
fn reply(message: &mut Message, change: impl FnOnce(&mut Mandatory)) -> Fate {
    let own = !forwarded(message);
    match &mut message.body {
        Body::ResolutionReply(m) | Body::RegistrationReply(m) | Body::PurgeReply(m) if own => change(m),
        _ => {}
    }
    Fate::Pass
}

/// Changes the entries of an extension.
fn entries(message: &mut Message, code: ExtensionType, change: impl FnOnce(&mut Cies)) -> Fate {
    if let Some(cies) = message.extension_mut(code).and_then(|value| value.cies_mut()) {
        change(cies);
    }
    Fate::Pass
}

/// Loses messages of one type.
fn lose(message: &Message, kind: MessageType) -> Fate {
    if is(message, kind) { Fate::Lose } else { Fate::Pass }
}

/// Loses Error Indications of one code.
fn lose_errors(message: &Message, code: ErrorCode) -> Fate {
    match &message.body {
        Body::ErrorIndication(error) if error.code == code => Fate::Lose,
        _ => Fate::Pass,
    }
}

fn set(flags: &mut Flags, bit: Flags) {
    flags.0 |= bit.0;
}

fn clear(flags: &mut Flags, bit: Flags) {
    flags.0 &= !bit.0;
}
