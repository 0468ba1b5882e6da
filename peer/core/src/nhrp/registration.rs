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
//! A node stays registered during a refresh, until the holding time of the last acknowledgment runs out. Which servers of
//! a cluster are registered with, and which of all of them traffic goes to, is in `choice`.

mod choice;
mod message;
mod view;

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

pub use choice::{RETRANSMISSIONS, Standing};
pub use view::{NhsRow, NhsState};

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
    /// How good a way it is; goes before the priority.
    pub standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Send,
    Lapse,
    /// The end of a probation.
    Probation,
}

impl Timer {
    const ALL: [Self; 3] = [Self::Send, Self::Lapse, Self::Probation];
}

#[derive(Clone, Debug)]
struct Client {
    nhs: Nhs,
    learned: Option<IpAddr>,
    /// Whether it is being registered with: its tunnel is up, and its cluster has need of it.
    started: bool,
    /// It does not answer, or refuses.
    lost: bool,
    /// It was lost since the link came up, and must prove itself.
    probation: bool,
    /// The request that waits for a reply.
    outstanding: Option<u32>,
    /// ID of the last request that was acknowledged; only means something while registered.
    acknowledged: u32,
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
            started: false,
            lost: false,
            probation: false,
            outstanding: None,
            acknowledged: 0,
            last_due: Instant::ZERO,
            attempts: 0,
            registered: false,
            public_nbma: None,
            refusal: None,
        }
    }

    /// The same server before anything was sent to it. What was learned stays: the server has not changed because our
    /// link, or our need of it, did.
    fn again(&self) -> Self {
        Self { learned: self.learned, ..Self::new(self.nhs) }
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
        self.clients.range(all_of(tunnel)).map(|(id, client)| (*id, client))
    }

    /// The servers of a tunnel that it is registering or registered with, as ways for traffic.
    pub fn ways(&self, tunnel: TunnelId) -> impl Iterator<Item = Via> {
        self.of(tunnel).filter(|(_, client)| client.started).map(|(nhs, client)| Via {
            nhs,
            nbma: client.nhs.nbma,
            priority: client.nhs.priority,
            registered: client.registered,
            standing: client.standing(),
        })
    }

    /// The server that traffic without a better way goes to: by standing, then priority, then the order of the
    /// configuration. One that has not answered yet will do where there is no other, because its address is configured.
    pub fn preferred(&self, tunnel: TunnelId) -> Option<Via> {
        self.ways(tunnel).min_by_key(|via| (via.standing, via.priority, via.nhs))
    }

    /// Begins anew with the servers of a tunnel, in a bounded cluster with the best of them: a request is due at `now`,
    /// with a new id.
    pub fn start(&mut self, now: Instant, id: TunnelId, tunnel: &Tunnel, out: &mut Vec<Effect>) {
        self.stop(id);
        let bounded = |client: &Client| tunnel.nhrp.clusters.iter().any(|cluster| cluster.id == client.nhs.cluster);
        for (nhs, client) in self.clients.range_mut(all_of(id)).filter(|(_, client)| !bounded(client)) {
            client.started = true;
            self.timers.set((*nhs, Timer::Send), now);
        }
        self.choose(now, id, tunnel, out);
    }

    /// Ends the registrations of a tunnel without a word.
    pub fn stop(&mut self, tunnel: TunnelId) {
        for (id, client) in self.clients.range_mut(all_of(tunnel)) {
            *client = client.again();
            for timer in Timer::ALL {
                self.timers.cancel((*id, timer));
            }
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
            self.refused(now, id, tunnel, reply.request_id, Refusal::Code(code), out);
            return Ok(());
        }
        if reply.cies.is_empty() {
            return Err(DropReason::ReplyMismatch);
        }

        client.outstanding = None;
        client.acknowledged = reply.request_id;
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
        self.answered(now, id, tunnel, out);
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
        let tunnel = cx.tunnel(received.tunnel).ok_or(none)?;
        let own = ProtoAddr::from(tunnel.address);
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
        self.refused(now, id, tunnel, request_id, Refusal::Error(error.code), out);
        Ok(())
    }

    /// The client of the server at the outer source.
    fn client_of(&mut self, received: Received<'_>) -> Option<(NhsId, &mut Client)> {
        let (id, _) = self.of(received.tunnel).find(|(_, client)| client.nhs.nbma == received.from)?;
        self.clients.get_mut(&id).map(|client| (id, client))
    }

    /// Not registered: the next attempt comes when the retransmission would have, with a new id.
    fn refused(
        &mut self,
        now: Instant,
        id: NhsId,
        tunnel: &Tunnel,
        request_id: u32,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.outstanding = None;
        let stood = std::mem::replace(&mut client.registered, false);
        client.refusal = Some(refusal);
        self.timers.cancel((id, Timer::Lapse));
        let retry_after = self.timers.deadline((id, Timer::Send)).map_or(Duration::ZERO, |at| at - now);
        let nbma = client.nhs.nbma;
        out.push(Effect::Event(Event::RegistrationRefused { nhs: id, nbma, request_id, refusal, retry_after }));
        if stood {
            self.lose(now, id, tunnel, out);
        }
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
                    if attempt == RETRANSMISSIONS + 2 {
                        self.lose(now, id, tunnel, out);
                    }
                }
                Timer::Probation => {
                    client.probation = false;
                    self.choose(now, id.tunnel, tunnel, out);
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
                    self.lose(now, id, tunnel, out);
                }
            }
        }
    }

    /// The next deadline and what it is for.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        self.timers.next().map(|(at, (id, timer))| {
            let reason = match (timer, self.state(id)) {
                (Timer::Lapse, _) => Reason::RegistrationLapse,
                (Timer::Probation, _) => Reason::Probation,
                (Timer::Send, NhsState::Registered) => Reason::Refresh,
                (Timer::Send, _) => Reason::Registration,
            };
            (at, reason)
        })
    }
}

/// The ids of a tunnel's servers.
fn all_of(tunnel: TunnelId) -> std::ops::RangeInclusive<NhsId> {
    NhsId { tunnel, index: 0 }..=NhsId { tunnel, index: u16::MAX }
}

/// The wait after transmission number `attempt`, with the configured jitter.
pub(crate) fn wait(backoff: &Backoff, attempt: u32, entropy: &mut dyn Entropy) -> Duration {
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
