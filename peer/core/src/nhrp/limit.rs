//! Rates: how many messages of a kind go out in a second, and how many are taken from one station.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::time::Instant;

/// Lets through so many per second, and a second's worth at once.
#[derive(Clone, Debug)]
pub(crate) struct RateLimiter {
    /// Nanoseconds of credit that one costs; `None`: none is allowed.
    cost: Option<u64>,
    credit: u64,
    last: Option<Instant>,
}

impl RateLimiter {
    const FULL: u64 = 1_000_000_000;

    pub(crate) fn new(per_second: u32) -> Self {
        Self { cost: Self::FULL.checked_div(per_second.into()), credit: Self::FULL, last: None }
    }

    /// Whether one more may pass at `now`; if so it is counted.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        let earned = self.last.map_or(0, |last| (now - last).as_nanos().min(u128::from(Self::FULL)) as u64);
        self.last = Some(now);
        self.credit = self.credit.saturating_add(earned).min(Self::FULL);
        match self.cost.and_then(|cost| self.credit.checked_sub(cost)) {
            Some(left) => {
                self.credit = left;
                true
            }
            None => false,
        }
    }
}

/// Counts the messages of every station in windows of a second, so that one that floods is not served at the cost of
/// the others.
#[derive(Clone, Debug)]
pub(crate) struct PeerLimiter {
    per_second: u32,
    began: Option<Instant>,
    counts: BTreeMap<IpAddr, u32>,
}

impl PeerLimiter {
    /// Stations told apart in a window. More are not a station that floods but many addresses, which may be invented:
    /// those that were there first stay bounded, and the tables behind have bounds of their own.
    const STATIONS: usize = 65_536;
    const WINDOW: std::time::Duration = std::time::Duration::from_secs(1);

    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second, began: None, counts: BTreeMap::new() }
    }

    /// Whether one more message from `peer` is taken at `now`; it is counted.
    pub(crate) fn allow(&mut self, now: Instant, peer: IpAddr) -> bool {
        if self.began.is_none_or(|began| now - began >= Self::WINDOW) {
            self.began = Some(now);
            self.counts.clear();
        }
        if self.counts.len() >= Self::STATIONS && !self.counts.contains_key(&peer) {
            return true;
        }
        let count = self.counts.entry(peer).or_default();
        *count = count.saturating_add(1);
        *count <= self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_worth_passes_at_once_and_then_the_rate() {
        let mut limiter = RateLimiter::new(4);
        let allowed = (0..10).filter(|_| limiter.allow(Instant::ZERO)).count();
        assert_eq!(allowed, 4);
        assert!(!limiter.allow(Instant::from_nanos(249_999_999)));
        assert!(limiter.allow(Instant::from_nanos(250_000_000)));
        assert!(!RateLimiter::new(0).allow(Instant::ZERO));
    }

    #[test]
    fn one_station_uses_up_its_own_share_only() {
        let mut limiter = PeerLimiter::new(3);
        let (a, b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        assert_eq!((0..9).filter(|_| limiter.allow(Instant::ZERO, a)).count(), 3);
        assert!(limiter.allow(Instant::ZERO, b));
        assert!(!limiter.allow(Instant::from_nanos(999_999_999), a));
        assert!(limiter.allow(Instant::from_secs(1), a));
    }
}
