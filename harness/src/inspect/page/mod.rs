//! A capture as a page: summary, exchanges, and a ladder in which every arrow opens its packet field by field, with the
//! octets of each field.
//!
//! It is one file that loads nothing. Packets are in it as data, which the page's only script puts into elements as text;
//! the page's policy lets no other script run. Octets of secrets are not in it.

use minijinja::{Value, context};
use serde::Serialize;

use dmvpn_inspect::exchange::Part;
use dmvpn_inspect::story::Story;
use dmvpn_inspect::view::View;

use super::ladder::Rung;
use super::{exchanges, summary, tree, words};
use crate::capture::CapturedPacket;
use crate::dissect::Dissection;
use crate::report::Terminal;
use crate::report::ladder::{self, Class, Ladder, Row};
use crate::report::pages::{self, WriteError};

const PAGE: (&str, &str) = ("inspect.html", include_str!("page.html"));
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// Packets of the page at most; of a longer capture only those of exchanges are in it.
pub const PACKETS: usize = 1000;
/// Octets of those packets at most.
const OCTETS: usize = 4 << 20;

/// A packet as the script gets it.
#[derive(Clone, Debug, Serialize)]
struct Packet {
    number: u64,
    time: String,
    about: String,
    summary: String,
    layers: Vec<Layer>,
    troubles: Vec<String>,
    buffers: Vec<Buffer>,
}

#[derive(Clone, Debug, Serialize)]
struct Layer {
    title: String,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, Serialize)]
struct Field {
    path: String,
    value: String,
    buffer: u8,
    start: usize,
    end: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Buffer {
    what: String,
    /// Two hexadecimal digits for each octet, or `**` for one of a secret.
    octets: String,
}

#[derive(Debug)]
struct Kept {
    rung: Rung,
    packet: Packet,
    of_exchange: bool,
}

/// Packets that are collected for a page.
#[derive(Debug, Default)]
pub struct Collection {
    kept: Vec<Kept>,
    octets: usize,
    /// How many were seen, and kept, of those that belong to exchanges and of all others.
    seen: [usize; 2],
    taken: [usize; 2],
    start_ns: Option<u64>,
}

impl Collection {
    /// Takes in a packet that the story has seen already.
    pub fn packet(&mut self, view: View<'_>, story: &Story) {
        let View { packet, glance, read: Some(read) } = view else { return };
        let start_ns = *self.start_ns.get_or_insert(packet.timestamp_ns);
        let Some((from, to)) = glance.outer else { return };
        let of_exchange = glance.nhrp.is_some() || glance.ike.is_some();
        let sort = usize::from(of_exchange);
        self.seen[sort] += 1;
        if self.taken[sort] >= PACKETS || self.octets >= OCTETS {
            return;
        }
        self.taken[sort] += 1;
        self.octets += packet.octets.len();
        let rung = Rung {
            number: packet.number,
            time_ns: packet.timestamp_ns,
            from,
            to,
            label: read.summary().to_owned(),
            part: super::ladder::part_of(story, packet.number),
        };
        self.kept.push(Kept { rung, packet: data(packet, read, start_ns), of_exchange });
    }

    /// The packets of the page, and what has to be said of those that are not on it.
    fn chosen(&self) -> (Vec<&Kept>, Option<String>) {
        let all: usize = self.seen.iter().sum();
        if all == self.kept.len() && all <= PACKETS {
            return (self.kept.iter().collect(), None);
        }
        let of_exchanges = self.kept.iter().filter(|kept| kept.of_exchange);
        let chosen: Vec<&Kept> = of_exchanges.collect();
        let cut = format!("Of {all} packets these are the first {} that belong to exchanges.", chosen.len());
        (chosen, Some(cut))
    }
}

fn data(packet: &CapturedPacket, read: &Dissection, start_ns: u64) -> Packet {
    let shown = |field: &crate::dissect::Field<'_>| !field.alias && field.name != "malformed";
    let layers = read.layers().enumerate().map(|(index, layer)| Layer {
        title: layer.name.to_owned(),
        fields: read
            .fields_of(index)
            .filter(shown)
            .map(|field| Field {
                path: field.path(),
                value: tree::value(&field, read),
                buffer: field.buffer,
                start: field.range.start,
                end: field.range.end,
            })
            .collect(),
    });
    let buffers = (0u8..).zip(read.buffers()).map(|(number, (what, octets))| {
        let secrets = tree::secrets(read, number);
        let digits = octets.iter().enumerate().map(|(at, octet)| {
            let secret = secrets.iter().any(|range| range.contains(&at));
            if secret { "**".to_owned() } else { format!("{octet:02x}") }
        });
        Buffer { what: what.to_owned(), octets: digits.collect() }
    });
    Packet {
        number: packet.number,
        time: words::relative(packet.timestamp_ns, start_ns),
        about: format!("{} of {} octets, {}", packet.octets.len(), packet.original_len, read.stack()),
        summary: read.summary().to_owned(),
        layers: layers.collect(),
        troubles: read.troubles().map(str::to_owned).collect(),
        buffers: buffers.collect(),
    }
}

/// The page of a file. `complaints` are what could not be read.
///
/// # Errors
/// If the page's template is wrong, which no user can mend.
pub fn render(file: &str, story: &Story, collection: &Collection, complaints: &[String]) -> Result<String, WriteError> {
    let (chosen, cut) = collection.chosen();
    let start_ns = collection.start_ns.unwrap_or(0);
    let ladder = Ladder::of(chosen.iter().map(|kept| row(&kept.rung, start_ns)).collect());
    let packets: Vec<&Packet> = chosen.iter().map(|kept| &kept.packet).collect();
    let data = serde_json::to_string(&packets).unwrap_or_else(|_| "[]".to_owned()).replace('<', "\\u003c");
    let rows: Vec<Value> = story
        .exchanges()
        .iter()
        .map(|exchange| {
            let row = exchanges::Row::of(exchange);
            let first = exchange.packets.first().map(|seen| seen.number);
            let on_page = first.filter(|first| packets.iter().any(|packet| packet.number == *first));
            context! { cells => row.cells(start_ns), packet => on_page, outcome => row.outcome }
        })
        .collect();
    let templates = pages::templates(&[PAGE])?;
    let page = templates.get_template(PAGE.0).and_then(|template| {
        template.render(context! {
            style => format!("{}{}{STYLE}", pages::STYLE, ladder::CSS),
            script => SCRIPT,
            policy => pages::policy(SCRIPT),
            file,
            summary => summary::render(file, story, &Terminal::FILE),
            complaints,
            head => exchanges::HEAD,
            rows,
            left_out => story.left_out(),
            ladder => ladder.svg("Packets between stations, from top to bottom"),
            empty => packets.is_empty(),
            cut,
            data,
        })
    });
    page.map_err(pages::wrong_template)
}

fn row(rung: &Rung, start_ns: u64) -> Row {
    Row {
        time: words::relative(rung.time_ns, start_ns),
        from: Some(rung.from.to_string()),
        to: Some(rung.to.to_string()),
        label: format!("{} {}{}", rung.number, rung.label, super::ladder::part(rung.part)),
        class: match rung.part {
            Some(Part::Error | Part::Retry) => Class::Marked,
            Some(_) => Class::Plain,
            None => Class::Dim,
        },
        link: Some(format!("#p{}", rung.number)),
    }
}
