//! Who was told what, for how long: whoever was given a binding is told when it is no longer true
//! (RFC 2332 §5.2.5, §6.2.1; NHRP-6.2.1-04, CISCO-REQID-01).

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::config::{HIGHEST, LOWEST, last_of, masked};
use crate::ids::TunnelId;
use crate::time::{Instant, TimerQueue};

/// Tunnel, prefix and length of what was told, and the protocol address of who was told.
pub(crate) type Key = (TunnelId, IpAddr, u8, IpAddr);

/// What stands behind an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// This node is the way out to it.
    Egress,
    /// A binding in the cache.
    Binding,
}

/// Something that was told to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// NBMA address that the answer went to.
    pub(crate) to: IpAddr,
    /// When the answer is over by itself.
    pub(crate) until: Instant,
    /// What stood behind it.
    pub(crate) source: Source,
}

/// The requesters of a node.
#[derive(Clone, Debug)]
pub(crate) struct Requesters {
    told: BTreeMap<Key, Told>,
    ends: TimerQueue<Key>,
    limit: usize,
}

impl Requesters {
    pub(crate) fn new(limit: usize) -> Self {
        Self { told: BTreeMap::new(), ends: TimerQueue::new(), limit }
    }

    /// Remembers at `now`; says whether there was room.
    pub(crate) fn remember(&mut self, now: Instant, key: Key, mut told: Told) -> bool {
        // Nobody waits for the end of one, so it needs no deadline of the node.
        while let Some((_, key)) = self.ends.pop_due(now) {
            self.told.remove(&key);
        }
        match self.told.get(&key) {
            Some(old) => told.until = told.until.max(old.until),
            None if self.told.len() >= self.limit => return false,
            None => {}
        }
        self.ends.set(key, told.until);
        self.told.insert(key, told);
        true
    }

    /// Takes out what was told about addresses that a prefix has, or has in common, and that is still believed at `now`
    /// and `wanted`.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        tunnel: TunnelId,
        (prefix, prefix_len): (IpAddr, u8),
        wanted: impl Fn(&Key, &Told) -> bool,
    ) -> Vec<(Key, Told)> {
        let first = masked(prefix, prefix_len);
        let within = (tunnel, first, prefix_len, LOWEST)..=(tunnel, last_of(first, prefix_len), u8::MAX, HIGHEST);
        let wider = (0..prefix_len).map(|len| {
            let first = masked(first, len);
            (tunnel, first, len, LOWEST)..=(tunnel, first, len, HIGHEST)
        });
        let keys: Vec<Key> = std::iter::once(within)
            .chain(wider)
            .flat_map(|range| self.told.range(range))
            .filter(|(key, told)| told.until > now && wanted(key, told))
            .map(|(key, _)| *key)
            .collect();
        keys.into_iter().filter_map(|key| self.forget(key).map(|told| (key, told))).collect()
    }

    /// Takes out everything that is still believed at `now`.
    pub(crate) fn take_all(&mut self, now: Instant) -> Vec<(Key, Told)> {
        self.ends.clear();
        std::mem::take(&mut self.told).into_iter().filter(|(_, told)| told.until > now).collect()
    }

    fn forget(&mut self, key: Key) -> Option<Told> {
        self.ends.cancel(key);
        self.told.remove(&key)
    }

    pub(crate) fn invariants(&self) -> Result<(), String> {
        let filed = |(key, told): (&Key, &Told)| self.ends.deadline(*key) == Some(told.until);
        if self.told.len() > self.limit || self.ends.len() != self.told.len() || !self.told.iter().all(filed) {
            return Err("requesters are miscounted".into());
        }
        Ok(())
    }
}
