//! Two packets side by side, as the fields of one.

use std::net::IpAddr;
use std::sync::Arc;

use crate::dissect::{Dissection, FieldValue};
use crate::expect::Fields;

/// A packet that is remembered.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) time_ns: u64,
    pub(super) from: Option<IpAddr>,
    pub(super) to: Option<IpAddr>,
    pub(super) read: Dissection,
    /// Rules about single packets that it breaks, by their place.
    pub(super) broken: Vec<usize>,
}

impl Kept {
    pub(super) fn new(number: u64, time_ns: u64, read: &Dissection) -> Self {
        let (from, to) = (read.addr("ip.src"), read.addr("ip.dst"));
        Self { number, time_ns, from, to, read: read.clone(), broken: Vec::new() }
    }

    /// The octets of the message: of the innermost layer that has a name in suites.
    pub(super) fn octets(&self) -> Option<&[u8]> {
        if let Some(octets) = self.read.nhrp_octets() {
            return Some(octets);
        }
        let layer = self.read.layers().find(|layer| matches!(layer.name, "ike" | "esp" | "gre"))?;
        Some(layer.octets)
    }
}

/// A packet, and the other one that it is held against.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) this: &'a Arc<Kept>,
    /// The word for the other one in paths, and itself.
    pub(super) other: Option<(&'static str, &'a Arc<Kept>)>,
}

impl<'a> Pair<'a> {
    /// One packet alone.
    pub(super) fn one(this: &'a Arc<Kept>) -> Self {
        Self { this, other: None }
    }

    /// The packet that a path is about, and the path in it.
    fn of<'p>(&self, path: &'p str) -> (&'a Kept, &'p str) {
        let theirs = self.other.and_then(|(word, other)| {
            let rest = path.strip_prefix(word)?.strip_prefix('.')?;
            Some((other.as_ref(), rest))
        });
        theirs.unwrap_or((self.this, path))
    }
}

impl Fields for Pair<'_> {
    fn value(&self, path: &str) -> Option<FieldValue> {
        let (kept, rest) = self.of(path);
        match rest {
            "octets" => kept.octets().map(|octets| FieldValue::Bytes(octets.to_vec())),
            "elapsed" => {
                let (_, other) = self.other?;
                Some(FieldValue::Uint(self.this.time_ns.saturating_sub(other.time_ns) / 1_000_000_000))
            }
            rest => kept.read.value(rest),
        }
    }

    fn list_len(&self, path: &str) -> Option<usize> {
        let (kept, rest) = self.of(path);
        kept.read.list_len(rest)
    }

    fn offset(&self, path: &str) -> Option<usize> {
        let (kept, rest) = self.of(path);
        if kept.number == self.this.number { Fields::offset(&kept.read, rest) } else { None }
    }
}
