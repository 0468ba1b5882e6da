//! The parsers of `dmvpn-wire`, each on its own: views over anything, and messages there and back.

use dmvpn_wire::isakmp::body::{
    Authentication, Certificate, Configuration, Delete, Eap, Fragment, Identification, KeyExchange, Notification,
    TrafficSelectors,
};
use dmvpn_wire::isakmp::sa::{Association, Attributes, Proposals};
use dmvpn_wire::isakmp::{self, Span, vendor};
use dmvpn_wire::nhrp::{self, Message, pretty};
use dmvpn_wire::{gre, ipv4, ipv6};

/// An NHRP message: the view reads what is there, and what is legal is written as it was read. Once as it is, and once
/// with the size and checksum that it should have, so that chance need not guess them.
pub fn nhrp(input: &[u8]) {
    nhrp_once(input);
    let mut repaired = input.to_vec();
    let mut view = nhrp::Packet::new(&mut repaired);
    view.set_packet_size(u16::try_from(input.len()).unwrap_or(u16::MAX));
    view.fill_checksum();
    nhrp_once(&repaired);
    let mut view = nhrp::Packet::new(&mut repaired);
    view.decrement_hop_count();
    assert_ne!(view.verify_checksum(), Some(false), "the checksum follows the hop count");
}

fn nhrp_once(octets: &[u8]) {
    let view = nhrp::Packet::new(octets);
    let end = view.end();
    assert!(end <= octets.len() && view.mandatory_range().end <= octets.len());
    assert_eq!(view.as_bytes().len() + view.trailing().len(), octets.len());
    let _ = (view.src_nbma(), view.src_nbma_sub_octets(), view.src_proto(), view.dst_proto(), view.quoted());
    let _ = (view.afn(), view.protocol(), view.flags(), view.error_code(), view.traffic_code(), view.verify_checksum());
    // Each item takes four octets at least, and one more says what is wrong.
    let most = octets.len() / 4 + 1;
    entries(view.cies(), octets, most);
    let mut extensions = 0;
    for extension in view.extensions() {
        extensions += 1;
        if let Ok(extension) = extension {
            assert!(extension.value_offset() + extension.value().len() <= octets.len());
            entries(extension.cies(), octets, most);
        }
    }
    assert!(extensions <= most, "{extensions} extensions in {} octets", octets.len());
    assert!(!pretty::summary(octets).to_string().is_empty());
    assert!(!pretty::details(octets).to_string().is_empty());
    match Message::parse(octets) {
        Ok(message) => {
            let written = message.to_vec().expect("what was parsed can be written");
            assert_eq!(written.len(), message.emitted_len());
            assert_eq!(Message::parse(&written).as_ref(), Ok(&message), "what was written reads as something else");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn entries(entries: nhrp::cie::CieIter<'_>, octets: &[u8], most: usize) {
    let mut count = 0;
    for entry in entries {
        count += 1;
        if let Ok(entry) = entry {
            assert!(entry.proto_range().end <= octets.len() && entry.nbma_sub_range().end <= entry.proto_range().start);
            let _ = (entry.nbma(), entry.proto(), entry.as_bytes(), entry.code(), entry.holding_time());
        }
    }
    assert!(count <= most, "{count} entries in {} octets", octets.len());
}

/// GRE, IPv4 and IPv6 headers: views, and what is legal there and back.
pub fn gre_ip(input: &[u8]) {
    let view = gre::Packet::new(input);
    let _ = (view.protocol(), view.key(), view.sequence(), view.checksum(), view.verify_checksum(), view.version());
    assert!(view.payload().is_none_or(|payload| payload.len() + view.header_len() == input.len()));
    if let Ok((header, payload)) = gre::Repr::parse(input) {
        let written = written(header.emitted_len(), payload, |packet| header.emit(payload.len(), packet));
        assert_eq!(gre::Repr::parse(&written), Ok((header, payload)));
    }

    let view = ipv4::Packet::new(input);
    let _ = (view.src(), view.dst(), view.tos(), view.id(), view.ttl(), view.protocol(), view.verify_checksum());
    let _ = (view.dont_fragment(), view.more_fragments(), view.fragment_offset(), view.total_len());
    assert!(view.payload().is_none_or(|payload| payload.len() <= input.len()));
    let mut filled = input.to_vec();
    ipv4::Packet::new(&mut filled).fill_checksum();
    for octets in [input, &filled] {
        if let Ok((header, payload)) = ipv4::Repr::parse(octets) {
            let written = written(header.emitted_len(), payload, |packet| header.emit(payload.len(), packet));
            assert_eq!(ipv4::Repr::parse(&written), Ok((header, payload)));
        }
    }

    let view = ipv6::Packet::new(input);
    let _ = (view.src(), view.dst(), view.traffic_class(), view.flow_label(), view.next_header(), view.hop_limit());
    assert!(view.payload().is_none_or(|payload| payload.len() <= input.len()));
    if let Ok((header, payload)) = ipv6::Repr::parse(input) {
        let written = written(header.emitted_len(), payload, |packet| header.emit(payload.len(), packet));
        assert_eq!(ipv6::Repr::parse(&written), Ok((header, payload)));
    }
}

/// A packet whose header `emit` writes in front of `payload`.
fn written(header: usize, payload: &[u8], emit: impl Fn(&mut [u8]) -> dmvpn_wire::Result<usize>) -> Vec<u8> {
    let mut packet = [&vec![0; header], payload].concat();
    assert_eq!(emit(&mut packet), Ok(header), "what was parsed can be written");
    packet
}

/// An ISAKMP message of any version: the whole chain, and every body read as everything that it could be.
pub fn isakmp(input: &[u8]) {
    let view = isakmp::Packet::new(input);
    let _ = (view.initiator_spi(), view.responder_spi(), view.exchange().map(|exchange| exchange.to_string()));
    let _ = (view.message_id(), view.flags(), view.version().map(|version| version.to_string()));
    assert!(view.end() <= input.len());
    within(view.body(), input);
    let mut payloads = 0;
    for payload in view.payloads() {
        payloads += 1;
        let Ok(payload) = payload else { continue };
        assert!(payload.offset() < input.len() && !payload.kind().to_string().is_empty());
        within(payload.body(), input);
        body(payload.body(), input);
    }
    assert!(payloads <= isakmp::MAX_PAYLOADS + 1, "{payloads} payloads");
}

fn body(body: Span<'_>, input: &[u8]) {
    let _ = vendor::name(body.octets());
    let association = Association::new(body);
    let _ = (association.check(), association.doi(), association.situation());
    proposals(association.proposals(), input);
    proposals(Proposals::new(body), input);

    let identification = Identification::new(body);
    let _ = (identification.check(), identification.kind(), identification.protocol(), identification.port());
    let _ = (identification.address(), identification.text());
    for notification in [Notification::new(body), Notification::new1(body)] {
        let _ = (notification.check(), notification.doi(), notification.protocol(), notification.kind());
        within(notification.spi().unwrap_or_default(), input);
        within(notification.data(), input);
    }
    for delete in [Delete::new(body), Delete::new1(body)] {
        let _ = (delete.check(), delete.doi(), delete.protocol(), delete.spi_count());
        within(delete.spis(), input);
    }
    let selectors = TrafficSelectors::new(body);
    for selector in selectors.selectors().flatten() {
        let _ = (selector.check(), selector.kind(), selector.protocol(), selector.start_port(), selector.end_port());
        for address in [selector.start_address(), selector.end_address()].into_iter().flatten() {
            within(address, input);
            let _ = isakmp::body::address(address);
        }
        within(selector.data(), input);
    }
    let configuration = Configuration::new(body);
    let _ = (configuration.check(), configuration.kind(), configuration.identifier());
    attributes(configuration.attributes(), input);
    attributes(configuration.attributes1(), input);
    let eap = Eap::new(body);
    let _ = (eap.code(), eap.identifier(), eap.length(), eap.kind());
    within(eap.data(), input);
    let _ = (KeyExchange::new(body).group(), Certificate::new(body).encoding(), Authentication::new(body).method());
    let fragment = Fragment::new(body);
    let _ = (fragment.check(), fragment.number(), fragment.total());
}

fn proposals(proposals: Proposals<'_>, input: &[u8]) {
    let mut count = 0;
    for proposal in proposals {
        count += 1;
        let Ok(proposal) = proposal else { continue };
        let _ = (proposal.check(), proposal.number(), proposal.protocol(), proposal.transform_count());
        within(proposal.spi().unwrap_or_default(), input);
        for transform in proposal.transforms().flatten() {
            let kind = transform.kind().unwrap_or_default();
            let _ = (transform.check(), transform.id().and_then(|id| kind.id_name(id)), transform.id1());
            attributes(transform.attributes(), input);
        }
    }
    assert!(count <= isakmp::sa::MAX_PROPOSALS + 1, "{count} proposals");
}

fn attributes(attributes: Attributes<'_>, input: &[u8]) {
    let mut count = 0;
    for attribute in attributes {
        count += 1;
        let Ok(attribute) = attribute else { continue };
        within(attribute.value(), input);
        let _ = (attribute.kind(), attribute.is_short(), attribute.value().number());
    }
    assert!(count <= isakmp::sa::MAX_ATTRIBUTES + 1, "{count} attributes");
}

/// A span that has octets says where in the message they stand.
fn within(span: Span<'_>, input: &[u8]) {
    if !span.is_empty() {
        assert_eq!(input.get(span.range()), Some(span.octets()), "octets at {:?}", span.range());
    }
}
