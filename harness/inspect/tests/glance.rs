//! The two readers of a packet held against each other: what a glance sees in a packet is in its field tree as well, for
//! every packet of the project's captures and of other people's.

use std::net::IpAddr;

use dmvpn_inspect::capture;
use dmvpn_inspect::dissect::{Dissection, Entry, Glance, IkeInside, Session};

#[path = "tshark/captures.rs"]
mod captures;
#[path = "tshark/keys.rs"]
mod keys;
#[path = "tshark/made.rs"]
mod made;

/// The fields that a glance has, as a dissection has them: the first of each in the packet.
#[derive(Debug, Default, PartialEq, Eq)]
struct Numbers {
    outer: Option<(IpAddr, IpAddr)>,
    inner: Option<(IpAddr, IpAddr, u64)>,
    gre: Option<(Option<u64>, u64)>,
    /// SPI, sequence number, whether it is in UDP, whether it was opened.
    esp: Option<(u64, u64, bool, bool)>,
    /// SPIs, major version, exchange, flags, message id.
    ike: Option<(u64, u64, u64, u64, u64, u64)>,
    inside: Option<IkeInside>,
    nhrp: Option<Nhrp>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Nhrp {
    kind: u64,
    request_id: Option<u64>,
    code: Option<u64>,
    addresses: [Option<IpAddr>; 3],
    entries: u64,
    entry: Option<Entry>,
    authenticated: bool,
}

fn by_glance(seen: &Glance) -> Numbers {
    Numbers {
        outer: seen.outer,
        inner: seen.inner.map(|(src, dst, protocol)| (src, dst, protocol.into())),
        gre: seen.gre.map(|gre| (gre.key.map(u64::from), gre.protocol.into())),
        esp: seen.esp.map(|esp| (esp.spi.into(), esp.seq.into(), esp.in_udp, esp.opened)),
        ike: seen.ike.map(|ike| {
            let (major, exchange, flags) = (ike.major.into(), ike.exchange.into(), ike.flags.into());
            (ike.initiator_spi, ike.responder_spi, major, exchange, flags, ike.message_id.into())
        }),
        inside: seen.ike.and_then(|ike| ike.inside),
        nhrp: seen.nhrp.as_ref().map(|nhrp| Nhrp {
            kind: nhrp.kind.into(),
            request_id: nhrp.request_id.map(u64::from),
            code: nhrp.code.map(u64::from),
            addresses: [nhrp.src_nbma, nhrp.src_protocol, nhrp.dst_protocol],
            entries: nhrp.entries as u64,
            entry: nhrp.entry,
            authenticated: nhrp.authenticated,
        }),
    }
}

fn by_fields(read: &Dissection) -> Numbers {
    let kind = read.nhrp_type();
    let code = match kind {
        Some(7) => read.uint("error.code"),
        Some(8) => read.uint("traffic.code"),
        _ => None,
    };
    let layers: Vec<&str> = read.layers().map(|layer| layer.name).collect();
    // A packet that NHRP quotes is no packet in a tunnel.
    let inner = layers
        .iter()
        .filter(|layer| matches!(**layer, "ip" | "ipv6"))
        .nth(1)
        .and_then(|_| Some((read.addr("inner.src")?, read.addr("inner.dst")?, read.uint("inner.protocol")?)));
    let before_esp = layers.iter().position(|layer| *layer == "esp").and_then(|at| layers.get(at.checked_sub(1)?));
    let is_open = read.uint("esp.next_header").is_some() && read.uint("esp.icv_ok") != Some(0);
    Numbers {
        outer: read.addr("ip.src").zip(read.addr("ip.dst")),
        inner,
        gre: read.uint("gre.protocol").map(|protocol| (read.uint("gre.key"), protocol)),
        esp: (|| Some((read.uint("esp.spi")?, read.uint("esp.seq")?, before_esp == Some(&"udp"), is_open)))(),
        ike: (|| {
            let header = (read.uint("ike.initiator_spi")?, read.uint("ike.responder_spi")?);
            // A glance takes no header that is cut.
            read.uint("ike.length")?;
            let (version, exchange) = (read.uint("ike.version")?, read.uint("ike.exchange")?);
            Some((header.0, header.1, version >> 4, exchange, read.uint("ike.flags")?, read.uint("ike.msg_id")?))
        })(),
        inside: inside_by_fields(read),
        nhrp: kind.map(|kind| Nhrp {
            kind: kind.into(),
            request_id: read.uint("request_id"),
            code,
            addresses: ["src.nbma", "src.protocol", "dst.protocol"].map(|path| read.addr(path)),
            entries: read.uint("cie.count").unwrap_or(0),
            entry: (|| {
                Some(Entry {
                    code: read.uint("cie[0].code")?.try_into().ok()?,
                    prefix_len: read.uint("cie[0].prefix_len")?.try_into().ok()?,
                    holding_time: read.uint("cie[0].holding_time")?.try_into().ok()?,
                    nbma: read.addr("cie[0].nbma"),
                    protocol: read.addr("cie[0].protocol"),
                })
            })(),
            authenticated: read.uint("ext.auth") == Some(1),
        }),
    }
}

/// What IKE says of SAs, by the fields of its payloads; `None` where it is encrypted and not opened, or not whole yet.
fn inside_by_fields(read: &Dissection) -> Option<IkeInside> {
    const ENCRYPTED: [u64; 2] = [46, 53];
    read.uint("ike.length")?;
    let of = |index: usize, name: &str| read.uint(&format!("ike.payload[{index}].{name}"));
    let kinds: Vec<u64> = (0..).map_while(|index| of(index, "type")).collect();
    let sealed = kinds.iter().position(|kind| ENCRYPTED.contains(kind));
    let whole = match sealed {
        None => read.value("ike.encrypted").is_none(),
        Some(at) => {
            let opened = read.uint("ike.sk.pad_length").is_some() && read.uint("ike.sk.icv_ok") != Some(0);
            opened && (kinds[at] == 46 || of(at, "fragments") == Some(1) || kinds.len() > at + 1)
        }
    };
    let first = sealed.map_or(0, |at| at + 1);
    let mut inside = IkeInside { empty: kinds.len() == first, ..IkeInside::default() };
    for (index, kind) in kinds.iter().enumerate().skip(first) {
        let small = |name: &str| of(index, name).map(|number| u8::try_from(number).expect("an octet"));
        let notified = of(index, "notify_type");
        match kind {
            1 | 33 => inside.proposes = inside.proposes.or(small("proposal[0].protocol")),
            12 | 42 => inside.deletes = inside.deletes.or(small("protocol")),
            11 | 41 => {
                inside.rekeys |= (*kind, notified) == (41, Some(16_393));
                let error =
                    notified.filter(|number| *number < 16_384).map(|number| u16::try_from(number).expect("two octets"));
                inside.error = inside.error.or(error);
            }
            _ => {}
        }
    }
    whole.then_some(inside)
}

#[test]
fn a_glance_sees_what_the_field_tree_says() {
    let (mut packets, mut met) = (0, [0usize; 7]);
    let mut wrong = Vec::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    made::write(&folder.path().join("made.pcapng"));
    let mut roots = captures::roots();
    let third_party = roots.len() > 1;
    roots.push(folder.path().to_owned());
    for capture in roots.iter().flat_map(|root| captures::under(root)) {
        let [mut for_glance, mut for_fields] =
            [(); 2].map(|()| Session::with_keys(keys::lay_out(&capture.path, folder.path())));
        let mut read = Dissection::default();
        for packet in capture::read_all(&capture.path).0 {
            let glance = by_glance(&Glance::of(&mut for_glance, packet.linktype, &packet.octets));
            read.read(&mut for_fields, packet.linktype, &packet.octets);
            let fields = by_fields(&read);
            packets += 1;
            let is_there = [
                glance.outer.is_some(),
                glance.inner.is_some(),
                glance.gre.is_some(),
                glance.esp.is_some(),
                glance.ike.is_some(),
                glance.inside.is_some(),
                glance.nhrp.is_some(),
            ];
            met.iter_mut().zip(is_there).for_each(|(sum, there)| *sum += usize::from(there));
            if glance != fields {
                wrong.push(format!(
                    "{} packet {}:\n  glance {glance:?}\n  fields {fields:?}",
                    capture.name, packet.number
                ));
            }
        }
    }
    eprintln!("{packets} packets; with outer, inner addresses, GRE, ESP, IKE, what it says, NHRP: {met:?}");
    assert!(wrong.is_empty(), "{} packets differ:\n{}", wrong.len(), wrong.join("\n"));
    let least = if third_party { [1000, 500, 500, 200, 150, 80, 40] } else { [10, 5, 10, 0, 3, 20, 10] };
    assert!(met.iter().zip(least).all(|(met, least)| *met >= least), "{met:?}, but expected at least {least:?}");
}
