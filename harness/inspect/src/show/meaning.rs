//! What a number in a field stands for, where its standard has a name for it.

use std::borrow::Cow;

use dmvpn_wire::code::{
    AddressFamily, CieCode, ErrorCode, EtherType, ExtensionType, Flags, IpProtocol, MessageType, TrafficCode,
};
use dmvpn_wire::isakmp::{ExchangeType, PayloadType, ike1, ike2};

use crate::dissect::{Dissection, Field, Value};

/// The name of the value of a field of that packet.
pub fn meaning(field: &Field<'_>, read: &Dissection) -> Option<Cow<'static, str>> {
    let Value::Uint(value) = field.value else { return None };
    let (octet, pair) = (u8::try_from(value).ok(), u16::try_from(value).ok());
    let in_entry = field.stem.ends_with("].") && !field.stem.starts_with("ike.");
    let name = match field.name {
        "hdr.type" | "error.quoted.type" => MessageType(octet?).name()?,
        "hdr.afn" => AddressFamily(pair?).name()?,
        "hdr.protocol_type" | "gre.protocol" | "eth.type" | "vlan.type" | "sll.type" => ether_type(pair?)?,
        "error.code" => ErrorCode(pair?).name()?,
        "traffic.code" => TrafficCode(pair?).name()?,
        "ip.protocol" | "inner.protocol" => protocol(octet?)?,
        "flags" => return letters(pair?, read),
        "code" if in_entry => CieCode(octet?).name()?,
        "type" if field.stem.starts_with("ext") => ExtensionType(pair?).name()?,
        "prefix_len" if in_entry && matches!(value, 0 | 255) => "the host",
        "icmp.type" => icmp(octet?)?,
        "ike.exchange" => ExchangeType(octet?).name()?,
        "ike.version" => return Some(format!("{}.{}", value >> 4, value & 15).into()),
        "ike.next_payload" => PayloadType(octet?).name()?,
        "type" | "next_payload" if of_payload(field.stem) => PayloadType(octet?).name()?,
        "notify_type" if read.uint("ike.version").is_some_and(|version| version >= 0x20) => {
            ike2::NotifyType(pair?).name()?
        }
        "notify_type" => ike1::NotifyType(pair?).name()?,
        "ospf.type" => one_of(value, &["", "Hello", "Database Description", "Request", "Update", "Acknowledgment"])?,
        "eigrp.opcode" => one_of(value, &["", "Update", "Request", "Query", "Reply", "Hello"])?,
        "bgp.type" => one_of(value, &["", "OPEN", "UPDATE", "NOTIFICATION", "KEEPALIVE"])?,
        "rip.command" => one_of(value, &["", "request", "response"])?,
        _ => return None,
    };
    Some(name.into())
}

/// `ike.payload[2].`, and nothing deeper.
fn of_payload(stem: &str) -> bool {
    let inner = stem.strip_prefix("inner.").unwrap_or(stem);
    inner.strip_prefix("ike.payload[").is_some_and(|rest| rest.find("].").is_some_and(|at| at + 2 == rest.len()))
}

fn letters(flags: u16, read: &Dissection) -> Option<Cow<'static, str>> {
    let of = MessageType(read.nhrp_type()?);
    let letters = Flags(flags).letters(of).to_string();
    (!letters.is_empty()).then(|| letters.into())
}

fn ether_type(number: u16) -> Option<&'static str> {
    match number {
        0x0806 => Some("ARP"),
        0x6558 => Some("Ethernet"),
        0x8100 => Some("VLAN tag"),
        0x88BE => Some("ERSPAN"),
        number => EtherType(number).name(),
    }
}

fn protocol(number: u8) -> Option<&'static str> {
    match number {
        51 => Some("AH"),
        88 => Some("EIGRP"),
        89 => Some("OSPF"),
        number => IpProtocol(number).name(),
    }
}

/// Types that mean the same in both versions, or have no meaning in one of them.
fn icmp(number: u8) -> Option<&'static str> {
    Some(match number {
        0 | 129 => "echo reply",
        8 | 128 => "echo request",
        11 => "time exceeded",
        _ => return None,
    })
}

fn one_of(value: u64, names: &[&'static str]) -> Option<&'static str> {
    names.get(usize::try_from(value).ok()?).copied().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stem: &str, name: &'static str, value: u64) -> Option<String> {
        let field = Field {
            stem,
            name,
            value: Value::Uint(value),
            buffer: 0,
            range: 0..1,
            mask: None,
            alias: false,
            secret: false,
        };
        meaning(&field, &Dissection::default()).map(Cow::into_owned)
    }

    #[test]
    fn codes_have_the_names_of_their_standards() {
        for (stem, name, value, expected) in [
            ("", "hdr.type", 3, Some("Registration Request")),
            ("cie[0].", "code", 5, Some("Insufficient Resources")),
            ("ext.responder.cie[0].", "code", 0, Some("Success")),
            ("ext.nat.", "type", 9, Some("NAT Address")),
            ("ext[2].", "type", 7, Some("Authentication")),
            ("", "error.code", 15, Some("Hop Count Exceeded")),
            ("", "gre.protocol", 0x2001, Some("NHRP")),
            ("", "ip.protocol", 50, Some("ESP")),
            ("", "ike.exchange", 35, Some("IKE_AUTH")),
            ("ike.payload[2].", "type", 41, Some("N")),
            ("", "ospf.type", 1, Some("Hello")),
            ("", "hdr.hopcnt", 255, None),
            ("", "icmp.code", 0, None),
            ("cie[0].", "code", 99, None),
            ("ike.payload[0].proposal[0].", "type", 33, None),
        ] {
            assert_eq!(said(stem, name, value).as_deref(), expected, "{stem}{name} {value}");
        }
    }
}
