//! What a packet is, in a few words: an entry of `packets:` in a sidecar.

use std::collections::BTreeSet;

use dmvpn_wire::code::MessageType;

use crate::dissect::Dissection;

/// The kind of a packet, with the code of what is refused or reported: `NHRP Registration Reply, code 4`.
///
/// Addresses and ids are left to the dissection, so that the list of a sidecar reads as what happened.
pub fn kind(read: &Dissection) -> String {
    if let Some(number) = read.nhrp_type() {
        let message = MessageType(number);
        let codes = match message {
            MessageType::ERROR_INDICATION => format!(", error {}", read.uint("error.code").unwrap_or_default()),
            MessageType::TRAFFIC_INDICATION => String::new(),
            _ => refusals(read),
        };
        return format!("NHRP {message}{codes}");
    }
    if read.is_esp() {
        return "ESP".to_owned();
    }
    if let Some(exchange) = read.uint("ike.exchange") {
        let way = if read.uint("ike.flags.R") == Some(1) { "response" } else { "request" };
        return format!("{} {way}", exchange_name(exchange));
    }
    if read.is_inner_ip() {
        return format!("{} in GRE", inner(read));
    }
    if read.is_gre() {
        return format!("GRE, protocol {:#06x}", read.uint("gre.protocol").unwrap_or_default());
    }
    match read.uint("ip.protocol") {
        Some(number) => format!("IP protocol {number}"),
        None => "no IP packet".to_owned(),
    }
}

/// RFC 7296 section 3.1.
fn exchange_name(number: u64) -> String {
    match number {
        34 => "IKE_SA_INIT".to_owned(),
        35 => "IKE_AUTH".to_owned(),
        36 => "IKE CREATE_CHILD_SA".to_owned(),
        37 => "IKE INFORMATIONAL".to_owned(),
        other => format!("IKE exchange {other}"),
    }
}

/// The codes of the entries that are refused, each once: `, code 5`.
fn refusals(read: &Dissection) -> String {
    let entries = read.list_len("cie").unwrap_or_default();
    let codes: BTreeSet<u64> = (0..entries).filter_map(|entry| read.uint(&format!("cie[{entry}].code"))).collect();
    codes.into_iter().filter(|code| *code != 0).map(|code| format!(", code {code}")).collect()
}

fn inner(read: &Dissection) -> String {
    match read.uint("icmp.type") {
        Some(8 | 128) => "echo request".to_owned(),
        Some(0 | 129) => "echo reply".to_owned(),
        Some(number) => format!("ICMP type {number}"),
        None => format!("IP protocol {}", read.uint("inner.protocol").unwrap_or_default()),
    }
}
