//! What a link does to a packet, as a model without clocks or sockets: delay, loss, duplication, reordering, corruption, blocking.
//!
//! The same model stands between two in-process nodes and between two real routers, so that an impairment means the
//! same in every world. Decisions are drawn from a generator seeded per link: a run with the same seed, and the same
//! packets, loses the same ones.

use std::fmt;
use std::time::Duration;

use dmvpn_core::entropy::{Entropy, SeededEntropy};
use dmvpn_core::time::Instant;

/// A part of all packets, from nought to one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share(f64);

impl Share {
    /// `percent` of 100, cut to what is possible.
    pub fn percent(percent: f64) -> Share {
        Share((percent / 100.0).clamp(0.0, 1.0))
    }
}

/// A change to a link's behaviour, for all packets or for one direction, for ever or for a time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Impairment {
    /// Only packets of this station, or of all.
    pub from: Option<String>,
    /// Only packets to this station, or to all.
    pub to: Option<String>,
    /// Added to the link's own delay.
    pub delay: Duration,
    /// Up to so much is added besides, evenly drawn.
    pub jitter: Duration,
    /// Packets that vanish.
    pub loss: Share,
    /// Packets that arrive twice.
    pub duplicate: Share,
    /// Packets that are held back behind their successors (by `REORDER_HOLD`).
    pub reorder: Share,
    /// Packets in which one bit behind the outer IP header is flipped.
    pub corrupt: Share,
    /// Nothing passes.
    pub block: bool,
    /// When it ends by itself.
    pub until: Option<Instant>,
}

/// How long a reordered packet is held back.
pub const REORDER_HOLD: Duration = Duration::from_millis(20);

/// What became of a packet on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Delivered,
    /// It arrives twice.
    Duplicated,
    /// It arrives behind its successors.
    Reordered,
    /// It arrives with a flipped bit.
    Corrupted,
    /// An impairment lost it.
    Lost,
    /// An impairment blocks the direction.
    Blocked,
    /// Nobody on the link has the destination address, or the station is down.
    Unreachable,
    /// It is larger than the link's MTU.
    TooBig,
}

/// In lower case, as in evidence.
impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fate::Delivered => "delivered",
            Fate::Duplicated => "duplicated",
            Fate::Reordered => "reordered",
            Fate::Corrupted => "corrupted",
            Fate::Lost => "lost",
            Fate::Blocked => "blocked",
            Fate::Unreachable => "unreachable",
            Fate::TooBig => "too big",
        })
    }
}

impl Fate {
    /// Whether any copy arrives.
    pub fn arrives(self) -> bool {
        matches!(self, Fate::Delivered | Fate::Duplicated | Fate::Reordered | Fate::Corrupted)
    }
}

/// The behaviour of one link.
#[derive(Clone, Debug)]
pub struct LinkModel {
    delay: Duration,
    mtu: usize,
    impairments: Vec<Impairment>,
    draw: SeededEntropy,
}

/// When the copies of a packet arrive, and which bit of them is flipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// What became of it.
    pub fate: Fate,
    /// Instants of arrival: none, one or two.
    pub arrivals: Vec<Instant>,
    /// A number that chooses the bit to flip if the fate is `Corrupted`.
    pub flip: u64,
}

impl LinkModel {
    /// A link with a fixed delay. `mtu` counts octets of the whole IP packet.
    pub fn new(delay: Duration, mtu: usize, seed: u64) -> Self {
        Self { delay, mtu, impairments: Vec::new(), draw: SeededEntropy::new(seed) }
    }

    /// Adds an impairment; those in force add up.
    pub fn impair(&mut self, impairment: Impairment) {
        self.impairments.push(impairment);
    }

    /// Takes all impairments away.
    pub fn heal(&mut self) {
        self.impairments.clear();
    }

    /// Decides about one packet of `len` octets sent at `now`.
    pub fn pass(&mut self, now: Instant, from: &str, to: &str, len: usize) -> Passage {
        self.impairments.retain(|impairment| impairment.until.is_none_or(|until| now < until));
        if len > self.mtu {
            return Passage { fate: Fate::TooBig, arrivals: Vec::new(), flip: 0 };
        }
        let mut at = now + self.delay;
        let mut fate = Fate::Delivered;
        let mut copies = 1;
        let mut flip = 0;
        for impairment in &self.impairments {
            let concerns = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
            if !concerns(&impairment.from, from) || !concerns(&impairment.to, to) {
                continue;
            }
            if impairment.block {
                return Passage { fate: Fate::Blocked, arrivals: Vec::new(), flip: 0 };
            }
            if hits(&mut self.draw, impairment.loss) {
                return Passage { fate: Fate::Lost, arrivals: Vec::new(), flip: 0 };
            }
            at = at + impairment.delay + fraction(&mut self.draw, impairment.jitter);
            if hits(&mut self.draw, impairment.duplicate) {
                (fate, copies) = (Fate::Duplicated, 2);
            }
            if hits(&mut self.draw, impairment.reorder) {
                (fate, at) = (Fate::Reordered, at + REORDER_HOLD);
            }
            if hits(&mut self.draw, impairment.corrupt) {
                (fate, flip) = (Fate::Corrupted, self.draw.next_u64());
            }
        }
        Passage { fate, arrivals: vec![at; copies], flip }
    }
}

/// Draws even where nothing can hit, so that adding an impairment does not shift the draws of the next one.
fn hits(draw: &mut SeededEntropy, share: Share) -> bool {
    let point = (draw.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    point < share.0
}

fn fraction(draw: &mut SeededEntropy, whole: Duration) -> Duration {
    let point = (draw.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    whole.mul_f64(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(10);

    fn link() -> LinkModel {
        LinkModel::new(Duration::from_millis(5), 1500, 7)
    }

    #[test]
    fn an_unimpaired_link_only_delays() {
        let passage = link().pass(NOW, "a", "b", 100);
        assert_eq!(passage.fate, Fate::Delivered);
        assert_eq!(passage.arrivals, [NOW + Duration::from_millis(5)]);
    }

    #[test]
    fn a_block_of_one_direction_leaves_the_other() {
        let mut link = link();
        link.impair(Impairment { from: Some("a".into()), block: true, ..Impairment::default() });
        assert_eq!(link.pass(NOW, "a", "b", 100).fate, Fate::Blocked);
        assert_eq!(link.pass(NOW, "b", "a", 100).fate, Fate::Delivered);
        link.heal();
        assert_eq!(link.pass(NOW, "a", "b", 100).fate, Fate::Delivered);
    }

    #[test]
    fn an_impairment_ends_at_its_instant_and_not_before() {
        let mut link = link();
        link.impair(Impairment { loss: Share::percent(100.0), until: Some(NOW), ..Impairment::default() });
        assert_eq!(link.pass(NOW - Duration::from_nanos(1), "a", "b", 1).fate, Fate::Lost);
        assert_eq!(link.pass(NOW, "a", "b", 1).fate, Fate::Delivered);
    }

    #[test]
    fn shares_are_kept_and_a_seed_repeats() {
        let losses = |seed| {
            let mut link = LinkModel::new(Duration::ZERO, 1500, seed);
            link.impair(Impairment { loss: Share::percent(30.0), ..Impairment::default() });
            (0..10_000).filter(|_| link.pass(NOW, "a", "b", 1).fate == Fate::Lost).count()
        };
        assert!((2_800..3_200).contains(&losses(1)), "{}", losses(1));
        assert_eq!(losses(1), losses(1));
    }

    #[test]
    fn a_duplicate_arrives_twice_and_a_giant_not_at_all() {
        let mut link = link();
        link.impair(Impairment { duplicate: Share::percent(100.0), ..Impairment::default() });
        assert_eq!(link.pass(NOW, "a", "b", 100).arrivals.len(), 2);
        assert_eq!(link.pass(NOW, "a", "b", 1501).fate, Fate::TooBig);
    }
}
