//! Two captures held against each other: stations, clouds, exchanges, and the packets of exchanges field by field.
//!
//! An exchange corresponds to the one of the same kind, tunnel, stations and addresses in the other capture: the one with
//! the same id, or else the next in order. What differs from one run to the next by its nature is left out, and that is
//! said.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use dmvpn_inspect::exchange::{Exchange, ExchangeKind, Part};
use dmvpn_inspect::story::Story;
use dmvpn_inspect::view::View;

use super::{exchanges::Row, tree, words};
use crate::capture::CapturedPacket;
use crate::dissect::{Dissection, Field, Session};

/// Exchanges of each capture that are held against each other; more are counted and said.
pub const EXCHANGES: usize = 10_000;
/// Octets of packets that are kept of each capture.
const OCTETS: usize = 32 << 20;
/// Lines that are printed for people.
const LINES: usize = 500;

/// Fields that differ by their nature, by the beginning of their path.
pub const VOLATILE: &[&str] = &[
    "eth.",
    "ip.id",
    "ip.ttl",
    "ip.checksum",
    "ip.fragment_id",
    "udp.checksum",
    "inner.id",
    "inner.checksum",
    "gre.checksum",
    "gre.sequence",
    "request_id",
    "error.quoted.request_id",
    "error.packet",
    "traffic.packet",
    "hdr.chksum",
    "esp.",
    "ike.initiator_spi",
    "ike.responder_spi",
    "ike.sk.",
    "ike.encrypted",
];

/// A side of the comparison.
#[derive(Debug)]
pub struct Side {
    name: String,
    story: Story,
    packets: BTreeMap<u64, CapturedPacket>,
    octets: usize,
    /// Packets of exchanges for which there was no room.
    unkept: u64,
}

impl Side {
    /// A side of which nothing was read so far.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), story: Story::new(EXCHANGES), packets: BTreeMap::new(), octets: 0, unkept: 0 }
    }

    /// Takes in the next packet.
    pub fn packet(&mut self, view: View<'_>) {
        self.story.packet(view);
        if view.glance.nhrp.is_none() && view.glance.ike.is_none() {
            return;
        }
        if self.octets >= OCTETS {
            self.unkept += 1;
            return;
        }
        self.octets += view.packet.octets.len();
        self.packets.insert(view.packet.number, view.packet.clone());
    }

    /// The capture is over.
    pub fn finish(&mut self) {
        self.story.finish();
    }

    /// What happened on this side.
    pub fn story(&self) -> &Story {
        &self.story
    }
}

/// Something that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Difference {
    /// A station that only one side has, or that has another role there.
    Station {
        /// Its NBMA address.
        nbma: IpAddr,
        /// What it is on the left.
        left: Option<String>,
        /// What it is on the right.
        right: Option<String>,
    },
    /// A cloud that only one side has, or that has another network or other members there.
    Cloud {
        /// Its key.
        gre_key: Option<u32>,
        /// What it is on the left.
        left: Option<String>,
        /// What it is on the right.
        right: Option<String>,
    },
    /// An exchange that only one side has.
    Exchange {
        /// What it is.
        exchange: String,
        /// Its number on the left.
        left: Option<u64>,
        /// Its number on the right.
        right: Option<u64>,
    },
    /// An exchange with another result.
    Result {
        /// What it is.
        exchange: String,
        /// Its result on the left.
        left: String,
        /// Its result on the right.
        right: String,
    },
    /// A packet of an exchange that only one side has.
    Packet {
        /// Which exchange.
        exchange: String,
        /// What it is in it.
        part: String,
        /// Its number on the left.
        left: Option<u64>,
        /// Its number on the right.
        right: Option<u64>,
    },
    /// A field of corresponding packets.
    Field {
        /// Number of the packet on the left.
        left_packet: u64,
        /// Number of the packet on the right.
        right_packet: u64,
        /// Its path.
        field: String,
        /// Its value on the left, if it is there.
        left: Option<String>,
        /// Its value on the right, if it is there.
        right: Option<String>,
    },
}

/// All that differs, and what was not looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// In the order of stations, clouds, exchanges and their packets.
    pub differences: Vec<Difference>,
    /// How many exchanges correspond.
    pub matched: usize,
    /// Beginnings of the paths that were left out.
    pub ignored: Vec<&'static str>,
    /// Exchanges and packets for which there was no room.
    pub not_compared: u64,
}

/// Holds two sides against each other. With `all`, fields that differ by their nature count as well.
pub fn compare(left: &Side, right: &Side, all: bool) -> Comparison {
    let mut differences = Vec::new();
    stations(left, right, &mut differences);
    clouds(left, right, &mut differences);
    let ignored: &[&'static str] = if all { &[] } else { VOLATILE };
    let pairs = matched(left.story.exchanges(), right.story.exchanges());
    let mut count = 0;
    for (a, b) in pairs {
        match (a, b) {
            (Some(a), Some(b)) => {
                count += 1;
                exchange(left, right, (a, b), ignored, &mut differences);
            }
            (a, b) => differences.push(Difference::Exchange {
                exchange: a.or(b).map(title).unwrap_or_default(),
                left: a.map(|exchange| exchange.number),
                right: b.map(|exchange| exchange.number),
            }),
        }
    }
    Comparison {
        differences,
        matched: count,
        ignored: ignored.to_vec(),
        not_compared: left.story.left_out() + right.story.left_out() + left.unkept + right.unkept,
    }
}

fn stations(left: &Side, right: &Side, out: &mut Vec<Difference>) {
    let roles = |side: &Side| -> BTreeMap<IpAddr, String> {
        let overview = side.story.overview();
        let role = |member: &dmvpn_inspect::story::Member| {
            let behind = if member.behind_nat { " behind NAT" } else { "" };
            (member.nbma, format!("{:?}{behind}", member.role).to_lowercase())
        };
        overview.stations.iter().map(role).collect()
    };
    for (nbma, left, right) in both(&roles(left), &roles(right)) {
        out.push(Difference::Station { nbma, left, right });
    }
}

fn clouds(left: &Side, right: &Side, out: &mut Vec<Difference>) {
    let known = |side: &Side| -> BTreeMap<Option<u32>, String> {
        let cloud = |cloud: dmvpn_inspect::exchange::Cloud| {
            let network = cloud.network.unwrap_or_default();
            let members = format!("hubs {}, spokes {}", words::listed(&cloud.hubs), words::listed(&cloud.spokes));
            (cloud.gre_key, format!("{network}, {members}"))
        };
        side.story.tracker().clouds().into_iter().map(cloud).collect()
    };
    for (gre_key, left, right) in both(&known(left), &known(right)) {
        out.push(Difference::Cloud { gre_key, left, right });
    }
}

/// Keys whose values are not the same.
fn both<K: Ord + Copy>(
    left: &BTreeMap<K, String>,
    right: &BTreeMap<K, String>,
) -> Vec<(K, Option<String>, Option<String>)> {
    let mut keys: Vec<K> = left.keys().chain(right.keys()).copied().collect();
    keys.sort();
    keys.dedup();
    let of = |key: K| (key, left.get(&key).cloned(), right.get(&key).cloned());
    keys.into_iter().map(of).filter(|(_, left, right)| left != right).collect()
}

/// What corresponding exchanges have in common.
type Sort = (ExchangeKind, Option<u32>, IpAddr, IpAddr, Option<IpAddr>, Option<IpAddr>);

fn sort(exchange: &Exchange) -> Sort {
    (exchange.kind, exchange.gre_key, exchange.from, exchange.to, exchange.source, exchange.about)
}

type Pairing<'a> = (Option<&'a Exchange>, Option<&'a Exchange>);

/// Exchanges that correspond, and those that are alone, in the order of the left and then of the right.
fn matched<'a>(left: &'a [Exchange], right: &'a [Exchange]) -> Vec<Pairing<'a>> {
    let mut waiting: BTreeMap<Sort, Vec<&Exchange>> = BTreeMap::new();
    for exchange in right {
        waiting.entry(sort(exchange)).or_default().push(exchange);
    }
    let mut partner: Vec<Option<&Exchange>> = vec![None; left.len()];
    // Those with the same id first, so that one that is missing does not shift all others.
    for same_id in [true, false] {
        for (exchange, partner) in left.iter().zip(&mut partner).filter(|(_, partner)| partner.is_none()) {
            let Some(others) = waiting.get_mut(&sort(exchange)) else { continue };
            if let Some(at) = others.iter().position(|other| !same_id || other.id == exchange.id) {
                *partner = Some(others.remove(at));
            }
        }
    }
    let mut rest: Vec<&Exchange> = waiting.into_values().flatten().collect();
    rest.sort_by_key(|exchange| exchange.number);
    let pairs = left.iter().zip(partner).map(|(exchange, partner)| (Some(exchange), partner));
    pairs.chain(rest.into_iter().map(|exchange| (None, Some(exchange)))).collect()
}

fn title(exchange: &Exchange) -> String {
    let about = exchange.about.map(|about| format!(" about {about}")).unwrap_or_default();
    format!("{} {} -> {}{about}", exchange.kind.name(), exchange.from, exchange.to)
}

fn exchange(left: &Side, right: &Side, (a, b): (&Exchange, &Exchange), ignored: &[&str], out: &mut Vec<Difference>) {
    let (result_a, result_b) = (Row::of(a).result, Row::of(b).result);
    if result_a != result_b {
        out.push(Difference::Result { exchange: title(a), left: result_a, right: result_b });
    }
    let parts = |exchange: &Exchange| -> BTreeMap<(u8, usize), (Part, u64)> {
        let mut counts = BTreeMap::new();
        let place = |seen: &dmvpn_inspect::exchange::Seen| {
            let count = counts.entry(seen.part as u8).or_insert(0);
            *count += 1;
            ((seen.part as u8, *count), (seen.part, seen.number))
        };
        exchange.packets.iter().map(place).collect()
    };
    let (of_a, of_b) = (parts(a), parts(b));
    let mut places: Vec<_> = of_a.keys().chain(of_b.keys()).copied().collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        match (of_a.get(&place), of_b.get(&place)) {
            (Some((_, a)), Some((_, b))) => {
                if let (Some(one), Some(other)) = (left.packets.get(a), right.packets.get(b)) {
                    fields(one, other, ignored, out);
                }
            }
            (one, other) => out.push(Difference::Packet {
                exchange: title(a),
                part: one.or(other).map(|(part, _)| format!("{part:?}").to_lowercase()).unwrap_or_default(),
                left: one.map(|(_, number)| *number),
                right: other.map(|(_, number)| *number),
            }),
        }
    }
}

/// A field of a packet as it is compared: a secret by its octets, which are never shown.
#[derive(Debug, PartialEq, Eq)]
struct Compared {
    shown: String,
    secret: Vec<u8>,
}

fn fields(one: &CapturedPacket, other: &CapturedPacket, ignored: &[&str], out: &mut Vec<Difference>) {
    let (left, right) = (values(one, ignored), values(other, ignored));
    let find = |all: &'_ [(String, Compared)], path: &str| all.iter().position(|(known, _)| known == path);
    let new = right.iter().filter(|(path, _)| find(&left, path).is_none());
    for (path, _) in left.iter().chain(new) {
        let a = find(&left, path).and_then(|at| left.get(at)).map(|(_, value)| value);
        let b = find(&right, path).and_then(|at| right.get(at)).map(|(_, value)| value);
        if a != b {
            out.push(Difference::Field {
                left_packet: one.number,
                right_packet: other.number,
                field: path.clone(),
                left: a.map(|value| value.shown.clone()),
                right: b.map(|value| value.shown.clone()),
            });
        }
    }
}

fn values(packet: &CapturedPacket, ignored: &[&str]) -> Vec<(String, Compared)> {
    let mut read = Dissection::default();
    read.read(&mut Session::default(), packet.linktype, &packet.octets);
    let compared = |field: Field<'_>| {
        let octets = read.buffer(field.buffer).get(field.range.clone()).unwrap_or_default();
        let secret = if field.secret { octets.to_vec() } else { Vec::new() };
        (field.path(), Compared { shown: tree::value(&field, &read), secret })
    };
    let counts = |path: &str| !ignored.iter().any(|volatile| path.starts_with(volatile));
    read.fields().filter(|field| !field.alias).map(compared).filter(|(path, _)| counts(path)).collect()
}

/// The comparison for people.
pub fn render(left: &Side, right: &Side, comparison: &Comparison) -> String {
    let mut text = format!("- {}\n+ {}\n", left.name, right.name);
    let mut packets = None;
    for difference in comparison.differences.iter().take(LINES) {
        text += &match difference {
            Difference::Station { nbma, left, right } => pair(&format!("station {nbma}"), left, right),
            Difference::Cloud { gre_key, left, right } => {
                pair(&format!("cloud, {}", words::key(*gre_key)), left, right)
            }
            Difference::Exchange { exchange, left, right } => match (left, right) {
                (Some(number), _) => format!("- exchange {number}: {exchange}\n"),
                (_, number) => format!("+ exchange {}: {exchange}\n", number.unwrap_or(0)),
            },
            Difference::Result { exchange, left, right } => {
                pair(&format!("result of {exchange}"), &Some(left.clone()), &Some(right.clone()))
            }
            Difference::Packet { exchange, part, left, right } => match (left, right) {
                (Some(number), _) => format!("- packet {number}: {part} of {exchange}\n"),
                (_, number) => format!("+ packet {}: {part} of {exchange}\n", number.unwrap_or(0)),
            },
            Difference::Field { left_packet, right_packet, field, left, right } => {
                let head = if packets == Some((left_packet, right_packet)) {
                    String::new()
                } else {
                    format!("packets {left_packet} and {right_packet}\n")
                };
                packets = Some((left_packet, right_packet));
                head + &pair(&format!("  {field}"), left, right)
            }
        };
    }
    let more = comparison.differences.len().saturating_sub(LINES);
    if more > 0 {
        text += &format!("and {}; `--json` has all of them\n", words::counted(more as u64, "more difference"));
    }
    let count = words::counted(comparison.differences.len() as u64, "difference");
    text += &format!("{count}; exchanges that correspond: {}\n", comparison.matched);
    if !comparison.ignored.is_empty() {
        text += &format!("not compared (`--all-fields` does): {}\n", comparison.ignored.join(" "));
    }
    if comparison.not_compared > 0 {
        let what = words::counted(comparison.not_compared, "exchange or packet");
        text += &format!("not compared for lack of room: {what}\n");
    }
    text
}

fn pair(what: &str, left: &Option<String>, right: &Option<String>) -> String {
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".to_owned());
    format!("{what}: {} | {}\n", side(left), side(right))
}
