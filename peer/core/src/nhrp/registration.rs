//! The client side of registration (RFC 2332 §5.2.3, §5.2.4): this node makes itself known to its next hop servers.
//!
//! ```text
//!            start, link up, new address
//!                       |
//!                       v          no reply: same id, back-off
//!                 +-> Await reply <---+
//!   NAK: new id,  |     |    |  ------+
//!   back-off      +-----+    | code 0
//!                            v
//!                        Registered -- a third of the holding time later: Await reply with a new id
//! ```
//!
//! A node stays registered during a refresh, until the holding time of the last acknowledgment runs out.

mod message;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use dmvpn_wire::nhrp::{CieCode, ErrorIndication, Message, MessageType, Packet};
use dmvpn_wire::{NbmaAddr, ProtoAddr};

use super::reqid::RequestIds;
use super::{Context, Effect, Reason, Received};
use crate::config::{Backoff, Nhs, Tunnel};
use crate::entropy::Entropy;
use crate::ids::{NhsId, TunnelId};
use crate::stats::DropReason;
use crate::time::{Instant, TimerQueue};
use crate::trace::{Event, Refusal};

/// Where a client stands with one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NhsState {
    /// Nothing is sent: the link is down or the node stopped.
    Idle,
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

/// A next hop server as a way for traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via {
    /// The server.
    pub nhs: NhsId,
    /// Its NBMA address.
    pub nbma: IpAddr,
    /// Lower is preferred.
    pub priority: u8,
    /// Whether this node is registered there.
    pub registered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Send,
    Lapse,
}

#[derive(Clone, Debug)]
struct Client {
    nhs: Nhs,
    learned: Option<IpAddr>,
    /// The request that waits for a reply.
    outstanding: Option<u32>,
    /// When the last request was due. It was sent a little later where the shell's timers are not exact.
    last_due: Instant,
    attempts: u32,
    registered: bool,
    public_nbma: Option<IpAddr>,
    refusal: Option<Refusal>,
}

impl Client {
    fn new(nhs: Nhs) -> Self {
        Self {
            nhs,
            learned: None,
            outstanding: None,
            last_due: Instant::ZERO,
            attempts: 0,
            registered: false,
            public_nbma: None,
            refusal: None,
        }
    }

    fn protocol(&self) -> Option<IpAddr> {
        self.nhs.protocol.or(self.learned)
    }
}

/// What a timer may be late and keep its place in the row of deadlines. One that is later was held up by more than the
/// shell's timers (a machine that slept): counting from its deadline would make up for the past with a burst of requests.
const LATE: Duration = Duration::from_millis(100);

/// The registrations of all tunnels with all their servers.
#[derive(Clone, Debug, Default)]
pub struct Registrations {
    clients: BTreeMap<NhsId, Client>,
    timers: TimerQueue<(NhsId, Timer)>,
}

impl Registrations {
    /// One client per configured server; none is started.
    pub fn new(tunnels: &[Tunnel]) -> Self {
        let mut clients = BTreeMap::new();
        for (tunnel, config) in (0..).map(TunnelId).zip(tunnels) {
            for (index, nhs) in (0..).zip(&config.nhrp.nhs) {
                clients.insert(NhsId { tunnel, index }, Client::new(*nhs));
            }
        }
        Self { clients, timers: TimerQueue::new() }
    }

    fn of(&self, tunnel: TunnelId) -> impl Iterator<Item = (NhsId, &Client)> {
        let all = NhsId { tunnel, index: 0 }..=NhsId { tunnel, index: u16::MAX };
        self.clients.range(all).map(|(id, client)| (*id, client))
    }

    /// The servers of a tunnel as ways for traffic.
    pub fn ways(&self, tunnel: TunnelId) -> impl Iterator<Item = Via> {
        self.of(tunnel).map(|(nhs, client)| Via {
            nhs,
            nbma: client.nhs.nbma,
            priority: client.nhs.priority,
            registered: client.registered,
        })
    }

    /// Begins anew with all servers of a tunnel: a request is due at `now`, with a new id.
    pub fn start(&mut self, now: Instant, tunnel: TunnelId) {
        self.stop(tunnel);
        let ids: Vec<NhsId> = self.of(tunnel).map(|(id, _)| id).collect();
        for id in ids {
            self.timers.set((id, Timer::Send), now);
        }
    }

    /// Ends the registrations of a tunnel without a word.
    pub fn stop(&mut self, tunnel: TunnelId) {
        let all = NhsId { tunnel, index: 0 }..=NhsId { tunnel, index: u16::MAX };
        for (id, client) in self.clients.range_mut(all) {
            // What was learned stays: the server has not changed because our link did.
            *client = Client { learned: client.learned, ..Client::new(client.nhs) };
            self.timers.cancel((*id, Timer::Send));
            self.timers.cancel((*id, Timer::Lapse));
        }
    }

    /// Ends all registrations without a word.
    pub fn stop_all(&mut self) {
        for client in self.clients.values_mut() {
            *client = Client::new(client.nhs);
        }
        self.timers.clear();
    }

    /// Takes a Registration Reply.
    ///
    /// # Errors
    /// Why it acknowledges nothing.
    pub fn handle_reply(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        received: Received<'_>,
        message: &Message,
        out: &mut Vec<Effect>,
    ) -> Result<(), DropReason> {
        let tunnel = cx.tunnel(received.tunnel).ok_or(DropReason::UnknownTunnel)?;
        let reply = message.mandatory().ok_or(DropReason::ReplyMismatch)?;
        // NHRP-5.2.0.1-08: id and source must both be those of an outstanding request.
        let (id, client) = self.client_of(received).ok_or(DropReason::NotFromNhs)?;
        if client.outstanding != Some(reply.request_id) {
            return Err(DropReason::UnsolicitedReply);
        }
        if (reply.src_nbma, reply.src_proto) != (NbmaAddr::from(tunnel.nbma), ProtoAddr::from(tunnel.address)) {
            return Err(DropReason::ReplyMismatch);
        }
        let refusal = reply.cies.iter().map(|cie| cie.code).find(|code| *code != CieCode::SUCCESS);
        // NHRP-5.2.4-03: any other code than 0 is a failure.
        if let Some(code) = refusal {
            self.refused(now, id, reply.request_id, Refusal::Code(code), out);
            return Ok(());
        }
        if reply.cies.is_empty() {
            return Err(DropReason::ReplyMismatch);
        }

        client.outstanding = None;
        client.attempts = 0;
        client.refusal = None;
        client.registered = true;
        let nbma = client.nhs.nbma;
        // A configured address is not overruled.
        let learned = message::own_address_of_nhs(tunnel, message).filter(|_| client.nhs.protocol.is_none());
        if let Some(protocol) = learned.filter(|protocol| client.learned != Some(*protocol)) {
            if let Some(old) = client.learned.replace(protocol) {
                out.push(Effect::NhsForgotten { tunnel: id.tunnel, protocol: old, nbma });
            }
            out.push(Effect::Event(Event::NhsLearned { nhs: id, nbma, protocol }));
            out.push(Effect::NhsLearned { tunnel: id.tunnel, protocol, nbma });
        }
        let public = message::public_address(tunnel, message);
        if std::mem::replace(&mut client.public_nbma, public) != public {
            out.push(Effect::Event(Event::PublicAddress { nhs: id, nbma: public }));
        }

        // NHRP-5.2.3-21: a third of the holding time from request to request. It is counted from when the last one was
        // due, so that the period grows neither by the round-trip time nor by what the shell's timers are late.
        let holding_time = Duration::from_secs(tunnel.nhrp.holding_time.into());
        let refresh_at = (client.last_due + holding_time / 3).max(now);
        let protocol = client.protocol();
        self.timers.set((id, Timer::Send), refresh_at);
        self.timers.set((id, Timer::Lapse), now + holding_time);
        out.push(Effect::Event(Event::RegistrationAcknowledged {
            nhs: id,
            nbma,
            protocol,
            request_id: reply.request_id,
            refresh_after: refresh_at - now,
        }));
        Ok(())
    }

    /// Takes an Error Indication: one about our outstanding request refuses it (NHRP-5.2.7-17).
    ///
    /// # Errors
    /// It is about nothing of ours.
    pub fn handle_error(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        received: Received<'_>,
        error: &ErrorIndication,
        out: &mut Vec<Effect>,
    ) -> Result<(), DropReason> {
        let none = DropReason::UnsolicitedError;
        let own = ProtoAddr::from(cx.tunnel(received.tunnel).ok_or(none)?.address);
        // Some stations quote only the beginning: what is needed to recognise the request must be there.
        let quoted = Packet::new(&error.packet);
        if quoted.message_type() != Some(MessageType::REGISTRATION_REQUEST) || quoted.src_proto() != Some(own) {
            return Err(none);
        }
        let request_id = quoted.request_id().ok_or(none)?;
        let (id, client) = self.client_of(received).ok_or(none)?;
        if client.outstanding != Some(request_id) {
            return Err(none);
        }
        self.refused(now, id, request_id, Refusal::Error(error.code), out);
        Ok(())
    }

    /// The client of the server at the outer source.
    fn client_of(&mut self, received: Received<'_>) -> Option<(NhsId, &mut Client)> {
        let (id, _) = self.of(received.tunnel).find(|(_, client)| client.nhs.nbma == received.from)?;
        self.clients.get_mut(&id).map(|client| (id, client))
    }

    /// Not registered: the next attempt comes when the retransmission would have, with a new id.
    fn refused(&mut self, now: Instant, id: NhsId, request_id: u32, refusal: Refusal, out: &mut Vec<Effect>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.outstanding = None;
        client.registered = false;
        client.refusal = Some(refusal);
        self.timers.cancel((id, Timer::Lapse));
        let retry_after = self.timers.deadline((id, Timer::Send)).map_or(Duration::ZERO, |at| at - now);
        let nbma = client.nhs.nbma;
        out.push(Effect::Event(Event::RegistrationRefused { nhs: id, nbma, request_id, refusal, retry_after }));
    }

    /// Sends what is due at `now`, and ends registrations that were not acknowledged in time.
    pub fn handle_timeout(&mut self, now: Instant, cx: &mut Context<'_>, ids: &mut RequestIds, out: &mut Vec<Effect>) {
        while let Some((at, (id, timer))) = self.timers.pop_due(now) {
            let (Some(client), Some(tunnel)) = (self.clients.get_mut(&id), cx.tunnel(id.tunnel)) else { continue };
            match timer {
                Timer::Send => {
                    // NHRP-5.2.0.1-06: a retransmission has the id of the first transmission.
                    let request_id = *client.outstanding.get_or_insert_with(|| ids.allocate());
                    client.attempts = client.attempts.saturating_add(1);
                    let due = if now - at < LATE { at } else { now };
                    client.last_due = due;
                    let retry_after = wait(&tunnel.nhrp.retry, client.attempts, cx.entropy);
                    let (nbma, attempt) = (client.nhs.nbma, client.attempts);
                    let message = message::request(tunnel, nbma, client.protocol(), request_id);
                    // NHRP-5.2.3-22: it is never given up.
                    self.timers.set((id, Timer::Send), (due + retry_after).max(now));
                    out.push(Effect::Event(Event::RegistrationSent {
                        nhs: id,
                        nbma,
                        request_id,
                        attempt,
                        retry_after,
                    }));
                    out.push(Effect::Send { tunnel: id.tunnel, to: nbma, message: Box::new(message) });
                }
                Timer::Lapse => {
                    client.registered = false;
                    client.public_nbma = None;
                    let nbma = client.nhs.nbma;
                    out.push(Effect::Event(Event::RegistrationLost { nhs: id, nbma }));
                    // Another server may answer at that address by now.
                    if let Some(protocol) = client.learned.take() {
                        out.push(Effect::NhsForgotten { tunnel: id.tunnel, protocol, nbma });
                    }
                }
            }
        }
    }

    /// The next deadline and what it is for.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        self.timers.next().map(|(at, (id, timer))| {
            let reason = match (timer, self.state(id)) {
                (Timer::Lapse, _) => Reason::RegistrationLapse,
                (Timer::Send, NhsState::Registered) => Reason::Refresh,
                (Timer::Send, _) => Reason::Registration,
            };
            (at, reason)
        })
    }

    fn state(&self, id: NhsId) -> NhsState {
        match self.clients.get(&id) {
            Some(client) if client.registered && client.outstanding.is_some() => NhsState::Refreshing,
            Some(client) if client.registered => NhsState::Registered,
            Some(_) if self.timers.deadline((id, Timer::Send)).is_some() => NhsState::AwaitReply,
            _ => NhsState::Idle,
        }
    }

    /// All servers, by tunnel and configured order.
    pub fn view(&self) -> Vec<NhsRow> {
        let row = |(id, client): (&NhsId, &Client)| NhsRow {
            nhs: *id,
            nbma: client.nhs.nbma,
            protocol: client.protocol(),
            priority: client.nhs.priority,
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
            if (client.registered || client.outstanding.is_some()) && self.timers.deadline((*id, Timer::Send)).is_none()
            {
                return Err(format!("{id}: nothing will be sent any more"));
            }
        }
        if self.timers.consistent() { Ok(()) } else { Err("registration timers are inconsistent".into()) }
    }
}

/// The wait after transmission number `attempt`, with the configured jitter.
fn wait(backoff: &Backoff, attempt: u32, entropy: &mut dyn Entropy) -> Duration {
    let wait = backoff.wait_after(attempt);
    if backoff.jitter_percent == 0 {
        return wait;
    }
    let most = (wait / 100).saturating_mul(backoff.jitter_percent.into());
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    // A 64-bit fraction of `most`: the high half of the product.
    let extra = (u128::from(entropy.next_u64()) * u128::from(most)) >> 64;
    wait.saturating_add(Duration::from_nanos(extra as u64))
}
