//! The NHRP cache: which NBMA address a protocol address is bound to, since when and until when
//! (RFC 2332 §5.2.0.1 holding time, §5.2.3 uniqueness, §6.2 caching).
//!
//! Bindings of one tunnel never answer for another. A binding may cover a prefix; the longest one wins.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use dmvpn_wire::code::CieCode;

use crate::config::{host_len, masked};
use crate::ids::TunnelId;
use crate::time::{Instant, TimerQueue};
use crate::trace::{BindingName, Event};

/// Where a binding comes from. What is not [`Dynamic`](Self::Dynamic) stands above any registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BindingKind {
    /// An own address of this node.
    Local,
    /// Configured.
    Static,
    /// A next hop server, configured or learned from its reply.
    Nhs,
    /// Registered by a client.
    Dynamic,
}

impl BindingKind {
    /// Name in views and traces, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Static => "static",
            Self::Nhs => "nhs",
            Self::Dynamic => "dynamic",
        }
    }
}

impl fmt::Display for BindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One row of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Tunnel that it belongs to.
    pub tunnel: TunnelId,
    /// Protocol address; with a shorter prefix than the host length, its first address.
    pub protocol: IpAddr,
    /// Bits of `protocol` that count.
    pub prefix_len: u8,
    /// NBMA address that packets go to: as seen from outside if there is a NAT.
    pub nbma: IpAddr,
    /// NBMA address that the station gave itself; differs from `nbma` behind a NAT.
    pub claimed_nbma: IpAddr,
    /// Where the binding comes from.
    pub kind: BindingKind,
    /// Whether it was registered as unique (flag U).
    pub unique: bool,
    /// MTU of the station in octets, 0: default.
    pub mtu: u16,
    /// Seconds that the last registration asked for; 0 if the binding does not expire.
    pub holding_time: u16,
    /// When the binding came into being.
    pub created: Instant,
    /// When it was last registered.
    pub refreshed: Instant,
    /// When it goes: it is there one nanosecond earlier and gone at this instant. `None`: never.
    pub expires: Option<Instant>,
    /// Request ID of the last registration, 0 without one.
    pub request_id: u32,
}

impl Binding {
    /// A binding that stays until it is removed.
    pub fn permanent(now: Instant, tunnel: TunnelId, kind: BindingKind, protocol: IpAddr, nbma: IpAddr) -> Self {
        Self {
            tunnel,
            protocol,
            prefix_len: host_len(protocol),
            nbma,
            claimed_nbma: nbma,
            kind,
            unique: true,
            mtu: 0,
            holding_time: 0,
            created: now,
            refreshed: now,
            expires: None,
            request_id: 0,
        }
    }

    /// How it is called in traces.
    pub fn name(&self) -> BindingName {
        BindingName { tunnel: self.tunnel, protocol: self.protocol, prefix_len: self.prefix_len, kind: self.kind }
    }

    fn key(&self) -> Key {
        (self.tunnel, self.protocol, self.prefix_len)
    }
}

/// One entry of a registration, ready for the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Tunnel it came through.
    pub tunnel: TunnelId,
    /// Protocol address.
    pub protocol: IpAddr,
    /// Prefix length, bits, at most the host length.
    pub prefix_len: u8,
    /// NBMA address that packets shall go to.
    pub nbma: IpAddr,
    /// NBMA address that the client gave.
    pub claimed_nbma: IpAddr,
    /// Flag U.
    pub unique: bool,
    /// MTU, octets.
    pub mtu: u16,
    /// Seconds to hold the binding, above 0.
    pub holding_time: u16,
    /// Request ID.
    pub request_id: u32,
}

type Key = (TunnelId, IpAddr, u8);

/// Bindings of all tunnels.
#[derive(Clone, Debug)]
pub struct Cache {
    bindings: BTreeMap<Key, Binding>,
    /// How many bindings have which prefix length, so that a look-up tries only lengths that exist.
    lengths: BTreeMap<(TunnelId, u8), usize>,
    timers: TimerQueue<Key>,
    dynamic: usize,
    limit: usize,
}

impl Cache {
    /// An empty cache for at most `limit` dynamic bindings.
    pub fn new(limit: usize) -> Self {
        Self { bindings: BTreeMap::new(), lengths: BTreeMap::new(), timers: TimerQueue::new(), dynamic: 0, limit }
    }

    /// Puts in a binding that did not come by registration, in place of any other of the same address.
    pub fn insert(&mut self, mut binding: Binding, out: &mut Vec<Event>) {
        binding.protocol = masked(binding.protocol, binding.prefix_len);
        let key = binding.key();
        if let Some(old) = self.bindings.get(&key) {
            if (old.kind, old.nbma) == (binding.kind, binding.nbma) {
                return;
            }
            self.remove(key, out);
        }
        out.push(Event::BindingAdded { binding: binding.name(), nbma: binding.nbma, holding_time: None });
        self.store(binding);
    }

    /// Takes one entry of a registration at `now`.
    ///
    /// # Errors
    /// The code for the reply if the entry is refused; the cache is then as it was.
    pub fn register(&mut self, now: Instant, registration: &Registration, out: &mut Vec<Event>) -> Result<(), CieCode> {
        let Registration { tunnel, protocol, prefix_len, nbma, claimed_nbma, unique, mtu, holding_time, request_id } =
            *registration;
        let protocol = masked(protocol, prefix_len);
        let key = (tunnel, protocol, prefix_len);
        let expires = now + Duration::from_secs(holding_time.into());

        let Some(old) = self.bindings.get_mut(&key) else {
            // NHRP-5.2.3-20: no room is answered with code 5, and nobody else suffers.
            if self.dynamic >= self.limit {
                return Err(CieCode::INSUFFICIENT_RESOURCES);
            }
            let binding = Binding {
                tunnel,
                protocol,
                prefix_len,
                nbma,
                claimed_nbma,
                kind: BindingKind::Dynamic,
                unique,
                mtu,
                holding_time,
                created: now,
                refreshed: now,
                expires: Some(expires),
                request_id,
            };
            out.push(Event::BindingAdded { binding: binding.name(), nbma, holding_time: Some(holding_time) });
            self.store(binding);
            return Ok(());
        };

        if old.kind != BindingKind::Dynamic {
            // NHRP-5.2.3-19: own, configured and server addresses are not for registration.
            return Err(CieCode::ADMINISTRATIVELY_PROHIBITED);
        }
        let moved = (old.nbma, old.claimed_nbma) != (nbma, claimed_nbma);
        // NHRP-5.2.3-03: a unique binding belongs to one station. NHRP-5.2.3-05: also against a request without U,
        // or U would protect nothing. NHRP-5.2.3-04: the same station refreshes.
        if moved && old.unique {
            return Err(CieCode::ALREADY_REGISTERED);
        }
        let from = old.nbma;
        old.nbma = nbma;
        old.claimed_nbma = claimed_nbma;
        old.unique = unique;
        old.mtu = mtu;
        old.holding_time = holding_time;
        old.refreshed = now;
        old.expires = Some(expires);
        old.request_id = request_id;
        let binding = old.name();
        out.push(if from != nbma {
            Event::BindingMoved { binding, from, to: nbma, holding_time }
        } else {
            Event::BindingRefreshed { binding, nbma, holding_time }
        });
        self.timers.set(key, expires);
        Ok(())
    }

    /// The binding with the longest prefix that covers `protocol`.
    ///
    /// Call [`handle_timeout`](Self::handle_timeout) first: a binding whose time has come is still in here until then.
    pub fn lookup(&self, tunnel: TunnelId, protocol: IpAddr) -> Option<&Binding> {
        let host = host_len(protocol);
        let lengths = self.lengths.range((tunnel, 0)..=(tunnel, host)).rev();
        lengths.filter_map(|((_, len), _)| self.bindings.get(&(tunnel, masked(protocol, *len), *len))).next()
    }

    /// The binding of exactly this address and prefix length.
    pub fn get(&self, tunnel: TunnelId, protocol: IpAddr, prefix_len: u8) -> Option<&Binding> {
        self.bindings.get(&(tunnel, protocol, prefix_len))
    }

    /// Removes dynamic bindings: those that cover `protocol` as their own address, or all. Says how many.
    pub fn clear(&mut self, protocol: Option<IpAddr>, out: &mut Vec<Event>) -> usize {
        let wanted = |b: &Binding| {
            b.kind == BindingKind::Dynamic && protocol.is_none_or(|p| masked(p, b.prefix_len) == b.protocol)
        };
        let keys: Vec<Key> = self.bindings.values().filter(|b| wanted(b)).map(Binding::key).collect();
        for key in &keys {
            self.remove(*key, out);
        }
        keys.len()
    }

    /// Removes the binding of a next hop server if it leads to `nbma`.
    pub fn remove_nhs(&mut self, tunnel: TunnelId, protocol: IpAddr, nbma: IpAddr, out: &mut Vec<Event>) {
        let key = (tunnel, protocol, host_len(protocol));
        if self.bindings.get(&key).is_some_and(|b| b.kind == BindingKind::Nhs && b.nbma == nbma) {
            self.remove(key, out);
        }
    }

    /// Removes what has expired at `now`.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Event>) {
        // NHRP-5.2.0.1-12: nothing outlives its holding time.
        while let Some((_, key)) = self.timers.pop_due(now) {
            if let Some(binding) = self.take(key) {
                out.push(Event::BindingExpired { binding: binding.name(), nbma: binding.nbma });
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

    /// Number of bindings learned by registration.
    pub fn dynamic(&self) -> usize {
        self.dynamic
    }

    /// Stops all timers and forgets dynamic bindings without a trace: the node is going away.
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
        let dynamic = self.bindings.values().filter(|b| b.kind == BindingKind::Dynamic).count();
        if dynamic != self.dynamic || self.dynamic > self.limit {
            return Err(format!("{dynamic} dynamic bindings, {} counted, limit {}", self.dynamic, self.limit));
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
            if (b.kind == BindingKind::Dynamic) != b.expires.is_some() {
                return Err(format!("binding {} must expire if and only if it was registered", b.name()));
            }
        }
        if self.lengths.values().sum::<usize>() != self.bindings.len() {
            return Err("prefix lengths are miscounted".into());
        }
        Ok(())
    }

    fn store(&mut self, binding: Binding) {
        let key = binding.key();
        if let Some(expires) = binding.expires {
            self.timers.set(key, expires);
        }
        self.dynamic += usize::from(binding.kind == BindingKind::Dynamic);
        *self.lengths.entry((binding.tunnel, binding.prefix_len)).or_default() += 1;
        self.bindings.insert(key, binding);
    }

    fn remove(&mut self, key: Key, out: &mut Vec<Event>) {
        self.timers.cancel(key);
        if let Some(binding) = self.take(key) {
            out.push(Event::BindingRemoved { binding: binding.name(), nbma: binding.nbma });
        }
    }

    fn take(&mut self, key: Key) -> Option<Binding> {
        let binding = self.bindings.remove(&key)?;
        self.dynamic -= usize::from(binding.kind == BindingKind::Dynamic);
        let length = (binding.tunnel, binding.prefix_len);
        if let Some(count) = self.lengths.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&length);
            }
        }
        Some(binding)
    }
}

#[cfg(test)]
mod tests;
