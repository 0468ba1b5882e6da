//! World `sim`: everything in process, and time that jumps to whatever happens next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dmvpn_core::time::Instant;

use super::{Arrival, Driver, LabError};
use crate::suite::ClockKind;

/// Where virtual time begins for captures, unless the case says otherwise: 2026-01-01T00:00:00Z, the same in every run.
pub const EPOCH_NS: u64 = 1_767_225_600 * 1_000_000_000;

/// A clock that is set instead of read, and nobody outside.
#[derive(Debug)]
pub struct Sim {
    now: Instant,
    epoch_ns: u64,
    interrupted: Arc<AtomicBool>,
}

impl Sim {
    /// A world at the beginning of time, when the clock on the wall says `epoch_ns` nanoseconds since 1970. It stops when
    /// `interrupted` is set.
    pub fn new(epoch_ns: u64, interrupted: Arc<AtomicBool>) -> Self {
        Self { now: Instant::ZERO, epoch_ns, interrupted }
    }
}

impl Driver for Sim {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn clock(&self) -> ClockKind {
        ClockKind::Virtual
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn epoch_ns(&self) -> u64 {
        self.epoch_ns
    }

    fn precision(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn wait(&mut self, deadline: Instant) -> Result<Option<Arrival>, LabError> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(LabError::Interrupted);
        }
        self.now = self.now.max(deadline);
        Ok(None)
    }
}
