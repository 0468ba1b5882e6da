//! What the peer shows, as programs read it. Names and meanings are an interface: they only grow.
//!
//! Instants of the node are turned into milliseconds from now, rounded down, because a reader does not share its clock.

use std::net::IpAddr;
use std::time::Duration;

use dmvpn_core::config::Tunnel;
use dmvpn_core::{Instant, TunnelId, io};
use serde::{Deserialize, Serialize};

/// NHRP state: `{"show":"nhrp"}`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct NhrpView {
    /// Milliseconds since the peer started.
    pub now_ms: u64,
    /// Bindings.
    pub cache: Vec<CacheRow>,
    /// Direct ways for prefixes.
    #[serde(default)]
    pub shortcuts: Vec<ShortcutRow>,
    /// Next hop servers that the peer is a client of.
    pub nhs: Vec<NhsRow>,
    /// Request ID that the next new request will carry.
    pub next_request_id: u32,
}

/// A binding.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct CacheRow {
    /// Name of the tunnel.
    pub tunnel: String,
    /// Protocol address, or the first of the prefix.
    pub protocol: IpAddr,
    /// Length of the prefix, bits.
    pub prefix_len: u8,
    /// NBMA address that packets go to.
    pub nbma: IpAddr,
    /// NBMA address that the station gave itself; another one behind a NAT.
    pub claimed_nbma: IpAddr,
    /// `local`, `static`, `nhs`, `dynamic`, `cached`, `negative` or `incomplete`; the last two lead nowhere.
    #[serde(rename = "type")]
    pub kind: String,
    /// Registered with the U bit.
    pub unique: bool,
    /// MTU that the station announced, 0: default.
    pub mtu: u16,
    /// Holding time of the last registration, seconds; 0 if the binding does not expire.
    pub holding_time: u16,
    /// Time since the binding came into being, milliseconds.
    pub age_ms: u64,
    /// Time since the last registration, milliseconds.
    pub refreshed_ms: u64,
    /// Time until it expires, milliseconds; null: never.
    pub remaining_ms: Option<u64>,
    /// Request ID of the last registration, 0 without one.
    pub request_id: u32,
}

/// A direct way for a prefix.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ShortcutRow {
    /// Name of the tunnel.
    pub tunnel: String,
    /// First address of the prefix.
    pub prefix: IpAddr,
    /// Length of the prefix, bits.
    pub prefix_len: u8,
    /// Protocol address of the next hop.
    pub via: IpAddr,
    /// NBMA address of the next hop.
    pub nbma: IpAddr,
    /// Time since traffic last took it, milliseconds; null: never.
    pub used_ms: Option<u64>,
    /// Time until it goes, milliseconds.
    pub remaining_ms: u64,
}

/// A next hop server.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct NhsRow {
    /// Name of the tunnel.
    pub tunnel: String,
    /// Its NBMA address.
    pub nbma: IpAddr,
    /// Its protocol address, configured or learned; null: not known yet.
    pub protocol: Option<IpAddr>,
    /// Configured priority, lower is preferred.
    pub priority: u8,
    /// Configured cluster.
    #[serde(default)]
    pub cluster: u8,
    /// `idle`, `standby`, `await_reply`, `registered` or `refreshing`.
    pub state: String,
    /// Whether the peer is registered there.
    pub up: bool,
    /// Request ID that waits for a reply.
    pub request_id: Option<u32>,
    /// Transmissions since the last success.
    pub attempts: u32,
    /// Time until the next request, milliseconds.
    pub next_ms: Option<u64>,
    /// Time until the registration ends without another acknowledgment, milliseconds.
    pub remaining_ms: Option<u64>,
    /// Own address as the server sees it, if there is a NAT.
    pub public_nbma: Option<IpAddr>,
    /// The last refusal since the last success, in words.
    pub refusal: Option<String>,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl NhrpView {
    /// The view of a node at `now`.
    pub fn new(view: io::NhrpView, tunnels: &[Tunnel], now: Instant) -> Self {
        let name =
            |id: TunnelId| tunnels.get(usize::from(id.0)).map_or_else(|| id.to_string(), |tunnel| tunnel.name.clone());
        let until = |at: Instant| millis(at.saturating_since(now));
        let since = |at: Instant| millis(now.saturating_since(at));
        let cache = view.bindings.into_iter().map(|binding| CacheRow {
            tunnel: name(binding.tunnel),
            protocol: binding.protocol,
            prefix_len: binding.prefix_len,
            nbma: binding.nbma,
            claimed_nbma: binding.claimed_nbma,
            kind: binding.kind.name().into(),
            unique: binding.unique,
            mtu: binding.mtu,
            holding_time: binding.holding_time,
            age_ms: since(binding.created),
            refreshed_ms: since(binding.refreshed),
            remaining_ms: binding.expires.map(until),
            request_id: binding.request_id,
        });
        let shortcuts = view.shortcuts.into_iter().map(|shortcut| ShortcutRow {
            tunnel: name(shortcut.tunnel),
            prefix: shortcut.prefix,
            prefix_len: shortcut.prefix_len,
            via: shortcut.via,
            nbma: shortcut.nbma,
            used_ms: shortcut.used.map(since),
            remaining_ms: until(shortcut.expires),
        });
        let nhs = view.nhs.into_iter().map(|row| NhsRow {
            tunnel: name(row.nhs.tunnel),
            nbma: row.nbma,
            protocol: row.protocol,
            priority: row.priority,
            cluster: row.cluster,
            state: row.state.name().into(),
            up: row.registered,
            request_id: row.request_id,
            attempts: row.attempts,
            next_ms: row.next_at.map(until),
            remaining_ms: row.expires.map(until),
            public_nbma: row.public_nbma,
            refusal: row.refusal.map(|refusal| refusal.to_string()),
        });
        Self {
            now_ms: millis(now.saturating_since(Instant::ZERO)),
            cache: cache.collect(),
            shortcuts: shortcuts.collect(),
            nhs: nhs.collect(),
            next_request_id: view.next_request_id,
        }
    }
}
