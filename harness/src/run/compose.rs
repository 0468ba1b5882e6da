//! Builds the packets that scripted nodes send: the message that such a station would send of itself, with the step's
//! changes on top.
//!
//! ```text
//! message by type -> CIEs and extensions of the step -> octets -> fields by path -> checksums -> mutations as they stand
//! ```

use std::net::IpAddr;

use dmvpn_core::io::Transmit;
use dmvpn_wire::code::{EtherType, Flags};
use dmvpn_wire::nhrp::{
    self, Body, Cie, CieCode, Cies, ErrorIndication, Extension, ExtensionValue, Extensions, Fixed, Mandatory, Message,
    TrafficIndication,
};
use dmvpn_wire::{Family, gre, ipv4};

use super::inner;
use super::nodes::Station;
use super::octets::{fill_checksums, mutate, set_field, write_field};
use crate::dissect::FieldValue;
use crate::expect::Env;
use crate::suite::{
    self, ExtensionContent, ExtensionSpec, GreChecksum, GreFields, GreKey, IpFields, Msg, SendContent, SendStep,
};
use crate::world::LabError;
use crate::world::outer;
use crate::world::timeline::Packet;

/// Octets of the offending packet in a Traffic Indication.
const QUOTED: usize = 64;

/// Builds the packet of a `send` step, from the outer IP header on. `to` is the station it is addressed to, where the
/// step or the packet answered says one.
///
/// # Errors
/// [`LabError::Suite`] with the reason why the step can not be carried out.
pub fn compose(step: &SendStep, from: &Station, to: Option<&Station>, env: &Env) -> Result<Vec<u8>, LabError> {
    let mut packet = match &step.content {
        SendContent::Packet(name) => readdressed(&packet_named(env, name)?.octets, &step.ip)?,
        SendContent::Raw(octets) => {
            let mut packet = wrap(step, from, destination(None, to)?, EtherType::NHRP, octets)?;
            seal(&mut packet, &step.gre);
            packet
        }
        SendContent::Message { msg: Msg::Ip, reply_to, fields, .. } => {
            let request = reply_to.as_deref().map(|name| packet_named(env, name)).transpose()?;
            let (inner, rest) = match request {
                Some(request) => (inner::reply(request)?, fields.iter().collect()),
                None => {
                    let to = to.ok_or_else(|| suite("say which node the packet goes to (`to: hub`)"))?;
                    inner::build(from.cloud.protocol, to.cloud.protocol, fields, env)?
                }
            };
            let kind =
                if inner.first().is_some_and(|first| first >> 4 == 6) { EtherType::IPV6 } else { EtherType::IPV4 };
            let mut packet = wrap(step, from, destination(request, to)?, kind, &inner)?;
            for field in rest {
                set_field(&mut packet, &field.path, &field.value, env)?;
            }
            fill_checksums(&mut packet);
            seal(&mut packet, &step.gre);
            packet
        }
        SendContent::Message { msg, reply_to, fields, extensions, cies } => {
            let request = reply_to.as_deref().map(|name| packet_named(env, name)).transpose()?;
            let mut message = match request {
                Some(request) => reply(*msg, request, from)?,
                None => original(*msg, from, to)?,
            };
            let fields = quote(&mut message, (from, to), fields, env)?;
            if let Some(cies) = cies {
                let mandatory = message.mandatory_mut().ok_or_else(|| suite("this message has no CIEs"))?;
                mandatory.cies = cies.iter().map(|fields| cie(fields, env)).collect::<Result<Cies, _>>()?;
            }
            if let Some(extensions) = extensions {
                message.extensions = extensions.iter().map(|spec| extension(spec, env)).collect::<Result<_, _>>()?;
            }
            let octets = message.to_vec().map_err(|error| suite(&error.to_string()))?;
            let mut packet = wrap(step, from, destination(request, to)?, EtherType::NHRP, &octets)?;
            for field in fields {
                set_field(&mut packet, &field.path, &field.value, env)?;
            }
            fill_checksums(&mut packet);
            seal(&mut packet, &step.gre);
            packet
        }
    };
    for mutation in &step.mutate {
        mutate(&mut packet, mutation, env)?;
    }
    Ok(packet)
}

/// A step that can not be carried out, and why.
pub(super) fn suite(what: &str) -> LabError {
    LabError::Suite(what.to_owned())
}

fn packet_named<'e>(env: &'e Env, name: &str) -> Result<&'e Packet, LabError> {
    env.packet(name).map(AsRef::as_ref).ok_or_else(|| suite(&format!("`${name}` is no packet that was seen or sent")))
}

/// Where a packet goes: back to where the request came from, else to the station named.
fn destination(request: Option<&Packet>, to: Option<&Station>) -> Result<IpAddr, LabError> {
    let back = request.and_then(|request| outer::addresses(&request.octets)).map(|addresses| addresses.src);
    to.map(|to| to.nbma).or(back).ok_or_else(|| suite("say which node the packet goes to (`to: hub`)"))
}

/// GRE and the outer IP header, as the sender's tunnel has them unless the step says otherwise. What makes the header a
/// wrong one comes later, in [`seal`]: until then the packet can be read.
fn wrap(
    step: &SendStep,
    from: &Station,
    dst: IpAddr,
    protocol: EtherType,
    payload: &[u8],
) -> Result<Vec<u8>, LabError> {
    let key = match step.gre.key {
        Some(GreKey::Key(key)) => Some(key),
        Some(GreKey::None) => None,
        None => from.cloud.key,
    };
    let (checksum, sequence) = (step.gre.checksum.is_some(), step.gre.sequence);
    let header = gre::Repr { protocol, checksum, key, sequence };
    let mut octets = Vec::new();
    if !step.gre.none {
        octets.resize(header.emitted_len(), 0);
        octets.extend_from_slice(payload);
        header.emit(payload.len(), &mut octets).map_err(|error| suite(&error.to_string()))?;
    } else {
        octets.extend_from_slice(payload);
    }
    // NHRP is internetwork control; data says its own TOS outside as well.
    let own_tos = if protocol == EtherType::NHRP { 0xC0 } else { inner::tos(payload) };
    let transmit = Transmit {
        src: step.ip.src.unwrap_or(from.nbma),
        dst,
        protocol: 47,
        tos: step.ip.tos.unwrap_or(own_tos),
        ttl: step.ip.ttl.unwrap_or(255),
        df: false,
        payload: octets,
    };
    outer::encapsulate(&transmit, 1).ok_or_else(|| suite("the packet does not fit into an IP packet"))
}

/// What the step writes over the GRE header, and then its checksum, right or wrong.
fn seal(packet: &mut [u8], fields: &GreFields) {
    let Some(start) = outer::header_len(packet).filter(|_| !fields.none) else { return };
    let Some(octets) = packet.get_mut(start..) else { return };
    let mut view = gre::Packet::new(octets);
    if let Some(protocol) = fields.protocol {
        view.set_protocol(EtherType(protocol));
    }
    // While the C bit still stands where the header has room for a checksum.
    let word = view.flags_and_version().unwrap_or(0);
    let word = fields.flags.unwrap_or(word);
    let word = fields.version.map_or(word, |version| word & !7 | u16::from(version));
    let Some(kind) = fields.checksum else { return view.set_flags_and_version(word) };
    view.set_flags_and_version(word | 0x8000);
    view.fill_checksum();
    view.set_flags_and_version(word);
    // The sum was taken with the C bit; without it the receiver looks at none.
    if kind == GreChecksum::Wrong
        && let Some(octet) = packet.get_mut(start + 5)
    {
        *octet ^= 1;
    }
}

/// A packet as it was, with what the step says of its outer header.
fn readdressed(octets: &[u8], fields: &IpFields) -> Result<Vec<u8>, LabError> {
    let mut packet = octets.to_vec();
    let mut set = |path: &str, value: FieldValue| write_field(&mut packet, path, &value);
    if let Some(src) = fields.src {
        set("ip.src", FieldValue::Addr(src))?;
    }
    if let Some(ttl) = fields.ttl {
        set("ip.ttl", FieldValue::Uint(ttl.into()))?;
    }
    if let Some(tos) = fields.tos {
        set("ip.tos", FieldValue::Uint(tos.into()))?;
    }
    if *fields != IpFields::default() && packet.first().is_some_and(|first| first >> 4 == 4) {
        ipv4::Packet::new(&mut packet).fill_checksum();
    }
    Ok(packet)
}

/// Puts the packet that an indication is about into it: `error.packet` or `traffic.packet` by its octets, or, in a
/// Traffic Indication, an IP packet by its `inner.*`, cut as the installed base does. Returns the other fields.
fn quote<'f>(
    message: &mut Message,
    stations: (&Station, Option<&Station>),
    fields: &'f [suite::FieldValue],
    env: &Env,
) -> Result<Vec<&'f suite::FieldValue>, LabError> {
    let (whole, rest): (Vec<_>, Vec<_>) =
        fields.iter().partition(|field| matches!(field.path.as_str(), "error.packet" | "traffic.packet"));
    let octets = match whole.first().map(|field| env.value(&field.value)) {
        Some(Some(FieldValue::Bytes(octets))) => Some(octets),
        Some(_) => return Err(suite("a quoted packet is written in octets: { hex: \"..\" }")),
        None => None,
    };
    match (&mut message.body, stations) {
        (Body::ErrorIndication(indication), _) => {
            if let Some(octets) = octets {
                indication.packet = octets;
            }
            Ok(rest)
        }
        (Body::TrafficIndication(indication), (from, Some(to))) => {
            if let Some(octets) = octets {
                indication.packet = octets;
                return Ok(rest);
            }
            // The station that is told of a shorter way has sent the packet itself.
            let rest: Vec<suite::FieldValue> = rest.into_iter().cloned().collect();
            let (mut packet, left) = inner::build(to.cloud.protocol, from.cloud.protocol, &rest, env)?;
            packet.truncate(QUOTED);
            indication.packet = packet;
            let left: Vec<String> = left.into_iter().map(|field| field.path.clone()).collect();
            Ok(fields.iter().filter(|field| left.contains(&field.path)).collect())
        }
        _ if !whole.is_empty() => Err(suite("only indications quote a packet")),
        _ => Ok(rest),
    }
}

fn family(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// What a station sends unasked.
fn original(msg: Msg, from: &Station, to: Option<&Station>) -> Result<Message, LabError> {
    let target = to.ok_or_else(|| suite("say which node the message goes to (`to: hub`)"))?;
    let fixed = Fixed::new(family(from.nbma), family(from.cloud.protocol), 255);
    let own_cie = Cie {
        code: CieCode::SUCCESS,
        prefix_len: if from.cloud.unique { 0xFF } else { host_len(from.cloud.protocol) },
        mtu: from.cloud.mtu,
        holding_time: from.cloud.hold,
        ..Cie::default()
    };
    let mandatory = |flags: u16, cies: Cies| Mandatory {
        flags: Flags(flags),
        request_id: 1,
        src_nbma: from.nbma.into(),
        src_proto: from.cloud.protocol.into(),
        dst_proto: target.cloud.protocol.into(),
        cies,
    };
    let unique = |bit: u16| if from.cloud.unique { bit } else { 0 };
    let body = match msg {
        Msg::RegistrationRequest => {
            Body::RegistrationRequest(mandatory(unique(0x8000) | 2, Cies::from_elem(own_cie, 1)))
        }
        Msg::RegistrationReply => Body::RegistrationReply(mandatory(unique(0x8000) | 2, Cies::from_elem(own_cie, 1))),
        Msg::ResolutionRequest => Body::ResolutionRequest(mandatory(0xC802, Cies::from_elem(own_cie, 1))),
        Msg::ResolutionReply => Body::ResolutionReply(mandatory(0xE802, Cies::from_elem(own_cie, 1))),
        Msg::PurgeRequest | Msg::PurgeReply => {
            let purged = Cie { nbma: from.nbma.into(), proto: from.cloud.protocol.into(), ..Cie::default() };
            let mandatory = mandatory(0, Cies::from_elem(purged, 1));
            if msg == Msg::PurgeRequest { Body::PurgeRequest(mandatory) } else { Body::PurgeReply(mandatory) }
        }
        Msg::ErrorIndication => Body::ErrorIndication(ErrorIndication {
            code: nhrp::ErrorCode::PROTOCOL_ERROR,
            offset: 0,
            src_nbma: from.nbma.into(),
            src_proto: from.cloud.protocol.into(),
            dst_proto: target.cloud.protocol.into(),
            packet: Vec::new(),
        }),
        Msg::TrafficIndication => Body::TrafficIndication(TrafficIndication {
            code: nhrp::TrafficCode(0),
            src_nbma: from.nbma.into(),
            src_proto: from.cloud.protocol.into(),
            dst_proto: target.cloud.protocol.into(),
            packet: Vec::new(),
        }),
        Msg::Nhrp | Msg::Ip | Msg::Gre | Msg::Esp | Msg::Ike => {
            return Err(suite("a message to be sent needs its type, such as nhrp.registration_request"));
        }
    };
    let mut message = Message::new(fixed, body);
    if message.mandatory().is_some() || msg == Msg::TrafficIndication {
        message.extensions = default_extensions(from);
    }
    if msg == Msg::TrafficIndication {
        // As IOS has it: nobody answers, so there is no responder.
        message.extensions.retain(|extension| !matches!(extension.value, ExtensionValue::ResponderAddress(_)));
    }
    Ok(message)
}

/// Responder address and transit records, empty, and the secret if there is one: the order of IOS.
fn default_extensions(from: &Station) -> Extensions {
    let empty = [
        ExtensionValue::ResponderAddress(Cies::new()),
        ExtensionValue::ForwardTransit(Cies::new()),
        ExtensionValue::ReverseTransit(Cies::new()),
    ];
    let secret = from.cloud.auth.as_deref().map(|secret| Extension::cisco_authentication(secret.as_bytes()));
    empty.into_iter().map(Extension::new).chain(secret).collect()
}

/// The answer of a station to a request: everything is copied, the code is success, and the responder says who it is.
fn reply(msg: Msg, request: &Packet, from: &Station) -> Result<Message, LabError> {
    let octets = request.dissection().nhrp_range().and_then(|range| request.octets.get(range));
    let octets = octets.ok_or_else(|| suite("the packet answered is no NHRP message"))?;
    // A scripted station answers whatever can be read; whether the request was right is for the case to judge.
    let mut summed = octets.to_vec();
    nhrp::Packet::new(&mut summed).fill_checksum();
    let mut message =
        Message::parse(&summed).map_err(|error| suite(&format!("the packet answered is broken: {error}")))?;
    message.fixed.hop_count = 255;
    if msg == Msg::ErrorIndication {
        message.body = Body::ErrorIndication(ErrorIndication {
            code: nhrp::ErrorCode::PROTOCOL_ERROR,
            offset: 0,
            src_nbma: from.nbma.into(),
            src_proto: from.cloud.protocol.into(),
            dst_proto: message.body.src_proto(),
            packet: octets.to_vec(),
        });
        message.extensions = Extensions::new();
        return Ok(message);
    }
    let mandatory = message.mandatory().cloned().ok_or_else(|| suite("an indication has no answer"))?;
    message.body = match msg {
        Msg::RegistrationReply => Body::RegistrationReply(mandatory),
        Msg::ResolutionReply => Body::ResolutionReply(mandatory),
        Msg::PurgeReply => Body::PurgeReply(mandatory),
        other => return Err(suite(&format!("{} is no answer", other.name()))),
    };
    if let Some(mandatory) = message.mandatory_mut() {
        for cie in &mut mandatory.cies {
            cie.code = CieCode::SUCCESS;
        }
        if msg == Msg::ResolutionReply {
            let (nbma, proto) = (from.nbma.into(), from.cloud.protocol.into());
            mandatory.cies = Cies::from_elem(
                Cie {
                    prefix_len: host_len(from.cloud.protocol),
                    mtu: from.cloud.mtu,
                    holding_time: from.cloud.hold,
                    nbma,
                    proto,
                    ..Cie::default()
                },
                1,
            );
        }
    }
    for extension in &mut message.extensions {
        if let ExtensionValue::ResponderAddress(cies) = &mut extension.value {
            let (nbma, proto) = (from.nbma.into(), from.cloud.protocol.into());
            *cies = Cies::from_elem(
                Cie { mtu: from.cloud.mtu, holding_time: from.cloud.hold, nbma, proto, ..Cie::default() },
                1,
            );
        }
    }
    Ok(message)
}

fn host_len(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// A CIE from its fields; what is not named is zero or empty.
fn cie(fields: &[suite::FieldValue], env: &Env) -> Result<Cie, LabError> {
    let mut cie = Cie::default();
    for field in fields {
        let value = env.value(&field.value).ok_or_else(|| suite(&format!("`{}` has no value", field.value)))?;
        let wrong = || suite(&format!("`{}` can not be {value}", field.path));
        let number = || match &value {
            FieldValue::Uint(number) => Ok(*number),
            _ => Err(wrong()),
        };
        let narrow = |number: u64| u16::try_from(number).map_err(|_| wrong());
        let octet = |number: u64| u8::try_from(number).map_err(|_| wrong());
        let address = || match &value {
            FieldValue::Addr(address) => Ok(*address),
            _ => Err(wrong()),
        };
        match field.path.as_str() {
            "code" => cie.code = CieCode(octet(number()?)?),
            "prefix_len" => cie.prefix_len = octet(number()?)?,
            "mtu" => cie.mtu = narrow(number()?)?,
            "holding_time" => cie.holding_time = narrow(number()?)?,
            "preference" => cie.preference = octet(number()?)?,
            "nbma" => cie.nbma = address()?.into(),
            "protocol" => cie.proto = address()?.into(),
            other => return Err(suite(&format!("`{other}` follows from the others; use `mutate` to make it wrong"))),
        }
    }
    Ok(cie)
}

fn extension(spec: &ExtensionSpec, env: &Env) -> Result<Extension, LabError> {
    let cies =
        |groups: &[Vec<suite::FieldValue>]| groups.iter().map(|fields| cie(fields, env)).collect::<Result<Cies, _>>();
    let value = match (&spec.content, spec.kind) {
        (ExtensionContent::Secret(secret), _) => Extension::cisco_authentication(secret.as_bytes()).value,
        (ExtensionContent::Cies(groups), 3) => ExtensionValue::ResponderAddress(cies(groups)?),
        (ExtensionContent::Cies(groups), 4) => ExtensionValue::ForwardTransit(cies(groups)?),
        (ExtensionContent::Cies(groups), 5) => ExtensionValue::ReverseTransit(cies(groups)?),
        (ExtensionContent::Cies(groups), 9) => ExtensionValue::CiscoNat(cies(groups)?),
        (ExtensionContent::Cies(_), kind) => return Err(suite(&format!("extension {kind} holds no CIEs"))),
        (ExtensionContent::Empty, 3) => ExtensionValue::ResponderAddress(Cies::new()),
        (ExtensionContent::Empty, 4) => ExtensionValue::ForwardTransit(Cies::new()),
        (ExtensionContent::Empty, 5) => ExtensionValue::ReverseTransit(Cies::new()),
        (ExtensionContent::Empty, kind) => unknown(kind, Vec::new()),
        (ExtensionContent::Octets(octets), kind) => unknown(kind, octets.clone()),
    };
    let mut extension = Extension::new(value);
    if let Some(compulsory) = spec.compulsory {
        extension.compulsory = compulsory;
    }
    Ok(extension)
}

/// An extension of any type by its octets.
fn unknown(kind: u16, octets: Vec<u8>) -> ExtensionValue {
    ExtensionValue::Unknown { code: nhrp::ExtensionType(kind), data: octets }
}
