//! A lab of routers at the ends of streams, whatever holds the streams: a container engine, or a guest kernel.
//!
//! A router is an island (see [`crate::agent`]): its agent's standard streams carry every order and every Ethernet
//! frame, and the harness is the wire. What differs between drivers is where an agent runs, which is a [`Carrier`]'s
//! business, and whose clock it is, which is the kernel's: both sides read CLOCK_MONOTONIC and sleep by it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use dmvpn_core::time::Instant;

use super::ethernet::{Mac, Meaning, Port};
use super::sessions::Sessions;
use crate::agent::protocol::{Action, Decoder, Event, Hello, KernelKind, Message, Request};
use crate::subject::{Implementation, Release};
use crate::suite::ClockKind;
use crate::world::{Arrival, Driver, LabError};

/// How long a router may take from its start to its agent's hello.
pub(super) const BOOT_PATIENCE: Duration = Duration::from_secs(60);

/// What a driver is, besides where its routers are.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// The word in results.
    pub name: &'static str,
    /// Whose time it is.
    pub clock: ClockKind,
    /// How exact instants of routers are; `None` where the suite's own tolerance holds.
    pub precision: Option<Duration>,
    /// How often an interrupt is looked for while waiting. `None` where nobody can interrupt: a look costs a wake-up,
    /// and virtual hours have many.
    pub glance: Option<Duration>,
}

/// What a carrier is asked to start.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The node that the router plays.
    pub node: &'a str,
    /// Who it is.
    pub implementation: &'a Implementation,
    /// In which version.
    pub release: &'a Release,
    /// Hardware address of its interface.
    pub mac: Mac,
    /// Where everything goes that its agent says.
    pub mouth: Mouth,
}

/// Starts agents.
pub trait Carrier {
    /// Starts the agent of a router. What it says goes to the opening's mouth.
    ///
    /// # Errors
    /// What keeps it from starting.
    fn open(&mut self, opening: Opening<'_>) -> Result<Arc<dyn Island>, LabError>;
}

/// A router somewhere. It ends when this is dropped.
pub trait Island: std::fmt::Debug + Send + Sync {
    /// Sends octets to its agent. A router that is gone has said so, or is about to, so there is no error here.
    fn send(&self, octets: Vec<u8>);
}

/// Something that the reader of a router's stream has found. The generation tells apart routers that bear the same name
/// one after the other.
#[derive(Debug)]
struct Inbound {
    node: String,
    generation: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Message(Message),
    Ended(String),
}

/// Where the reader of a router's stream puts what it reads.
#[derive(Debug)]
pub struct Mouth {
    node: String,
    generation: u64,
    decoder: Decoder,
    mailbox: Sender<Inbound>,
    sessions: Arc<Sessions>,
}

impl Mouth {
    /// Takes octets of the agent. False when nobody listens any more, or they make no sense: the reader is to stop.
    pub fn push(&mut self, octets: &[u8]) -> bool {
        self.decoder.push(octets);
        loop {
            let message = match self.decoder.next_envelope() {
                Ok(Some(envelope)) => Message::try_from(envelope),
                Ok(None) => return true,
                Err(error) => Err(error),
            };
            match message {
                Ok(Message::Session(session)) => self.sessions.take(&self.node, self.generation, session),
                Ok(message) => {
                    if !self.say(What::Message(message)) {
                        return false;
                    }
                }
                Err(error) => {
                    self.ended(format!("its agent can not be understood: {error}"));
                    return false;
                }
            }
        }
    }

    /// Takes a line that came beside the agent's messages.
    pub fn line(&self, line: &str) {
        self.say(What::Message(Message::Event(Event::Console { line: line.to_owned() })));
    }

    /// The router has ended.
    pub fn ended(&self, how: String) {
        self.sessions.gone(&self.node, self.generation, &how);
        self.say(What::Ended(how));
    }

    fn say(&self, what: What) -> bool {
        self.mailbox.send(Inbound { node: self.node.clone(), generation: self.generation, what }).is_ok()
    }
}

/// Routers and the wire to each of them.
#[derive(Debug)]
pub struct Lab<C> {
    // Fields drop in this order: routers go before what carries them.
    routers: BTreeMap<String, Router>,
    sessions: Arc<Sessions>,
    carrier: C,
    manner: Manner,
    inbox: Receiver<Inbound>,
    mailbox: Sender<Inbound>,
    arrived: VecDeque<Arrival>,
    next_ticket: u64,
    next_generation: u64,
    origin_ns: u64,
    epoch_ns: u64,
    interrupted: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Router {
    generation: u64,
    /// Which implementation and version it is: `frr:10.3`.
    plays: String,
    island: Arc<dyn Island>,
    port: Port,
    /// What the agent's clock is behind ours: nought on the same machine.
    skew_ns: i128,
}

impl<C: Carrier> Lab<C> {
    /// A lab without routers. It stops waiting when `interrupted` is set.
    pub fn new(carrier: C, manner: Manner, interrupted: Arc<AtomicBool>) -> Self {
        let (mailbox, inbox) = channel();
        Self {
            routers: BTreeMap::new(),
            sessions: Arc::default(),
            carrier,
            manner,
            inbox,
            mailbox,
            arrived: VecDeque::new(),
            next_ticket: 1,
            next_generation: 1,
            origin_ns: monotonic_ns(),
            epoch_ns: unix_ns(),
            interrupted,
        }
    }

    fn router(&mut self, node: &str) -> Result<&mut Router, LabError> {
        self.routers.get_mut(node).ok_or_else(|| LabError::internal(format!("no router plays `{node}`")))
    }

    fn send(&mut self, node: &str, message: &Message) -> Result<(), LabError> {
        let mut octets = Vec::new();
        message
            .encode(&mut octets)
            .map_err(|error| LabError::internal(format!("to the agent of `{node}`: {error}")))?;
        // A router that is gone has said so, or is about to: that message is the one that counts.
        self.router(node)?.island.send(octets);
        Ok(())
    }

    /// Starts a router's agent, and waits for its hello.
    fn start(&mut self, node: &str, implementation: &Implementation, release: &Release) -> Result<(), LabError> {
        let port = Port::new(self.free_index());
        let generation = self.next_generation;
        self.next_generation += 1;
        let (mailbox, sessions) = (self.mailbox.clone(), Arc::clone(&self.sessions));
        let mouth = Mouth { node: node.to_owned(), generation, decoder: Decoder::new(), mailbox, sessions };
        let island = self.carrier.open(Opening { node, implementation, release, mac: port.router_mac(), mouth })?;
        self.sessions.add(node, generation, Arc::downgrade(&island));
        self.routers.insert(
            node.to_owned(),
            Router { generation, plays: implementation.id(release), island, port, skew_ns: 0 },
        );
        // The first words wake the agent.
        self.order(node, Action::Ping {})?;
        let hello = self.await_hello(node, generation)?;
        let behind = i128::from(monotonic_ns()) - i128::from(hello.monotonic_ns);
        let another_machine = behind.unsigned_abs() > BOOT_PATIENCE.as_nanos();
        self.router(node)?.skew_ns = if another_machine { behind } else { 0 };
        let line = format!(
            "{} kernel {}{}, agent ready after {} ms",
            if hello.kernel == KernelKind::Lab { "lab" } else { "host" },
            hello.uname,
            hello.host.map(|host| format!(" (the machine's own: {host})")).unwrap_or_default(),
            hello.boot_ms
        );
        self.arrived.push_back(Arrival::Log { node: node.to_owned(), line });
        Ok(())
    }

    fn await_hello(&mut self, node: &str, wanted: u64) -> Result<Hello, LabError> {
        let deadline = self.now() + BOOT_PATIENCE;
        let mut last_words = VecDeque::new();
        let failed = |how: &str, last_words: &VecDeque<String>| LabError::Router {
            node: node.to_owned(),
            problem: format!(
                "did not boot: {how}; last words: {}",
                last_words.iter().cloned().collect::<Vec<_>>().join(" | ")
            ),
        };
        loop {
            match self.receive(deadline)? {
                None => return Err(failed("no hello from its agent", &last_words)),
                Some(Inbound { generation, what, .. }) if generation == wanted => match what {
                    What::Message(Message::Event(Event::Hello(hello))) => return Ok(hello),
                    What::Ended(how) => return Err(failed(&how, &last_words)),
                    What::Message(Message::Event(Event::Down { reason })) => {
                        return Err(failed(&reason, &last_words));
                    }
                    What::Message(Message::Event(Event::Console { line })) => {
                        last_words.push_back(line);
                        if last_words.len() > 5 {
                            last_words.pop_front();
                        }
                    }
                    What::Message(_) => {}
                },
                Some(other) => self.take(other)?,
            }
        }
    }

    /// The next thing from any container, or nothing by `deadline`.
    fn receive(&mut self, deadline: Instant) -> Result<Option<Inbound>, LabError> {
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(LabError::Interrupted);
            }
            let left = deadline.saturating_since(self.now());
            match self.inbox.recv_timeout(self.manner.glance.map_or(left, |glance| left.min(glance))) {
                Ok(inbound) => return Ok(Some(inbound)),
                Err(RecvTimeoutError::Timeout) if self.now() >= deadline => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(LabError::internal("the lab's mailbox is closed")),
            }
        }
    }

    /// Turns what a container said into arrivals; answers address questions on the way.
    fn take(&mut self, inbound: Inbound) -> Result<(), LabError> {
        let Inbound { node, generation, what } = inbound;
        // Words of a router that was taken away.
        let Some(router) = self.routers.get(&node).filter(|router| router.generation == generation) else {
            return Ok(());
        };
        match what {
            What::Ended(how) => {
                self.routers.remove(&node);
                self.arrived.push_back(Arrival::Ended { node, process: None, how });
            }
            What::Message(Message::Frame { at_ns, bytes }) => match router.port.receive(&bytes) {
                Meaning::Packet(octets) => {
                    let at_ns = i128::from(at_ns) + router.skew_ns - i128::from(self.origin_ns);
                    let at = Instant::from_nanos(u64::try_from(at_ns).unwrap_or(0)).min(self.now());
                    self.arrived.push_back(Arrival::Packet { node, at, octets });
                }
                Meaning::Answer(bytes) => self.send(&node, &Message::Frame { at_ns: 0, bytes })?,
                Meaning::Nothing => {}
            },
            What::Message(Message::Response(response)) => {
                self.arrived.push_back(Arrival::Response { ticket: response.id, outcome: response.outcome });
            }
            What::Message(Message::Event(event)) => self.arrived.extend(arrival(node, event)),
            What::Message(Message::Request(_) | Message::Credit(_) | Message::Session(_)) => {
                let how = "its agent sent what agents never send to the harness".to_owned();
                self.arrived.push_back(Arrival::Ended { node, process: None, how });
            }
        }
        Ok(())
    }

    /// A number that no present router has: hardware addresses must differ while several are there.
    fn free_index(&self) -> u8 {
        let taken = |index: u8| self.routers.values().any(|router| router.port.index() == index);
        (1..u8::MAX).find(|index| !taken(*index)).unwrap_or(u8::MAX)
    }
}

/// An event of an agent as something that arrives in a world.
fn arrival(node: String, event: Event) -> Option<Arrival> {
    Some(match event {
        Event::Exited { name, status } => Arrival::Ended { node, process: Some(name), how: status.to_string() },
        Event::Log { name, line } => Arrival::Log { node, line: format!("{name}: {line}") },
        Event::Console { line } => Arrival::Log { node, line: format!("kernel: {line}") },
        Event::Lost { frames } => Arrival::Log { node, line: format!("{frames} frames were lost on its interface") },
        Event::Refused { reason } => Arrival::Log { node, line: format!("an order was refused: {reason}") },
        Event::Down { reason } => Arrival::Ended { node, process: None, how: reason },
        Event::Hello(_) => return None,
    })
}

impl<C: Carrier> Driver for Lab<C> {
    fn name(&self) -> &'static str {
        self.manner.name
    }

    fn clock(&self) -> ClockKind {
        self.manner.clock
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(monotonic_ns().saturating_sub(self.origin_ns))
    }

    fn epoch_ns(&self) -> u64 {
        self.epoch_ns
    }

    fn precision(&self) -> Option<Duration> {
        self.manner.precision
    }

    fn wait(&mut self, deadline: Instant) -> Result<Option<Arrival>, LabError> {
        loop {
            if let Some(arrival) = self.arrived.pop_front() {
                return Ok(Some(arrival));
            }
            match self.receive(deadline)? {
                Some(inbound) => self.take(inbound)?,
                None => return Ok(None),
            }
        }
    }

    fn boot(&mut self, node: &str, implementation: &Implementation, release: &Release) -> Result<bool, LabError> {
        match self.routers.get(node) {
            Some(router) if router.plays == implementation.id(release) => return Ok(false),
            // Another case of the suite binds the node to something else.
            Some(_) => self.discard(node),
            None => {}
        }
        self.start(node, implementation, release)?;
        Ok(true)
    }

    fn discard(&mut self, node: &str) {
        self.routers.remove(node);
    }

    fn sessions(&self) -> Option<Arc<Sessions>> {
        Some(Arc::clone(&self.sessions))
    }

    fn neighbours(&mut self, node: &str, addresses: Vec<IpAddr>) -> Result<(), LabError> {
        self.router(node)?.port.set_neighbours(addresses);
        Ok(())
    }

    fn transmit(&mut self, node: &str, octets: &[u8]) -> Result<(), LabError> {
        let Some(router) = self.routers.get(node) else { return Ok(()) };
        let bytes = router.port.frame(octets);
        self.send(node, &Message::Frame { at_ns: 0, bytes })
    }

    fn order(&mut self, node: &str, action: Action) -> Result<u64, LabError> {
        let id = self.next_ticket;
        self.next_ticket += 1;
        self.send(node, &Message::Request(Request { id, action }))?;
        Ok(id)
    }
}

/// CLOCK_MONOTONIC, the clock of agents' stamps, in nanoseconds.
fn monotonic_ns() -> u64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map_or(0, nanoseconds)
}

fn unix_ns() -> u64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME).map_or(0, nanoseconds)
}

fn nanoseconds(time: nix::sys::time::TimeSpec) -> u64 {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}
