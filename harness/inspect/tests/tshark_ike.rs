//! IKE of other people's captures, held against what tshark reads in them: every field of [`FIELDS`] that one of the two
//! sees in a packet the other sees as well, as often and with the same values in the same order.
//!
//! `DMVPN_LAB_CAPTURES` says where the captures are; they are not part of this project.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use dmvpn_inspect::capture;
use dmvpn_inspect::dissect::{Dissection, Session, Value};

/// How a value is written down for the comparison.
#[derive(Clone, Copy)]
enum As {
    Number,
    /// So many octets in hexadecimal digits, also where one of the two takes them for a number.
    Octets(usize),
    /// Octets in hexadecimal digits.
    Hex,
    Address,
}
use As::{Address, Hex, Number, Octets};

/// A field of tshark, what it is here, in payloads of which types (of all, if none is named), and how it is written.
type Row = (&'static str, &'static [&'static str], &'static [u64], As);

const FIELDS: &[Row] = &[
    ("isakmp.ispi", &["ike.initiator_spi"], &[], Octets(8)),
    ("isakmp.rspi", &["ike.responder_spi"], &[], Octets(8)),
    ("isakmp.version", &["ike.version"], &[], Number),
    ("isakmp.exchangetype", &["ike.exchange"], &[], Number),
    ("isakmp.flags", &["ike.flags"], &[], Number),
    ("isakmp.flag_e", &["ike.flags.E"], &[], Number),
    ("isakmp.flag_c", &["ike.flags.C"], &[], Number),
    ("isakmp.flag_a", &["ike.flags.A"], &[], Number),
    ("isakmp.flag_i", &["ike.flags.I"], &[], Number),
    ("isakmp.flag_v", &["ike.flags.V"], &[], Number),
    ("isakmp.flag_r", &["ike.flags.R"], &[], Number),
    ("isakmp.messageid", &["ike.msg_id"], &[], Number),
    ("isakmp.length", &["ike.length"], &[], Number),
    (
        "isakmp.nextpayload",
        &[
            "ike.next_payload",
            "ike.payload[].next_payload",
            "ike.payload[].proposal[].more",
            "ike.payload[].proposal[].transform[].more",
        ],
        &[],
        Number,
    ),
    (
        "isakmp.payloadlength",
        &["ike.payload[].length", "ike.payload[].proposal[].length", "ike.payload[].proposal[].transform[].length"],
        &[],
        Number,
    ),
    ("isakmp.criticalpayload", &["ike.payload[].critical"], &[], Number),
    ("isakmp.sa.doi", &["ike.payload[].doi"], &[1], Number),
    ("isakmp.sa.situation", &["ike.payload[].situation"], &[1], Octets(4)),
    ("isakmp.prop.number", &["ike.payload[].proposal[].number"], &[], Number),
    ("isakmp.prop.protoid", &["ike.payload[].proposal[].protocol"], &[], Number),
    ("isakmp.prop.transforms", &["ike.payload[].proposal[].transforms"], &[], Number),
    ("isakmp.spisize", &["ike.payload[].proposal[].spi_size", "ike.payload[].spi_size"], &[], Number),
    ("isakmp.spi", &["ike.payload[].proposal[].spi", "ike.payload[].spi"], &[], Hex),
    ("isakmp.trans.number", &["ike.payload[].proposal[].transform[].number"], &[], Number),
    ("isakmp.trans.id", &["ike.payload[].proposal[].transform[].id"], &[1], Number),
    ("isakmp.tf.type", &["ike.payload[].proposal[].transform[].type"], &[], Number),
    // Transforms of IKEv2 have a name in tshark for each type; here it stands behind the path.
    ("isakmp.tf.id.encr", &["ike.payload[].proposal[].transform[].id of 1"], &[33], Number),
    ("isakmp.tf.id.prf", &["ike.payload[].proposal[].transform[].id of 2"], &[33], Number),
    ("isakmp.tf.id.integ", &["ike.payload[].proposal[].transform[].id of 3"], &[33], Number),
    ("isakmp.tf.id.dh", &["ike.payload[].proposal[].transform[].id of 4"], &[33], Number),
    ("isakmp.tf.id.esn", &["ike.payload[].proposal[].transform[].id of 5"], &[33], Number),
    ("isakmp.ike2.attr.type", &["ike.payload[].proposal[].transform[].attribute[].type"], &[33], Number),
    ("isakmp.ike2.attr.key_length", &["ike.payload[].proposal[].transform[].key_length"], &[33], Number),
    ("isakmp.ike.attr.type", &["ike.payload[].proposal[].transform[].attribute[].type"], &[1], Number),
    ("isakmp.ike.attr.encryption_algorithm", &["ike.payload[].proposal[].transform[].encryption"], &[1], Number),
    ("isakmp.ike.attr.hash_algorithm", &["ike.payload[].proposal[].transform[].hash"], &[1], Number),
    ("isakmp.ike.attr.authentication_method", &["ike.payload[].proposal[].transform[].auth_method"], &[1], Number),
    ("isakmp.ike.attr.group_description", &["ike.payload[].proposal[].transform[].group"], &[1], Number),
    ("isakmp.ike.attr.life_type", &["ike.payload[].proposal[].transform[].life_type"], &[1], Number),
    ("isakmp.ike.attr.life_duration", &["ike.payload[].proposal[].transform[].life_duration"], &[1], Number),
    ("isakmp.ike.attr.key_length", &["ike.payload[].proposal[].transform[].key_length"], &[1], Number),
    ("isakmp.key_exchange.dh_group", &["ike.payload[].group"], &[34], Number),
    ("isakmp.key_exchange.data", &["ike.payload[].data"], &[4, 34], Hex),
    ("isakmp.nonce", &["ike.payload[].data"], &[10, 40], Hex),
    ("isakmp.hash", &["ike.payload[].data"], &[8], Hex),
    ("isakmp.sig", &["ike.payload[].data"], &[9], Hex),
    ("isakmp.ike.nat_hash", &["ike.payload[].data"], &[20, 130], Hex),
    ("isakmp.ike.nat_original_address_ipv4", &["ike.payload[].id_addr"], &[21, 131], Address),
    ("isakmp.id.type", &["ike.payload[].id_type"], &[5, 35, 36], Number),
    ("isakmp.id.protoid", &["ike.payload[].protocol"], &[5], Number),
    ("isakmp.id.port", &["ike.payload[].port"], &[5], Number),
    ("isakmp.id.data.ipv4_addr", &["ike.payload[].id_addr"], &[5, 35, 36], Address),
    ("isakmp.cert.encoding", &["ike.payload[].encoding"], &[6, 37], Number),
    ("isakmp.certreq.type", &["ike.payload[].encoding"], &[7, 38], Number),
    ("isakmp.auth.method", &["ike.payload[].auth_method"], &[39], Number),
    ("isakmp.auth.data", &["ike.payload[].data"], &[39], Hex),
    ("isakmp.notify.doi", &["ike.payload[].doi"], &[11], Number),
    ("isakmp.notify.protoid", &["ike.payload[].protocol"], &[11, 41], Number),
    ("isakmp.notify.msgtype", &["ike.payload[].notify_type"], &[11, 41], Number),
    ("isakmp.notify.data", &["ike.payload[].data"], &[11, 41], Hex),
    ("isakmp.delete.doi", &["ike.payload[].doi"], &[12], Number),
    ("isakmp.delete.protoid", &["ike.payload[].protocol"], &[12, 42], Number),
    ("isakmp.spinum", &["ike.payload[].spi_count"], &[12, 42], Number),
    ("isakmp.vid_bytes", &["ike.payload[].data"], &[13, 43], Hex),
    ("isakmp.ts.number", &["ike.payload[].selectors"], &[44, 45], Number),
    ("isakmp.ts.type", &["ike.payload[].ts[].type"], &[44, 45], Number),
    ("isakmp.ts.protoid", &["ike.payload[].ts[].protocol"], &[44, 45], Number),
    ("isakmp.ts.selector_length", &["ike.payload[].ts[].length"], &[44, 45], Number),
    ("isakmp.ts.start_port", &["ike.payload[].ts[].start_port"], &[44, 45], Number),
    ("isakmp.ts.end_port", &["ike.payload[].ts[].end_port"], &[44, 45], Number),
    ("isakmp.ts.start_ipv4", &["ike.payload[].ts[].start_addr"], &[44, 45], Address),
    ("isakmp.ts.end_ipv4", &["ike.payload[].ts[].end_addr"], &[44, 45], Address),
    ("isakmp.cfg.type", &["ike.payload[].cfg_type"], &[14, 47], Number),
    ("isakmp.frag.number", &["ike.payload[].fragment"], &[53], Number),
    ("isakmp.frag.total", &["ike.payload[].fragments"], &[53], Number),
];

/// Where the two differ: part of the file's name, packet, fields of tshark (any, if none is named), and why that is right.
const DIFFERENCES: &[(&str, u64, &[&str], &str)] = &[
    ("ISAKMP_sa_setup.pcap", 3, NAT_D_DRAFT, "tshark takes NAT-D of a draft for GDOI and stops there"),
    ("ISAKMP_sa_setup.pcap", 4, NAT_D_DRAFT, "tshark takes NAT-D of a draft for GDOI and stops there"),
    ("ikev2-id-normal.pcap", 1, &["isakmp.id.data.ipv4_addr"], "an IPv4 address of more than four octets is none here"),
    ("ikev2-id-short.pcap", 1, &["isakmp.id.data.ipv4_addr"], "an IPv4 address of more than four octets is none here"),
    (
        "ikev2pI2-segfault.pcapng",
        1,
        &[],
        "behind the first length that lies everything is invented, and each stops elsewhere",
    ),
    (
        "isakmp-delete-segfault.pcap",
        1,
        &["isakmp.exchangetype", "isakmp.length"],
        "tshark stops at a version that it does not know",
    ),
    ("ikev1_id_ipv6_addr_subnet-oobr.pcap", 1, &[], FRAGMENT),
    ("isakmp-ikev1_n_print-oobr.pcap", 1, &[], FRAGMENT),
    ("isakmp-ikev1_n_print-oobr.pcap", 3, &[], FRAGMENT),
    ("isakmp-various-oobr.pcap", 1, &[], FRAGMENT),
    ("isakmpv1-attr-oobr.pcap", 1, &[], FRAGMENT),
];

const NAT_D_DRAFT: &[&str] = &["isakmp.nextpayload", "isakmp.payloadlength"];
const FRAGMENT: &str = "the first fragment of a datagram is a fragment here, whatever it begins with";

#[test]
fn ike_of_other_peoples_captures_is_read_as_tshark_reads_it() {
    let Some(root) = std::env::var_os("DMVPN_LAB_CAPTURES") else {
        return skip("DMVPN_LAB_CAPTURES is not set, so there are no third-party captures to read");
    };
    if Command::new("tshark").arg("--version").output().is_err() {
        return skip("tshark is not installed");
    }
    let mut packets = 0;
    let mut values = 0;
    let mut wrong = Vec::new();
    let mut met = vec![false; DIFFERENCES.len()];
    for file in files(Path::new(&root)) {
        let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
        let ours = ours(&file);
        for (number, theirs) in theirs(&file) {
            packets += 1;
            let empty = BTreeMap::new();
            let ours = ours.get(&number).unwrap_or(&empty);
            for (field, ..) in FIELDS {
                let (ours, theirs) = (ours.get(field), theirs.get(field));
                values += theirs.map_or(0, Vec::len);
                if ours == theirs {
                    continue;
                }
                let known = DIFFERENCES.iter().position(|(file, packet, fields, _)| {
                    name.ends_with(file) && *packet == number && (fields.is_empty() || fields.contains(field))
                });
                match known {
                    Some(known) => met[known] = true,
                    None => wrong.push(format!("{name} packet {number} {field}: here {ours:?}, tshark {theirs:?}")),
                }
            }
        }
    }
    for (_, (file, packet, ..)) in met.iter().zip(DIFFERENCES).filter(|(met, _)| !**met) {
        wrong.push(format!("{file} packet {packet}: there is no difference any more"));
    }
    eprintln!("{packets} IKE packets, {values} values");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(packets > 200, "only {packets} packets with IKE");
}

fn skip(words: &str) {
    assert!(std::env::var("DMVPN_LAB_DENY_SKIPS").as_deref() != Ok("1"), "skips are denied: {words}");
    eprintln!("skipped: {words}");
}

/// The captures of all folders, in order.
fn files(root: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let read = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        read.map(|entry| entry.expect("a readable folder").path()).collect()
    };
    let capture = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        [".pcap", ".cap", ".pcapng", ".pcapng.gz"].iter().any(|end| name.ends_with(end))
    };
    let folders = entries(root).into_iter().filter(|path| path.is_dir());
    let mut files: Vec<PathBuf> = folders.flat_map(|folder| entries(&folder)).filter(capture).collect();
    files.sort();
    files
}

/// Values of each of [`FIELDS`] by packet number.
type Seen = BTreeMap<u64, BTreeMap<&'static str, Vec<String>>>;

fn ours(file: &Path) -> Seen {
    let mut seen = Seen::new();
    let mut session = Session::default();
    let mut read = Dissection::default();
    for packet in capture::read_all(file).0 {
        read.read(&mut session, packet.linktype, &packet.octets);
        if !read.is_ike() {
            continue;
        }
        let fields = seen.entry(packet.number).or_default();
        let (mut kind, mut transform) = (0, 0);
        for field in read.fields() {
            let mut path = without_indices(&field.path());
            match (path.as_str(), field.value) {
                ("ike.payload[].type", Value::Uint(number)) => kind = number,
                ("ike.payload[].proposal[].transform[].type", Value::Uint(number)) => transform = number,
                ("ike.payload[].proposal[].transform[].id", _) if kind == 33 => path += &format!(" of {transform}"),
                _ => {}
            }
            for (theirs, paths, kinds, form) in FIELDS {
                if paths.contains(&path.as_str()) && (kinds.is_empty() || kinds.contains(&kind)) {
                    let value = match (field.value, form) {
                        (Value::Uint(number), Octets(width)) => format!("{number:0width$x}", width = width * 2),
                        (value, _) => value.to_string(),
                    };
                    fields.entry(theirs).or_default().push(value);
                }
            }
        }
    }
    seen
}

fn theirs(file: &Path) -> Seen {
    let mut tshark = Command::new("tshark");
    tshark.arg("-n").arg("-r").arg(file).args(["-Y", "isakmp", "-T", "fields", "-e", "frame.number"]);
    for (field, ..) in FIELDS {
        tshark.args([OsStr::new("-e"), OsStr::new(field)]);
    }
    let output = tshark.output().expect("tshark can be started");
    let mut seen = Seen::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut columns = line.split('\t');
        let number = columns.next().and_then(|number| number.parse().ok()).expect("a packet number");
        let fields = seen.entry(number).or_default();
        for ((field, _, _, form), column) in FIELDS.iter().zip(columns) {
            // What is there without any octet has no field here.
            let values: Vec<String> = column
                .split(',')
                .filter(|value| !matches!(*value, "" | "<MISSING>"))
                .map(|value| normal(value, *form))
                .collect();
            if !values.is_empty() {
                fields.insert(*field, values);
            }
        }
    }
    seen
}

/// A value of tshark as it is written here.
fn normal(value: &str, form: As) -> String {
    match (form, value.strip_prefix("0x")) {
        (Number, Some(hex)) => u64::from_str_radix(hex, 16).map_or_else(|_| value.to_owned(), |n| n.to_string()),
        (Number | Address, _) => value.to_owned(),
        (Hex | Octets(_), _) => value.replace(':', ""),
    }
}

/// `ike.payload[3].type` -> `ike.payload[].type`.
fn without_indices(path: &str) -> String {
    path.chars().filter(|c| !c.is_ascii_digit()).collect()
}
