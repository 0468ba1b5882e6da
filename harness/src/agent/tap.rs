//! A router in a namespace of the guest: its interface is a TAP device, whose descriptor the agent holds. There is no
//! second interface that a daemon could mistake for one of its own, and no program has to run to make it.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;

use super::protocol::KernelKind;
use super::router::{Context, Place};
use super::sys::{self, IfName};
use super::wire::Wire;
use super::{guest, host};

/// Makes the interface, and carries out requests in this process from now on.
pub(super) fn start(context: &Context) -> Result<Place, String> {
    let wrong = |error: io::Error| format!("the router's interface: {error}");
    // Before there is an interface to speak up.
    guest::quieten("lo");
    let (lo, eth0) = (IfName::new("lo").map_err(wrong)?, IfName::new("eth0").map_err(wrong)?);
    let device = OpenOptions::new().read(true).write(true).open("/dev/net/tun").map_err(wrong)?;
    let tap = OwnedFd::from(device);
    sys::attach_tap(&tap, eth0).map_err(wrong)?;
    sys::set_mac(eth0, context.args.mac.0).map_err(wrong)?;
    sys::set_up(lo).map_err(wrong)?;
    sys::set_up(eth0).map_err(wrong)?;
    Ok(host::serve(context, Wire::Tap(tap), KernelKind::Lab))
}
