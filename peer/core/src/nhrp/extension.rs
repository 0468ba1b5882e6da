//! Extensions of own messages, and what becomes of those of others (RFC 2332 §5.3).

use dmvpn_wire::nhrp::{Cie, Cies, ErrorCode, Extension, ExtensionType, ExtensionValue, Extensions, Message, Packet};

use super::auth;
use super::error::Rejection;
use crate::config::Tunnel;
use crate::stats::DropReason;

/// What standard requests carry, in the order of CISCO-REG-06. `nat` is the value of the NAT extension.
pub(crate) fn standard(tunnel: &Tunnel, nat: Cies) -> Extensions {
    [
        Some(Extension::new(ExtensionValue::ResponderAddress(Cies::new()))),
        Some(Extension::new(ExtensionValue::ForwardTransit(Cies::new()))),
        Some(Extension::new(ExtensionValue::ReverseTransit(Cies::new()))),
        tunnel.nhrp.authentication.as_ref().map(auth::extension),
        Some(Extension::new(ExtensionValue::CiscoNat(nat))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// This station as a responder or as a server on the way: prefix length and code 0 (NHRP-5.3.1-03, NHRP-5.3.2-06).
pub(crate) fn myself(tunnel: &Tunnel) -> Cie {
    Cie {
        mtu: tunnel.mtu,
        holding_time: tunnel.nhrp.holding_time,
        nbma: tunnel.nbma.into(),
        proto: tunnel.address.into(),
        ..Cie::default()
    }
}

/// Fills in what the extensions of a request ask of the station that answers it; everything else goes back as it came
/// and where it was (NHRP-5.2.4-06, NHRP-5.3-10, NHRP-5.3-12, NHRP-5.3.2-04, NHRP-5.3.3-02). `nat` changes the value of
/// the NAT extension.
pub(crate) fn complete(tunnel: &Tunnel, extensions: &mut Extensions, nat: impl Fn(&mut Cies)) {
    for extension in extensions {
        // NHRP-5.3-02.
        extension.unused = false;
        match &mut extension.value {
            // NHRP-5.3.1-02, NHRP-5.3.1-07.
            ExtensionValue::ResponderAddress(cies) => *cies = Cies::from_elem(myself(tunnel), 1),
            ExtensionValue::CiscoNat(cies) => nat(cies),
            // Authentication is pairwise: it passed our check, so it is what we would send (NHRP-5.3.4-01).
            _ => {}
        }
    }
}

fn unknown(extension: &Extension) -> bool {
    extension.compulsory && matches!(extension.value, ExtensionValue::Unknown { .. })
}

/// Whether a compulsory extension is there that nobody here knows.
pub(crate) fn has_unknown(message: &Message) -> bool {
    message.extensions.iter().any(unknown)
}

/// NHRP-5.3-11, NHRP-5.2.7-12: a compulsory extension that we do not know makes a request erroneous for who answers it.
pub(crate) fn refuse_unknown(extensions: &Extensions, octets: &[u8]) -> Result<(), Rejection> {
    let Some(index) = extensions.iter().position(unknown) else { return Ok(()) };
    let offset = offset_of(octets, |at, _| at == index);
    Err(Rejection::with_error(DropReason::UnrecognizedExtension, ErrorCode::UNRECOGNIZED_EXTENSION, offset))
}

/// NHRP-5.3-08: a type that we know, other than Vendor-Private, comes once; the second is out of place.
pub(crate) fn refuse_repeated(extensions: &Extensions, octets: &[u8]) -> Result<(), Rejection> {
    let once = |code| {
        matches!(
            code,
            ExtensionType::RESPONDER_ADDRESS
                | ExtensionType::FORWARD_TRANSIT
                | ExtensionType::REVERSE_TRANSIT
                | ExtensionType::AUTHENTICATION
                | ExtensionType::CISCO_NAT
        )
    };
    let again = extensions.iter().enumerate().position(|(at, extension)| {
        once(extension.code()) && extensions.iter().take(at).any(|earlier| earlier.code() == extension.code())
    });
    let Some(index) = again else { return Ok(()) };
    let offset = offset_of(octets, |at, _| at == index);
    Err(Rejection::with_error(DropReason::InvalidExtension, ErrorCode::INVALID_EXTENSION, offset))
}

/// NHRP-5.2.7-03: where the first extension stands that is `wanted` by its place and type, octets from ar$afn; 0 if there
/// is none.
pub(crate) fn offset_of(octets: &[u8], wanted: impl Fn(usize, ExtensionType) -> bool) -> u16 {
    let packet = Packet::new(octets);
    let mut extensions = packet.extensions().map_while(Result::ok).enumerate();
    let found = extensions.find(|(at, extension)| wanted(*at, extension.code()));
    found.and_then(|(_, extension)| u16::try_from(extension.offset()).ok()).unwrap_or(0)
}

/// NHRP-5.3.4-01: what authenticated a message on one tunnel is taken off, and put on again for the next one at the same
/// place. Where no tunnel wants any, what is there stays.
pub(crate) fn authenticate(extensions: &mut Extensions, came: &Tunnel, goes: &Tunnel) {
    let at = extensions.iter().position(|e| e.code() == ExtensionType::AUTHENTICATION);
    match (&goes.nhrp.authentication, at) {
        (Some(secret), Some(at)) => extensions[at] = auth::extension(secret),
        (Some(secret), None) => {
            let end = extensions.iter().position(|e| e.code() == ExtensionType::CISCO_NAT);
            extensions.insert(end.unwrap_or(extensions.len()), auth::extension(secret));
        }
        (None, Some(at)) if came.nhrp.authentication.is_some() => drop(extensions.remove(at)),
        (None, _) => {}
    }
}
