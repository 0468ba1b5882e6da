//! Shortcuts: prefixes whose traffic takes a direct way to the station that answered for them, instead of the routed one
//! (draft-detienne-dmvpn-01 §4.7). They go with their holding time; a longer route stands before them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::config::{host_len, in_prefix, last_of, masked};
use crate::count::Counts;
use crate::ids::TunnelId;
use crate::time::{Instant, TimerQueue};
use crate::trace::{Event, ShortcutName};

/// A shortcut; also a row of views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// Tunnel that it leads through.
    pub tunnel: TunnelId,
    /// First address of the prefix.
    pub prefix: IpAddr,
    /// Bits of `prefix` that count.
    pub prefix_len: u8,
    /// Protocol address of the next hop: the station that answered.
    pub via: IpAddr,
    /// NBMA address of the next hop.
    pub nbma: IpAddr,
    /// The address that was asked for, and is asked for again.
    pub target: IpAddr,
    /// Seconds of the last answer.
    pub holding_time: u16,
    /// When it goes.
    pub expires: Instant,
    /// When traffic last went this way.
    pub used: Option<Instant>,
}

impl Shortcut {
    /// How it is called in traces.
    pub fn name(&self) -> ShortcutName {
        let &Self { tunnel, prefix, prefix_len, via, .. } = self;
        ShortcutName { tunnel, prefix, prefix_len, via }
    }

    fn key(&self) -> Key {
        (self.prefix, self.prefix_len)
    }
}

type Key = (IpAddr, u8);

/// All shortcuts of a node: one per prefix, whatever the tunnel.
#[derive(Clone, Debug)]
pub struct Shortcuts {
    entries: BTreeMap<Key, Shortcut>,
    /// How many shortcuts of a family (by host length) have which prefix length.
    lengths: Counts<(u8, u8)>,
    timers: TimerQueue<Key>,
    limit: usize,
}

impl Shortcuts {
    /// An empty table for at most `limit` shortcuts.
    pub fn new(limit: usize) -> Self {
        Self { entries: BTreeMap::new(), lengths: Counts::default(), timers: TimerQueue::new(), limit }
    }

    /// The shortcut with the longest prefix that covers `destination`.
    ///
    /// Call [`handle_timeout`](Self::handle_timeout) first: a shortcut whose time has come is still in here until then.
    pub fn find(&self, destination: IpAddr) -> Option<&Shortcut> {
        let host = host_len(destination);
        let mut lengths = self.lengths.keys((host, 0)..=(host, host)).rev();
        lengths.find_map(|(_, len)| self.entries.get(&(masked(destination, *len), *len)))
    }

    /// Notes that traffic to `destination` went by a shortcut at `now`; says by which.
    pub fn used(&mut self, now: Instant, destination: IpAddr) -> Option<&Shortcut> {
        let key = self.find(destination)?.key();
        let shortcut = self.entries.get_mut(&key)?;
        shortcut.used = Some(now);
        Some(shortcut)
    }

    /// Puts a shortcut in, in place of another for the same prefix; says whether there was room.
    pub fn insert(&mut self, mut shortcut: Shortcut, out: &mut Vec<Event>) -> bool {
        shortcut.prefix = masked(shortcut.prefix, shortcut.prefix_len);
        let key = shortcut.key();
        let old = self.entries.get(&key);
        if old.is_none() && self.entries.len() >= self.limit {
            return false;
        }
        if let Some(old) = old {
            shortcut.used = old.used;
        } else {
            self.lengths.add((host_len(key.0), key.1));
        }
        out.push(Event::ShortcutAdded {
            shortcut: shortcut.name(),
            nbma: shortcut.nbma,
            holding_time: shortcut.holding_time,
        });
        self.timers.set(key, shortcut.expires);
        self.entries.insert(key, shortcut);
        true
    }

    /// Follows a next hop to another NBMA address.
    pub fn follow(&mut self, tunnel: TunnelId, via: IpAddr, nbma: IpAddr) {
        for shortcut in self.entries.values_mut().filter(|s| (s.tunnel, s.via) == (tunnel, via)) {
            shortcut.nbma = nbma;
        }
    }

    /// Removes the shortcuts that have an address in common with a prefix; says how many.
    pub fn remove_overlapping(&mut self, prefix: IpAddr, prefix_len: u8, out: &mut Vec<Event>) -> usize {
        let first = masked(prefix, prefix_len);
        let within = self.entries.range((first, prefix_len)..=(last_of(first, prefix_len), u8::MAX));
        let mut keys: Vec<Key> = within.map(|(key, _)| *key).collect();
        keys.extend((0..prefix_len).map(|len| (masked(first, len), len)).filter(|key| self.entries.contains_key(key)));
        self.remove(keys, out)
    }

    /// Removes the shortcuts that `wanted` names; says how many.
    pub fn remove_if(&mut self, wanted: impl Fn(&Shortcut) -> bool, out: &mut Vec<Event>) -> usize {
        let keys = self.entries.values().filter(|s| wanted(s)).map(Shortcut::key).collect();
        self.remove(keys, out)
    }

    fn remove(&mut self, keys: Vec<Key>, out: &mut Vec<Event>) -> usize {
        let mut count = 0;
        for key in keys {
            if let Some(shortcut) = self.take(key) {
                out.push(Event::ShortcutRemoved { shortcut: shortcut.name() });
                count += 1;
            }
        }
        count
    }

    /// Removes what has expired at `now`.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Event>) {
        while let Some((_, key)) = self.timers.pop_due(now) {
            if let Some(shortcut) = self.take(key) {
                out.push(Event::ShortcutExpired { shortcut: shortcut.name() });
            }
        }
    }

    /// Forgets everything without a trace: the node is going away.
    pub fn stop(&mut self) {
        self.entries.clear();
        self.lengths.clear();
        self.timers.clear();
    }

    /// When the next shortcut expires.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|(at, _)| at)
    }

    /// All shortcuts by prefix.
    pub fn view(&self) -> impl Iterator<Item = &Shortcut> {
        self.entries.values()
    }

    fn take(&mut self, key: Key) -> Option<Shortcut> {
        let shortcut = self.entries.remove(&key)?;
        self.timers.cancel(key);
        self.lengths.remove(&(host_len(key.0), key.1));
        Some(shortcut)
    }

    /// Checks what must always hold; for debug builds and fuzzing.
    ///
    /// # Errors
    /// The broken rule, in words.
    pub fn invariants(&self) -> Result<(), String> {
        if self.entries.len() > self.limit || !self.timers.consistent() || self.timers.len() != self.entries.len() {
            return Err("too many shortcuts, or shortcuts and timers differ".into());
        }
        if self.lengths.total() != self.entries.len() {
            return Err("prefix lengths of shortcuts are miscounted".into());
        }
        for (key, s) in &self.entries {
            if *key != s.key()
                || self.timers.deadline(*key) != Some(s.expires)
                || !in_prefix(s.target, s.prefix, s.prefix_len)
            {
                return Err(format!("{} is filed wrongly", s.name()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn shortcut(prefix: &str, prefix_len: u8, via: &str, holds: u64) -> Shortcut {
        Shortcut {
            tunnel: TunnelId(0),
            prefix: ip(prefix),
            prefix_len,
            via: ip(via),
            nbma: ip("192.0.2.9"),
            target: ip(prefix),
            holding_time: holds as u16,
            expires: Instant::from_secs(holds),
            used: None,
        }
    }

    fn table() -> Shortcuts {
        let mut table = Shortcuts::new(3);
        for s in [
            shortcut("172.20.0.0", 16, "10.0.0.1", 60),
            shortcut("172.20.5.0", 24, "10.0.0.2", 30),
            shortcut("172.20.5.9", 32, "10.0.0.3", 90),
        ] {
            assert!(table.insert(s, &mut Vec::new()));
        }
        table.invariants().unwrap();
        table
    }

    #[test]
    fn the_longest_prefix_leads_until_its_time_is_over() {
        let mut table = table();
        let via = |table: &Shortcuts, to: &str| table.find(ip(to)).map(|s| s.via);
        assert_eq!(via(&table, "172.20.5.9"), Some(ip("10.0.0.3")));
        assert_eq!(via(&table, "172.20.5.8"), Some(ip("10.0.0.2")));
        assert_eq!(via(&table, "172.21.0.0"), None);
        assert_eq!(via(&table, "fd00::1"), None);
        table.handle_timeout(Instant::from_nanos(29_999_999_999), &mut Vec::new());
        assert_eq!(via(&table, "172.20.5.8"), Some(ip("10.0.0.2")));
        table.handle_timeout(Instant::from_secs(30), &mut Vec::new());
        assert_eq!(via(&table, "172.20.5.8"), Some(ip("10.0.0.1")));
        assert_eq!(table.poll_timeout(), Some(Instant::from_secs(60)));
        table.invariants().unwrap();
    }

    #[test]
    fn removal_takes_what_overlaps_and_nothing_else() {
        let mut events = Vec::new();
        assert_eq!(table().remove_overlapping(ip("172.20.5.9"), 32, &mut events), 3);
        assert_eq!(table().remove_overlapping(ip("172.20.6.0"), 24, &mut events), 1);
        assert_eq!(table().remove_overlapping(ip("172.20.5.0"), 24, &mut events), 3);
        assert_eq!(table().remove_overlapping(ip("172.0.0.0"), 8, &mut events), 3);
        assert_eq!(table().remove_overlapping(ip("172.21.0.0"), 16, &mut events), 0);
        let mut table = table();
        assert_eq!(table.remove_if(|s| s.via == ip("10.0.0.2"), &mut events), 1);
        table.invariants().unwrap();
    }

    #[test]
    fn a_full_table_takes_no_new_prefix_but_renews_old_ones() {
        let mut table = table();
        assert!(!table.insert(shortcut("172.30.0.0", 16, "10.0.0.1", 60), &mut Vec::new()));
        table.used(Instant::from_secs(5), ip("172.20.5.8"));
        assert!(table.insert(shortcut("172.20.5.0", 24, "10.0.0.4", 99), &mut Vec::new()));
        let found = table.find(ip("172.20.5.8")).unwrap();
        assert_eq!((found.via, found.used), (ip("10.0.0.4"), Some(Instant::from_secs(5))));
        table.invariants().unwrap();
    }
}
