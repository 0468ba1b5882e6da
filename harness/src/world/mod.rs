//! Worlds: where a case happens.
//!
//! ```text
//!   runner --> World { Fabric, Driver }
//!                      |        +-- Sim        virtual clock, nobody outside
//!                      |        +-- real::lab  routers in containers, real clock; or in namespaces of the guest
//!                      |                       that the harness is in, virtual clock       (trait Driver)
//!                      |        +-- Replay     a capture's clock, everybody outside and long gone
//!                      +-- stations, links, impairments, the record of the case
//! ```
//!
//! The [`Fabric`](fabric::Fabric) is the same everywhere: it is the wire between all stations. A [`Driver`] says what
//! time it is, lets it pass, and carries packets and orders to routers outside the process.

pub mod echo;
pub mod fabric;
mod host;
pub mod link;
pub mod outer;
pub mod real;
pub mod replay;
pub mod sim;
pub mod timeline;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dmvpn_core::time::Instant;

use crate::agent::protocol::{Action, Outcome};
use crate::dissect::Dissection;
use crate::subject::{Implementation, Release};
use crate::suite::ClockKind;
use crate::verdict::cause;
use fabric::Fabric;
use real::sessions::Sessions;
use timeline::What;

/// Why the lab could not do what a case wants. None of these says anything about the subject's conformance.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LabError {
    /// A node ended that no step had stopped.
    #[error("node `{node}` died: {}{how}", process.as_ref().map(|name| format!("its process `{name}` ended: ")).unwrap_or_default())]
    NodeDied {
        /// The node.
        node: String,
        /// Which of its processes; `None` for the whole node.
        process: Option<String>,
        /// What is known about its end.
        how: String,
    },
    /// Something that the machine does not have or allow.
    #[error("{problem}")]
    Environment {
        /// For machines, such as `docker.unreachable`.
        cause: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// A router did not do what its implementation file orders.
    #[error("node `{node}`: {problem}")]
    Router {
        /// The node.
        node: String,
        /// What went wrong.
        problem: String,
    },
    /// More packets than any case needs.
    #[error("{packets} packets and events in one case: something multiplies them without end")]
    Flood {
        /// How many were recorded.
        packets: usize,
    },
    /// The suite asks for something that this packet or world does not have; the loader could not know.
    #[error("{0}")]
    Suite(String),
    /// The case's hard stop.
    #[error("the case did not end within {0:?}")]
    Timeout(Duration),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
    /// A mistake in the harness.
    #[error("internal error: {0}")]
    Internal(String),
}

impl LabError {
    /// A mistake in the harness.
    pub fn internal(what: impl Into<String>) -> Self {
        LabError::Internal(what.into())
    }

    /// One sentence for a verdict: what is wrong and, where it is known, what to do about it.
    pub fn reason(&self) -> String {
        match self {
            LabError::Environment { problem, remedy, .. } => format!("{problem}; {remedy}"),
            error => error.to_string(),
        }
    }

    /// The word for machines, the same whether it happened before a case or during it.
    pub fn cause(&self) -> &str {
        match self {
            LabError::NodeDied { .. } => cause::NODE_DIED,
            LabError::Environment { cause, .. } => cause,
            LabError::Router { .. } => "router.order",
            LabError::Flood { .. } => "flood",
            LabError::Suite(_) => "suite",
            LabError::Timeout(_) => cause::TIMEOUT,
            LabError::Interrupted => cause::INTERRUPTED,
            LabError::Internal(_) => "harness.internal",
        }
    }

    /// Something that the machine does not have or allow.
    pub fn environment(cause: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        LabError::Environment { cause: cause.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// Whether it is an environment error of this cause.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, LabError::Environment { cause, .. } if cause == wanted)
    }
}

/// Something that came from outside the process.
#[derive(Debug)]
pub enum Arrival {
    /// An IP packet that a router has put on its wire.
    Packet {
        /// The router's node.
        node: String,
        /// When it left the router.
        at: Instant,
        /// The packet, from the IP header on.
        octets: Vec<u8>,
    },
    /// A packet that was recorded at this instant, whoever sent it.
    Recorded {
        /// The packet, from the IP header on.
        octets: Vec<u8>,
        /// Its fields, where keys have opened it.
        opened: Option<Box<Dissection>>,
    },
    /// What came of an order.
    Response {
        /// The number that [`Driver::order`] gave.
        ticket: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// A line of a router's log or console.
    Log {
        /// The router's node.
        node: String,
        /// The line.
        line: String,
    },
    /// A process of a router, or the router as a whole, has ended.
    Ended {
        /// The router's node.
        node: String,
        /// The process; `None` for the whole router.
        process: Option<String>,
        /// What is known about it.
        how: String,
    },
}

/// The outside of a world: its clock and its routers.
///
/// Routers are addressed by the name of their node and live as long as the driver, over many cases. World `real` has
/// drivers that differ in where routers live and whose clock they run on; nothing above this trait knows.
pub trait Driver {
    /// The word in results: `sim`, `replay`, `container`, `guest`.
    fn name(&self) -> &'static str;

    /// Whose time it is.
    fn clock(&self) -> ClockKind;

    /// The time.
    fn now(&self) -> Instant;

    /// Nanoseconds of the Unix clock at [`Instant::ZERO`], for captures.
    fn epoch_ns(&self) -> u64;

    /// How exact instants are: zero where everything is in process. `None` where time is real and the suite's own
    /// tolerance holds.
    fn precision(&self) -> Option<Duration>;

    /// Lets time pass until `deadline` or until something comes from outside, whichever is first.
    ///
    /// # Errors
    /// [`LabError::Interrupted`], or a failure of the lab itself.
    fn wait(&mut self, deadline: Instant) -> Result<Option<Arrival>, LabError>;

    /// Boots a router for a node, unless it runs already. True if it was booted now and is as its image left it.
    ///
    /// # Errors
    /// What keeps it from booting; as with all that follows, that there are no routers in this world.
    fn boot(&mut self, node: &str, _implementation: &Implementation, _release: &Release) -> Result<bool, LabError> {
        Err(nobody(self.name(), node))
    }

    /// Takes a router away that can not be trusted any more; the next case gets a new one.
    fn discard(&mut self, _node: &str) {}

    /// Tells a router's side of the wire which addresses there are on it, the router's own not among them.
    ///
    /// # Errors
    /// A router that can not be told.
    fn neighbours(&mut self, _node: &str, _addresses: Vec<IpAddr>) -> Result<(), LabError> {
        Ok(())
    }

    /// Puts an IP packet on a router's wire.
    ///
    /// # Errors
    /// A router that is not there.
    fn transmit(&mut self, node: &str, _octets: &[u8]) -> Result<(), LabError> {
        Err(nobody(self.name(), node))
    }

    /// Orders a router's agent to do something. The answer is an [`Arrival::Response`] with the returned number.
    ///
    /// # Errors
    /// A router that is not there.
    fn order(&mut self, node: &str, _action: Action) -> Result<u64, LabError> {
        Err(nobody(self.name(), node))
    }

    /// Ways into routers for people; none where there are no routers.
    fn sessions(&self) -> Option<Arc<Sessions>> {
        None
    }
}

/// Nobody plays a node that is outside the process where nothing is outside.
fn nobody(world: &str, node: &str) -> LabError {
    LabError::internal(format!("node `{node}` is outside the process, and world {world} has no outside"))
}

/// A fabric that is driven.
pub struct World<'d> {
    driver: &'d mut dyn Driver,
    /// Stations, links and the record.
    pub fabric: Fabric,
    /// Processes whose end is expected: `node` or `node/process`.
    condemned: Vec<String>,
    hard_stop: Option<(Instant, Duration)>,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("driver", &self.driver.name()).field("fabric", &self.fabric).finish()
    }
}

impl<'d> World<'d> {
    /// An empty fabric whose time is the driver's.
    pub fn new(driver: &'d mut dyn Driver) -> Self {
        let fabric = Fabric::new(driver.now());
        Self { driver, fabric, condemned: Vec::new(), hard_stop: None }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.driver.now()
    }

    /// The driver.
    pub fn driver(&mut self) -> &mut dyn Driver {
        self.driver
    }

    /// Whether time is virtual and in-process peers therefore exact.
    pub fn is_virtual(&self) -> bool {
        self.driver.clock() == ClockKind::Virtual
    }

    /// From now on, going on for longer than `length` is an error.
    pub fn stop_after(&mut self, length: Duration) {
        self.hard_stop = Some((self.now() + length, length));
    }

    /// Lets time pass until something is recorded, or until `deadline`.
    ///
    /// # Errors
    /// Whatever goes wrong with the lab meanwhile: a node that dies, a flood, the hard stop, an interrupt.
    pub fn pump(&mut self, deadline: Instant) -> Result<(), LabError> {
        let seen = self.fabric.timeline.end();
        while self.fabric.timeline.end() == seen && self.turn(deadline)?.is_none() {
            if self.now() >= deadline {
                break;
            }
        }
        Ok(())
    }

    /// Lets time pass until `deadline`, whatever happens.
    pub fn pump_until(&mut self, deadline: Instant) -> Result<(), LabError> {
        loop {
            self.turn(deadline)?;
            if self.now() >= deadline {
                return Ok(());
            }
        }
    }

    /// Orders a router to do something and waits for the answer, while everything else goes on.
    ///
    /// # Errors
    /// Besides those of [`World::pump`]: no answer within `patience`.
    pub fn order(&mut self, node: &str, action: Action, patience: Duration) -> Result<Outcome, LabError> {
        let ticket = self.driver.order(node, action)?;
        let deadline = self.now() + patience;
        loop {
            if let Some((answered, outcome)) = self.turn(deadline)?
                && answered == ticket
            {
                return Ok(outcome);
            }
            if self.now() >= deadline {
                let problem = format!("no answer from its agent within {patience:?}");
                return Err(LabError::Router { node: node.to_owned(), problem });
            }
        }
    }

    /// The end of this process (`node/process`), or of all of a node (`node`), is the will of a step.
    pub fn condemn(&mut self, what: &str) {
        self.condemned.push(what.to_owned());
    }

    /// Its end is no longer expected.
    pub fn spare(&mut self, node: &str) {
        self.condemned.retain(|what| what != node && !what.starts_with(&format!("{node}/")));
    }

    /// One turn: waits for the next thing, does what is due, carries out what is for others.
    fn turn(&mut self, deadline: Instant) -> Result<Option<(u64, Outcome)>, LabError> {
        self.deliver()?;
        let until = self.fabric.next_event().map_or(deadline, |at| at.min(deadline));
        let until = self.hard_stop.map_or(until, |(at, _)| at.min(until));
        let arrival = self.driver.wait(until)?;
        let now = self.driver.now();
        let answer = match arrival {
            Some(arrival) => self.arrived(arrival)?,
            None => None,
        };
        self.fabric.fire(now)?;
        self.deliver()?;
        match self.hard_stop {
            Some((at, length)) if now >= at => Err(LabError::Timeout(length)),
            _ => Ok(answer),
        }
    }

    fn arrived(&mut self, arrival: Arrival) -> Result<Option<(u64, Outcome)>, LabError> {
        match arrival {
            Arrival::Packet { node, at, octets } => {
                // A router that played the node in an earlier case is still there, and has no part in this one.
                if let Ok(from) = self.fabric.station(&node)
                    && self.fabric.is_outside(from)
                {
                    self.fabric.transmit(from, at, octets);
                }
                Ok(None)
            }
            Arrival::Recorded { octets, opened } => {
                let at = self.now();
                self.fabric.record(at, octets, opened.map(|read| *read));
                Ok(None)
            }
            Arrival::Response { ticket, outcome } => Ok(Some((ticket, outcome))),
            Arrival::Log { node, line } => {
                let at = self.now();
                self.fabric.timeline.push(at, What::Log { node, line });
                Ok(None)
            }
            Arrival::Ended { node, process, how } => {
                let name = process.as_ref().map_or_else(|| node.clone(), |process| format!("{node}/{process}"));
                let at = self.now();
                self.fabric.timeline.push(at, What::Event { node: node.clone(), text: format!("{name} ended: {how}") });
                if self.condemned.contains(&name) || self.condemned.contains(&node) {
                    return Ok(None);
                }
                Err(LabError::NodeDied { node, process, how })
            }
        }
    }

    /// Hands packets for routers outside to the driver.
    fn deliver(&mut self) -> Result<(), LabError> {
        for outbound in self.fabric.take_outbound() {
            let node = self.fabric.name(outbound.to).to_owned();
            self.driver.transmit(&node, &outbound.octets)?;
        }
        Ok(())
    }
}
