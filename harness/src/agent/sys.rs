//! The few things that the kernel does only for raw system calls, each as small as can be.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::time::{ClockId, clock_gettime};

use super::session::Size;

/// CLOCK_MONOTONIC in nanoseconds.
pub(super) fn monotonic_ns() -> u64 {
    // The clock exists on every Linux and does not go below zero.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// A network interface's name, as short as the kernel wants it.
#[derive(Clone, Copy)]
pub(super) struct IfName([libc::c_char; libc::IFNAMSIZ]);

impl IfName {
    /// Fails when the name is empty, contains a NUL, or is too long.
    pub(super) fn new(name: &str) -> io::Result<Self> {
        let mut octets = [0; libc::IFNAMSIZ];
        if name.is_empty() || name.len() >= octets.len() || name.contains('\0') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("\"{name}\" names no interface")));
        }
        for (to, from) in octets.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        Ok(Self(octets))
    }
}

fn request(name: IfName) -> libc::ifreq {
    // SAFETY: ifreq is plain data, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name = name.0;
    request
}

fn interface_ioctl(code: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    let socket = datagram_socket()?;
    // SAFETY: every code that this file passes takes a pointer to an ifreq, and this one lives during the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), code as _, std::ptr::from_mut(request)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn datagram_socket() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    owned(fd)
}

fn owned(fd: c_int) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Brings an interface up.
pub(super) fn set_up(name: IfName) -> io::Result<()> {
    let mut request = request(name);
    interface_ioctl(libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: the call above has filled in the flags.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as libc::c_short;
    interface_ioctl(libc::SIOCSIFFLAGS, &mut request)
}

/// Gives an interface, which must be down, another name.
pub(super) fn rename(from: IfName, to: IfName) -> io::Result<()> {
    let mut request = request(from);
    request.ifr_ifru.ifru_newname = to.0;
    interface_ioctl(libc::SIOCSIFNAME, &mut request)
}

/// Makes a descriptor of /dev/net/tun the far end of a new interface that carries Ethernet frames and nothing around
/// them. The interface goes when the descriptor is closed.
pub(super) fn attach_tap(device: &OwnedFd, name: IfName) -> io::Result<()> {
    let mut request = request(name);
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: TUNSETIFF takes a pointer to an ifreq, and this one lives during the call.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF as _, std::ptr::from_mut(&mut request)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives an interface, which must be down, a hardware address.
pub(super) fn set_mac(name: IfName, mac: [u8; 6]) -> io::Result<()> {
    let mut request = request(name);
    // SAFETY: sockaddr is plain data, for which all zeroes is a value.
    let mut address: libc::sockaddr = unsafe { std::mem::zeroed() };
    address.sa_family = libc::ARPHRD_ETHER;
    for (to, from) in address.sa_data.iter_mut().zip(mac) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_hwaddr = address;
    interface_ioctl(libc::SIOCSIFHWADDR, &mut request)
}

/// Makes the kernel compute checksums itself and cut large segments itself on an interface whose frames leave as they
/// are: there is no hardware behind it that would do so later.
pub(super) fn without_offloads(name: IfName) -> io::Result<()> {
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }
    const ETHTOOL_STXCSUM: u32 = 0x17;
    const ETHTOOL_STSO: u32 = 0x1f;
    const ETHTOOL_SGSO: u32 = 0x24;
    for command in [ETHTOOL_SGSO, ETHTOOL_STSO, ETHTOOL_STXCSUM] {
        let mut value = Value { command, data: 0 };
        let mut request = request(name);
        request.ifr_ifru.ifru_data = std::ptr::from_mut(&mut value).cast();
        interface_ioctl(SIOCETHTOOL, &mut request)?;
    }
    Ok(())
}

/// Not in libc for every target.
const SIOCETHTOOL: libc::c_ulong = 0x8946;

/// A packet socket that sees each frame arriving on an interface, and sends there.
pub(super) fn packet_socket(name: IfName) -> io::Result<OwnedFd> {
    let mut request = request(name);
    interface_ioctl(libc::SIOCGIFINDEX, &mut request)?;
    // SAFETY: the call above has filled in the index.
    let index = unsafe { request.ifr_ifru.ifru_ifindex };
    // Bound before it listens to anything (protocol 0), so that no other interface's frame is ever queued.
    // SAFETY: takes no pointers.
    let socket = owned(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
    let on: c_int = 1;
    // SAFETY: the option's value is a c_int, which lives during the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            std::ptr::from_ref(&on).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: sockaddr_ll is plain data, for which all zeroes is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index;
    // SAFETY: the address lives during the call, and its length is its own.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}

/// Lets a descriptor survive into the program that this process starts next.
pub(super) fn inheritable(fd: BorrowedFd<'_>) -> io::Result<()> {
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))?;
    Ok(())
}

/// Makes a program die with the thread that starts it, and leave no memory image behind when it crashes.
pub(super) fn bind(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec only system calls are made; nothing is allocated and no lock is taken.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &none);
            Ok(())
        });
    }
}

/// Lets a program hear the signals that its agent keeps for a thread of its own, and those that whoever started the agent
/// has it ignore, as shells do with what runs in the background. What is blocked or ignored here would be so there for good:
/// a daemon that was told to end, or a program that was interrupted, would never know.
pub(super) fn hear_signals(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec only system calls are made; nothing is allocated and no lock is taken.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(nix::sys::signal::SigSet::empty().thread_set_mask()?)
        });
    }
}

/// A descriptor that becomes readable when the process, a child not yet waited for, has ended.
pub(super) fn process_descriptor(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as c_int)
}

/// Makes a pair of ends of a new terminal: the one that is its keyboard and screen, and the one for programs.
pub(super) fn new_terminal(size: Size) -> io::Result<(OwnedFd, OwnedFd)> {
    use nix::fcntl::{OFlag, open};
    use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
    // No other program that is started meanwhile may hold an end of it.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let program = open(ptsname_r(&master)?.as_str(), flags, nix::sys::stat::Mode::empty())?;
    let master = OwnedFd::from(master);
    set_terminal_size(master.as_fd(), size)?;
    Ok((master, program))
}

/// Tells a terminal, and with a signal the programs on it, how large it is.
pub(super) fn set_terminal_size(terminal: BorrowedFd<'_>, size: Size) -> io::Result<()> {
    let size = libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ takes a pointer to a winsize, and this one lives during the call.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, std::ptr::from_ref(&size)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes a program the head of a session of its own, with the terminal that is its standard input,
/// if that is one, as the session's. It sees this name of the host where the kernel lets it have one of its own.
pub(super) fn own_session(command: &mut std::process::Command, has_terminal: bool, host: Option<String>) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec only system calls are made; nothing is allocated and no lock is taken.
    unsafe {
        command.pre_exec(move || {
            nix::unistd::setsid()?;
            if let Some(host) = &host
                && libc::unshare(libc::CLONE_NEWUTS) == 0
            {
                libc::sethostname(host.as_ptr().cast(), host.len());
            }
            if has_terminal && libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}
