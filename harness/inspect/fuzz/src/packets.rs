//! From octets to field trees: single frames, and whole capture files.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::Cursor;

use dmvpn_inspect::capture::{CapturedPacket, LinkType, read_from};
use dmvpn_inspect::dissect::{Dissection, Glance, Session, catalogue};
use dmvpn_inspect::exchange::{Limits, Tracker};
use dmvpn_inspect::keys::Keys;
use dmvpn_inspect::show::json;
use dmvpn_inspect::show::meaning::meaning;
use dmvpn_inspect::story::Story;
use dmvpn_inspect::view::View;

/// The link types that are known, for the first octet of an input to choose from.
pub const LINKS: [LinkType; 10] = [
    LinkType::RAW,
    LinkType::ETHERNET,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::NULL,
    LinkType::LOOP,
    LinkType::NFLOG,
    LinkType::RAW_BSD,
    LinkType::IPV4,
    LinkType::IPV6,
];

/// Keys for ESP with SPI 1, 2 or 3 and for one IKE SA, so that what is inside is fuzzed too: with NULL encryption nothing has
/// to be guessed.
pub const KEYS: &str = r#"
"ANY","*","*","0x00000001","NULL","","NULL",""
"ANY","*","*","0x00000002","AES-CBC [RFC3602]","0x000102030405060708090a0b0c0d0e0f","ANY 96 bit authentication [no checking]",""
"ANY","*","*","0x00000003","NULL","","HMAC-SHA-1-96 [RFC2404]","0x000102030405060708090a0b0c0d0e0f10111213"
0101010101010101,0202020202020202,,,"NULL [RFC2410]",,,"NONE [RFC4306]"
"#;

/// More packets than that are not looked at: a kilobyte of gzip can hold a million.
const MOST_PACKETS: u64 = 2048;

/// A frame, which begins at the third octet. The first one chooses its link type from [`LINKS`]; behind their end the first
/// two are the link type.
pub fn frame(input: &[u8]) {
    let Some((&[first, second], octets)) = input.split_first_chunk::<2>() else { return };
    let link = LINKS.get(usize::from(first)).copied().unwrap_or(LinkType(u16::from_be_bytes([first, second])));
    let packet = CapturedPacket {
        number: 1,
        timestamp_ns: 1_000_000_000,
        linktype: link,
        original_len: u32::try_from(octets.len()).unwrap_or(u32::MAX),
        octets: octets.to_vec(),
        ..CapturedPacket::default()
    };
    Reading::new(keys()).packet(&packet);
    let mut reading = Reading::new(Keys::default());
    reading.packet(&packet);
    reading.finish();
    let fresh = std::mem::take(&mut reading.line);
    // Nothing of an earlier packet may be left in the next one: a dissection that held something reads the same.
    reading.read.read(&mut Session::default(), LinkType::ETHERNET, &[octets, octets].concat());
    reading.read.read(&mut Session::default(), link, octets);
    json::packet(&mut reading.line, &packet, &reading.read);
    assert!(reading.line == fresh, "a dissection used again reads something else");
}

/// A capture file in any format: every packet that is read, read further. Keys come from the file itself, and fragments
/// are put together.
pub fn file(input: &[u8]) {
    let Ok(mut packets) = read_from("input", Cursor::new(input.to_vec())) else { return };
    let mut reading = Reading::new(keys());
    let mut packet = CapturedPacket::default();
    let mut last = 0;
    for _ in 0..MOST_PACKETS {
        let Some(step) = packets.next_into(&mut packet) else { break };
        for secrets in packets.take_secrets() {
            let _ = reading.session.keys_mut().add_secrets("input", &secrets);
            let _ = reading.look.keys_mut().add_secrets("input", &secrets);
        }
        match step {
            Ok(()) => {
                assert!(packet.number > last, "packet {} comes behind packet {last}", packet.number);
                last = packet.number;
                assert!(packets.interface(&packet).is_some());
                reading.packet(&packet);
            }
            Err(error) => {
                assert!(error.packet > last && !error.to_string().is_empty());
                if error.fatal {
                    assert!(packets.next_into(&mut packet).is_none(), "something follows a fatal error");
                    break;
                }
            }
        }
    }
    reading.finish();
}

fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.add("keys", KEYS.as_bytes()).expect("the keys of the targets are right");
    keys
}

/// What a reader of captures does with its packets, with everything that has to hold for each.
struct Reading {
    read: Dissection,
    session: Session,
    /// The session of the glances: both see every fragment.
    look: Session,
    tracker: Tracker,
    story: Story,
    line: Vec<u8>,
}

impl Reading {
    fn new(keys: Keys) -> Self {
        let mut look = Session::default();
        if !keys.is_empty() {
            *look.keys_mut() = self::keys();
        }
        Self {
            read: Dissection::default(),
            session: Session::with_keys(keys),
            look,
            // Small, so that what happens at the limits is fuzzed as well.
            tracker: Tracker::new(Limits { open: 8, stations: 8, bindings: 8, flows: 8 }),
            story: Story::new(4),
            line: Vec::new(),
        }
    }

    /// Reads a packet in every way there is.
    fn packet(&mut self, packet: &CapturedPacket) {
        self.read.read(&mut self.session, packet.linktype, &packet.octets);
        let glance = Glance::of(&mut self.look, packet.linktype, &packet.octets);
        assert!(!self.read.summary().is_empty());
        assert!(!self.read.summary().contains('\n'));
        places(&self.read);
        agree(&self.read, &glance);
        let _ = (self.read.nhrp_octets(), self.read.nhrp_range(), self.read.payload_range());
        let _ = (self.read.list_len("cie"), self.read.is_inner_ip(), self.read.network_offset());
        self.tracker.packet(packet.number, packet.timestamp_ns, packet.octets.len(), &glance);
        for exchange in self.tracker.take_finished() {
            exchange_holds(&exchange);
        }
        self.story.packet(View { packet, glance: &glance, read: Some(&self.read) });
        self.line.clear();
        json::packet(&mut self.line, packet, &self.read);
        serde_json::from_slice::<serde::de::IgnoredAny>(&self.line).expect("a line is JSON");
        assert!(self.line.ends_with(b"}\n") && self.line.iter().filter(|octet| **octet == b'\n').count() == 1);
    }

    fn finish(&mut self) {
        self.tracker.finish();
        for exchange in self.tracker.take_finished() {
            exchange_holds(&exchange);
        }
        self.story.finish();
        serde_json::to_string(&self.story.overview()).expect("what happened is JSON");
        assert!(self.story.exchanges().len() <= 4);
        assert!(self.tracker.stations().len() <= 8 && self.tracker.bindings().len() <= 8);
    }
}

fn exchange_holds(exchange: &dmvpn_inspect::exchange::Exchange) {
    assert!(exchange.packets.len() as u64 <= exchange.count);
    assert!(!exchange.kind.name().is_empty());
    serde_json::to_string(exchange).expect("an exchange is JSON");
}

thread_local! {
    /// Paths without indices that were looked up: the catalogue is long, and a packet has the same paths again and again.
    static CATALOGUED: RefCell<HashSet<String>> = RefCell::default();
}

/// Every range lies in its buffer, every path is of the catalogue.
fn places(read: &Dissection) {
    for (index, layer) in read.layers().enumerate() {
        let buffer = read.buffer(layer.buffer).len();
        assert!(layer.range.start <= layer.range.end, "{} at {:?}", layer.name, layer.range);
        assert!(layer.range.end <= buffer, "{} at {:?} of {buffer}", layer.name, layer.range);
        assert_eq!(layer.octets.len(), layer.range.len());
        let _ = read.fields_of(index).len();
    }
    for field in read.fields() {
        let buffer = read.buffer(field.buffer).len();
        let path = field.path();
        assert!(field.range.start <= field.range.end, "{path} at {:?}", field.range);
        assert!(field.range.end <= buffer, "{path} at {:?} of {buffer}", field.range);
        let known = CATALOGUED.with_borrow_mut(|known| {
            let stem: String = field.stem.chars().filter(|c| !c.is_ascii_digit()).collect();
            !known.insert(stem + field.name) || catalogue::lookup(&path).is_ok()
        });
        assert!(known, "{path} is not in the catalogue");
        let _ = (field.value.to_string(), meaning(&field, read));
    }
    assert_eq!(read.troubles().len() > 0, read.field("malformed").is_some());
}

/// A glance says what the field tree says.
fn agree(read: &Dissection, glance: &Glance) {
    if let Some((src, dst)) = glance.outer {
        assert_eq!((read.addr("ip.src"), read.addr("ip.dst")), (Some(src), Some(dst)));
    }
    if let Some((src, dst, _)) = glance.inner {
        assert_eq!((read.addr("inner.src"), read.addr("inner.dst")), (Some(src), Some(dst)));
    }
    if let Some(gre) = glance.gre {
        assert_eq!(read.uint("gre.protocol"), Some(gre.protocol.into()));
        assert_eq!(read.uint("gre.key"), gre.key.map(u64::from));
    }
    if let Some(esp) = glance.esp {
        assert_eq!((read.uint("esp.spi"), read.uint("esp.seq")), (Some(esp.spi.into()), Some(esp.seq.into())));
    }
    if let Some(ike) = glance.ike {
        assert_eq!(read.uint("ike.initiator_spi"), Some(ike.initiator_spi));
        assert_eq!(read.uint("ike.msg_id"), Some(ike.message_id.into()));
    }
    assert_eq!(glance.nhrp.is_some(), read.layers().any(|layer| layer.name == "nhrp"));
    if let Some(nhrp) = &glance.nhrp {
        assert_eq!(read.nhrp_type().unwrap_or(0), nhrp.kind);
        assert_eq!(read.addr("src.nbma"), nhrp.src_nbma);
        assert_eq!(read.addr("src.protocol"), nhrp.src_protocol);
        assert_eq!(read.addr("dst.protocol"), nhrp.dst_protocol);
        if let Some(entries) = read.list_len("cie") {
            assert_eq!(entries, nhrp.entries);
        }
    }
}
