//! The authentication extension in Cisco's form: a clear-text string, equal on both sides (no public specification;
//! RFC 2332 §5.3.4 for when and what to answer).

use dmvpn_wire::nhrp::{Authentication, ErrorCode, Extension, ExtensionType, ExtensionValue, Message};

use super::error::Rejection;
use super::extension::offset_of;
use crate::config::Secret;
use crate::stats::DropReason;

/// The extension for own messages.
pub(crate) fn extension(secret: &Secret) -> Extension {
    Extension::cisco_authentication(secret.expose())
}

/// Checks a message with extensions against the tunnel's secret. Without one everything passes: whether authentication
/// is demanded is a local matter (NHRP-5.3.4-04).
///
/// # Errors
/// Error 11 if the extension is missing (NHRP-5.3.4-03) or different (NHRP-5.3.4-02, CISCO-AUTH-03).
pub(crate) fn check(secret: Option<&Secret>, message: &Message, octets: &[u8]) -> Result<(), Rejection> {
    let Some(secret) = secret else { return Ok(()) };
    match message.extension(ExtensionType::AUTHENTICATION) {
        Some(ExtensionValue::Authentication(Authentication::Cisco(found))) if found.as_bytes() == secret.expose() => {
            Ok(())
        }
        _ => Err(Rejection::with_error(
            DropReason::AuthenticationFailure,
            ErrorCode::AUTHENTICATION_FAILURE,
            offset_of(octets, |_, code| code == ExtensionType::AUTHENTICATION),
        )),
    }
}
