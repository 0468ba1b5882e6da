//! The loop around the node: packets, timers, requests and signals in; packets, events and answers out.
//!
//! One task owns everything, so nothing is locked. It sleeps until one of its sources is ready or the node's next
//! deadline has come, and never looks at a clock in order to wait.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use dmvpn_core::{Command, Event, Instant, Node, Output, PacketBuf, Reply, Transmit, TunnelId, TxBatch, Verdict};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info, warn};

use crate::capture::{Capture, Direction};
use crate::clock::{self, Alarm, Clock};
use crate::control::proto::{Counter, ErrorKind, Request, Response};
use crate::control::server::{Call, Server};
use crate::outer::NotUsable;
use crate::overlay::{NoOverlay, Overlay};
use crate::state::State;
use crate::stats::Stats;
use crate::underlay::{LARGEST_PACKET, Received, SendError, Underlay};
use crate::view::NhrpView;

/// Packets read from one socket before anything else gets its turn.
const BATCH: usize = 64;

/// Reads in a row that may fail before the socket is given up: single errors are reports about earlier packets.
const FAILURES: u32 = 100;

/// Log lines about discarded packets in a second; the others are only counted.
const DROPS_PER_SECOND: u32 = 10;

/// The signals that end the peer.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over; from here on they do not kill the process.
    ///
    /// # Errors
    /// If the runtime can not.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            // There is nothing to be read again: a terminal that goes ends what runs in its foreground.
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// A running peer.
pub struct Shell {
    /// Time of the node.
    pub clock: Clock,
    /// The node.
    pub node: Node,
    /// Its raw sockets.
    pub underlay: Underlay,
    /// Its control socket.
    pub server: Server,
    /// What the control socket brings.
    pub calls: mpsc::Receiver<Call>,
    /// Its capture.
    pub capture: Option<Capture>,
    /// Where request IDs are noted.
    pub state: Option<State>,
    /// Counters of the shell.
    pub stats: Arc<Stats>,
}

impl Shell {
    /// Runs until a signal or a request ends it, and then ends in order: the node stops, the control path goes, the capture
    /// is closed, and last the clients learn of the end by theirs.
    ///
    /// # Errors
    /// A socket or timer that does not work any more.
    pub async fn run(self, mut signals: Signals) -> io::Result<()> {
        let Self { clock, node, underlay, mut server, mut calls, capture, state, stats } = self;
        let mut inner = Inner {
            clock,
            node,
            underlay,
            overlay: NoOverlay,
            capture,
            state,
            stats,
            batch: TxBatch::new(),
            drops: Budget::default(),
            send_failing: false,
            receive_failures: 0,
        };
        let mut alarm = Alarm::new(clock)?;
        let mut buf = vec![0; LARGEST_PACKET];
        inner.drain();
        let (result, last_call) = loop {
            let deadline = inner.node.poll_timeout().map(|(at, _)| at);
            // In this order, so that a flood of packets delays neither the end nor a timer. Requests come one per
            // client and turn, and can not keep packets away.
            tokio::select! {
                biased;
                name = signals.any() => {
                    info!("{name}: stopping");
                    break (Ok(()), None);
                }
                rung = alarm.wait(deadline) => {
                    if let Err(error) = rung {
                        error!("timer: {error}");
                        break (Err(error), None);
                    }
                    let now = inner.clock.now();
                    inner.node.handle_timeout(now);
                }
                Some(call) = calls.recv() => {
                    if call.request == Request::Stop {
                        info!("stop requested");
                        break (Ok(()), Some(call.reply));
                    }
                    inner.answer(call);
                }
                ready = poll_fn(|cx| inner.underlay.poll_readable(cx)) => {
                    if let Err(error) = ready.and_then(|socket| inner.receive(socket, &mut buf)) {
                        error!("raw socket: {error}");
                        break (Err(error), None);
                    }
                }
            }
            inner.drain();
        };
        inner.node.command(inner.clock.now(), Command::Shutdown);
        inner.drain();
        calls.close();
        server.close();
        if let Some(capture) = inner.capture.take() {
            capture.finish().await;
        }
        if let Some(reply) = last_call {
            // The client need not wait for the answer.
            let _ = oneshot::Sender::send(reply, Response::Stopping(true));
        }
        server.finish().await;
        result
    }
}

struct Inner {
    clock: Clock,
    node: Node,
    underlay: Underlay,
    overlay: NoOverlay,
    capture: Option<Capture>,
    state: Option<State>,
    stats: Arc<Stats>,
    batch: TxBatch,
    drops: Budget,
    /// Whether the last packet could not be sent: the first failure of a row is worth a warning.
    send_failing: bool,
    receive_failures: u32,
}

impl Inner {
    /// Reads what a socket has, up to a batch.
    fn receive(&mut self, socket: usize, buf: &mut [u8]) -> io::Result<()> {
        for _ in 0..BATCH {
            let datagram = match self.underlay.receive(socket, buf) {
                Ok(Received::Empty) => break,
                Ok(Received::Datagram(datagram)) => datagram,
                Ok(Received::NotUsable(reason)) => {
                    self.stats.rx_packets.add();
                    match reason {
                        NotUsable::NotWhole => self.stats.rx_not_whole.add(),
                        NotUsable::Fragment => self.stats.rx_fragment.add(),
                    };
                    debug!("packet not usable: {reason:?}");
                    continue;
                }
                Err(error) => {
                    self.stats.rx_errors.add();
                    self.receive_failures += 1;
                    if self.receive_failures >= FAILURES {
                        return Err(error);
                    }
                    debug!("raw socket: {error}");
                    break;
                }
            };
            self.receive_failures = 0;
            self.stats.rx_packets.add();
            if let Some(capture) = &self.capture
                && let Some(packet) = datagram.packet()
            {
                capture.packet(clock::wall_nanos(), Direction::In, packet.into_owned());
            }
            let (outer, payload) = (datagram.outer, PacketBuf::from(datagram.payload));
            let now = self.clock.now();
            match self.node.underlay(now, outer, payload, &mut self.batch) {
                Verdict::Deliver(tunnel, packet) => self.deliver(tunnel, packet),
                // The node counts and tells these itself.
                Verdict::Sent(_) | Verdict::Held | Verdict::Consumed | Verdict::Dropped(_) => {}
            }
            let mut batch = std::mem::take(&mut self.batch);
            for transmit in batch.drain() {
                self.transmit(&transmit);
            }
            self.batch = batch;
            self.drain();
        }
        Ok(())
    }

    fn deliver(&mut self, tunnel: TunnelId, packet: PacketBuf) {
        if let Err(reason) = self.overlay.deliver(tunnel, packet) {
            self.stats.deliver_no_interface.add();
            debug!("{tunnel}: inner packet dropped, {reason}");
        }
    }

    /// Carries out what the node wants.
    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Transmit(transmit) => self.transmit(&transmit),
                Output::Event(event) => {
                    self.note(&event);
                    self.tell(&event);
                }
            }
        }
    }

    /// Keeps what must outlive the peer, before the next output, which may be a message that depends on it.
    fn note(&self, event: &Event) {
        if let (Event::RequestIdsReserved { below }, Some(state)) = (event, &self.state)
            && let Err(error) = state.store(*below)
        {
            self.stats.state_errors.add();
            error!("state file {}: {error}; request IDs may come again after a restart", state.path().display());
        }
    }

    fn transmit(&mut self, transmit: &Transmit) {
        match self.underlay.send(transmit, self.capture.is_some()) {
            Ok(packet) => {
                self.stats.tx_packets.add();
                self.send_failing = false;
                if let (Some(capture), Some(packet)) = (&self.capture, packet) {
                    capture.packet(clock::wall_nanos(), Direction::Out, packet);
                }
            }
            Err(error) => {
                match error {
                    SendError::NoSocket => self.stats.tx_no_socket.add(),
                    SendError::TooBig => self.stats.tx_too_big.add(),
                    SendError::NoRoom(_) => self.stats.tx_no_room.add(),
                    SendError::Unreachable(_) => self.stats.tx_unreachable.add(),
                    SendError::Refused(_) => self.stats.tx_refused.add(),
                    SendError::Other(_) => self.stats.tx_errors.add(),
                };
                let (src, dst) = (transmit.src, transmit.dst);
                if std::mem::replace(&mut self.send_failing, true) {
                    debug!("not sent from {src} to {dst}: {error}");
                } else {
                    warn!("not sent from {src} to {dst}: {error}");
                }
            }
        }
    }

    /// Logs an event: what changes a state for everybody, the steady course of things for those who ask.
    fn tell(&mut self, event: &Event) {
        match event {
            Event::PacketDropped { .. } => match self.drops.take(self.clock.now()) {
                Some(0) => warn!("{event}"),
                Some(unsaid) => warn!("{event} ({unsaid} more discarded packets were not logged)"),
                None => {}
            },
            Event::RegistrationRefused { .. }
            | Event::RegistrationLost { .. }
            | Event::NhsUnanswered { .. }
            | Event::BindingRefused { .. }
            | Event::ErrorReceived { .. }
            | Event::LinkEventIgnored { .. } => warn!("{event}"),
            Event::RegistrationSent { .. }
            | Event::RegistrationAnswered { .. }
            | Event::ResolutionAnswered { .. }
            | Event::ResolutionSent { .. }
            | Event::ResolutionDone { .. }
            | Event::ResolutionRefused { .. }
            | Event::RedirectSent { .. }
            | Event::PurgeSent { .. }
            | Event::PurgeAcknowledged { .. }
            | Event::Purged { .. }
            | Event::BindingRefreshed { .. }
            | Event::RequestIdsReserved { .. }
            | Event::ErrorSent { .. } => debug!("{event}"),
            Event::RegistrationAcknowledged { .. }
            | Event::NhsActivated { .. }
            | Event::NhsReleased { .. }
            | Event::NhsLearned { .. }
            | Event::PublicAddress { .. }
            | Event::BindingAdded { .. }
            | Event::BindingMoved { .. }
            | Event::BindingExpired { .. }
            | Event::BindingRemoved { .. }
            | Event::AdjacencyGone { .. }
            | Event::ShortcutAdded { .. }
            | Event::ShortcutExpired { .. }
            | Event::ShortcutRemoved { .. }
            | Event::NbmaChanged { .. }
            | Event::LinkUp { .. }
            | Event::LinkDown { .. }
            | Event::Stopped => info!("{event}"),
        }
    }

    fn answer(&mut self, call: Call) {
        let now = self.clock.now();
        let command = match &call.request {
            Request::ShowNhrp => Ok(Command::ShowNhrp),
            Request::ShowCounters => Ok(Command::ShowCounters),
            Request::ClearNhrp { protocol } => Ok(Command::ClearNhrp { protocol: *protocol }),
            Request::AddRoute { to, via, tunnel } => {
                dmvpn_config::route(to, via, tunnel.as_deref(), self.node.tunnels()).map(Command::AddRoute)
            }
            Request::DeleteRoute { to } => {
                dmvpn_config::prefix(to).map(|(prefix, prefix_len)| Command::DeleteRoute { prefix, prefix_len })
            }
            // The loop takes it before it comes here.
            Request::Stop => return,
        };
        let command = match command {
            Ok(command) => command,
            Err(message) => {
                let _ = call.reply.send(Response::Error { kind: ErrorKind::Refused, message });
                return;
            }
        };
        let response = match self.node.command(now, command) {
            Reply::Nhrp(view) => Response::Nhrp(NhrpView::new(view, self.node.tunnels(), now)),
            Reply::Counters(counters) => {
                let node = counters.into_iter().map(|counter| Counter { name: counter.name, value: counter.value });
                let shell = self.stats.view().into_iter();
                let shell = shell.map(|(name, value)| Counter { name: name.into(), value });
                Response::Counters(node.chain(shell).collect())
            }
            Reply::Cleared { bindings } => Response::Cleared { bindings },
            Reply::Route { changed } => Response::Route { changed },
            Reply::Stopped => Response::Stopping(true),
        };
        // A client that has gone gets no answer.
        let _ = call.reply.send(response);
    }
}

/// A number of log lines per second.
#[derive(Debug, Default)]
struct Budget {
    since: Instant,
    used: u32,
    unsaid: u64,
}

impl Budget {
    /// Whether a line may be written now, and how many were not before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if now.saturating_since(self.since) >= Duration::from_secs(1) {
            self.since = now;
            self.used = 0;
        }
        if self.used >= DROPS_PER_SECOND {
            self.unsaid += 1;
            return None;
        }
        self.used += 1;
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_drops_is_ten_lines_a_second_and_a_number() {
        let mut budget = Budget::default();
        let said = (0..1000).filter(|_| budget.take(Instant::from_secs(5)).is_some()).count();
        assert_eq!(said, 10);
        assert_eq!(budget.take(Instant::from_secs(6)), Some(990));
        assert_eq!(budget.take(Instant::from_secs(6)), Some(0));
    }
}
