//! The IP packets that scripted nodes send through tunnels, and quote.

use std::net::IpAddr;

use dmvpn_wire::ipv4;

use crate::dissect::FieldValue;
use crate::expect::Env;
use crate::suite;
use crate::world::LabError;
use crate::world::echo;
use crate::world::timeline::Packet;

/// Identifier of the echo requests of scripted nodes.
const ECHO_ID: u16 = 0x1AB;

fn wrong(what: &str) -> LabError {
    LabError::Suite(what.to_owned())
}

/// An IP packet by its `inner.*` fields, an echo request from `src` to `dst` unless they say otherwise. Returns it with
/// the fields that are not about how it is built: they are written over its octets.
pub(super) fn build<'f>(
    src: IpAddr,
    dst: IpAddr,
    fields: &'f [suite::FieldValue],
    env: &Env,
) -> Result<(Vec<u8>, Vec<&'f suite::FieldValue>), LabError> {
    let (mut src, mut dst) = (src, dst);
    let (mut ttl, mut tos, mut protocol, mut length, mut payload) = (echo::TTL, 0, None, None, None);
    let mut rest = Vec::new();
    for field in fields {
        let value = env.value(&field.value).ok_or_else(|| wrong(&format!("`{}` has no value", field.value)))?;
        let misfit = || wrong(&format!("`{}` can not be {value}", field.path));
        let octet = || match &value {
            FieldValue::Uint(number) => u8::try_from(*number).map_err(|_| misfit()),
            _ => Err(misfit()),
        };
        match (field.path.as_str(), &value) {
            ("inner.src", FieldValue::Addr(address)) => src = *address,
            ("inner.dst", FieldValue::Addr(address)) => dst = *address,
            ("inner.ttl", _) => ttl = octet()?,
            ("inner.tos", _) => tos = octet()?,
            ("inner.protocol", _) => protocol = Some(octet()?),
            ("inner.length", FieldValue::Uint(octets)) => {
                length = Some(usize::try_from(*octets).map_err(|_| misfit())?);
            }
            ("inner.payload", FieldValue::Bytes(octets)) => payload = Some(octets.clone()),
            _ => rest.push(field),
        }
    }
    if src.is_ipv4() != dst.is_ipv4() {
        return Err(wrong(&format!("no IP packet goes from {src} to {dst}: say both `inner.src` and `inner.dst`")));
    }
    let header = if src.is_ipv4() { 20 } else { 40 };
    let room = match length {
        Some(length) => {
            length.checked_sub(header).ok_or_else(|| wrong("`inner.length` is less than the header has"))?
        }
        None => echo::DATA + 8,
    };
    let icmp = echo::icmp_of(src);
    let payload = match (payload, protocol.unwrap_or(icmp) == icmp) {
        (Some(_), _) if length.is_some() => return Err(wrong("`inner.length` and `inner.payload` exclude each other")),
        (Some(payload), _) => payload,
        (None, true) if room >= 8 => echo::request(src, dst, ECHO_ID, 1, room - 8),
        (None, _) => vec![0; room],
    };
    let packet = echo::packet(src, dst, protocol.unwrap_or(icmp), ttl, tos, payload);
    Ok((packet.ok_or_else(|| wrong("the inner packet is larger than IP can say"))?, rest))
}

/// The answer to the echo request in a packet.
pub(super) fn reply(request: &Packet) -> Result<Vec<u8>, LabError> {
    let read = request.dissection();
    let inner = read.payload_range().filter(|_| read.is_inner_ip()).and_then(|range| request.octets.get(range));
    inner.and_then(echo::answer).ok_or_else(|| wrong("the packet answered is no echo request in GRE"))
}

/// The TOS or traffic class of an IP packet.
pub(super) fn tos(packet: &[u8]) -> u8 {
    match packet {
        [first, tos, ..] if first >> 4 == 4 => *tos,
        [first, second, ..] if first >> 4 == 6 => first << 4 | second >> 4,
        _ => 0,
    }
}

/// The header of an inner IPv4 packet sums up again.
pub(super) fn fill_checksums(packet: &mut [u8]) {
    if packet.first().is_some_and(|first| first >> 4 == 4) {
        ipv4::Packet::new(packet).fill_checksum();
    }
}
