//! The stations of a case and the links between them, without a clock of its own.
//!
//! The fabric is the wire: every packet of every station, in process or real, passes through it, is recorded where
//! neither side can touch it, and suffers the link's impairments. Whoever drives it says what time it is: the simulator
//! jumps from event to event, the real world waits.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dmvpn_core::buf::{PacketBuf, TxBatch};
use dmvpn_core::config::Config;
use dmvpn_core::entropy::SeededEntropy;
use dmvpn_core::ids::TunnelId;
use dmvpn_core::io::{Command, LinkEvent, Output, Reply, Transmit, Underlay, Verdict};
use dmvpn_core::node::Node;
use dmvpn_core::time::Instant;
use dmvpn_core::trace::Event;

use super::LabError;
use super::host::Host;
use super::link::{Fate, Impairment, LinkModel};
use super::outer;
use super::timeline::{Packet, Timeline, What};
use crate::dissect::Dissection;
use crate::mutate::Fault;
use crate::mutate::shim::Shim;

/// A station of the fabric: its position in the order of declaration.
pub type StationId = usize;

/// Who plays a station.
#[derive(Debug)]
pub enum Player {
    /// The built-in peer, in process.
    Node(Box<InProcess>),
    /// The harness, by `send` steps only.
    Scripted,
    /// A router outside the process: packets for it are handed to the driver.
    Outside,
}

/// A built-in peer that can be started and stopped.
pub struct InProcess {
    config: Config,
    seed: u64,
    /// The fault that this peer has, and that fault at work.
    fault: Option<&'static Fault>,
    shim: Option<Shim>,
    starts: u64,
    node: Option<Node>,
    next_ip_id: u16,
    /// What is behind the peer's tunnels and in its networks.
    host: Host,
}

impl InProcess {
    /// A peer that is not running yet; with a fault, if it is a mutant.
    pub fn new(config: Config, seed: u64, fault: Option<&'static Fault>) -> Self {
        let host = Host::new(&config);
        Self { config, seed, fault, shim: None, starts: 0, node: None, next_ip_id: 1, host }
    }
}

// A node has more state than anybody wants to see in a debug print.
impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcess").field("running", &self.node.is_some()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Station {
    name: String,
    nbma: IpAddr,
    /// Other addresses on the underlay: those of translators that it stands behind.
    aliases: Vec<IpAddr>,
    link: usize,
    up: bool,
    player: Player,
}

#[derive(Debug)]
struct Link {
    name: String,
    model: LinkModel,
}

/// A packet under way. Ordered by arrival, then by the order of sending.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Instant,
    seq: u64,
    to: StationId,
    octets: Vec<u8>,
}

/// A packet that the driver has to carry to a router outside.
#[derive(Debug)]
pub struct Outbound {
    /// The router.
    pub to: StationId,
    /// The packet, from the outer IP header on.
    pub octets: Vec<u8>,
}

/// Stations, links, packets under way, and the record of the case.
#[derive(Debug)]
pub struct Fabric {
    stations: Vec<Station>,
    links: Vec<Link>,
    in_flight: BinaryHeap<Reverse<Flight>>,
    next_seq: u64,
    outbound: Vec<Outbound>,
    /// The record of the case.
    pub timeline: Timeline,
}

/// Most packets under way at once; a storm ends as `LabError::Flood`.
const MAX_IN_FLIGHT: usize = 100_000;
/// Most arrivals and timers at one instant.
const MAX_EVENTS_AT_ONCE: usize = 1_000_000;

impl Fabric {
    /// An empty fabric whose record begins now.
    pub fn new(now: Instant) -> Self {
        Self {
            stations: Vec::new(),
            links: Vec::new(),
            in_flight: BinaryHeap::new(),
            next_seq: 0,
            outbound: Vec::new(),
            timeline: Timeline::new(now),
        }
    }

    /// Adds a link. `mtu` counts octets of the whole IP packet.
    pub fn add_link(&mut self, name: &str, delay: Duration, mtu: usize, seed: u64) {
        self.links.push(Link { name: name.to_owned(), model: LinkModel::new(delay, mtu, seed) });
    }

    /// Adds a station on a link that was added before.
    pub fn add_station(&mut self, name: &str, nbma: IpAddr, link: &str, player: Player) -> Result<StationId, LabError> {
        let link = self.link_index(link)?;
        // Scripted stations are the harness itself: they need no start.
        let up = matches!(player, Player::Scripted);
        self.stations.push(Station { name: name.to_owned(), nbma, aliases: Vec::new(), link, up, player });
        Ok(self.stations.len() - 1)
    }

    /// Has packets for `address` come to a station as well, unless another one has it for its own.
    pub fn add_alias(&mut self, id: StationId, address: IpAddr) {
        let owned = self.stations.iter().any(|station| station.nbma == address);
        if let Some(station) = self.stations.get_mut(id).filter(|station| !owned && !station.aliases.contains(&address))
        {
            station.aliases.push(address);
        }
    }

    /// The station of that name.
    pub fn station(&self, name: &str) -> Result<StationId, LabError> {
        self.stations
            .iter()
            .position(|station| station.name == name)
            .ok_or_else(|| LabError::internal(format!("no station `{name}`")))
    }

    /// Whether a station is a router outside the process.
    pub fn is_outside(&self, id: StationId) -> bool {
        self.stations.get(id).is_some_and(|station| matches!(station.player, Player::Outside))
    }

    /// Name of a station.
    pub fn name(&self, id: StationId) -> &str {
        self.stations.get(id).map_or("?", |station| station.name.as_str())
    }

    /// NBMA address of a station.
    pub fn nbma(&self, id: StationId) -> Option<IpAddr> {
        self.stations.get(id).map(|station| station.nbma)
    }

    /// Starts an in-process peer, or lets packets through to a router that the driver has started.
    pub fn start(&mut self, id: StationId, now: Instant) -> Result<(), LabError> {
        let Some(station) = self.stations.get_mut(id) else { return Ok(()) };
        station.up = true;
        if let Player::Node(process) = &mut station.player {
            // Each start has its own draws, and the same ones in every run.
            let entropy = SeededEntropy::new(process.seed.wrapping_add(process.starts));
            process.starts += 1;
            let mut config = process.config.clone();
            process.shim = process.fault.and_then(|fault| Shim::new(fault, &mut config));
            let node = Node::new(config, Box::new(entropy), now)
                .map_err(|error| LabError::internal(format!("node `{}` can not be built: {error}", station.name)))?;
            process.node = Some(node);
            process.host = Host::new(&process.config);
        }
        self.event(id, now, "started".to_owned());
        self.drain(id, now);
        Ok(())
    }

    /// Stops a station. With `goodbye` an in-process peer may still say so to its partners.
    pub fn stop(&mut self, id: StationId, now: Instant, goodbye: bool) {
        if let Some(Station { player: Player::Node(process), .. }) = self.stations.get_mut(id)
            && let Some(node) = &mut process.node
            && goodbye
        {
            node.command(now, Command::Shutdown);
            self.drain(id, now);
        }
        if let Some(station) = self.stations.get_mut(id) {
            station.up = false;
            if let Player::Node(process) = &mut station.player {
                process.node = None;
            }
        }
        self.event(id, now, if goodbye { "stopped" } else { "killed" }.to_owned());
    }

    /// Asks an in-process peer; `None` if it does not run.
    pub fn command(&mut self, id: StationId, now: Instant, command: Command) -> Option<Reply> {
        let Some(Station { player: Player::Node(process), .. }) = self.stations.get_mut(id) else { return None };
        let reply = process.node.as_mut()?.command(now, command);
        if reply == (Reply::Route { changed: true }) {
            process.host.follow(command);
        }
        self.drain(id, now);
        Some(reply)
    }

    /// Adds an impairment to a link.
    pub fn impair(&mut self, link: &str, impairment: Impairment) -> Result<(), LabError> {
        let link = self.link_index(link)?;
        self.links[link].model.impair(impairment);
        Ok(())
    }

    /// Takes all impairments of a link away.
    pub fn heal(&mut self, link: &str) -> Result<(), LabError> {
        let link = self.link_index(link)?;
        self.links[link].model.heal();
        Ok(())
    }

    fn link_index(&self, name: &str) -> Result<usize, LabError> {
        self.links
            .iter()
            .position(|link| link.name == name)
            .ok_or_else(|| LabError::internal(format!("no link `{name}`")))
    }

    /// When something will happen by itself: a packet arrives or a peer's timer is due.
    pub fn next_event(&self) -> Option<Instant> {
        let arrival = self.in_flight.peek().map(|Reverse(flight)| flight.at);
        self.stations.iter().filter_map(|station| timer(&station.player)).chain(arrival).min()
    }

    /// Does everything that is due at `now`.
    ///
    /// # Errors
    /// [`LabError::Flood`] if packets multiply without end.
    pub fn fire(&mut self, now: Instant) -> Result<(), LabError> {
        // A peer whose timer never moves on would stop time itself.
        for _ in 0..MAX_EVENTS_AT_ONCE {
            if self.in_flight.len() > MAX_IN_FLIGHT || self.timeline.is_full() {
                return Err(LabError::Flood { packets: self.timeline.end() });
            }
            // Arrivals first: a reply that comes at the very instant of a retransmission has come.
            if self.in_flight.peek().is_some_and(|Reverse(flight)| flight.at <= now) {
                if let Some(Reverse(flight)) = self.in_flight.pop() {
                    self.arrive(flight.to, now, flight.octets);
                }
                continue;
            }
            let due = |station: &Station| timer(&station.player).is_some_and(|at| at <= now);
            let Some(id) = self.stations.iter().position(due) else { return Ok(()) };
            if let Player::Node(process) = &mut self.stations[id].player
                && let Some(node) = &mut process.node
            {
                node.handle_timeout(now);
            }
            self.drain(id, now);
        }
        Err(LabError::internal(format!("more than {MAX_EVENTS_AT_ONCE} events at the instant {now}")))
    }

    /// Puts a packet of a station on its link: records it, asks the link, and lets the copies travel.
    pub fn transmit(&mut self, from: StationId, at: Instant, octets: Vec<u8>) -> Option<Arc<Packet>> {
        let sender = self.stations.get(from)?;
        let link = sender.link;
        let target = outer::addresses(&octets).and_then(|addresses| self.owner(link, from, addresses.dst));
        let to_name = target.map(|id| self.stations[id].name.clone());
        let up = target.is_some_and(|id| self.stations[id].up);
        let passage =
            self.links[link].model.pass(at, &self.stations[from].name, to_name.as_deref().unwrap_or(""), octets.len());
        let fate = if passage.fate.arrives() && !up { Fate::Unreachable } else { passage.fate };
        let (link, sender) = (&self.links[link].name, &self.stations[from].name);
        let packet = Arc::new(Packet::new(link, sender, to_name.as_deref(), octets, fate));
        self.timeline.push(at, What::Packet(Arc::clone(&packet)));
        let (true, Some(to)) = (fate.arrives(), target) else { return Some(packet) };
        let mut octets = packet.octets.clone();
        if fate == Fate::Corrupted {
            flip_bit(&mut octets, passage.flip);
        }
        for arrival in passage.arrivals {
            let flight = Flight { at: arrival, seq: self.next_seq, to, octets: octets.clone() };
            self.next_seq += 1;
            self.in_flight.push(Reverse(flight));
        }
        Some(packet)
    }

    /// Notes a packet that has passed long ago, and whom its addresses name.
    pub fn record(&mut self, at: Instant, octets: Vec<u8>, opened: Option<Dissection>) {
        let Some(outer::Addresses { src, dst }) = outer::addresses(&octets) else { return };
        let name_of = |address: IpAddr| {
            let station = self.stations.iter().find(|station| station.nbma == address);
            station.map(|station| station.name.clone())
        };
        let link = self.links.first().map_or("", |link| link.name.as_str());
        // A stranger is known by his address: whoever looks for nobody in particular has to find him.
        let from = name_of(src).unwrap_or_else(|| src.to_string());
        let mut packet = Packet::new(link, &from, name_of(dst).as_deref(), octets, Fate::Delivered);
        if let Some(read) = opened {
            packet = packet.opened(read);
        }
        self.timeline.push(at, What::Packet(Arc::new(packet)));
    }

    /// Packets that routers outside have to get.
    pub fn take_outbound(&mut self) -> Vec<Outbound> {
        std::mem::take(&mut self.outbound)
    }

    /// Addresses on the same link as `id`, its own not among them: what the wire answers for when that router asks who
    /// has an address.
    pub fn neighbours(&self, id: StationId) -> Vec<IpAddr> {
        let Some(own) = self.stations.get(id) else { return Vec::new() };
        let others =
            self.stations.iter().enumerate().filter(|(other, station)| *other != id && station.link == own.link);
        others.flat_map(|(_, station)| std::iter::once(station.nbma).chain(station.aliases.iter().copied())).collect()
    }

    /// Writes a line about a station into the record.
    pub fn event(&mut self, id: StationId, at: Instant, text: String) {
        let node = self.name(id).to_owned();
        self.timeline.push(at, What::Event { node, text });
    }

    /// The station that a packet is for. One that is up goes before one that is not: two may share an address, as when
    /// a scripted station takes over that of a router which is down.
    fn owner(&self, link: usize, from: StationId, dst: IpAddr) -> Option<StationId> {
        let has = |station: &Station| station.nbma == dst || station.aliases.contains(&dst);
        let candidates = || self.stations.iter().enumerate().filter(|(id, s)| *id != from && s.link == link && has(s));
        candidates().find(|(_, station)| station.up).or_else(|| candidates().next()).map(|(id, _)| id)
    }

    fn arrive(&mut self, to: StationId, now: Instant, octets: Vec<u8>) {
        let Some(station) = self.stations.get_mut(to).filter(|station| station.up) else { return };
        match &mut station.player {
            Player::Scripted => {}
            Player::Outside => self.outbound.push(Outbound { to, octets }),
            Player::Node(process) => {
                let Some((underlay, payload)) = outer::decapsulate(&octets) else { return };
                let Some(shim) = &mut process.shim else { return self.deliver(to, now, underlay, payload) };
                let mut changed = payload.to_vec();
                for _ in 0..shim.receive(&mut changed) {
                    self.deliver(to, now, underlay, &changed);
                }
            }
        }
    }

    /// Hands the payload of a packet to an in-process peer.
    fn deliver(&mut self, to: StationId, now: Instant, underlay: Underlay, payload: &[u8]) {
        let Some(Station { player: Player::Node(process), .. }) = self.stations.get_mut(to) else { return };
        let Some(node) = &mut process.node else { return };
        let mut batch = TxBatch::default();
        let verdict = node.underlay(now, underlay, PacketBuf::with_headroom(0, payload), &mut batch);
        for transmit in batch.drain() {
            self.emit(to, now, transmit);
        }
        match verdict {
            Verdict::Dropped(reason) => {
                self.event(to, now, format!("dropped a packet of {}: {reason}", underlay.src));
            }
            Verdict::Deliver(_, packet) => self.delivered(to, now, &packet),
            Verdict::Sent(_) | Verdict::Held | Verdict::Consumed => {}
        }
        self.drain(to, now);
    }

    /// What an in-process peer hands out of a tunnel: the host behind it may have an answer.
    fn delivered(&mut self, id: StationId, now: Instant, packet: &[u8]) {
        let Some(Station { player: Player::Node(process), .. }) = self.stations.get_mut(id) else { return };
        let taken = process.host.take(packet);
        self.event(id, now, taken.what);
        if let Some(answer) = taken.answer {
            self.overlay(id, now, &answer);
        }
    }

    /// Hands an IP packet of the host behind an in-process peer to the peer.
    fn overlay(&mut self, id: StationId, now: Instant, packet: &[u8]) {
        let Some(Station { player: Player::Node(process), .. }) = self.stations.get_mut(id) else { return };
        let tunnel = process.host.tunnel_of(packet);
        let Some(node) = &mut process.node else { return };
        let mut batch = TxBatch::default();
        let packet = PacketBuf::with_headroom(node.headroom(tunnel), packet);
        let verdict = node.overlay(now, tunnel, packet, &mut batch);
        for transmit in batch.drain() {
            self.emit(id, now, transmit);
        }
        if let Verdict::Dropped(reason) = verdict {
            self.event(id, now, format!("dropped a packet of its own: {reason}"));
        }
        self.drain(id, now);
    }

    /// Has the host behind an in-process peer ask for an echo with so many octets of data. Returns the number of the
    /// request; `None` if the peer does not run or has no address to ask from.
    pub fn ask(&mut self, id: StationId, now: Instant, src: Option<IpAddr>, dst: IpAddr, data: usize) -> Option<u16> {
        let Some(Station { player: Player::Node(process), .. }) = self.stations.get_mut(id) else { return None };
        process.node.as_ref()?;
        let (number, packet) = process.host.ask(src, dst, data)?;
        self.overlay(id, now, &packet);
        Some(number)
    }

    /// How many of these requests of [`Self::ask`] were answered.
    pub fn answers(&self, id: StationId, numbers: &[u16]) -> u64 {
        match self.stations.get(id) {
            Some(Station { player: Player::Node(process), .. }) => process.host.answers(numbers),
            _ => 0,
        }
    }

    /// Gives a station another NBMA address. An in-process peer is told as its shell would tell it, and keeps the address
    /// when it is started again.
    pub fn renumber(&mut self, id: StationId, now: Instant, nbma: IpAddr) {
        let Some(station) = self.stations.get_mut(id) else { return };
        let old = std::mem::replace(&mut station.nbma, nbma);
        self.event(id, now, format!("its NBMA address is {nbma}, no longer {old}"));
        let Some(Station { player: Player::Node(process), .. }) = self.stations.get_mut(id) else { return };
        for (number, tunnel) in (0..).zip(&mut process.config.tunnels) {
            tunnel.nbma = nbma;
            if let Some(node) = &mut process.node {
                node.link(now, LinkEvent::NbmaChanged { tunnel: TunnelId(number), nbma });
            }
        }
        self.drain(id, now);
    }

    /// Takes everything that an in-process peer has to say.
    fn drain(&mut self, id: StationId, now: Instant) {
        loop {
            let Some(Station { player: Player::Node(process), .. }) = self.stations.get_mut(id) else { return };
            match process.node.as_mut().and_then(Node::poll_output) {
                Some(Output::Transmit(transmit)) => self.emit(id, now, transmit),
                Some(Output::Event(event)) => {
                    // As a shell with a store that outlives the peer: the next start begins behind these.
                    if let Event::RequestIdsReserved { below } = event {
                        process.config.first_request_id = below;
                    }
                    self.event(id, now, event.to_string());
                }
                None => return,
            }
        }
    }

    fn emit(&mut self, id: StationId, now: Instant, mut transmit: Transmit) {
        let Some(Station { player: Player::Node(process), .. }) = self.stations.get_mut(id) else { return };
        let copies = process.shim.as_mut().map_or(1, |shim| shim.send(&mut transmit));
        let first_id = process.next_ip_id;
        process.next_ip_id = first_id.wrapping_add(1);
        for _ in 0..copies {
            match outer::encapsulate(&transmit, first_id) {
                Some(octets) => drop(self.transmit(id, now, octets)),
                None => self.event(id, now, "a packet that IP can not carry was not sent".to_owned()),
            }
        }
    }
}

/// When a player will do something by itself.
fn timer(player: &Player) -> Option<Instant> {
    match player {
        Player::Node(process) => process.node.as_ref()?.poll_timeout().map(|(at, _)| at),
        Player::Scripted | Player::Outside => None,
    }
}

/// Flips one bit behind the outer IP header, so that the packet still arrives.
fn flip_bit(octets: &mut [u8], choice: u64) {
    let header = match octets.first().map(|first| first >> 4) {
        Some(6) => 40,
        _ => 20,
    };
    let Some(body) = octets.get_mut(header..).filter(|body| !body.is_empty()) else { return };
    let bit = usize::try_from(choice % (body.len() as u64 * 8)).unwrap_or(0);
    body[bit / 8] ^= 0x80 >> (bit % 8);
}
