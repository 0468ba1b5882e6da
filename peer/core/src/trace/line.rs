//! The lines of a ladder: one for every event.

use std::fmt;

use super::{Event, Refusal};

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegistrationSent { nhs, nbma, request_id, attempt, retry_after } => {
                write!(
                    f,
                    "{nhs} ({nbma}): registration request id {request_id}, attempt {attempt}, retry after {retry_after:?}"
                )
            }
            Self::RegistrationAcknowledged { nhs, nbma, protocol, request_id, refresh_after } => {
                write!(f, "{nhs} ({nbma}): registered")?;
                if let Some(protocol) = protocol {
                    write!(f, " with {protocol}")?;
                }
                write!(f, ", id {request_id}, refresh after {refresh_after:?}")
            }
            Self::RegistrationRefused { nhs, nbma, request_id, refusal, retry_after } => {
                write!(
                    f,
                    "{nhs} ({nbma}): registration id {request_id} refused, {refusal}, retry after {retry_after:?}"
                )
            }
            Self::RegistrationLost { nhs, nbma } => {
                write!(f, "{nhs} ({nbma}): registration lost, holding time ran out")
            }
            Self::NhsUnanswered { nhs, nbma } => write!(f, "{nhs} ({nbma}): does not answer"),
            Self::NhsActivated { nhs, nbma } => write!(f, "{nhs} ({nbma}): in use from now on"),
            Self::NhsReleased { nhs, nbma } => write!(f, "{nhs} ({nbma}): a spare again"),
            Self::NhsLearned { nhs, nbma, protocol } => write!(f, "{nhs} ({nbma}): protocol address is {protocol}"),
            Self::PublicAddress { nhs, nbma: Some(nbma) } => write!(f, "{nhs}: sees us behind NAT as {nbma}"),
            Self::PublicAddress { nhs, nbma: None } => write!(f, "{nhs}: sees us without NAT"),
            Self::RegistrationAnswered { tunnel, to, client, request_id, accepted, refused } => {
                write!(
                    f,
                    "{tunnel}: registration reply id {request_id} for {client} to {to}, {accepted} accepted, {refused} refused"
                )
            }
            Self::ResolutionAnswered { tunnel, to, requester, target, request_id, code } => {
                write!(f, "{tunnel}: resolution reply id {request_id} for {requester} to {to} about ")?;
                match target {
                    Some(target) => write!(f, "{target}")?,
                    None => f.write_str("nothing")?,
                }
                write!(f, ", {}", Refusal::Code(*code))
            }
            Self::ResolutionSent { tunnel, to, target, request_id, attempt } => {
                write!(f, "{tunnel}: resolution request id {request_id} for {target} to {to}, attempt {attempt}")
            }
            Self::ResolutionDone { tunnel, target, request_id, nbma } => {
                write!(f, "{tunnel}: resolution id {request_id}: {target} is at {nbma}")
            }
            Self::ResolutionRefused { tunnel, target, request_id, refusal } => {
                write!(f, "{tunnel}: resolution id {request_id} of {target} refused, {refusal}")
            }
            Self::RedirectSent { tunnel, to, source, destination } => {
                write!(f, "{tunnel}: traffic indication to {to} about {source} to {destination}")
            }
            Self::PurgeSent { tunnel, to, prefix, prefix_len, request_id, attempt } => {
                write!(
                    f,
                    "{tunnel}: purge request id {request_id} for {prefix}/{prefix_len} to {to}, attempt {attempt}"
                )
            }
            Self::PurgeAcknowledged { tunnel, request_id } => write!(f, "{tunnel}: purge id {request_id} acknowledged"),
            Self::Purged { tunnel, from, count } => write!(f, "{tunnel}: {from} purged {count}"),
            Self::BindingRefused { tunnel, protocol, nbma, code } => {
                write!(f, "{tunnel}: {protocol} at {nbma} refused, {}", Refusal::Code(*code))
            }
            Self::BindingAdded { binding, nbma, holding_time: Some(secs) } => {
                write!(f, "{binding} at {nbma} added for {secs} s")
            }
            Self::BindingAdded { binding, nbma, holding_time: None } => write!(f, "{binding} at {nbma} added"),
            Self::BindingRefreshed { binding, nbma, holding_time } => {
                write!(f, "{binding} at {nbma} refreshed for {holding_time} s")
            }
            Self::BindingMoved { binding, from, to, holding_time } => {
                write!(f, "{binding} moved from {from} to {to} for {holding_time} s")
            }
            Self::BindingExpired { binding, nbma } => write!(f, "{binding} at {nbma} expired"),
            Self::BindingRemoved { binding, nbma } => write!(f, "{binding} at {nbma} removed"),
            Self::AdjacencyGone { tunnel, nbma } => write!(f, "{tunnel}: nothing leads to {nbma} any more"),
            Self::ShortcutAdded { shortcut, nbma, holding_time } => {
                write!(f, "{shortcut} at {nbma} for {holding_time} s")
            }
            Self::ShortcutExpired { shortcut } => write!(f, "{shortcut} expired"),
            Self::ShortcutRemoved { shortcut } => write!(f, "{shortcut} removed"),
            Self::ErrorSent { tunnel, to, code, offset } => {
                write!(f, "{tunnel}: error indication to {to}, {}, offset {offset}", Refusal::Error(*code))
            }
            Self::ErrorReceived { tunnel, from, code, offset } => {
                write!(f, "{tunnel}: error indication from {from}, {}, offset {offset}", Refusal::Error(*code))
            }
            Self::PacketDropped { tunnel, from, message, reason } => {
                match tunnel {
                    Some(tunnel) => write!(f, "{tunnel}: ")?,
                    None => f.write_str("no tunnel: ")?,
                }
                match message {
                    Some(message) => write!(f, "{message}")?,
                    None => f.write_str("packet")?,
                }
                if let Some(from) = from {
                    write!(f, " from {from}")?;
                }
                write!(f, " dropped, {reason}")
            }
            Self::NbmaChanged { tunnel, from, to } => write!(f, "{tunnel}: NBMA address changed from {from} to {to}"),
            Self::LinkUp { tunnel } => write!(f, "{tunnel}: up"),
            Self::LinkDown { tunnel } => write!(f, "{tunnel}: down"),
            Self::LinkEventIgnored { tunnel } => write!(f, "{tunnel}: link event ignored"),
            Self::RequestIdsReserved { below } => write!(f, "request ids below {below} reserved"),
            Self::Stopped => f.write_str("node stopped"),
        }
    }
}
