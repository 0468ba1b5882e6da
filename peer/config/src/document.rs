//! A configuration as written: what the file says and where, before defaults and before any judgment.
//!
//! This is what a syntax has to fill. Absent settings are `None`, so that the defaults have one home:
//! [`dmvpn_core::config`].

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use dmvpn_core::config::{Config, Secret};

use crate::{Error, convert};

/// A value and the octets of the file that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Octets of the file.
    pub span: Range<usize>,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Tunnels, in the order of the file.
    pub tunnels: Vec<Tunnel>,
    /// Bounds of tables and rates.
    pub limits: Limits,
    /// Request ID of the first NHRP request.
    pub first_request_id: Option<Located<u32>>,
}

impl Document {
    /// Fills in the defaults and checks that a node can run with the result. `file` and `text` are what the document was
    /// read from.
    ///
    /// # Errors
    /// The first thing that can not work.
    pub fn into_config(self, file: &str, text: &str) -> Result<Config, Error> {
        convert::config(self, file, text)
    }
}

/// An address with the length of its subnet's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The address.
    pub address: IpAddr,
    /// Bits of the subnet.
    pub prefix_len: u8,
}

/// A tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Name.
    pub name: Located<String>,
    /// Own NBMA address.
    pub nbma: Located<IpAddr>,
    /// Own protocol address.
    pub address: Located<Interface>,
    /// NBMA address of the only peer; `None`: multipoint.
    pub remote: Option<Located<IpAddr>>,
    /// GRE key.
    pub key: Option<Located<u32>>,
    /// Outer TTL.
    pub ttl: Option<Located<u8>>,
    /// Outer TOS of NHRP packets.
    pub tos: Option<Located<u8>>,
    /// Announced MTU.
    pub mtu: Option<Located<u16>>,
    /// NHRP; `None` switches it off.
    pub nhrp: Option<Nhrp>,
}

/// NHRP settings of a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nhrp {
    /// Network id.
    pub network_id: Option<Located<u32>>,
    /// Holding time.
    pub holding_time: Option<Located<Duration>>,
    /// Cisco authentication string.
    pub authentication: Option<Located<Secret>>,
    /// Flag U of own registrations.
    pub unique: Option<Located<bool>>,
    /// Whether registrations are answered.
    pub server: Option<Located<bool>>,
    /// Prefix length of own registrations.
    pub registration_prefix: Option<Located<u8>>,
    /// Back-off of unanswered requests.
    pub retry: Option<Located<Retry>>,
    /// Next hop servers.
    pub nhs: Vec<Located<Nhs>>,
    /// Static bindings.
    pub map: Vec<Located<Map>>,
}

/// Back-off of unanswered requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// First wait.
    pub first: Option<Located<Duration>>,
    /// Longest wait.
    pub max: Option<Located<Duration>>,
    /// Random lengthening, percent.
    pub jitter_percent: Option<Located<u8>>,
}

/// A next hop server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nhs {
    /// Protocol address; `None`: learned from the first reply.
    pub protocol: Option<Located<IpAddr>>,
    /// NBMA address.
    pub nbma: Located<IpAddr>,
    /// Lower is preferred.
    pub priority: Option<Located<u8>>,
}

/// A static binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Protocol address.
    pub protocol: Located<IpAddr>,
    /// NBMA address.
    pub nbma: Located<IpAddr>,
}

/// Bounds of tables and rates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Learned bindings.
    pub bindings: Option<Located<u32>>,
    /// Client information entries handled per registration.
    pub entries_per_request: Option<Located<u32>>,
    /// Error Indications sent per second.
    pub errors_per_second: Option<Located<u32>>,
}
