//! How many of each: what a table keeps beside its rows, so that a question need not go through all of them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Keys and how many rows have them; a key that none has is not in here.
#[derive(Clone, Debug)]
pub(crate) struct Counts<K>(BTreeMap<K, usize>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Counts<K> {
    /// One more row has the key.
    pub(crate) fn add(&mut self, key: K) {
        *self.0.entry(key).or_default() += 1;
    }

    /// One row fewer has the key.
    pub(crate) fn remove(&mut self, key: &K) {
        if let Some(count) = self.0.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }

    /// How many rows have the key.
    pub(crate) fn of(&self, key: &K) -> usize {
        self.0.get(key).copied().unwrap_or(0)
    }

    /// The keys of a range that some row has, in order.
    pub(crate) fn keys(&self, range: RangeInclusive<K>) -> impl DoubleEndedIterator<Item = &K> {
        self.0.range(range).map(|(key, _)| key)
    }

    /// How many rows there are in all.
    pub(crate) fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// The highest count of a key.
    pub(crate) fn most(&self) -> usize {
        self.0.values().copied().max().unwrap_or(0)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_as_long_as_a_row_has_them() {
        let mut counts = Counts::default();
        for key in [3, 1, 3] {
            counts.add(key);
        }
        assert_eq!((counts.of(&3), counts.of(&2), counts.total(), counts.most()), (2, 0, 3, 2));
        counts.remove(&3);
        counts.remove(&1);
        counts.remove(&1);
        assert_eq!(counts.keys(0..=9).collect::<Vec<_>>(), [&3]);
        assert_eq!((counts.total(), counts.most()), (1, 1));
        counts.clear();
        assert_eq!((counts.total(), counts.most()), (0, 0));
    }
}
