//! The NHRP cache: which NBMA address a protocol address is bound to, since when and until when
//! (RFC 2332 §5.2.0.1 holding time, §5.2.3 uniqueness, §6.2 caching).
//!
//! Bindings of one tunnel never answer for another. A binding may cover a prefix; the longest one wins. One address may
//! have several bindings, to different NBMA addresses: several entries of one registration, or a registered one and one
//! that was found out by asking.

mod binding;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use dmvpn_wire::code::CieCode;

use crate::config::{HIGHEST, LOWEST, Limits, host_len, last_of, masked};
use crate::count::Counts;
use crate::ids::TunnelId;
use crate::time::{Instant, TimerQueue};
use crate::trace::Event;

pub use binding::{Binding, BindingKind, Learned, Registered, Registration};

type Key = (TunnelId, IpAddr, u8, IpAddr);

/// Bindings of all tunnels.
#[derive(Clone, Debug)]
pub struct Cache {
    bindings: BTreeMap<Key, Binding>,
    /// How many bindings have which prefix length, so that a look-up tries only lengths that exist.
    lengths: Counts<(TunnelId, u8)>,
    /// How many bindings of other stations lead to which NBMA address.
    adjacencies: Counts<(TunnelId, IpAddr)>,
    timers: TimerQueue<Key>,
    dynamic: usize,
    dynamic_limit: usize,
    /// How many registered bindings came from which NBMA address: nobody takes the room of all.
    registered_by: Counts<IpAddr>,
    share: usize,
    cached: usize,
    cached_limit: usize,
}

impl Cache {
    /// An empty cache with room for what the limits allow.
    pub fn new(limits: &Limits) -> Self {
        Self {
            bindings: BTreeMap::new(),
            lengths: Counts::default(),
            adjacencies: Counts::default(),
            timers: TimerQueue::new(),
            dynamic: 0,
            dynamic_limit: limits.bindings,
            registered_by: Counts::default(),
            share: limits.bindings_per_peer,
            cached: 0,
            cached_limit: limits.cached,
        }
    }

    /// Puts in a binding that stays until it is removed, in place of all others of the same address.
    pub fn insert(&mut self, mut binding: Binding, out: &mut Vec<Event>) {
        binding.protocol = masked(binding.protocol, binding.prefix_len);
        let here = self.keys(binding.tunnel, binding.protocol, binding.prefix_len);
        let same = |b: &Binding| (b.kind, b.nbma) == (binding.kind, binding.nbma);
        if here.iter().any(|key| self.bindings.get(key).is_some_and(same)) {
            return;
        }
        for key in here {
            self.remove(key, out);
        }
        out.push(Event::BindingAdded { binding: binding.name(), nbma: binding.nbma, holding_time: None });
        self.store(binding);
    }

    /// Takes one entry of a registration at `now`.
    ///
    /// # Errors
    /// The code for the reply if the entry is refused; the cache is then as it was.
    pub fn register(&mut self, now: Instant, r: &Registration, out: &mut Vec<Event>) -> Result<Registered, CieCode> {
        let protocol = masked(r.protocol, r.prefix_len);
        let binding = Binding {
            tunnel: r.tunnel,
            protocol,
            prefix_len: r.prefix_len,
            nbma: r.nbma,
            claimed_nbma: r.claimed_nbma,
            kind: BindingKind::Dynamic,
            unique: r.unique,
            mtu: r.mtu,
            preference: r.preference,
            stable: true,
            learned_from: r.from,
            holding_time: r.holding_time,
            created: now,
            refreshed: now,
            expires: Some(now + Duration::from_secs(r.holding_time.into())),
            request_id: r.request_id,
        };
        let mut replaced = Vec::new();
        let mut own = None;
        for old in self.at(r.tunnel, protocol, r.prefix_len) {
            if old.kind < BindingKind::Dynamic {
                // NHRP-5.2.3-19: own, configured and server addresses are not for registration.
                return Err(CieCode::ADMINISTRATIVELY_PROHIBITED);
            }
            if old.kind != BindingKind::Dynamic {
                continue;
            }
            // NHRP-5.2.3-03: a unique binding belongs to one station. NHRP-5.2.3-05: also against a request without U,
            // or U would protect nothing. NHRP-5.2.3-04: the same station refreshes.
            let same = (old.nbma, old.claimed_nbma) == (r.nbma, r.claimed_nbma);
            if old.unique && !same {
                return Err(CieCode::ALREADY_REGISTERED);
            }
            // NHRP-5.2.3-10: the entries of one request stand side by side. NHRP-5.2.3-06: those of another one replace
            // what was there.
            let sibling = (old.request_id, old.learned_from, old.refreshed) == (r.request_id, r.from, now);
            if old.nbma == r.nbma {
                own = Some(old.clone());
            } else if !sibling {
                replaced.push(old.key());
            }
        }
        // NHRP-5.2.3-20: no room is answered with code 5, and nobody else suffers.
        let full = own.is_none() && replaced.is_empty() && self.dynamic >= self.dynamic_limit;
        // What the station has here already counts once; what it takes over from another one counts from now on.
        let had = own.as_ref().is_some_and(|old| old.learned_from == r.from)
            || replaced.iter().any(|key| self.bindings.get(key).is_some_and(|old| old.learned_from == r.from));
        let shared_out = !had && self.registered_by.of(&r.from) >= self.share;
        if full || shared_out {
            return Err(CieCode::INSUFFICIENT_RESOURCES);
        }
        // What was only found out about this way is known better now.
        let cached = self.bindings.get(&binding.key()).filter(|b| b.kind == BindingKind::Cached).map(Binding::key);
        Ok(self.put(binding, own, replaced, cached, out))
    }

    fn put(
        &mut self,
        mut binding: Binding,
        own: Option<Binding>,
        replaced: Vec<Key>,
        cached: Option<Key>,
        out: &mut Vec<Event>,
    ) -> Registered {
        let (name, nbma, holding_time) = (binding.name(), binding.nbma, binding.holding_time);
        if let Some(key) = cached {
            self.take(key);
        }
        let mut gone = Vec::new();
        let mut first = None;
        for key in replaced {
            let Some(old) = self.take(key) else { continue };
            gone.push(old.nbma);
            if first.is_none() && own.is_none() {
                first = Some(old);
            } else {
                out.push(Event::BindingRemoved { binding: old.name(), nbma: old.nbma });
            }
        }
        let outcome = match (own, &first) {
            (Some(old), _) => {
                binding.created = old.created;
                self.take(old.key());
                out.push(Event::BindingRefreshed { binding: name, nbma, holding_time });
                Registered::Refreshed
            }
            (None, Some(old)) => {
                binding.created = old.created;
                out.push(Event::BindingMoved { binding: name, from: old.nbma, to: nbma, holding_time });
                Registered::Moved
            }
            (None, None) => {
                out.push(Event::BindingAdded { binding: name, nbma, holding_time: Some(holding_time) });
                Registered::Added
            }
        };
        let tunnel = binding.tunnel;
        self.store(binding);
        for nbma in gone {
            self.tell_if_gone(tunnel, nbma, out);
        }
        outcome
    }

    /// Takes what was found out about one station at `now`; it takes the place of anything else that was found out about
    /// it, and leaves what is known with authority alone.
    ///
    /// # Errors
    /// There is no room; the cache is as it was.
    pub fn learn(&mut self, now: Instant, learned: &Learned, out: &mut Vec<Event>) -> Result<(), CieCode> {
        let &Learned { tunnel, protocol, nbma, claimed_nbma, mtu, preference, stable, from, holding_time, request_id } =
            learned;
        let host = host_len(protocol);
        let here: Vec<&Binding> = self.at(tunnel, protocol, host).collect();
        if here.iter().any(|b| b.nbma == nbma && b.kind.authoritative()) {
            return Ok(());
        }
        let old: Vec<Key> = here.iter().filter(|b| b.kind == BindingKind::Cached).map(|b| b.key()).collect();
        if old.is_empty() && self.cached >= self.cached_limit {
            return Err(CieCode::INSUFFICIENT_RESOURCES);
        }
        let mut expires = now + Duration::from_secs(holding_time.into());
        let mut created = now;
        let mut gone = None;
        for key in old {
            let Some(old) = self.take(key) else { continue };
            created = old.created;
            if old.nbma == nbma {
                // Shortcuts that were found earlier lead here and may hold longer.
                expires = expires.max(old.expires.unwrap_or(expires));
            } else {
                gone = Some(old.nbma);
            }
        }
        let binding = Binding {
            tunnel,
            protocol,
            prefix_len: host,
            nbma,
            claimed_nbma,
            kind: BindingKind::Cached,
            unique: false,
            mtu,
            preference,
            stable,
            learned_from: from,
            holding_time,
            created,
            refreshed: now,
            expires: Some(expires),
            request_id,
        };
        let name = binding.name();
        self.store(binding);
        out.push(match gone {
            _ if created == now => Event::BindingAdded { binding: name, nbma, holding_time: Some(holding_time) },
            Some(from) => Event::BindingMoved { binding: name, from, to: nbma, holding_time },
            None => Event::BindingRefreshed { binding: name, nbma, holding_time },
        });
        if let Some(nbma) = gone {
            self.tell_if_gone(tunnel, nbma, out);
        }
        Ok(())
    }

    /// The best binding with the longest prefix that covers `protocol`.
    ///
    /// Call [`handle_timeout`](Self::handle_timeout) first: a binding whose time has come is still in here until then.
    pub fn lookup(&self, tunnel: TunnelId, protocol: IpAddr) -> Option<&Binding> {
        self.covering(tunnel, protocol).min_by_key(|b| b.rank())
    }

    /// All bindings with the longest prefix that covers `protocol`.
    pub fn covering(&self, tunnel: TunnelId, protocol: IpAddr) -> impl Iterator<Item = &Binding> {
        let host = host_len(protocol);
        let mut lengths = self.lengths.keys((tunnel, 0)..=(tunnel, host)).rev();
        let found = lengths.find_map(|(_, len)| {
            let prefix = masked(protocol, *len);
            self.at(tunnel, prefix, *len).next().map(|_| (prefix, *len))
        });
        found.into_iter().flat_map(move |(prefix, len)| self.at(tunnel, prefix, len))
    }

    /// The best binding of exactly this address and prefix length.
    pub fn get(&self, tunnel: TunnelId, protocol: IpAddr, prefix_len: u8) -> Option<&Binding> {
        self.at(tunnel, protocol, prefix_len).min_by_key(|b| b.rank())
    }

    fn at(&self, tunnel: TunnelId, protocol: IpAddr, prefix_len: u8) -> impl Iterator<Item = &Binding> {
        let range = (tunnel, protocol, prefix_len, LOWEST)..=(tunnel, protocol, prefix_len, HIGHEST);
        self.bindings.range(range).map(|(_, binding)| binding)
    }

    fn keys(&self, tunnel: TunnelId, protocol: IpAddr, prefix_len: u8) -> Vec<Key> {
        self.at(tunnel, protocol, prefix_len).map(Binding::key).collect()
    }

    /// Whether a binding of another station leads to this NBMA address: it is a direct peer.
    pub fn is_peer(&self, tunnel: TunnelId, nbma: IpAddr) -> bool {
        self.adjacencies.of(&(tunnel, nbma)) > 0
    }

    /// Removes what was registered or found out: what covers `protocol` as its own address, or all. Returns it.
    pub fn clear(&mut self, protocol: Option<IpAddr>, out: &mut Vec<Event>) -> Vec<Binding> {
        let wanted = |b: &Binding| b.kind.learned() && protocol.is_none_or(|p| masked(p, b.prefix_len) == b.protocol);
        let keys: Vec<Key> = self.bindings.values().filter(|b| wanted(b)).map(Binding::key).collect();
        keys.into_iter().filter_map(|key| self.remove(key, out)).collect()
    }

    /// Removes what was registered or found out, lies within a prefix and is `wanted` away. Returns it.
    pub fn purge(
        &mut self,
        tunnel: TunnelId,
        (prefix, prefix_len): (IpAddr, u8),
        wanted: impl Fn(&Binding) -> bool,
        out: &mut Vec<Event>,
    ) -> Vec<Binding> {
        let first = masked(prefix, prefix_len);
        let last = last_of(first, prefix_len);
        let within = self.bindings.range((tunnel, first, prefix_len, LOWEST)..=(tunnel, last, u8::MAX, HIGHEST));
        // The prefixes that begin where this one does and are wider sort before it, or are cut off here.
        let keys: Vec<Key> = within
            .map(|(_, b)| b)
            .filter(|b| b.kind.learned() && b.prefix_len >= prefix_len && wanted(b))
            .map(Binding::key)
            .collect();
        keys.into_iter().filter_map(|key| self.remove(key, out)).collect()
    }

    /// Removes the binding of a next hop server if it leads to `nbma`.
    pub fn remove_nhs(&mut self, tunnel: TunnelId, protocol: IpAddr, nbma: IpAddr, out: &mut Vec<Event>) {
        let key = (tunnel, protocol, host_len(protocol), nbma);
        if self.bindings.get(&key).is_some_and(|b| b.kind == BindingKind::Nhs) {
            self.remove(key, out);
        }
    }

    /// Removes what has expired at `now`.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Event>) {
        // NHRP-5.2.0.1-12: nothing outlives its holding time.
        while let Some((_, key)) = self.timers.pop_due(now) {
            if let Some(binding) = self.take(key) {
                out.push(Event::BindingExpired { binding: binding.name(), nbma: binding.nbma });
                self.tell_if_gone(binding.tunnel, binding.nbma, out);
            }
        }
    }

    /// When the next binding expires.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|(at, _)| at)
    }

    /// All bindings by tunnel, address and prefix length.
    pub fn view(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values()
    }

    /// The bindings of a tunnel, by address and prefix length.
    pub fn of(&self, tunnel: TunnelId) -> impl Iterator<Item = &Binding> {
        self.bindings.range((tunnel, LOWEST, 0, LOWEST)..=(tunnel, HIGHEST, u8::MAX, HIGHEST)).map(|(_, b)| b)
    }

    /// Number of bindings learned by registration.
    pub fn dynamic(&self) -> usize {
        self.dynamic
    }

    /// Stops all timers and forgets what was learned without a trace: the node is going away.
    pub fn stop(&mut self) {
        let mut unheard = Vec::new();
        self.clear(None, &mut unheard);
        self.timers.clear();
    }

    /// Checks what must always hold; for debug builds and fuzzing.
    ///
    /// # Errors
    /// The broken rule, in words.
    pub fn invariants(&self) -> Result<(), String> {
        let count = |kind| self.bindings.values().filter(|b| b.kind == kind).count();
        let (dynamic, cached) = (count(BindingKind::Dynamic), count(BindingKind::Cached));
        if dynamic != self.dynamic || self.dynamic > self.dynamic_limit {
            return Err(format!("{dynamic} dynamic bindings, {} counted, limit {}", self.dynamic, self.dynamic_limit));
        }
        if cached != self.cached || self.cached > self.cached_limit {
            return Err(format!("{cached} cached bindings, {} counted, limit {}", self.cached, self.cached_limit));
        }
        if !self.timers.consistent()
            || self.timers.len() != self.bindings.values().filter(|b| b.expires.is_some()).count()
        {
            return Err("timers and expiring bindings differ".into());
        }
        for (key, b) in &self.bindings {
            if *key != b.key() || b.protocol != masked(b.protocol, b.prefix_len) || b.prefix_len > host_len(b.protocol)
            {
                return Err(format!("binding {} is filed wrongly", b.name()));
            }
            if self.timers.deadline(*key) != b.expires {
                return Err(format!("binding {} expires at {:?} but has another timer", b.name(), b.expires));
            }
            if b.kind.learned() != b.expires.is_some() {
                return Err(format!("binding {} must expire if and only if it was learned", b.name()));
            }
            if matches!(b.kind, BindingKind::Negative | BindingKind::Incomplete) {
                return Err(format!("binding {} leads nowhere", b.name()));
            }
        }
        let leading = self.bindings.values().filter(|b| b.kind != BindingKind::Local).count();
        if self.registered_by.total() != dynamic || self.registered_by.most() > self.share {
            return Err("shares of registered bindings are miscounted".into());
        }
        if self.lengths.total() != self.bindings.len() || self.adjacencies.total() != leading {
            return Err("prefix lengths or adjacencies are miscounted".into());
        }
        Ok(())
    }

    fn store(&mut self, binding: Binding) {
        let key = binding.key();
        self.take(key);
        if let Some(expires) = binding.expires {
            self.timers.set(key, expires);
        }
        if binding.kind == BindingKind::Dynamic {
            self.dynamic += 1;
            self.registered_by.add(binding.learned_from);
        }
        self.cached += usize::from(binding.kind == BindingKind::Cached);
        self.lengths.add((binding.tunnel, binding.prefix_len));
        if binding.kind != BindingKind::Local {
            self.adjacencies.add((binding.tunnel, binding.nbma));
        }
        self.bindings.insert(key, binding);
    }

    fn remove(&mut self, key: Key, out: &mut Vec<Event>) -> Option<Binding> {
        let binding = self.take(key)?;
        out.push(Event::BindingRemoved { binding: binding.name(), nbma: binding.nbma });
        if binding.kind != BindingKind::Local {
            self.tell_if_gone(binding.tunnel, binding.nbma, out);
        }
        Some(binding)
    }

    fn tell_if_gone(&self, tunnel: TunnelId, nbma: IpAddr, out: &mut Vec<Event>) {
        if !self.is_peer(tunnel, nbma) {
            out.push(Event::AdjacencyGone { tunnel, nbma });
        }
    }

    fn take(&mut self, key: Key) -> Option<Binding> {
        let binding = self.bindings.remove(&key)?;
        self.timers.cancel(key);
        self.cached -= usize::from(binding.kind == BindingKind::Cached);
        if binding.kind == BindingKind::Dynamic {
            self.dynamic -= 1;
            self.registered_by.remove(&binding.learned_from);
        }
        self.lengths.remove(&(binding.tunnel, binding.prefix_len));
        if binding.kind != BindingKind::Local {
            self.adjacencies.remove(&(binding.tunnel, binding.nbma));
        }
        Some(binding)
    }
}

#[cfg(test)]
mod tests;
