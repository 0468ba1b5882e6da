//! Which of several servers: the one that traffic goes to, and those of a bounded cluster that are registered with.
//!
//! A server is *lost* when a request and [`RETRANSMISSIONS`] retransmissions of it went unanswered, or when it refused
//! or let a registration lapse that stood. With the default back-off that is noticed 15 s after the first request of a
//! row, so at the latest a third of the holding time and 15 s after the server fell silent. One that comes back is on
//! probation until it has stood for `fallback`: meanwhile traffic and spares stay where they are, so that a server which
//! comes and goes moves nothing.

use super::{Client, NhsId, Registrations, Timer, TunnelId};
use crate::config::Tunnel;
use crate::nhrp::Effect;
use crate::time::Instant;
use crate::trace::Event;

/// Retransmissions that must stay unanswered before a server counts as lost.
pub const RETRANSMISSIONS: u32 = 3;

/// How good a way by a server is, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Registered, and it answers.
    Firm,
    /// Registered again, not yet for as long as `fallback` wants.
    Probation,
    /// Registered, but it has stopped answering.
    Silent,
    /// Not registered; it has not been asked often enough to say more.
    Unknown,
    /// Not registered, and it does not answer or refuses.
    Lost,
}

impl Client {
    pub(super) fn standing(&self) -> Standing {
        match (self.registered, self.lost) {
            (true, true) => Standing::Silent,
            (true, false) if self.probation => Standing::Probation,
            (true, false) => Standing::Firm,
            (false, true) => Standing::Lost,
            (false, false) => Standing::Unknown,
        }
    }
}

impl Registrations {
    /// Chooses anew in every bounded cluster of a tunnel. Called whenever a server of it was lost, came back or stood its
    /// probation.
    pub(super) fn choose(&mut self, now: Instant, id: TunnelId, tunnel: &Tunnel, out: &mut Vec<Effect>) {
        for cluster in &tunnel.nhrp.clusters {
            self.choose_in(now, id, cluster.id, cluster.max_connections.into(), out);
        }
    }

    fn choose_in(&mut self, now: Instant, tunnel: TunnelId, cluster: u8, most: usize, out: &mut Vec<Effect>) {
        let mut members: Vec<NhsId> =
            self.of(tunnel).filter(|(_, client)| client.nhs.cluster == cluster).map(|(id, _)| id).collect();
        members.sort_by_key(|id| (self.clients.get(id).map(|client| client.nhs.priority), *id));
        // Best first: as soon as there are enough firm ones, the rest are spares that nobody needs.
        let (mut firm, mut hopeful) = (0, 0);
        for id in &members {
            let Some(client) = self.clients.get(id) else { continue };
            if firm >= most {
                self.release(*id, out);
                continue;
            }
            if client.started {
                firm += usize::from(client.standing() == Standing::Firm);
                hopeful += usize::from(!client.lost);
            }
        }
        // Lost ones are asked on, and do not count: a spare each.
        for id in members {
            if hopeful >= most {
                break;
            }
            if let Some(client) = self.clients.get_mut(&id).filter(|client| !client.started) {
                client.started = true;
                hopeful += 1;
                let nbma = client.nhs.nbma;
                self.timers.set((id, Timer::Send), now);
                out.push(Effect::Event(Event::NhsActivated { nhs: id, nbma }));
            }
        }
    }

    /// Makes a server a spare again, without a word: what it knows of us lapses with its holding time.
    fn release(&mut self, id: NhsId, out: &mut Vec<Effect>) {
        let Some(client) = self.clients.get_mut(&id).filter(|client| client.started) else { return };
        let nbma = client.nhs.nbma;
        *client = client.again();
        for timer in Timer::ALL {
            self.timers.cancel((id, timer));
        }
        out.push(Effect::Event(Event::NhsReleased { nhs: id, nbma }));
    }

    /// Notes that a server does not answer, or answers no more.
    pub(super) fn lose(&mut self, now: Instant, id: NhsId, tunnel: &Tunnel, out: &mut Vec<Effect>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.probation = true;
        self.timers.cancel((id, Timer::Probation));
        if !std::mem::replace(&mut client.lost, true) {
            out.push(Effect::Event(Event::NhsUnanswered { nhs: id, nbma: client.nhs.nbma }));
        }
        self.choose(now, id.tunnel, tunnel, out);
    }

    /// Notes that a server answered with a success.
    pub(super) fn answered(&mut self, now: Instant, id: NhsId, tunnel: &Tunnel, out: &mut Vec<Effect>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.lost = false;
        if client.probation && tunnel.nhrp.fallback.is_zero() {
            client.probation = false;
        }
        if client.probation && self.timers.deadline((id, Timer::Probation)).is_none() {
            self.timers.set((id, Timer::Probation), now + tunnel.nhrp.fallback);
        }
        self.choose(now, id.tunnel, tunnel, out);
    }
}
