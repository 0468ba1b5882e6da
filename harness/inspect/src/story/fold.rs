//! What each exchange adds to the story.

use super::*;
use crate::exchange::{Part, Seen};

impl Story {
    /// Takes in an exchange of which nothing more is expected.
    pub(super) fn exchange(&mut self, exchange: Exchange) {
        match exchange.kind {
            ExchangeKind::Registration => self.registration(&exchange),
            ExchangeKind::Resolution => {
                self.resolution(&exchange);
                self.shortcut(&exchange);
            }
            ExchangeKind::Purge => self.purge(&exchange),
            ExchangeKind::TrafficIndication => self.redirect(&exchange),
            ExchangeKind::ErrorIndication => {
                if let (Some(seen), Some(code)) = (exchange.packets.first(), exchange.code) {
                    self.complaint(seen, code);
                }
            }
            ExchangeKind::Ike1(_) | ExchangeKind::Ike2(_) => self.of_sa(&exchange),
        }
        if let (Some(code), Some(seen)) = (exchange.error, packet_of(&exchange, Part::Error)) {
            self.complaint(seen, code);
        }
        if self.kept.len() < self.keep {
            self.kept.push(exchange);
        } else {
            self.left_out += 1;
        }
    }

    fn registration(&mut self, exchange: &Exchange) {
        let key = (exchange.gre_key, exchange.from, exchange.to, exchange.source);
        let new = || Registration {
            gre_key: exchange.gre_key,
            client: exchange.from,
            server: exchange.to,
            address: exchange.source,
            count: Count::default(),
            accepted: 0,
            refused: Codes::new(),
            errors: Codes::new(),
            holding_time: None,
            shortest_ns: None,
            longest_ns: None,
        };
        let Some(row) = self.registrations.entry(key, new) else { return };
        if row.count.exchanges > 0 {
            let interval = exchange.began_ns().saturating_sub(row.count.last_ns);
            row.shortest_ns = Some(row.shortest_ns.map_or(interval, |known| known.min(interval)));
            row.longest_ns = row.longest_ns.max(Some(interval));
        }
        row.count.add(exchange);
        match exchange.code {
            Some(0) => {
                row.accepted += 1;
                row.holding_time = exchange.holding_time;
            }
            Some(code) => tally(&mut row.refused, code),
            None => {}
        }
        if let Some(code) = exchange.error {
            tally(&mut row.errors, code);
        }
    }

    fn resolution(&mut self, exchange: &Exchange) {
        let key = (exchange.gre_key, exchange.from, exchange.about);
        let new = || Resolution {
            gre_key: exchange.gre_key,
            asker: exchange.from,
            source: exchange.source,
            about: exchange.about,
            count: Count::default(),
            answered: 0,
            refused: Codes::new(),
            errors: Codes::new(),
            answered_by: None,
            nbma: None,
            holding_time: None,
        };
        let Some(row) = self.resolutions.entry(key, new) else { return };
        row.count.add(exchange);
        match exchange.code {
            Some(0) => {
                row.answered += 1;
                row.answered_by = packet_of(exchange, Part::Reply).map(|seen| seen.from);
                (row.nbma, row.holding_time) = (exchange.nbma, exchange.holding_time);
            }
            Some(code) => tally(&mut row.refused, code),
            None => {}
        }
        if let Some(code) = exchange.error {
            tally(&mut row.errors, code);
        }
    }

    /// A redirect is followed if the spoke that got it asks for that very address afterwards.
    fn shortcut(&mut self, exchange: &Exchange) {
        let Some(redirect) = self.redirects.get_mut(&(exchange.gre_key, exchange.from, exchange.about)) else { return };
        if redirect.followed_by.is_some() || exchange.began_ns() < redirect.count.first_ns {
            return;
        }
        redirect.followed_by = Some(exchange.number);
        if exchange.code == Some(0) {
            redirect.shortcut = exchange.nbma;
            let replied = packet_of(exchange, Part::Reply).map(|seen| seen.time_ns);
            redirect.took_ns = replied.map(|at| at.saturating_sub(redirect.count.last_ns));
        }
    }

    fn redirect(&mut self, exchange: &Exchange) {
        let key = (exchange.gre_key, exchange.to, exchange.about);
        let new = || Redirect {
            gre_key: exchange.gre_key,
            hub: exchange.from,
            spoke: exchange.to,
            about: exchange.about,
            count: Count::default(),
            followed_by: None,
            shortcut: None,
            took_ns: None,
        };
        if let Some(row) = self.redirects.entry(key, new) {
            row.count.add(exchange);
        }
    }

    fn purge(&mut self, exchange: &Exchange) {
        let key = (exchange.gre_key, exchange.from, exchange.to, exchange.about);
        let new = || Purge {
            gre_key: exchange.gre_key,
            from: exchange.from,
            to: exchange.to,
            about: exchange.about,
            count: Count::default(),
            answered: 0,
        };
        if let Some(row) = self.purges.entry(key, new) {
            row.count.add(exchange);
            row.answered += u64::from(exchange.latency_ns.is_some());
        }
    }

    fn complaint(&mut self, seen: &Seen, code: u16) {
        let new = || Complaint { from: seen.from, to: seen.to, code, packets: 0, first_packet: seen.number };
        if let Some(row) = self.complaints.entry((seen.from, seen.to, code), new) {
            row.packets += 1;
        }
    }

    fn of_sa(&mut self, exchange: &Exchange) {
        let Some(sa) = exchange.ike_spi.and_then(|spi| self.ike_sas.get_mut(&spi)) else { return };
        sa.unanswered += u64::from(exchange.unanswered());
        tally(&mut sa.exchanges, exchange.kind);
        if let Some(code) = exchange.code.or(exchange.error) {
            tally(&mut sa.errors, code);
        } else if let Some(purpose) = exchange.purpose.filter(|_| !exchange.unanswered()) {
            tally(&mut sa.purposes, purpose);
        }
    }
}

impl Count {
    fn add(&mut self, exchange: &Exchange) {
        if self.exchanges == 0 {
            self.first_packet = exchange.packets.first().map_or(0, |seen| seen.number);
            self.first_ns = exchange.began_ns();
        }
        self.exchanges += 1;
        self.retries += exchange.retries;
        self.unanswered += u64::from(exchange.unanswered());
        self.last_ns = exchange.began_ns();
    }
}

/// One more of these.
fn tally<K: PartialEq, A: smallvec::Array<Item = (K, u64)>>(counts: &mut SmallVec<A>, what: K) {
    match counts.iter_mut().find(|(known, _)| *known == what) {
        Some((_, count)) => *count += 1,
        None => counts.push((what, 1)),
    }
}

/// The first packet of that part.
fn packet_of(exchange: &Exchange, part: Part) -> Option<&Seen> {
    exchange.packets.iter().find(|seen| seen.part == part)
}
