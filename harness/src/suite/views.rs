//! The neutral state views and their columns. An implementation's adapter fills them; what it can not say it leaves out.

use crate::dissect::catalogue::FieldKind;

/// A table that `state` can ask for.
pub struct View {
    /// Name in suites.
    pub name: &'static str,
    /// What a line stands for.
    pub doc: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
}

/// A column of a view.
pub struct Column {
    /// Name in suites.
    pub name: &'static str,
    /// What it holds.
    pub kind: ValueKind,
    /// What it means.
    pub doc: &'static str,
}

/// What a field or a column holds, and therefore how its values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A field of a packet.
    Field(FieldKind),
    /// An authentication string: octets that may be written as a word.
    Secret,
    /// `true` or `false`.
    Bool,
    /// A length of time.
    Duration,
    /// The name of a node.
    Node,
    /// A network, as in 172.20.5.0/24.
    Prefix,
    /// One of these words.
    Word(&'static [&'static str]),
}

const fn column(name: &'static str, kind: ValueKind, doc: &'static str) -> Column {
    Column { name, kind, doc }
}

const SPI: ValueKind = ValueKind::Field(FieldKind::Uint { bits: 32 });
const IKE_SPI: ValueKind = ValueKind::Field(FieldKind::Uint { bits: 64 });
const TEXT: ValueKind = ValueKind::Field(FieldKind::Text);
const BITS: ValueKind = ValueKind::Field(FieldKind::Uint { bits: 16 });
const ADDR: ValueKind = ValueKind::Field(FieldKind::Addr);

/// All views.
pub static VIEWS: &[View] = &[
    View {
        name: "nhrp.cache",
        doc: "a binding of a protocol address to an NBMA address",
        columns: &[
            column("protocol", ADDR, "protocol address, or the first of the prefix"),
            column("prefix_len", ValueKind::Field(FieldKind::Uint { bits: 8 }), "length of the prefix, bits"),
            column("nbma", ADDR, "NBMA address that packets go to"),
            column("claimed_nbma", ADDR, "NBMA address that the registration named, where NAT changed it"),
            column(
                "type",
                ValueKind::Word(&["dynamic", "nhs", "static", "local", "cached", "incomplete", "negative"]),
                "where it comes from",
            ),
            column("remaining", ValueKind::Duration, "time until it expires"),
            column("unique", ValueKind::Bool, "registered with the U bit"),
        ],
    },
    View {
        name: "nhrp.nhs",
        doc: "a next-hop server that the node is a client of",
        columns: &[
            column("node", ValueKind::Node, "the node that it is"),
            column("nbma", ADDR, "its NBMA address"),
            column("protocol", ADDR, "its protocol address"),
            column("up", ValueKind::Bool, "it has acknowledged a registration that still holds"),
            column("priority", ValueKind::Field(FieldKind::Uint { bits: 32 }), "lower is preferred"),
        ],
    },
    View {
        name: "nhrp.shortcut",
        doc: "a prefix whose traffic takes a direct way",
        columns: &[
            column("prefix", ValueKind::Prefix, "the prefix"),
            column("via", ADDR, "protocol address of the next hop"),
            column("nbma", ADDR, "NBMA address of the next hop"),
            column("remaining", ValueKind::Duration, "time until it expires"),
        ],
    },
    View {
        name: "ipsec.sa",
        doc: "a Child SA: a pair of ESP SAs, one for each direction",
        columns: &[
            column("peer", ADDR, "NBMA address of the far end"),
            column("state", ValueKind::Word(&["up", "rekeying", "ending"]), "ending: replaced, or being deleted"),
            column("mode", ValueKind::Word(&["transport", "tunnel"]), "how packets are wrapped"),
            column("protocol", ValueKind::Word(&["esp", "ah"]), "what wraps them"),
            column("spi_in", SPI, "SPI of packets that come"),
            column("spi_out", SPI, "SPI of packets that go"),
            column("initiator_spi", IKE_SPI, "SPI of the initiator of the IKE SA that it belongs to"),
            column("responder_spi", IKE_SPI, "SPI of its responder"),
        ],
    },
    View {
        name: "esp.keys",
        doc: "the keys of an ESP SA, for a capture that is to be decrypted; who asks for them has them in the evidence",
        columns: &[
            column("src", ADDR, "source NBMA address"),
            column("dst", ADDR, "destination NBMA address"),
            column("spi", TEXT, "SPI, in hexadecimal"),
            column("encryption", TEXT, "the kernel's name of the cipher"),
            column("icv_bits", BITS, "length of the ICV of a cipher that authenticates, else 0"),
            column("encryption_key", TEXT, "key, with the salt behind it where the cipher has one, in hexadecimal"),
            column("integrity", TEXT, "the kernel's name of the integrity algorithm, if there is one"),
            column("integrity_bits", BITS, "length of its ICV"),
            column("integrity_key", TEXT, "its key, in hexadecimal"),
        ],
    },
    View {
        name: "ike.keys",
        doc: "the keys of the last IKE SA (RFC 7296 section 2.14), for a capture that is to be decrypted",
        columns: &[
            column("proposal", TEXT, "algorithms, as in AES_CBC_128/HMAC_SHA2_256_128"),
            column("sk_ai", TEXT, "integrity key of the initiator, in hexadecimal"),
            column("sk_ar", TEXT, "integrity key of the responder"),
            column("sk_ei", TEXT, "encryption key of the initiator"),
            column("sk_er", TEXT, "encryption key of the responder"),
        ],
    },
];

impl View {
    /// The view of that name.
    pub fn find(name: &str) -> Option<&'static View> {
        VIEWS.iter().find(|view| view.name == name)
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}
