//! How registrations are shown, and what must always hold in them.

use std::net::IpAddr;

use super::{Client, Registrations, Timer};
use crate::ids::{NhsId, TunnelId};
use crate::time::Instant;
use crate::trace::Refusal;

/// Where a client stands with one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NhsState {
    /// Nothing is sent: the link is down or the node stopped.
    Idle,
    /// Nothing is sent: enough better servers of its cluster are registered with.
    Standby,
    /// A request is out, or will be sent again after a refusal; not registered.
    AwaitReply,
    /// Registered.
    Registered,
    /// Registered, and a refresh is out.
    Refreshing,
}

impl NhsState {
    /// Name in views, in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Standby => "standby",
            Self::AwaitReply => "await_reply",
            Self::Registered => "registered",
            Self::Refreshing => "refreshing",
        }
    }
}

/// One next hop server in a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NhsRow {
    /// Which server.
    pub nhs: NhsId,
    /// Its NBMA address.
    pub nbma: IpAddr,
    /// Its protocol address, configured or learned.
    pub protocol: Option<IpAddr>,
    /// Configured priority, lower is preferred.
    pub priority: u8,
    /// Configured cluster.
    pub cluster: u8,
    /// Where we stand.
    pub state: NhsState,
    /// Whether we are registered there.
    pub registered: bool,
    /// Request ID that waits for a reply.
    pub request_id: Option<u32>,
    /// Transmissions since the last success.
    pub attempts: u32,
    /// When the next request is due.
    pub next_at: Option<Instant>,
    /// When the registration ends without another acknowledgment.
    pub expires: Option<Instant>,
    /// Own address as the server sees it, if there is a NAT.
    pub public_nbma: Option<IpAddr>,
    /// The last refusal since the last success.
    pub refusal: Option<Refusal>,
}

impl Registrations {
    pub(super) fn state(&self, id: NhsId) -> NhsState {
        match self.clients.get(&id) {
            Some(client) if client.registered && client.outstanding.is_some() => NhsState::Refreshing,
            Some(client) if client.registered => NhsState::Registered,
            Some(client) if client.started => NhsState::AwaitReply,
            // Its tunnel is up if anything of it is.
            Some(_) if self.of(id.tunnel).any(|(_, other)| other.started) => NhsState::Standby,
            _ => NhsState::Idle,
        }
    }

    /// Own address as a server of the tunnel sees it, if there is a NAT between: the first one's, in configured order.
    pub fn public_nbma(&self, tunnel: TunnelId) -> Option<IpAddr> {
        self.of(tunnel).find_map(|(_, client)| client.public_nbma)
    }

    /// The servers that a tunnel is registered with: NBMA address, protocol address if known, and the ID of the request
    /// that was acknowledged.
    pub fn registered(&self, tunnel: TunnelId) -> impl Iterator<Item = (IpAddr, Option<IpAddr>, u32)> {
        self.of(tunnel)
            .filter(|(_, client)| client.registered)
            .map(|(_, client)| (client.nhs.nbma, client.protocol(), client.acknowledged))
    }

    /// All servers, by tunnel and configured order.
    pub fn view(&self) -> Vec<NhsRow> {
        let row = |(id, client): (&NhsId, &Client)| NhsRow {
            nhs: *id,
            nbma: client.nhs.nbma,
            protocol: client.protocol(),
            priority: client.nhs.priority,
            cluster: client.nhs.cluster,
            state: self.state(*id),
            registered: client.registered,
            request_id: client.outstanding,
            attempts: client.attempts,
            next_at: self.timers.deadline((*id, Timer::Send)),
            expires: self.timers.deadline((*id, Timer::Lapse)),
            public_nbma: client.public_nbma,
            refusal: client.refusal,
        };
        self.clients.iter().map(row).collect()
    }

    /// Checks what must always hold; for debug builds and fuzzing.
    ///
    /// # Errors
    /// The broken rule, in words.
    pub fn invariants(&self) -> Result<(), String> {
        let mut outstanding: Vec<u32> = self.clients.values().filter_map(|client| client.outstanding).collect();
        outstanding.sort_unstable();
        if outstanding.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("two outstanding requests share an id".into());
        }
        for (id, client) in &self.clients {
            if client.registered != self.timers.deadline((*id, Timer::Lapse)).is_some() {
                return Err(format!("{id}: registered without end, or ending without being registered"));
            }
            if client.started != self.timers.deadline((*id, Timer::Send)).is_some() {
                return Err(format!("{id}: started and nothing to send, or something to send and not started"));
            }
            if !client.started && (client.registered || client.outstanding.is_some() || client.lost) {
                return Err(format!("{id}: has a state without being started"));
            }
            if self.timers.deadline((*id, Timer::Probation)).is_some() && !(client.probation && client.registered) {
                return Err(format!("{id}: a probation that nobody serves"));
            }
        }
        if self.timers.consistent() { Ok(()) } else { Err("registration timers are inconsistent".into()) }
    }
}
