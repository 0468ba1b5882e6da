//! What each packet adds to what happened.

use super::station::{Binding, Flow, Origin, Pair, Station};
use super::*;

/// Where a packet stands in the capture.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    number: u64,
    pub(super) time_ns: u64,
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    key: Option<u32>,
    protected: bool,
    /// Where the sender is in the table of stations.
    sender: Option<usize>,
}

impl Moment {
    pub(super) fn seen(self, part: Part) -> Seen {
        Seen { number: self.number, time_ns: self.time_ns, from: self.from, to: self.to, part }
    }
}

impl Tracker {
    /// Takes in packet `number` of the capture, seen at `time_ns` since 1970, with so many octets.
    pub fn packet(&mut self, number: u64, time_ns: u64, octets: usize, glance: &Glance) {
        let totals = &mut self.totals;
        totals.packets += 1;
        totals.octets += octets as u64;
        totals.first_ns.get_or_insert(time_ns);
        totals.last_ns = Some(time_ns);
        totals.broken += u64::from(glance.broken);
        match (&glance.nhrp, &glance.gre, &glance.esp, &glance.ike) {
            (Some(nhrp), ..) => {
                let known = totals.nhrp.get_mut(usize::from(nhrp.kind));
                match known {
                    Some(count) => *count += 1,
                    None => totals.nhrp[0] += 1,
                }
            }
            (None, Some(_), ..) if glance.inner.is_some() => totals.inner += 1,
            (None, Some(_), ..) => totals.gre_other += 1,
            (.., Some(_), _) => {}
            (.., Some(ike)) if ike.major == 1 => totals.ike1 += 1,
            (.., Some(_)) => totals.ike2 += 1,
            _ => totals.other += 1,
        }
        if let Some(esp) = &glance.esp {
            totals.esp += 1;
            totals.esp_opened += u64::from(esp.opened);
        }
        let Some((from, to)) = glance.outer else { return };
        let gre = glance.gre;
        let mut moment = Moment {
            number,
            time_ns,
            from,
            to,
            key: gre.and_then(|gre| gre.key),
            protected: gre.is_some_and(|gre| gre.protected),
            sender: None,
        };
        moment.sender = self.count(moment, octets, glance);
        if let Some(nhrp) = &glance.nhrp {
            self.nhrp(moment, nhrp);
        }
        if let Some(ike) = &glance.ike {
            self.ike(moment, ike);
        }
    }

    /// Counts the packet for its stations, and says where the sender is in their table.
    fn count(&mut self, moment: Moment, octets: usize, glance: &Glance) -> Option<usize> {
        let Moment { number, time_ns, from, to, .. } = moment;
        let stations = &mut self.stations;
        let new = || Pair {
            stations: (stations.place(from, Station::default), stations.place(to, Station::default)),
            ..Pair::default()
        };
        let pair = self.pairs.entry((from, to), new);
        let (sender, receiver) = match &pair {
            Some(pair) => pair.stations,
            // Too many pairs do not mean too many stations.
            None => (self.stations.place(from, Station::default), self.stations.place(to, Station::default)),
        };
        if let Some(sender) = sender.and_then(|at| self.stations.at_mut(at)) {
            sender.sent += 1;
        }
        if let Some(receiver) = receiver.and_then(|at| self.stations.at_mut(at)) {
            receiver.received += 1;
        }
        if let Some(pair) = pair {
            let clear = glance.gre.is_some_and(|gre| !gre.protected);
            if clear {
                pair.clear += 1;
                pair.nhrp += u64::from(glance.nhrp.is_some());
                pair.inner += u64::from(glance.inner.is_some());
                if pair.esp > 0 {
                    pair.clear_after_esp.get_or_insert(number);
                }
            } else if glance.esp.is_some() {
                pair.esp += 1;
            } else if glance.ike.is_some() {
                pair.ike += 1;
            } else {
                pair.other += 1;
            }
        }
        let Some(esp) = glance.esp else { return sender };
        let new = || Flow {
            packets: 0,
            octets: 0,
            first_ns: time_ns,
            last_ns: time_ns,
            first_seq: esp.seq,
            highest_seq: esp.seq,
            late: 0,
            in_udp: esp.in_udp,
            opened: esp.opened,
        };
        if let Some(flow) = self.flows.entry((from, to, esp.spi), new) {
            flow.late += u64::from(flow.packets > 0 && esp.seq <= flow.highest_seq);
            flow.packets += 1;
            flow.octets += octets as u64;
            flow.last_ns = time_ns;
            flow.highest_seq = flow.highest_seq.max(esp.seq);
        }
        sender
    }

    /// The sender of the packet.
    pub(super) fn sender(&mut self, moment: Moment) -> Option<&mut Station> {
        self.stations.at_mut(moment.sender?)
    }

    fn nhrp(&mut self, moment: Moment, nhrp: &NhrpGlance) {
        let kind = match nhrp.kind {
            1 | 2 => ExchangeKind::Resolution,
            3 | 4 => ExchangeKind::Registration,
            5 | 6 => ExchangeKind::Purge,
            7 => return self.error(moment, nhrp),
            8 => return self.redirect(moment, nhrp),
            _ => return,
        };
        let Some(id) = nhrp.request_id else { return };
        // A reply has the type after its request's, and repeats the rest.
        let asking = nhrp.kind % 2 == 1;
        let asked = if asking { nhrp.kind } else { nhrp.kind - 1 };
        let key = Key::Nhrp(moment.key, asked, id, nhrp.src_protocol, nhrp.src_nbma);
        if asking {
            self.request(moment, key, kind, nhrp);
        } else {
            self.reply(moment, key, kind, nhrp);
        }
    }

    fn request(&mut self, moment: Moment, key: Key, kind: ExchangeKind, nhrp: &NhrpGlance) {
        // An id that comes again after its reply is a new exchange, unless somebody else passes the request on late.
        let known = self.exchange(&key).filter(|exchange| {
            let settled = exchange.latency_ns.is_some() && moment.from == exchange.from;
            !settled && !stale(exchange, moment.time_ns)
        });
        if let Some(exchange) = known {
            let part = if moment.from == exchange.from { Part::Retry } else { Part::Forward };
            exchange.retries += u64::from(part == Part::Retry);
            add(exchange, moment.seen(part));
            return;
        }
        if let Some(station) = self.sender(moment) {
            match kind {
                ExchangeKind::Registration => station.registers += 1,
                ExchangeKind::Resolution => station.asks += 1,
                _ => {}
            }
            // Whoever asks says who it is; one that only passes on would claim another's address.
            if let (ExchangeKind::Registration, Some(address)) = (kind, nhrp.src_protocol) {
                station.has_address(moment.key, address);
                station.claims = nhrp.src_nbma.filter(|claimed| *claimed != moment.from);
            }
        }
        if kind == ExchangeKind::Purge {
            self.purge(moment, nhrp);
        }
        let mut exchange = new(moment, kind, Part::Request);
        exchange.id = nhrp.request_id.unwrap_or(0);
        exchange.source = nhrp.src_protocol;
        exchange.about = match kind {
            ExchangeKind::Purge => nhrp.entry.and_then(|entry| entry.protocol).or(nhrp.dst_protocol),
            _ => nhrp.dst_protocol,
        };
        exchange.wants_reply = !nhrp.no_reply;
        self.begin(key, exchange);
    }

    fn reply(&mut self, moment: Moment, key: Key, kind: ExchangeKind, nhrp: &NhrpGlance) {
        let entry = nhrp.entry.unwrap_or_default();
        let good = nhrp.entry.is_some_and(|entry| entry.code == 0);
        let expires_ns = moment.time_ns.saturating_add(u64::from(entry.holding_time) * 1_000_000_000);
        let expires = (good && kind != ExchangeKind::Purge).then_some(expires_ns);
        if self.exchange(&key).is_none_or(|exchange| stale(exchange, moment.time_ns)) {
            // The request was before the capture began, or elsewhere.
            let mut exchange = new(moment, kind, Part::Reply);
            exchange.id = nhrp.request_id.unwrap_or(0);
            (exchange.from, exchange.to) = (moment.to, moment.from);
            (exchange.source, exchange.about) = (nhrp.src_protocol, nhrp.dst_protocol);
            exchange.packets.clear();
            exchange.count = 0;
            self.begin(key, exchange);
        }
        let mut first = false;
        if let Some(exchange) = self.exchange(&key) {
            first = !exchange.packets.iter().any(|packet| packet.part == Part::Reply);
            if first {
                exchange.latency_ns = Some(moment.time_ns.saturating_sub(exchange.began_ns_or(moment.time_ns)));
                exchange.code = nhrp.entry.map(|entry| entry.code.into());
                exchange.holding_time = nhrp.entry.map(|entry| entry.holding_time);
                exchange.nbma = entry.nbma.or(Some(moment.from));
                exchange.expires_ns = expires;
            }
            add(exchange, moment.seen(if first { Part::Reply } else { Part::ReplyAgain }));
        }
        if let Some(station) = self.sender(moment) {
            match kind {
                ExchangeKind::Registration => station.acknowledges += 1,
                ExchangeKind::Resolution => station.answers += 1,
                _ => {}
            }
            if let (ExchangeKind::Registration, true, Some(address)) = (kind, first, nhrp.dst_protocol) {
                station.has_address(moment.key, address);
            }
        }
        let Some(expires_ns) = expires else { return };
        let (protocol, nbma, origin) = match kind {
            // The client's entry may leave out what the fixed part says already.
            ExchangeKind::Registration if first => {
                (entry.protocol.or(nhrp.src_protocol), entry.nbma.or(nhrp.src_nbma), Origin::Registered(moment.from))
            }
            ExchangeKind::Resolution => (entry.protocol.or(nhrp.dst_protocol), entry.nbma, Origin::Resolved(moment.to)),
            _ => return,
        };
        let (Some(protocol), Some(nbma)) = (protocol, nbma) else { return };
        self.bind(
            moment,
            (protocol, origin),
            Binding {
                nbma,
                prefix_len: entry.prefix_len,
                holding_time: entry.holding_time,
                since_ns: moment.time_ns,
                expires_ns,
                renewals: 0,
                lapses: 0,
                purged_ns: None,
            },
        );
    }

    fn bind(&mut self, moment: Moment, (protocol, origin): (IpAddr, Origin), told: Binding) {
        let key = (moment.key, protocol, origin);
        let new = self.bindings.get(&key).is_none();
        let Some(binding) = self.bindings.entry(key, || told.clone()) else { return };
        if new {
            return;
        }
        if binding.expires_ns < moment.time_ns {
            binding.lapses += 1;
        } else {
            binding.renewals += 1;
        }
        let (renewals, lapses, since_ns) = (binding.renewals, binding.lapses, binding.since_ns);
        *binding = Binding { renewals, lapses, since_ns, purged_ns: binding.purged_ns, ..told };
    }

    /// A purge takes back what was told about an address, from whomever.
    fn purge(&mut self, moment: Moment, nhrp: &NhrpGlance) {
        let Some(address) = nhrp.entry.and_then(|entry| entry.protocol).or(nhrp.src_protocol) else { return };
        for origin in [Origin::Registered(moment.to), Origin::Resolved(moment.to)] {
            if let Some(binding) = self.bindings.get_mut(&(moment.key, address, origin)) {
                binding.purged_ns = Some(moment.time_ns);
                binding.expires_ns = binding.expires_ns.min(moment.time_ns);
            }
        }
    }

    fn error(&mut self, moment: Moment, nhrp: &NhrpGlance) {
        if let Some(station) = self.sender(moment) {
            station.errors += 1;
        }
        // The source NBMA address is that of whoever complains, so the request is found by the rest.
        let about = nhrp.quoted.and_then(|(kind, id, source)| self.quoted(&(moment.key, kind, id, source)));
        if let Some(exchange) = about {
            exchange.error = nhrp.code;
            add(exchange, moment.seen(Part::Error));
            return;
        }
        let mut exchange = new(moment, ExchangeKind::ErrorIndication, Part::Message);
        exchange.code = nhrp.code;
        exchange.source = nhrp.src_protocol;
        exchange.about = nhrp.dst_protocol;
        exchange.wants_reply = false;
        self.begin(Key::Nhrp(moment.key, 7, u32::MAX, None, Some(moment.from)), exchange);
    }

    fn redirect(&mut self, moment: Moment, nhrp: &NhrpGlance) {
        if let Some(station) = self.sender(moment) {
            station.redirects += 1;
        }
        let mut exchange = new(moment, ExchangeKind::TrafficIndication, Part::Message);
        exchange.code = nhrp.code;
        exchange.source = nhrp.src_protocol;
        exchange.about = nhrp.hairpinned.map(|(_, dst)| dst);
        exchange.wants_reply = false;
        self.begin(Key::Nhrp(moment.key, 8, u32::MAX, exchange.about, Some(moment.from)), exchange);
    }
}

impl Exchange {
    /// When the request was seen, if it was.
    fn began_ns_or(&self, otherwise: u64) -> u64 {
        self.packets.first().map_or(otherwise, |packet| packet.time_ns)
    }
}

pub(super) fn new(moment: Moment, kind: ExchangeKind, part: Part) -> Exchange {
    Exchange {
        number: 0,
        kind,
        gre_key: moment.key,
        id: 0,
        ike_spi: None,
        from: moment.from,
        to: moment.to,
        source: None,
        about: None,
        wants_reply: true,
        packets: SmallVec::from_slice(&[moment.seen(part)]),
        count: 1,
        retries: 0,
        latency_ns: None,
        code: None,
        holding_time: None,
        nbma: None,
        error: None,
        purpose: None,
        expires_ns: None,
        protected: moment.protected,
    }
}

pub(super) fn add(exchange: &mut Exchange, seen: Seen) {
    exchange.count += 1;
    if exchange.packets.len() < PACKETS_KEPT {
        exchange.packets.push(seen);
    }
}

/// Whether so much time has passed that the same numbers mean something new.
pub(super) fn stale(exchange: &Exchange, now_ns: u64) -> bool {
    exchange.packets.last().is_some_and(|packet| packet.time_ns.saturating_add(SETTLED_NS) < now_ns)
}
