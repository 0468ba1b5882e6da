//! The far end of a router's interface: whole frames in both directions.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::{read, write};

/// How long a frame may wait for room on its way into the router. A router that is alive takes one in microseconds.
const ROOM_WITHIN_MS: u16 = 100;

/// Where frames leave a router and enter it, one per system call.
#[derive(Debug)]
pub(super) enum Wire {
    /// A packet socket at the far end of a veth pair, or one end of a socket pair to a guest.
    Socket(OwnedFd),
    /// The descriptor behind a TAP interface.
    Tap(OwnedFd),
}

impl Wire {
    /// Waits for the next frame that leaves the router, and says how long it is; 0 when the other end is closed.
    pub(super) fn receive(&self, octets: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Wire::Socket(socket) => recv(socket.as_raw_fd(), octets, MsgFlags::empty()),
            Wire::Tap(tap) => read(tap, octets),
        }
    }

    /// Hands a frame to the router; an error means that it is lost.
    pub(super) fn send(&self, frame: &[u8]) -> Result<(), Errno> {
        let socket = match self {
            // It goes up the stack within the call: there is no room to wait for.
            Wire::Tap(tap) => return write(tap, frame).map(drop),
            Wire::Socket(socket) => socket,
        };
        let attempt = || send(socket.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
        match attempt() {
            Err(Errno::EAGAIN | Errno::ENOBUFS) => {
                let _ = poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)], ROOM_WITHIN_MS);
                attempt().map(drop)
            }
            result => result.map(drop),
        }
    }
}
