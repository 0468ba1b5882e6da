//! Time as an input: instants that the shell hands in, and a queue of exact deadlines.
//!
//! The core never asks what time it is. The daemon passes its monotonic clock, the simulator its virtual one, and every
//! deadline is kept to the nanosecond, because a conformance test wants to see an entry one nanosecond before its
//! holding time ends and not see it at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point in time: nanoseconds since the node's shell started counting.
///
/// Arithmetic saturates: 2^64 ns are 584 years, so a saturated instant means "never" and not "wrapped".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Instant = Instant(0);
    /// The end of time; a deadline there never comes.
    pub const MAX: Instant = Instant(u64::MAX);

    /// The instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `secs` seconds after the origin.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to `self`, zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Nanoseconds of a duration, saturated to 64 bits.
const fn nanos(duration: Duration) -> u64 {
    let nanos = duration.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, rhs: Duration) -> Instant {
        Instant(self.0.saturating_add(nanos(rhs)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;
    fn sub(self, rhs: Duration) -> Instant {
        Instant(self.0.saturating_sub(nanos(rhs)))
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;
    fn sub(self, rhs: Instant) -> Duration {
        self.saturating_since(rhs)
    }
}

/// Seconds with nine decimals, so that columns of a ladder line up and no precision is hidden.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000))
    }
}

/// Deadlines, at most one per key, in order of time and then of key.
///
/// The second order matters: two timers that are due at the same instant fire in the same order in every run, which
/// keeps packets, logs and snapshots repeatable.
#[derive(Clone, Debug)]
pub struct TimerQueue<K> {
    by_time: BTreeMap<(Instant, K), ()>,
    by_key: BTreeMap<K, Instant>,
}

impl<K> Default for TimerQueue<K> {
    fn default() -> Self {
        Self { by_time: BTreeMap::new(), by_key: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> TimerQueue<K> {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the deadline of `key`, replacing the one it had.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(old) = self.by_key.insert(key, at) {
            if old == at {
                return;
            }
            self.by_time.remove(&(old, key));
        }
        self.by_time.insert((at, key), ());
    }

    /// Forgets the deadline of `key`; says which one that was.
    pub fn cancel(&mut self, key: K) -> Option<Instant> {
        let at = self.by_key.remove(&key)?;
        self.by_time.remove(&(at, key));
        Some(at)
    }

    /// The deadline of `key`.
    pub fn deadline(&self, key: K) -> Option<Instant> {
        self.by_key.get(&key).copied()
    }

    /// The next deadline and its key.
    pub fn next(&self) -> Option<(Instant, K)> {
        self.by_time.first_key_value().map(|((at, key), ())| (*at, *key))
    }

    /// Takes the next timer out if it is due: a deadline is due *at* its instant, not after it.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, K)> {
        let (at, key) = self.next()?;
        if at > now {
            return None;
        }
        self.cancel(key);
        Some((at, key))
    }

    /// Number of timers set.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Forgets every timer.
    pub fn clear(&mut self) {
        self.by_key.clear();
        self.by_time.clear();
    }

    /// Whether both indexes hold the same timers; for debug builds and fuzzing.
    pub fn consistent(&self) -> bool {
        self.by_key.len() == self.by_time.len()
            && self.by_key.iter().all(|(key, at)| self.by_time.contains_key(&(*at, *key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
        assert_eq!(Instant::ZERO - Duration::from_secs(1), Instant::ZERO);
        assert_eq!(Instant::ZERO + Duration::MAX, Instant::MAX);
        assert_eq!(Instant::from_secs(3) - Instant::from_secs(5), Duration::ZERO);
        assert_eq!(Instant::from_secs(5) - Instant::from_secs(3), Duration::from_secs(2));
    }

    #[test]
    fn display_keeps_every_nanosecond() {
        assert_eq!(Instant::from_nanos(20_000_000_001).to_string(), "20.000000001");
        assert_eq!(format!("{:>14}", Instant::ZERO), "   0.000000000");
    }

    #[test]
    fn a_timer_is_due_at_its_instant_and_not_before() {
        let mut timers = TimerQueue::new();
        timers.set('a', Instant::from_nanos(10));
        assert_eq!(timers.pop_due(Instant::from_nanos(9)), None);
        assert_eq!(timers.pop_due(Instant::from_nanos(10)), Some((Instant::from_nanos(10), 'a')));
        assert!(timers.is_empty() && timers.consistent());
    }

    #[test]
    fn setting_replaces_and_ties_break_by_key() {
        let mut timers = TimerQueue::new();
        timers.set('b', Instant::from_nanos(5));
        timers.set('a', Instant::from_nanos(9));
        timers.set('a', Instant::from_nanos(5));
        assert_eq!(timers.len(), 2);
        assert_eq!(timers.next(), Some((Instant::from_nanos(5), 'a')));
        assert_eq!(timers.cancel('a'), Some(Instant::from_nanos(5)));
        assert_eq!(timers.cancel('a'), None);
        assert_eq!(timers.deadline('b'), Some(Instant::from_nanos(5)));
        assert!(timers.consistent());
    }
}
