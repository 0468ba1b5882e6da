//! Keys of the captures that have some, as each of the two takes them.

use std::fmt::Write as _;
use std::path::Path;

use dmvpn_inspect::keys::Keys;

/// Files of a Wireshark profile.
const ESP_SA: &str = "esp_sa";
const IKEV2: &str = "ikev2_decryption_table";

/// Which captures have which keys: how the file's name ends, and in whose words they are.
const KEYED: &[(&str, Source)] = &[
    ("wireshark-wireshark/esp-bug-12671.pcapng.gz", Source::Wireshark(ESP_SA)),
    ("wireshark-wireshark/ikev2-decrypt-3des-sha1_160.pcap", Source::Wireshark(IKEV2)),
    ("wireshark-wireshark/ikev2-decrypt-aes128ccm12-2.pcap", Source::Wireshark(IKEV2)),
    ("wireshark-wireshark/ikev2-decrypt-aes128ccm12.pcap", Source::Wireshark(IKEV2)),
    ("wireshark-wireshark/ikev2-decrypt-aes256cbc.pcapng", Source::Wireshark(IKEV2)),
    ("wireshark-wireshark/ikev2-decrypt-aes256ccm16.pcapng", Source::Wireshark(IKEV2)),
    ("wireshark-wireshark/ikev2-decrypt-aes256gcm16.pcap", Source::Wireshark(IKEV2)),
    ("wireshark-wireshark/ikev2-decrypt-aes256gcm8.pcap", Source::Wireshark(IKEV2)),
    ("the-tcpdump-group-tcpdump/02-sunrise-sunset-esp.pcap", Source::Tcpdump(SUNRISE)),
    ("the-tcpdump-group-tcpdump/espudp1.pcap", Source::Tcpdump(SUNRISE)),
    ("the-tcpdump-group-tcpdump/08-sunrise-sunset-esp2.pcap", Source::TcpdumpFile("esp-secrets.txt")),
    ("the-tcpdump-group-tcpdump/08-sunrise-sunset-aes.pcap", Source::TcpdumpFile("esp-secrets.txt")),
    ("the-tcpdump-group-tcpdump/ikev2pI2.pcap", Source::TcpdumpFile("ikev2pI2-secrets.txt")),
];

/// What tcpdump's own test gives on its command line.
const SUNRISE: &str = "0x12345678@192.1.2.45 3des-cbc-hmac96:0x4043434545464649494a4a4c4c4f4f515152525454575758";

enum Source {
    /// A table beside the capture, with `.tmpl` behind its name.
    Wireshark(&'static str),
    /// A row as tcpdump takes it.
    Tcpdump(&'static str),
    /// A file with such rows, beside the capture.
    TcpdumpFile(&'static str),
}

/// Our keys for a capture, and tshark's in its profile, which is made for this capture alone.
pub(crate) fn lay_out(capture: &Path, profile: &Path) -> Keys {
    let mut keys = Keys::default();
    let name = capture.display().to_string();
    // What the project has recorded itself has its keys beside it, as both take them.
    let own = capture.with_extension("keys");
    if own.is_dir() {
        for table in [ESP_SA, IKEV2] {
            std::fs::copy(own.join(table), profile.join(table)).expect("a table of keys");
        }
        return Keys::load(&own).expect("keys that are read");
    }
    let Some((_, source)) = KEYED.iter().find(|(end, _)| name.ends_with(end)) else { return keys };
    let beside = |file: &str| {
        let path = capture.with_file_name(file);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let write = |table: &str, rows: &str| {
        std::fs::write(profile.join(table), rows).expect("a profile that can be written to");
    };
    let ours = match source {
        Source::Wireshark(table) => {
            let rows = beside(&format!("{table}.tmpl"));
            write(table, &rows);
            rows
        }
        Source::Tcpdump(_) | Source::TcpdumpFile(_) => {
            let rows = match source {
                Source::TcpdumpFile(file) => beside(file),
                Source::Tcpdump(row) | Source::Wireshark(row) => (*row).to_owned(),
            };
            write(ESP_SA, &esp_sa(&rows));
            write(IKEV2, &ikev2(&rows));
            rows
        }
    };
    keys.add(&name, ours.as_bytes()).expect("rows that are read");
    keys
}

/// tcpdump's rows for ESP as rows of `esp_sa`.
fn esp_sa(rows: &str) -> String {
    let mut table = String::new();
    for row in rows.lines().filter(|row| row.starts_with("0x")) {
        let (place, secret) = row.split_once(char::is_whitespace).expect("two columns");
        let (spi, address) = place.split_once('@').expect("SPI@ADDRESS");
        let (algorithm, key) = secret.trim().split_once(':').expect("ALGORITHM:KEY");
        let cipher = match algorithm {
            "3des-cbc-hmac96" => "TripleDES-CBC [RFC2451]",
            "aes256-cbc-hmac96" => "AES-CBC [RFC3602]",
            other => panic!("{other}"),
        };
        let check = "ANY 96 bit authentication [no checking]";
        let _ = writeln!(table, r#""IPv4","*","{address}","{spi}","{cipher}","{key}","{check}","""#);
    }
    table
}

/// tcpdump's rows for IKEv2, a pair for each association, as rows of `ikev2_decryption_table`.
fn ikev2(rows: &str) -> String {
    let rows: Vec<Vec<&str>> = rows
        .lines()
        .filter(|row| row.starts_with("ikev2 "))
        .map(|row| row.split([' ', ':']).map(|word| word.trim_start_matches("0x")).collect())
        .collect();
    let mut table = String::new();
    for pair in rows.chunks(2) {
        let [
            ["ikev2", "I", spi_i, spi_r, "sha1", a_i, "aes128", e_i],
            ["ikev2", "R", _, _, "sha1", a_r, "aes128", e_r],
        ] = [&pair[0][..], &pair[1][..]]
        else {
            panic!("rows of ikev2 that are no pair")
        };
        let ciphers = (r#""AES-CBC-128 [RFC3602]""#, r#""HMAC_SHA1_96 [RFC2404]""#);
        let _ = writeln!(table, "{spi_i},{spi_r},{e_i},{e_r},{},{a_i},{a_r},{}", ciphers.0, ciphers.1);
    }
    table
}
