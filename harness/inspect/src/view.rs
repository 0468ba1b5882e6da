//! Looking at packets one after the other, as every way of showing them does: a glance at each, the field tree where
//! somebody wants it, and only those that a filter lets through.

use std::ops::ControlFlow;
use std::path::Path;

use crate::capture::{CapturedPacket, Packets, ReadError};
use crate::dissect::{Dissection, Glance, Session};
use crate::filter::Filter;
use crate::keys::{Keys, KeysError};

/// Looks at packets.
#[derive(Debug, Default)]
pub struct Viewer {
    glancing: Session,
    /// Both readers come past every packet, so each needs a memory of its own.
    reading: Session,
    dissection: Dissection,
    whole: bool,
    filter: Option<Filter>,
}

/// A packet that was looked at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The packet.
    pub packet: &'a CapturedPacket,
    /// What it is.
    pub glance: &'a Glance,
    /// Its fields, if they were asked for or a filter needed them.
    pub read: Option<&'a Dissection>,
}

impl Viewer {
    /// A viewer of packets that pass the filter. With `whole` each is read field by field, which takes longer.
    pub fn new(filter: Option<Filter>, whole: bool) -> Self {
        Self { whole: whole || filter.is_some(), filter, ..Self::default() }
    }

    /// Keys to open packets with, for each of its two readers.
    pub fn keys_mut(&mut self) -> [&mut Keys; 2] {
        [self.glancing.keys_mut(), self.reading.keys_mut()]
    }

    /// Adds keys from a table, or from a folder of them.
    ///
    /// # Errors
    /// As [`Keys::add_path`].
    pub fn add_keys(&mut self, path: &Path) -> Result<(), KeysError> {
        self.keys_mut().into_iter().try_for_each(|keys| keys.add_path(path))
    }

    /// Looks at the next packet; nothing if the filter does not want it.
    pub fn look(&mut self, packet: &CapturedPacket) -> Option<(Glance, Option<&Dissection>)> {
        let glance = Glance::of(&mut self.glancing, packet.linktype, &packet.octets);
        if !self.whole {
            return Some((glance, None));
        }
        self.dissection.read(&mut self.reading, packet.linktype, &packet.octets);
        let wanted = self.filter.as_ref().is_none_or(|filter| filter.holds(packet, &self.dissection));
        wanted.then_some((glance, Some(&self.dissection)))
    }
}

/// What [`each`] comes to.
#[derive(Debug)]
pub enum Step<'a> {
    /// A packet that passes the filter.
    Packet(View<'a>),
    /// One of many thousand packets, for whoever shows how far it is.
    Beat,
    /// Something of the file can not be read.
    Unreadable(ReadError),
    /// Keys that the file brings along can not be read.
    Keys(KeysError),
}

/// After how many packets there is a [`Step::Beat`].
const BEAT: u64 = 8192;

/// Goes through a file to its end, or until `visit` breaks off.
pub fn each(packets: &mut Packets, viewer: &mut Viewer, visit: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>) {
    let mut packet = CapturedPacket::default();
    let mut count = 0;
    while let Some(next) = packets.next_into(&mut packet) {
        count += 1;
        let mut go_on = ControlFlow::Continue(());
        match next {
            Err(error) => go_on = visit(Step::Unreadable(error)),
            Ok(()) => {
                for secrets in packets.take_secrets() {
                    for keys in viewer.keys_mut() {
                        if let Err(error) = keys.add_secrets(packets.path(), &secrets) {
                            go_on = visit(Step::Keys(error));
                            break;
                        }
                    }
                }
                if let Some((glance, read)) = viewer.look(&packet) {
                    go_on = visit(Step::Packet(View { packet: &packet, glance: &glance, read }));
                }
            }
        }
        if go_on.is_break() || (count % BEAT == 0 && visit(Step::Beat).is_break()) {
            return;
        }
    }
}
