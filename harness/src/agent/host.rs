//! A router on the machine's own kernel: a pair of virtual interfaces in the container's network namespace, the far end
//! of which the agent holds.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::children::Children;
use super::protocol::{Abilities, Event, Hello, KernelKind, Kind, Status};
use super::router::{Context, End, Place};
use super::services::Services;
use super::sys::{self, IfName};
use super::wire::Wire;

/// For one call of `ip`, which takes milliseconds.
const IP_WITHIN: Duration = Duration::from_secs(5);

/// Finds out what the machine's kernel can do for a router by doing it. Nothing else is certain: modules load on demand,
/// and namespaces hide things.
pub(super) fn probe(children: &Children) -> Abilities {
    let try_ip = |make: &str, undo: &str| {
        let works = ip(children, make).is_ok();
        if works {
            let _ = ip(children, undo);
        }
        works
    };
    let gre = try_ip("link add lab-probe type gre local 127.0.0.1 key 1", "link del lab-probe");
    let state = "src 127.0.0.1 dst 127.0.0.2 proto esp spi 1";
    let key = "0x00112233445566778899aabbccddeeff";
    let esp = try_ip(
        &format!("xfrm state add {state} mode transport enc cbc(aes) {key} auth hmac(sha256) {key}{}", &key[2..]),
        &format!("xfrm state del {state}"),
    );
    Abilities { gre, esp }
}

/// Makes the interface, and carries out requests in this process from now on.
pub(super) fn start(context: &Context) -> Result<Place, String> {
    let wrong = |error: io::Error| format!("the router's interface: {error}");
    let (eth0, lab0) = (IfName::new("eth0").map_err(wrong)?, IfName::new("lab0").map_err(wrong)?);
    ip(&context.children, &format!("link add eth0 address {} type veth peer name lab0", context.args.mac))?;
    // The far end is a plug, not a host: it must not say anything of its own.
    // Neither end makes itself an IPv6 address, which it would announce; a kernel without IPv6 refuses to be told.
    for end in ["eth0", "lab0"] {
        let _ = ip(&context.children, &format!("link set {end} addrgenmode none"));
    }
    ip(&context.children, "link set lab0 arp off up")?;
    sys::without_offloads(eth0).map_err(wrong)?;
    let wire = sys::packet_socket(lab0).map_err(wrong)?;
    sys::set_up(IfName::new("lo").map_err(wrong)?).map_err(wrong)?;
    sys::set_up(eth0).map_err(wrong)?;

    Ok(serve(context, Wire::Socket(wire), KernelKind::Host))
}

/// Carries out requests in this process from now on, and says hello.
pub(super) fn serve(context: &Context, wire: Wire, kernel: KernelKind) -> Place {
    let end = context.end.clone();
    let services = Services::new(context.outbox.clone(), context.children.clone(), move || drop(end.send(End::Asked)));
    context.outbox.tell(Event::Hello(hello(context, kernel, uname())));
    Place {
        wire,
        control: Box::new(move |envelope| {
            match envelope.kind {
                Kind::Session => services.programs.take(&envelope.payload),
                _ => services.take(&envelope.payload),
            }
            Ok(())
        }),
    }
}

/// The first message, as of now.
pub(super) fn hello(context: &Context, kernel: KernelKind, uname: String) -> Hello {
    Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id() as i32,
        kernel,
        uname,
        host: context.host,
        monotonic_ns: sys::monotonic_ns(),
        boot_ms: context.started.elapsed().as_millis() as u64,
    }
}

/// Release and version of the kernel that this process runs on.
pub(super) fn uname() -> String {
    nix::sys::utsname::uname().map_or_else(
        |error| format!("unknown: {error}"),
        |name| format!("{} {}", name.release().to_string_lossy(), name.version().to_string_lossy()),
    )
}

/// Runs `ip` with arguments that contain no blanks.
pub(super) fn ip(children: &Children, arguments: &str) -> Result<(), String> {
    let attempt = || -> io::Result<Option<Status>> {
        let mut command = Command::new("ip");
        command.args(arguments.split(' ')).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = children.start(&mut command)?;
        let status = children.wait(&mut child, Some(Instant::now() + IP_WITHIN))?;
        if status.is_none() {
            let _ = child.kill();
        }
        Ok(status)
    };
    match attempt() {
        Ok(Some(Status::Exited(0))) => Ok(()),
        Ok(Some(status)) => Err(format!("ip {arguments}: {status:?}")),
        Ok(None) => Err(format!("ip {arguments}: no end within {IP_WITHIN:?}")),
        Err(error) => Err(format!("ip {arguments}: {error}")),
    }
}
