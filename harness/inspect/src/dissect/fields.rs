//! Fields, and where a dissection keeps them: flat, in order, and without an allocation for each.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::ops::Range;

/// The value of a field as it stands in the packet, borrowed from its dissection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number, or a flag.
    Uint(u64),
    /// An address.
    Addr(IpAddr),
    /// Octets.
    Bytes(&'a [u8]),
    /// A word that the dissector made.
    Text(&'a str),
}

/// The value of a field, on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// A number, or a flag.
    Uint(u64),
    /// An address.
    Addr(IpAddr),
    /// Octets.
    Bytes(Vec<u8>),
    /// A word that the dissector made.
    Text(String),
}

impl Value<'_> {
    /// The same value, on its own.
    pub fn to_owned(self) -> FieldValue {
        match self {
            Value::Uint(number) => FieldValue::Uint(number),
            Value::Addr(address) => FieldValue::Addr(address),
            Value::Bytes(octets) => FieldValue::Bytes(octets.to_vec()),
            Value::Text(text) => FieldValue::Text(text.to_owned()),
        }
    }
}

impl FieldValue {
    /// The same value, borrowed.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            FieldValue::Uint(number) => Value::Uint(*number),
            FieldValue::Addr(address) => Value::Addr(*address),
            FieldValue::Bytes(octets) => Value::Bytes(octets),
            FieldValue::Text(text) => Value::Text(text),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Uint(number) => write!(f, "{number}"),
            Value::Addr(address) => write!(f, "{address}"),
            Value::Bytes([]) => f.write_str("no octets"),
            Value::Bytes(octets) => octets.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
            Value::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_value().fmt(f)
    }
}

/// One field of a packet. Its path, as in the [catalogue](super::catalogue) but with indices, is `stem` and `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The path up to its last word, with the dot behind: `ext.responder.cie[0].`, or nothing.
    pub stem: &'a str,
    /// The rest of the path: `holding_time`, `hdr.hopcnt`.
    pub name: &'static str,
    /// What it holds.
    pub value: Value<'a>,
    /// Which octets `range` counts in: 0 is the frame, see [`Dissection::buffer`](super::Dissection::buffer).
    pub buffer: u8,
    /// Its octets, counted from the start of that buffer; empty for fields that the dissector made.
    pub range: Range<usize>,
    /// Its bits within those octets, where it is smaller than them.
    pub mask: Option<u64>,
    /// Whether another field says the same under a name (`ext[0].type` beside `ext.responder.type`).
    pub alias: bool,
    /// Whether the octets are a secret of the stations, which nobody should print.
    pub secret: bool,
}

impl Field<'_> {
    /// The whole path.
    pub fn path(&self) -> String {
        format!("{}{}", self.stem, self.name)
    }

    /// Whether that is its path.
    pub fn is(&self, path: &str) -> bool {
        path.strip_prefix(self.stem) == Some(self.name)
    }
}

/// A layer of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer<'a> {
    /// `eth`, `vlan`, `ip`, `ipv6`, `udp`, `gre`, `nhrp`, `esp`, `ike` and the like.
    pub name: &'static str,
    /// Which octets its range counts in.
    pub buffer: u8,
    /// Its octets, with everything that it carries.
    pub range: Range<usize>,
    /// Those octets.
    pub octets: &'a [u8],
}

/// Fields one after the other.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    store: &'a Store,
    entries: std::slice::Iter<'a, Entry>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        self.entries.next().map(|entry| self.store.field(entry))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// A piece of [`Store::text`].
pub(super) type Piece = (u32, u32);

/// A value as it is kept: octets stand in the buffer already, words in the common text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stored {
    Uint(u64),
    Addr(IpAddr),
    Octets,
    Text(Piece),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    stem: Piece,
    name: &'static str,
    value: Stored,
    mask: u64,
    start: u32,
    end: u32,
    buffer: u8,
    say: Say,
}

/// What whoever prints a field has to know about it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Say {
    pub(super) alias: bool,
    pub(super) secret: bool,
}

#[derive(Clone, Copy, Debug)]
struct LayerEntry {
    name: &'static str,
    buffer: u8,
    start: u32,
    end: u32,
    /// Its first field.
    first: u32,
}

/// How many different troubles of one packet are listed; the others are counted. Each is held against those before it, and
/// a message of 64 KiB can have thousands.
const MOST_TROUBLES: usize = 32;

/// Everything that a dissection holds, in a few buffers that are used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    text: String,
    entries: Vec<Entry>,
    layers: Vec<LayerEntry>,
    troubles: Vec<Piece>,
    /// Troubles that are not listed.
    unlisted: usize,
    buffers: Vec<(&'static str, Vec<u8>)>,
    /// How many of `buffers` are in use; the others only keep their room.
    used: usize,
}

impl Store {
    /// Forgets everything and takes a copy of the frame.
    pub(super) fn clear(&mut self, frame: &[u8]) {
        self.text.clear();
        self.entries.clear();
        self.layers.clear();
        self.troubles.clear();
        self.unlisted = 0;
        self.used = 0;
        self.add_buffer("frame", frame);
    }

    /// Keeps octets that ranges will point into. Behind the 255th, which nothing reaches, ranges point nowhere.
    pub(super) fn add_buffer(&mut self, what: &'static str, octets: &[u8]) -> u8 {
        let number = self.used;
        match self.buffers.get_mut(number) {
            Some((name, room)) => {
                *name = what;
                room.clear();
                room.extend_from_slice(octets);
            }
            None => self.buffers.push((what, octets.to_vec())),
        }
        self.used += 1;
        u8::try_from(number).unwrap_or(u8::MAX)
    }

    pub(super) fn buffer(&self, number: u8) -> &[u8] {
        self.buffers.get(..self.used).and_then(|used| used.get(usize::from(number))).map_or(&[], |(_, octets)| octets)
    }

    pub(super) fn buffers(&self) -> impl ExactSizeIterator<Item = (&'static str, &[u8])> {
        self.buffers[..self.used].iter().map(|(name, octets)| (*name, octets.as_slice()))
    }

    pub(super) fn layer(&mut self, name: &'static str, buffer: u8, range: Range<usize>) {
        let first = self.entries.len() as u32;
        self.layers.push(LayerEntry { name, buffer, start: range.start as u32, end: range.end as u32, first });
    }

    pub(super) fn put(
        &mut self,
        (stem, name): (Piece, &'static str),
        value: Stored,
        buffer: u8,
        range: Range<usize>,
        mask: Option<u64>,
        say: Say,
    ) {
        let (start, end) = (range.start as u32, range.end as u32);
        self.entries.push(Entry { stem, name, value, mask: mask.unwrap_or(0), start, end, buffer, say });
    }

    /// Writes words into the common text.
    pub(super) fn write(&mut self, words: fmt::Arguments<'_>) -> Piece {
        let start = self.text.len();
        let _ = self.text.write_fmt(words);
        (start as u32, self.text.len() as u32)
    }

    /// A longer stem: `stem` with `more` behind it.
    pub(super) fn longer(&mut self, stem: Piece, more: fmt::Arguments<'_>) -> Piece {
        let start = self.text.len();
        self.text.extend_from_within(stem.0 as usize..stem.1 as usize);
        let _ = self.text.write_fmt(more);
        (start as u32, self.text.len() as u32)
    }

    /// Notes what is wrong, once.
    pub(super) fn trouble(&mut self, words: fmt::Arguments<'_>) {
        let piece = self.write(words);
        if self.troubles.iter().any(|known| self.at(*known) == self.at(piece)) {
            return;
        }
        if self.troubles.len() < MOST_TROUBLES {
            self.troubles.push(piece);
        } else {
            self.unlisted += 1;
            self.text.truncate(piece.0 as usize);
        }
    }

    pub(super) fn troubles(&self) -> impl ExactSizeIterator<Item = &str> {
        self.troubles.iter().map(|piece| self.at(*piece))
    }

    /// All troubles in one text. None may follow.
    pub(super) fn joined_troubles(&mut self) -> Option<Piece> {
        if self.troubles.is_empty() {
            return None;
        }
        let unlisted = self.unlisted;
        if unlisted > 0 {
            let piece = self.write(format_args!("{unlisted} more that are not listed"));
            self.troubles.push(piece);
        }
        let start = self.text.len();
        for index in 0..self.troubles.len() {
            let (from, to) = self.troubles[index];
            if index > 0 {
                self.text.push_str("; ");
            }
            self.text.extend_from_within(from as usize..to as usize);
        }
        Some((start as u32, self.text.len() as u32))
    }

    pub(super) fn fields(&self) -> Fields<'_> {
        Fields { store: self, entries: self.entries.iter() }
    }

    pub(super) fn fields_of(&self, layer: usize) -> Fields<'_> {
        let first = |index: usize| self.layers.get(index).map_or(self.entries.len(), |layer| layer.first as usize);
        let entries = self.entries.get(first(layer)..first(layer + 1)).unwrap_or_default();
        Fields { store: self, entries: entries.iter() }
    }

    pub(super) fn layers(&self) -> impl ExactSizeIterator<Item = Layer<'_>> {
        self.layers.iter().map(|layer| {
            let range = layer.start as usize..layer.end as usize;
            let octets = self.buffer(layer.buffer).get(range.clone()).unwrap_or_default();
            Layer { name: layer.name, buffer: layer.buffer, range, octets }
        })
    }

    /// Words of the common text.
    fn at(&self, piece: Piece) -> &str {
        self.text.get(piece.0 as usize..piece.1 as usize).unwrap_or_default()
    }

    fn field(&self, entry: &Entry) -> Field<'_> {
        let range = entry.start as usize..entry.end as usize;
        let value = match entry.value {
            Stored::Uint(number) => Value::Uint(number),
            Stored::Addr(address) => Value::Addr(address),
            Stored::Octets => Value::Bytes(self.buffer(entry.buffer).get(range.clone()).unwrap_or_default()),
            Stored::Text(piece) => Value::Text(self.at(piece)),
        };
        Field {
            stem: self.at(entry.stem),
            name: entry.name,
            value,
            buffer: entry.buffer,
            range,
            mask: (entry.mask != 0).then_some(entry.mask),
            alias: entry.say.alias,
            secret: entry.say.secret,
        }
    }
}
