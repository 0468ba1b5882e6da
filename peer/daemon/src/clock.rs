//! The only place of the peer where a clock is read.
//!
//! Deadlines come from `CLOCK_MONOTONIC` and from nowhere else, so that a kernel which skips idle time (virtual time in a
//! guest) moves the peer with it. The wall clock only dates captured packets.
#![allow(clippy::disallowed_methods, reason = "the shell is the edge where time comes in")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dmvpn_core::Instant;

/// A sleep that ends earlier than its deadline needs is taken up again; this only keeps sums in range.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The monotonic clock, counted from the start of the peer.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// The present, for the node.
    pub fn now(&self) -> Instant {
        let elapsed = self.origin.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// A deadline of the node, for tokio's timer. That has a resolution of a millisecond and is never early.
    pub fn deadline(&self, at: Instant) -> tokio::time::Instant {
        let after = Duration::from_nanos(at.as_nanos()).min(FOREVER);
        tokio::time::Instant::from_std(self.origin + after)
    }
}

/// Nanoseconds of the wall clock since 1970; 0 before that.
pub fn wall_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
