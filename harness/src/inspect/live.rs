//! Watching an interface: packets as they come, exchanges as they are answered.
//!
//! Nothing is ever sent. The interface is read as it is, without making it promiscuous: a router hears its own tunnels.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use pnet_datalink::{Channel, ChannelType, Config, DataLinkReceiver};

use dmvpn_inspect::exchange::{Exchange, Part};
use dmvpn_inspect::story::Story;
use dmvpn_inspect::view::{View, Viewer};

use crate::capture::{CapturedPacket, LinkType};
use crate::world::LabError;

/// How long a read waits, and so how late Ctrl-C can be heard.
const PATIENCE: Duration = Duration::from_millis(200);

/// The longest frame that is read: more than any interface's MTU, with room for segments put together by the card.
const LONGEST_FRAME: usize = 128 << 10;

/// An interface that is listened to.
pub struct Listener {
    name: String,
    link: LinkType,
    frames: Box<dyn DataLinkReceiver>,
}

/// Why an interface can not be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// There is none of that name.
    #[error("there is no interface `{name}`; there are: {known}")]
    Unknown {
        /// As asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The machine does not let us.
    #[error(transparent)]
    Environment(#[from] LabError),
}

impl Listener {
    /// Listens to the interface of that name.
    ///
    /// # Errors
    /// If there is none, its link is of an unknown kind, or the process may not.
    pub fn on(name: &str) -> Result<Self, ListenError> {
        let all = pnet_datalink::interfaces();
        let Some(interface) = all.iter().find(|interface| interface.name == name) else {
            let known: Vec<&str> = all.iter().map(|interface| interface.name.as_str()).collect();
            return Err(ListenError::Unknown { name: name.to_owned(), known: known.join(", ") });
        };
        let link = link_type(name)?;
        let config = Config {
            read_buffer_size: LONGEST_FRAME,
            read_timeout: Some(PATIENCE),
            channel_type: ChannelType::Layer2,
            promiscuous: false,
            ..Config::default()
        };
        match pnet_datalink::channel(interface, config) {
            Ok(Channel::Ethernet(_, frames)) => Ok(Self { name: name.to_owned(), link, frames }),
            Ok(_) => Err(no_capture(name, "an unknown kind of channel").into()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(LabError::environment(
                "inspect.follow",
                format!("this process may not capture on {name}: {error}"),
                "run it with `sudo`, or in a namespace of yours: `unshare -rn`; capturing needs CAP_NET_RAW",
            )
            .into()),
            Err(error) => Err(no_capture(name, &error.to_string()).into()),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Listens until `stop` is set. `visit` is shown every packet that the viewer lets through.
    ///
    /// # Errors
    /// If the interface goes away, or can not be read any more.
    pub fn listen(
        &mut self,
        viewer: &mut Viewer,
        stop: &AtomicBool,
        visit: &mut dyn FnMut(View<'_>),
    ) -> Result<(), LabError> {
        let mut packet = CapturedPacket { linktype: self.link, ..CapturedPacket::default() };
        while !stop.load(Ordering::Relaxed) {
            match self.frames.next() {
                Ok(frame) => {
                    packet.octets.clear();
                    packet.octets.extend_from_slice(frame);
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => continue,
                Err(error) => return Err(no_capture(&self.name, &error.to_string())),
            }
            packet.number += 1;
            packet.original_len = u32::try_from(packet.octets.len()).unwrap_or(u32::MAX);
            // The kernel's own time of a frame does not come through; this is a moment later.
            packet.timestamp_ns = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
            if let Some((glance, read)) = viewer.look(&packet) {
                visit(View { packet: &packet, glance: &glance, read });
            }
        }
        Ok(())
    }
}

/// Which exchanges have been shown to whoever watches.
#[derive(Debug, Default)]
pub struct Watch {
    retired: usize,
}

impl Watch {
    /// Shows the exchange that the packet `number`, which the story has just seen, has ended; and those of which nothing
    /// more is expected and that were never answered.
    pub fn ended(&mut self, story: &Story, number: u64, show: &mut dyn FnMut(&Exchange)) {
        for exchange in story.exchanges().get(self.retired..).unwrap_or_default() {
            if exchange.unanswered() {
                show(exchange);
            }
        }
        self.retired = story.exchanges().len();
        let last = |exchange: &&Exchange| exchange.packets.last().is_some_and(|seen| seen.number == number);
        let Some(exchange) = story.tracker().open().rev().find(last) else { return };
        let ends = exchange.packets.last().is_some_and(|seen| match seen.part {
            Part::Reply | Part::Error => true,
            Part::Message => exchange.count == 1,
            Part::Request => !exchange.wants_reply,
            Part::Retry | Part::Forward | Part::ReplyAgain | Part::Piece => false,
        });
        if ends {
            show(exchange);
        }
    }
}

fn no_capture(name: &str, why: &str) -> LabError {
    LabError::environment(
        "inspect.follow",
        format!("{name} can not be captured on: {why}"),
        "look with `ip link` whether it is there and up",
    )
}

/// What frames of the interface start with, by its hardware type (ARPHRD of Linux).
fn link_type(name: &str) -> Result<LinkType, LabError> {
    let hardware = getifaddrs().ok().and_then(|mut all| {
        all.find_map(|one| {
            let address = one.address.filter(|_| one.interface_name == name)?;
            address.as_link_addr().map(|link| link.hatype())
        })
    });
    match hardware {
        // Ethernet, and the loopback, which pretends to be one.
        Some(1 | 772) => Ok(LinkType::ETHERNET),
        // Tunnels of IP and GRE, TUN devices.
        Some(768 | 769 | 776 | 778 | 823 | 0xFFFE | 519) => Ok(LinkType::RAW),
        Some(other) => Err(no_capture(name, &format!("its link is of hardware type {other}, which is not known"))),
        None => Err(no_capture(name, "its hardware type is not told")),
    }
}
