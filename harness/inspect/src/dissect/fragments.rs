//! Fragments of IP datagrams, put together again (RFC 791 section 3.2, RFC 8200 section 4.5).

use std::collections::VecDeque;

use etherparse::defrag::{IpDefragBuf, IpDefragError};
use etherparse::{IpFragOffset, IpNumber};

use super::walk::Ends;

/// How many datagrams may wait for fragments. The one that has waited longest goes when another comes: 64 times 64 KiB
/// is all that this can cost.
const MAX_WAITING: usize = 64;

/// What a fragment says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment {
    /// Identification.
    pub(crate) id: u32,
    /// Where its payload begins, in units of 8 octets.
    pub(crate) offset: u16,
    /// Whether others follow.
    pub(crate) more: bool,
    /// What the datagram carries.
    pub(crate) protocol: u8,
}

/// Datagrams that wait for the rest of them, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    waiting: VecDeque<(Ends, u32, u8, IpDefragBuf)>,
    given_up: u64,
}

impl Reassembly {
    /// Takes a fragment in, and gives the whole payload out if that was the last piece of it.
    pub(crate) fn add(
        &mut self,
        ends: Ends,
        fragment: Fragment,
        octets: &[u8],
    ) -> Result<Option<Vec<u8>>, IpDefragError> {
        let Fragment { id, offset, more, protocol } = fragment;
        let known = self.waiting.iter().position(|(e, i, p, _)| (*e, *i, *p) == (ends, id, protocol));
        let index = match known {
            Some(index) => index,
            None => {
                if self.waiting.len() >= MAX_WAITING {
                    self.waiting.pop_front();
                    self.given_up += 1;
                }
                let empty = IpDefragBuf::new(IpNumber(protocol), Vec::new(), Vec::new());
                self.waiting.push_back((ends, id, protocol, empty));
                self.waiting.len() - 1
            }
        };
        let Some((.., datagram)) = self.waiting.get_mut(index) else { return Ok(None) };
        // The field has 13 bits.
        let offset = IpFragOffset::try_new(offset & 0x1FFF).unwrap_or(IpFragOffset::ZERO);
        if let Err(error) = datagram.add(offset, more, octets) {
            self.waiting.remove(index);
            self.given_up += 1;
            return Err(error);
        }
        if !datagram.is_complete() {
            return Ok(None);
        }
        Ok(self.waiting.remove(index).map(|(.., datagram)| datagram.take_bufs().0))
    }

    /// How many datagrams were given up before they were whole.
    pub(crate) fn given_up(&self) -> u64 {
        self.given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> Ends {
        Ends { src: "192.0.2.1".parse().unwrap(), dst: "192.0.2.2".parse().unwrap() }
    }

    fn piece(id: u32, offset: u16, more: bool) -> Fragment {
        Fragment { id, offset, more, protocol: 17 }
    }

    #[test]
    fn pieces_make_a_whole_in_any_order() {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.add(ends(), piece(7, 1, false), &[9, 10]).unwrap(), None);
        let whole = reassembly.add(ends(), piece(7, 0, true), &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        assert_eq!(whole, Some(vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
        assert_eq!((reassembly.waiting.len(), reassembly.given_up()), (0, 0));
    }

    #[test]
    fn what_waits_is_bounded_and_what_goes_is_counted() {
        let mut reassembly = Reassembly::default();
        for id in 0..1000 {
            assert_eq!(reassembly.add(ends(), piece(id, 0, true), &[0; 8]).unwrap(), None);
        }
        assert_eq!((reassembly.waiting.len(), reassembly.given_up()), (MAX_WAITING, 1000 - MAX_WAITING as u64));
    }

    #[test]
    fn pieces_that_contradict_each_other_are_given_up() {
        let mut reassembly = Reassembly::default();
        reassembly.add(ends(), piece(1, 2, false), &[0; 8]).unwrap();
        assert!(reassembly.add(ends(), piece(1, 8, false), &[0; 8]).is_err());
        assert_eq!((reassembly.waiting.len(), reassembly.given_up()), (0, 1));
    }
}
