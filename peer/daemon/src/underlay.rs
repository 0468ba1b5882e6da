//! Raw IP sockets: one per protocol and own NBMA address, bound to that address.
//!
//! Raw IPv4 sockets deliver the IP header and, with `IP_HDRINCL`, take ours, so TOS, TTL, DF and identification are the
//! node's. Raw IPv6 sockets do neither: hop limit and traffic class are socket options on the way out and control
//! messages on the way in. In both families the kernel has put fragments together before.
//!
//! Where the kernel has a GRE driver of its own with a matching tunnel, that driver sees the packets too.

use std::collections::BTreeSet;
use std::io::{self, IoSliceMut, Read};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};

use dmvpn_core::{Config, Transmit, Underlay as Outer};
use dmvpn_wire::code::IpProtocol;
use nix::sys::socket::{self, ControlMessageOwned, MsgFlags, SockaddrIn6, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::outer::{self, Ipv6Outer, NotUsable, Pair};

/// Octets of the largest packet that a raw socket can deliver.
pub const LARGEST_PACKET: usize = 65_536;

/// What the kernel may hold for us while we are busy, octets. It gives less where `net.core.rmem_max` is lower.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Why the sockets are not there.
#[derive(Debug, thiserror::Error)]
#[error("{what} for {local}, protocol {protocol}: {source}")]
pub struct OpenError {
    /// What failed.
    what: &'static str,
    /// For which own address.
    local: IpAddr,
    /// For which IP protocol.
    protocol: u8,
    /// Why.
    source: io::Error,
}

impl OpenError {
    /// What the system said.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// The own address.
    pub fn local(&self) -> IpAddr {
        self.local
    }
}

/// Why a packet was not sent. `NoSocket` and `TooBig` are ours, the others the kernel's.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No socket has this source address and protocol.
    #[error("no socket for this source address and protocol")]
    NoSocket,
    /// Too long.
    #[error("the packet is too long")]
    TooBig,
    /// No room in the kernel.
    #[error("no room in the kernel: {0}")]
    NoRoom(io::Error),
    /// No way there.
    #[error("no way there: {0}")]
    Unreachable(io::Error),
    /// Not allowed.
    #[error("refused by this machine: {0}")]
    Refused(io::Error),
    /// Anything else.
    #[error("{0}")]
    Other(io::Error),
}

impl From<io::Error> for SendError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EMSGSIZE) => Self::TooBig,
            Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => Self::NoRoom(error),
            Some(libc::EPERM | libc::EACCES) => Self::Refused(error),
            Some(
                libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::ENETDOWN
                | libc::EHOSTDOWN
                | libc::EADDRNOTAVAIL
                | libc::ENODEV
                | libc::ENXIO,
            ) => Self::Unreachable(error),
            _ => Self::Other(error),
        }
    }
}

/// A packet from a socket.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// Its outer header.
    pub outer: Outer,
    /// What follows it.
    pub payload: &'a [u8],
    /// The whole packet for a capture; built only where the socket does not deliver it.
    packet: Option<&'a [u8]>,
    traffic_class: u8,
}

impl Datagram<'_> {
    /// The whole outer IP packet.
    pub fn packet(&self) -> Option<std::borrow::Cow<'_, [u8]>> {
        if let Some(packet) = self.packet {
            return Some(packet.into());
        }
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (self.outer.src, self.outer.dst) else { return None };
        let outer = Ipv6Outer {
            src,
            dst,
            protocol: self.outer.protocol,
            hop_limit: self.outer.ttl,
            traffic_class: self.traffic_class,
        };
        outer::ipv6_packet(outer, self.payload).map(Into::into)
    }
}

/// What a read brought.
#[derive(Debug)]
pub enum Received<'a> {
    /// A packet.
    Datagram(Datagram<'a>),
    /// Something that is not passed on.
    NotUsable(NotUsable),
    /// Nothing more for now.
    Empty,
}

/// Options that were last set on an IPv6 socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ipv6Options {
    hop_limit: u8,
    traffic_class: u8,
    dont_fragment: bool,
}

#[derive(Debug)]
struct RawSocket {
    fd: AsyncFd<Socket>,
    protocol: u8,
    local: IpAddr,
    /// Identification of the next IPv4 packet, never 0: the kernel would fill that in.
    next_id: u16,
    options: Option<Ipv6Options>,
}

/// All raw sockets of a node.
///
/// **The seam for IPsec**: ESP lives in the core. What it needs from the shell is a socket per own address for protocol 50,
/// and UDP sockets on ports 500 and 4500. The former are more entries of [`PROTOCOLS`], because a [`Transmit`] finds its
/// socket by protocol and source; the latter become a second kind of socket beside `RawSocket`, under the same
/// `poll_readable`, `receive` and `send`.
#[derive(Debug)]
pub struct Underlay {
    sockets: Vec<RawSocket>,
    /// Where the next look for a readable socket begins, so that none starves.
    next: usize,
}

/// IP protocols that the node speaks to its peers.
pub const PROTOCOLS: [IpProtocol; 1] = [IpProtocol::GRE];

impl Underlay {
    /// Opens the sockets for all NBMA addresses of a configuration; `first_id` is the identification of the first IPv4
    /// packet. Needs a tokio runtime and `CAP_NET_RAW`.
    ///
    /// # Errors
    /// The first socket that can not be had.
    pub fn open(config: &Config, first_id: u16) -> Result<Self, OpenError> {
        let locals: BTreeSet<IpAddr> = config.tunnels.iter().map(|tunnel| tunnel.nbma).collect();
        let mut sockets = Vec::new();
        for local in locals {
            for IpProtocol(protocol) in PROTOCOLS {
                sockets.push(RawSocket::open(local, protocol, first_id)?);
            }
        }
        Ok(Self { sockets, next: 0 })
    }

    /// Ready with a socket that has something to read.
    ///
    /// # Errors
    /// If the runtime goes away.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let count = self.sockets.len();
        for at in (0..count).map(|step| (self.next + step) % count) {
            if let Poll::Ready(ready) = self.sockets[at].fd.poll_read_ready(cx) {
                // The guard goes, the readiness stays until a read finds the socket empty.
                drop(ready?);
                self.next = (at + 1) % count;
                return Poll::Ready(Ok(at));
            }
        }
        Poll::Pending
    }

    /// Reads one packet from a socket into `buf`, which has [`LARGEST_PACKET`] octets.
    ///
    /// # Errors
    /// What the system says; such errors are reports about earlier packets as often as not, and the next read may work.
    pub fn receive<'a>(&self, at: usize, buf: &'a mut [u8]) -> io::Result<Received<'a>> {
        let socket = &self.sockets[at];
        let result = match socket.local {
            IpAddr::V4(_) => socket.receive_v4(buf),
            IpAddr::V6(_) => socket.receive_v6(buf),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Empty),
            other => other,
        }
    }

    /// Sends a packet at once or not at all. With `whole`, returns the outer IP packet for a capture.
    ///
    /// # Errors
    /// Why it was not sent.
    pub fn send(&mut self, transmit: &Transmit, whole: bool) -> Result<Option<Vec<u8>>, SendError> {
        let of = |socket: &&mut RawSocket| socket.protocol == transmit.protocol && socket.local == transmit.src;
        let socket = self.sockets.iter_mut().find(of).ok_or(SendError::NoSocket)?;
        match Pair::of(transmit).ok_or(SendError::NoSocket)? {
            Pair::V4(src, dst) => {
                let packet = outer::ipv4_packet(transmit, src, dst, socket.next_id).ok_or(SendError::TooBig)?;
                socket.next_id = socket.next_id.checked_add(1).unwrap_or(1);
                socket.write(&packet, dst.into())?;
                Ok(whole.then_some(packet))
            }
            Pair::V6(src, dst) => {
                socket.prepare_v6(transmit)?;
                socket.write(&transmit.payload, dst.into())?;
                let outer = Ipv6Outer {
                    src,
                    dst,
                    protocol: transmit.protocol,
                    hop_limit: transmit.ttl,
                    traffic_class: transmit.tos,
                };
                Ok(if whole { outer::ipv6_packet(outer, &transmit.payload) } else { None })
            }
        }
    }
}

impl RawSocket {
    fn open(local: IpAddr, protocol: u8, first_id: u16) -> Result<Self, OpenError> {
        let failed = |what| move |source: io::Error| OpenError { what, local, protocol, source };
        let domain = if local.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(protocol))))
            .map_err(failed("no raw socket"))?;
        let setup = || {
            socket.set_nonblocking(true)?;
            if local.is_ipv4() {
                socket.set_header_included_v4(true)?;
            } else {
                socket.set_recv_hoplimit_v6(true)?;
                socket.set_recv_tclass_v6(true)?;
            }
            Ok(())
        };
        setup().map_err(failed("raw socket not usable"))?;
        // A smaller buffer still works.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        socket.bind(&SocketAddr::new(local, 0).into()).map_err(failed("raw socket not bound"))?;
        #[allow(unsafe_code)]
        // SAFETY: the descriptor is the socket's own. The socket moves into the `AsyncFd`, is reached by shared reference
        // only, and so stays open, and the same, until the `AsyncFd` is dropped with it.
        let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        let fd = registered.map_err(|error| failed("raw socket not usable")(error.into_parts().1))?;
        Ok(Self { fd, protocol, local, next_id: first_id.max(1), options: None })
    }

    fn receive_v4<'a>(&self, buf: &'a mut [u8]) -> io::Result<Received<'a>> {
        let len = self.fd.try_io(Interest::READABLE, |socket| {
            let mut socket: &Socket = socket;
            socket.read(buf)
        })?;
        let packet = &buf[..len];
        Ok(match outer::strip(packet) {
            Ok((outer, payload)) => {
                Received::Datagram(Datagram { outer, payload, packet: Some(packet), traffic_class: 0 })
            }
            Err(reason) => Received::NotUsable(reason),
        })
    }

    fn receive_v6<'a>(&self, buf: &'a mut [u8]) -> io::Result<Received<'a>> {
        let read = |socket: &Socket| {
            let mut control = nix::cmsg_space!(i32, i32);
            let mut slices = [IoSliceMut::new(buf)];
            let message =
                socket::recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
            let (mut ttl, mut class) = (None, 0);
            for control in message.cmsgs()? {
                match control {
                    ControlMessageOwned::Ipv6HopLimit(limit) => ttl = u8::try_from(limit).ok(),
                    ControlMessageOwned::Ipv6TClass(value) => class = u8::try_from(value).unwrap_or(0),
                    _ => {}
                }
            }
            let whole = !message.flags.contains(MsgFlags::MSG_TRUNC);
            Ok((message.bytes, message.address, ttl, class, whole))
        };
        let (len, from, ttl, traffic_class, whole) = self.fd.try_io(Interest::READABLE, read)?;
        let (Some(from), Some(ttl), true) = (from, ttl, whole) else {
            return Ok(Received::NotUsable(NotUsable::NotWhole));
        };
        let outer = Outer { src: from.ip().into(), dst: self.local, protocol: self.protocol, ttl };
        Ok(Received::Datagram(Datagram { outer, payload: &buf[..len], packet: None, traffic_class }))
    }

    fn prepare_v6(&mut self, transmit: &Transmit) -> io::Result<()> {
        let wanted = Ipv6Options { hop_limit: transmit.ttl, traffic_class: transmit.tos, dont_fragment: transmit.df };
        if self.options == Some(wanted) {
            return Ok(());
        }
        self.options = None;
        let socket = self.fd.get_ref();
        socket.set_unicast_hops_v6(wanted.hop_limit.into())?;
        socket.set_tclass_v6(wanted.traffic_class.into())?;
        socket::setsockopt(socket, sockopt::Ipv6DontFrag, &wanted.dont_fragment)?;
        self.options = Some(wanted);
        Ok(())
    }

    fn write(&self, octets: &[u8], to: IpAddr) -> io::Result<()> {
        let to = match to {
            IpAddr::V4(_) => SocketAddr::new(to, 0),
            IpAddr::V6(to) => SocketAddrV6::new(to, 0, 0, 0).into(),
        };
        // Not through the reactor: it knows of no room before its first turn, and room is not waited for.
        self.fd.get_ref().send_to(octets, &to.into()).map(|_| ())
    }
}
