//! Packets that wait for their next hop to be found out (phase 2 without a routed path). Bounded in all, per next hop and
//! in time; what goes over is lost and counted.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use crate::buf::PacketBuf;
use crate::config::{host_len, last_of, masked};
use crate::ids::TunnelId;
use crate::time::{Instant, TimerQueue};

/// Packets that wait for one next hop. A few are enough for the beginning of a conversation.
const PER_NEXT_HOP: usize = 8;

/// How long they wait: as long as a resolution is tried.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

/// A next hop that is asked for.
pub(crate) type NextHop = (TunnelId, IpAddr);

/// Packets by the next hop that they wait for.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    packets: BTreeMap<NextHop, VecDeque<PacketBuf>>,
    timers: TimerQueue<NextHop>,
    count: usize,
    limit: usize,
}

impl Held {
    /// Room for `limit` packets.
    pub(crate) fn new(limit: usize) -> Self {
        Self { packets: BTreeMap::new(), timers: TimerQueue::new(), count: 0, limit }
    }

    /// Keeps a packet; says whether there was room. The first one for a next hop sets the time that all of them have.
    pub(crate) fn keep(&mut self, now: Instant, next_hop: NextHop, packet: PacketBuf) -> bool {
        let waiting = self.packets.get(&next_hop).map_or(0, VecDeque::len);
        if self.count >= self.limit || waiting >= PER_NEXT_HOP {
            return false;
        }
        if waiting == 0 {
            self.timers.set(next_hop, now + LONGEST);
        }
        self.packets.entry(next_hop).or_default().push_back(packet);
        self.count += 1;
        true
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The next hops within a prefix of a tunnel that packets wait for.
    pub(crate) fn waiting(&self, tunnel: TunnelId, prefix: IpAddr, prefix_len: u8) -> Vec<NextHop> {
        let first = masked(prefix, prefix_len);
        let last = last_of(first, prefix_len.min(host_len(first)));
        self.packets.range((tunnel, first)..=(tunnel, last)).map(|(next_hop, _)| *next_hop).collect()
    }

    /// Gives out what waits for a next hop, in the order in which it came.
    pub(crate) fn take(&mut self, next_hop: NextHop) -> VecDeque<PacketBuf> {
        self.timers.cancel(next_hop);
        let packets = self.packets.remove(&next_hop).unwrap_or_default();
        self.count -= packets.len();
        packets
    }

    /// Gives up what has waited too long at `now`; says how many packets for which next hop.
    pub(crate) fn give_up(&mut self, now: Instant) -> Option<(NextHop, usize)> {
        let (_, next_hop) = self.timers.pop_due(now)?;
        Some((next_hop, self.take(next_hop).len()))
    }

    /// When packets have waited too long next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|(at, _)| at)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.packets.clear();
        self.timers.clear();
        self.count = 0;
    }

    /// Checks what must always hold; for debug builds and fuzzing.
    ///
    /// # Errors
    /// The broken rule, in words.
    pub(crate) fn invariants(&self) -> Result<(), String> {
        let count: usize = self.packets.values().map(VecDeque::len).sum();
        if count != self.count
            || count > self.limit
            || self.packets.values().any(|q| q.is_empty() || q.len() > PER_NEXT_HOP)
        {
            return Err(format!("{count} packets are held, {} counted, limit {}", self.count, self.limit));
        }
        if !self.timers.consistent() || self.timers.len() != self.packets.len() {
            return Err("held packets and their timers differ".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(n: u8) -> NextHop {
        (TunnelId(0), IpAddr::from([10, 0, 0, n]))
    }

    #[test]
    fn packets_come_out_in_order_or_are_given_up_together() {
        let mut held = Held::new(10);
        let at = Instant::from_secs;
        for n in 0..9u8 {
            assert_eq!(held.keep(at(n.into()), hop(1), vec![n].into()), n < 8);
        }
        assert!(held.keep(at(9), hop(2), vec![9].into()) && held.keep(at(9), hop(3), vec![9].into()));
        assert!(!held.keep(at(9), hop(4), vec![9].into()));
        held.invariants().unwrap();
        assert_eq!(held.waiting(TunnelId(0), hop(2).1, 31), [hop(2), hop(3)]);
        assert_eq!(held.waiting(TunnelId(1), hop(2).1, 8), []);
        let out: Vec<u8> = held.take(hop(1)).into_iter().map(|packet| packet[0]).collect();
        assert_eq!(out, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((held.give_up(Instant::from_nanos(38_999_999_999)), held.poll_timeout()), (None, Some(at(39))));
        assert_eq!((held.give_up(at(39)), held.give_up(at(39))), (Some((hop(2), 1)), Some((hop(3), 1))));
        assert!(held.is_empty() && held.give_up(at(99)).is_none());
        held.invariants().unwrap();
    }
}
