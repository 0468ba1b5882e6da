//! Changes the octets of a packet that is ready to be sent: fields by their path, checksums, and mutations as they stand.

use std::net::IpAddr;

use dmvpn_wire::{ipv4, nhrp};

use super::compose::suite;
use super::inner;
use crate::dissect::{Dissection, FieldValue};
use crate::expect::Env;
use crate::suite::{self, Fix, Mutation};
use crate::world::LabError;

/// Writes a suite's value over the octets of the field of that path.
pub(super) fn set_field(packet: &mut [u8], path: &str, value: &suite::Value, env: &Env) -> Result<(), LabError> {
    let value = env.value(value).ok_or_else(|| suite(&format!("`{value}` has no value")))?;
    write_field(packet, path, &value)
}

/// Writes a value over the octets of the field of that path.
pub(crate) fn write_field(packet: &mut [u8], path: &str, value: &FieldValue) -> Result<(), LabError> {
    let read = Dissection::of_ip(packet);
    let field = read.field(path).filter(|field| !field.range.is_empty());
    let field = field.ok_or_else(|| suite(&format!("this packet has no field `{path}` to set")))?;
    let (range, mask) = (field.range.clone(), field.mask);
    let slot = packet.get_mut(range).ok_or_else(|| suite("the packet is shorter than its own dissection"))?;
    let misfit = || suite(&format!("`{path}` can not be {value}: it has {} octets", slot.len()));
    let octets = match value {
        FieldValue::Uint(number) if slot.len() <= 8 => {
            let old = slot.iter().fold(0u64, |word, octet| word << 8 | u64::from(*octet));
            let word = match mask {
                // A flag is set or cleared; a number moves to where its bits are.
                Some(mask) => (old & !mask) | (number << mask.trailing_zeros() & mask),
                None => *number,
            };
            if slot.len() < 8 && word >> (8 * slot.len()) != 0 {
                return Err(misfit());
            }
            word.to_be_bytes()[8 - slot.len()..].to_vec()
        }
        FieldValue::Addr(IpAddr::V4(address)) => address.octets().to_vec(),
        FieldValue::Addr(IpAddr::V6(address)) => address.octets().to_vec(),
        FieldValue::Bytes(octets) => octets.clone(),
        FieldValue::Text(text) => text.as_bytes().to_vec(),
        FieldValue::Uint(_) => return Err(misfit()),
    };
    if octets.len() != slot.len() {
        return Err(misfit());
    }
    slot.copy_from_slice(&octets);
    Ok(())
}

/// Outer IPv4 header, inner one and NHRP message sum up again.
pub(super) fn fill_checksums(packet: &mut [u8]) {
    if packet.first().is_some_and(|first| first >> 4 == 4) {
        ipv4::Packet::new(&mut *packet).fill_checksum();
    }
    let read = Dissection::of_ip(packet);
    if read.is_inner_ip()
        && let Some(range) = read.payload_range()
    {
        inner::fill_checksums(packet.get_mut(range).unwrap_or_default());
    }
    with_nhrp(packet, |message| nhrp::Packet::new(message).fill_checksum());
}

fn with_nhrp(packet: &mut [u8], change: impl FnOnce(&mut [u8])) {
    if let Some(range) = Dissection::of_ip(packet).nhrp_range()
        && let Some(message) = packet.get_mut(range)
    {
        change(message);
    }
}

/// Changes the NHRP message (or whatever the payload of GRE is) as a mutation says, and nothing else but the length of
/// the IP packet around it.
pub(super) fn mutate(packet: &mut Vec<u8>, mutation: &Mutation, env: &Env) -> Result<(), LabError> {
    let range = Dissection::of_ip(packet).payload_range().ok_or_else(|| suite("there is nothing in GRE to mutate"))?;
    match mutation {
        Mutation::Set(field) => return set_field(packet, &field.path, &field.value, env),
        Mutation::Flip { offset, bit } => {
            let at = range.start + usize::try_from(*offset).unwrap_or(usize::MAX);
            let octet = packet.get_mut(at).ok_or_else(|| suite(&format!("the message has no octet {offset}")))?;
            *octet ^= 0x80 >> (bit & 7);
        }
        Mutation::Truncate { to } => {
            packet.truncate(range.start.saturating_add(usize::try_from(*to).unwrap_or(usize::MAX)));
            fix_ip_length(packet);
        }
        Mutation::Append(octets) => {
            packet.extend_from_slice(octets);
            fix_ip_length(packet);
        }
        Mutation::Fix(fixes) => {
            for fix in fixes {
                apply_fix(packet, *fix);
            }
        }
    }
    Ok(())
}

fn apply_fix(packet: &mut [u8], fix: Fix) {
    with_nhrp(packet, |message| {
        let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
        let mut view = nhrp::Packet::new(message);
        match fix {
            Fix::Pktsz => view.set_packet_size(len),
            Fix::Checksum => view.fill_checksum(),
            Fix::Extoff => {
                // Behind the last CIE that can be read with no extensions in the way.
                let old = view.extension_offset().unwrap_or(0);
                view.set_extension_offset(0);
                let end = view.cies().map_while(Result::ok).last().map(|cie| cie.offset() + cie.as_bytes().len());
                view.set_extension_offset(end.and_then(|end| u16::try_from(end).ok()).unwrap_or(old));
            }
        }
    });
}

/// The IP packet is as long as it is, or it would be cut or refused before anybody sees the mutation.
fn fix_ip_length(packet: &mut [u8]) {
    match packet.first().map(|first| first >> 4) {
        Some(4) => {
            let len = u16::try_from(packet.len()).unwrap_or(u16::MAX);
            if let Some(field) = packet.get_mut(2..4) {
                field.copy_from_slice(&len.to_be_bytes());
            }
            ipv4::Packet::new(packet).fill_checksum();
        }
        Some(6) => {
            let len = u16::try_from(packet.len().saturating_sub(40)).unwrap_or(u16::MAX);
            if let Some(field) = packet.get_mut(4..6) {
                field.copy_from_slice(&len.to_be_bytes());
            }
        }
        _ => {}
    }
}
