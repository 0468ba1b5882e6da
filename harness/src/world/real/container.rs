//! Routers in containers, under the real clock.
//!
//! A router is an island (see [`crate::agent`]): its container has no network at all, and the harness at its standard
//! streams is the wire. That needs no bridge, no address plan and no packet filter of the machine, it works with an
//! engine on another machine, and nothing but the container can be left behind.
//!
//! testcontainers starts and removes the container; bollard attaches to its streams, which testcontainers cannot. The
//! agent stays silent until it hears from us, so that nothing is lost between the start and the attachment.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use dmvpn_core::time::Instant;
use futures_util::{Stream, StreamExt};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, CopyDataSource, CopyTargetOptions, GenericImage, ImageExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedSender;

use super::ethernet::{Meaning, Port};
use crate::agent::EXECUTABLE;
use crate::agent::protocol::{Action, Decoder, Event, Hello, Message, Request};
use crate::docker;
use crate::subject::{Implementation, Release};
use crate::suite::ClockKind;
use crate::world::{Arrival, Driver, LabError};

/// How long a router may take from the start of its container to its agent's hello.
const BOOT_PATIENCE: Duration = Duration::from_secs(60);
/// How often an interrupt is looked for while waiting.
const GLANCE: Duration = Duration::from_millis(50);

/// A lab of containers.
#[derive(Debug)]
pub struct ContainerLab {
    // Fields drop in this order: containers have to be removed while there is still a runtime.
    routers: BTreeMap<String, Router>,
    runtime: Arc<Runtime>,
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
    container: Option<ContainerAsync<GenericImage>>,
    runtime: Arc<Runtime>,
    outbox: UnboundedSender<Vec<u8>>,
    port: Port,
    /// What the agent's clock is behind ours: nought on the same machine.
    skew_ns: i128,
}

/// Something that the reader of a container's streams has found. The generation tells apart routers that bear the same
/// name one after the other.
#[derive(Debug)]
enum Inbound {
    Message { node: String, generation: u64, message: Message },
    Ended { node: String, generation: u64, how: String },
}

impl ContainerLab {
    /// A lab without routers. It stops waiting when `interrupted` is set.
    ///
    /// # Errors
    /// No container engine, or an executable that would not run in a container.
    pub fn new(interrupted: Arc<AtomicBool>) -> Result<Self, LabError> {
        if !cfg!(target_feature = "crt-static") {
            return Err(LabError::environment(
                "harness.dynamic",
                "this executable is linked dynamically and can not be the agent inside a router's container",
                "start it as `cargo lab`, which links it statically (.cargo/config.toml)",
            ));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| LabError::internal(format!("no runtime: {error}")))?;
        let (mailbox, inbox) = channel();
        let (origin_ns, epoch_ns) = (monotonic_ns(), unix_ns());
        Ok(Self {
            routers: BTreeMap::new(),
            runtime: Arc::new(runtime),
            inbox,
            mailbox,
            arrived: VecDeque::new(),
            next_ticket: 1,
            next_generation: 1,
            origin_ns,
            epoch_ns,
            interrupted,
        })
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
        let _ = self.router(node)?.outbox.send(octets);
        Ok(())
    }

    /// Starts a container and its streams, and waits for the agent's hello.
    fn start(&mut self, node: &str, implementation: &Implementation, release: &Release) -> Result<(), LabError> {
        let port = Port::new(u8::try_from(self.routers.len() + 1).unwrap_or(u8::MAX));
        let generation = self.next_generation;
        self.next_generation += 1;
        let (name, tag) = (format!("dmvpn-lab/{}", implementation.image.recipe), release.version.clone());
        let runtime = Arc::clone(&self.runtime);
        let (container, streams) = runtime.block_on(open(&name, &tag, &port))?;
        let (outbox, mut letters) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
        let mut input = streams.input;
        // The first words wake the agent; words every few seconds keep it.
        let sign_of_life = sign_of_life()?;
        runtime.spawn(async move {
            loop {
                let octets = match tokio::time::timeout(KEEP_ALIVE, letters.recv()).await {
                    Ok(Some(octets)) => octets,
                    Ok(None) => break,
                    Err(_) => sign_of_life.clone(),
                };
                if input.write_all(&octets).await.is_err() || input.flush().await.is_err() {
                    break;
                }
            }
        });
        runtime.spawn(read(node.to_owned(), generation, streams.output, self.mailbox.clone()));
        let plays = implementation.id(release);
        let router = Router { generation, plays, container: Some(container), runtime, outbox, port, skew_ns: 0 };
        self.routers.insert(node.to_owned(), router);
        self.order(node, Action::Ping {})?;
        let hello = self.await_hello(node, generation)?;
        let behind = i128::from(monotonic_ns()) - i128::from(hello.monotonic_ns);
        let another_machine = behind.unsigned_abs() > BOOT_PATIENCE.as_nanos();
        self.router(node)?.skew_ns = if another_machine { behind } else { 0 };
        let line = format!(
            "{} kernel {} (the engine's own kernel: GRE {}, ESP {}), agent ready after {} ms",
            if hello.kernel == crate::agent::protocol::KernelKind::Lab { "lab" } else { "host" },
            hello.uname,
            if hello.gre { "yes" } else { "no" },
            if hello.esp { "yes" } else { "no" },
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
                Some(Inbound::Message { message: Message::Event(Event::Hello(hello)), generation, .. })
                    if generation == wanted =>
                {
                    return Ok(hello);
                }
                Some(Inbound::Ended { generation, how, .. }) if generation == wanted => {
                    return Err(failed(&how, &last_words));
                }
                Some(Inbound::Message { message: Message::Event(Event::Down { reason }), generation, .. })
                    if generation == wanted =>
                {
                    return Err(failed(&reason, &last_words));
                }
                Some(other) => {
                    if let Inbound::Message { message: Message::Event(Event::Console { line }), .. } = &other {
                        last_words.push_back(line.clone());
                        if last_words.len() > 5 {
                            last_words.pop_front();
                        }
                    }
                    self.take(other)?;
                }
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
            match self.inbox.recv_timeout(left.min(GLANCE)) {
                Ok(inbound) => return Ok(Some(inbound)),
                Err(RecvTimeoutError::Timeout) if left <= GLANCE && self.now() >= deadline => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(LabError::internal("the lab's mailbox is closed")),
            }
        }
    }

    /// Turns what a container said into arrivals; answers address questions on the way.
    fn take(&mut self, inbound: Inbound) -> Result<(), LabError> {
        let (node, generation) = match &inbound {
            Inbound::Message { node, generation, .. } | Inbound::Ended { node, generation, .. } => {
                (node.clone(), *generation)
            }
        };
        // Words of a router that was taken away.
        let Some(router) = self.routers.get(&node).filter(|router| router.generation == generation) else {
            return Ok(());
        };
        match inbound {
            Inbound::Ended { how, .. } => {
                self.routers.remove(&node);
                self.arrived.push_back(Arrival::Ended { node, process: None, how });
            }
            Inbound::Message { message: Message::Frame { at_ns, bytes }, .. } => match router.port.receive(&bytes) {
                Meaning::Packet(octets) => {
                    let at_ns = i128::from(at_ns) + router.skew_ns - i128::from(self.origin_ns);
                    let at = Instant::from_nanos(u64::try_from(at_ns).unwrap_or(0)).min(self.now());
                    self.arrived.push_back(Arrival::Packet { node, at, octets });
                }
                Meaning::Answer(bytes) => self.send(&node, &Message::Frame { at_ns: 0, bytes })?,
                Meaning::Nothing => {}
            },
            Inbound::Message { message: Message::Response(response), .. } => {
                self.arrived.push_back(Arrival::Response { ticket: response.id, outcome: response.outcome });
            }
            Inbound::Message { message: Message::Event(event), .. } => self.arrived.extend(arrival(node, event)),
            Inbound::Message { message: Message::Request(_) | Message::Credit(_), .. } => {
                let how = "its agent sent what agents never send to the harness".to_owned();
                self.arrived.push_back(Arrival::Ended { node, process: None, how });
            }
        }
        Ok(())
    }
}

/// An event of an agent as something that arrives in a world.
fn arrival(node: String, event: Event) -> Option<Arrival> {
    Some(match event {
        Event::Exited { name, status } => Arrival::Ended { node, process: Some(name), how: format!("{status:?}") },
        Event::Log { name, line } => Arrival::Log { node, line: format!("{name}: {line}") },
        Event::Console { line } => Arrival::Log { node, line: format!("kernel: {line}") },
        Event::Lost { frames } => Arrival::Log { node, line: format!("{frames} frames were lost on its interface") },
        Event::Refused { reason } => Arrival::Log { node, line: format!("an order was refused: {reason}") },
        Event::Down { reason } => Arrival::Ended { node, process: None, how: reason },
        Event::Hello(_) => return None,
    })
}

impl Driver for ContainerLab {
    fn name(&self) -> &'static str {
        "container"
    }

    fn clock(&self) -> ClockKind {
        ClockKind::Real
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(monotonic_ns().saturating_sub(self.origin_ns))
    }

    fn epoch_ns(&self) -> u64 {
        self.epoch_ns
    }

    fn precision(&self) -> Option<Duration> {
        None
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

impl Drop for Router {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            // Removing means killing: a router has nothing to save. Failure leaves a container that `prune` finds.
            let _ =
                self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), container.rm()).await });
        }
    }
}

/// The two directions of a container's standard streams.
struct Streams {
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    input: Pin<Box<dyn AsyncWrite + Send>>,
}

/// Creates and starts a container, and attaches to it.
async fn open(image: &str, tag: &str, port: &Port) -> Result<(ContainerAsync<GenericImage>, Streams), LabError> {
    let engine = |what: &str, error: &dyn std::fmt::Display| {
        LabError::environment(
            "docker.container",
            format!("{what} for {image}:{tag}: {error}"),
            "run `cargo lab doctor`; `cargo lab images` tells whether the image is there",
        )
    };
    let executable = std::env::current_exe().map_err(|error| LabError::internal(format!("who am I: {error}")))?;
    let mac = port.router_mac().map(|octet| format!("{octet:02x}")).join(":");
    let request = GenericImage::new(image, tag)
        .with_cmd([EXECUTABLE, "agent", "router", "--mac", &mac])
        .with_copy_to(CopyTargetOptions::new(EXECUTABLE).with_mode(0o755), CopyDataSource::File(executable))
        .with_open_stdin(true)
        .with_network("none")
        // For kernels of engines that can do GRE and ESP themselves; the lab's own kernel needs neither.
        .with_cap_add("NET_ADMIN")
        .with_cap_add("NET_RAW")
        .with_labels(docker::owned())
        .with_startup_timeout(BOOT_PATIENCE)
        .with_host_config_modifier(|host| {
            host.publish_all_ports = Some(false);
            host.auto_remove = Some(true);
            // Frames on standard output are no log.
            host.log_config =
                Some(bollard::models::HostConfigLogConfig { typ: Some("none".to_owned()), ..Default::default() });
            // The lab's kernel keeps its memory in an executable file there.
            host.tmpfs =
                Some([("/dev/shm".to_owned(), "rw,exec,nosuid,nodev,size=1g".to_owned())].into_iter().collect());
        });
    let container = request.start().await.map_err(|error| engine("no container could be started", &error))?;
    let client = docker::connect().await?;
    let options = AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stderr(true).stream(true).build();
    let attached = client.attach_container(container.id(), Some(options)).await;
    let attached = attached.map_err(|error| engine("its streams could not be attached", &error))?;
    Ok((container, Streams { output: attached.output, input: attached.input }))
}

/// How often a router hears from the harness, whatever else there is to say: an agent that hears nothing for thirty
/// seconds ends its router, so that not even a harness that was killed leaves one behind.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A message that is answered and means nothing. No order has the number 0.
fn sign_of_life() -> Result<Vec<u8>, LabError> {
    let mut octets = Vec::new();
    Message::Request(Request { id: 0, action: Action::Ping {} })
        .encode(&mut octets)
        .map_err(|error| LabError::internal(error.to_string()))?;
    Ok(octets)
}

/// Reads a container's streams until they end.
async fn read(
    node: String,
    generation: u64,
    mut output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    mailbox: Sender<Inbound>,
) {
    let mut decoder = Decoder::new();
    let mut how = "its container ended".to_owned();
    'stream: while let Some(chunk) = output.next().await {
        match chunk {
            Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => decoder.push(&message),
            Ok(LogOutput::StdErr { message }) => {
                for line in String::from_utf8_lossy(&message).lines() {
                    let message = Message::Event(Event::Console { line: line.to_owned() });
                    let _ = mailbox.send(Inbound::Message { node: node.clone(), generation, message });
                }
            }
            Ok(LogOutput::StdIn { .. }) => {}
            Err(error) => {
                how = format!("its streams broke: {error}");
                break;
            }
        }
        loop {
            let message = match decoder.next_envelope() {
                Ok(Some(envelope)) => Message::try_from(envelope),
                Ok(None) => break,
                Err(error) => Err(error),
            };
            match message {
                Ok(message) => {
                    if mailbox.send(Inbound::Message { node: node.clone(), generation, message }).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    how = format!("its agent can not be understood: {error}");
                    break 'stream;
                }
            }
        }
    }
    let _ = mailbox.send(Inbound::Ended { node, generation, how });
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
