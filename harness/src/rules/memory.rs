//! Memory that is bounded whatever a capture holds: the oldest goes, and is counted.

use std::collections::BTreeMap;

/// At most so many values by key. When one more comes, the oldest is forgotten.
#[derive(Clone, Debug)]
pub(super) struct Bounded<K, V> {
    /// Values, each with the place of its key in `order`.
    values: BTreeMap<K, (u64, V)>,
    /// Keys in the order in which they came.
    order: BTreeMap<u64, K>,
    limit: usize,
    /// How many keys have come.
    came: u64,
    forgotten: u64,
}

impl<K: Ord + Clone, V> Bounded<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { values: BTreeMap::new(), order: BTreeMap::new(), limit, came: 0, forgotten: 0 }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.values.get_mut(key).map(|(_, value)| value)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.values.contains_key(key)
    }

    /// Puts a value in, instead of the one that the key had.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if let Some((_, known)) = self.values.get_mut(&key) {
            *known = value;
            return;
        }
        self.order.insert(self.came, key.clone());
        self.values.insert(key, (self.came, value));
        self.came += 1;
        if self.order.len() > self.limit
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.values.remove(&oldest);
            self.forgotten += 1;
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (place, value) = self.values.remove(key)?;
        self.order.remove(&place);
        Some(value)
    }

    /// Takes out the values that are no longer wanted.
    pub(super) fn drain(&mut self, mut wanted: impl FnMut(&V) -> bool) -> Vec<V> {
        let gone = self.values.iter().filter(|(_, (_, value))| !wanted(value));
        let gone: Vec<K> = gone.map(|(key, _)| key.clone()).collect();
        gone.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// All values, in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        self.values.values().map(|(_, value)| value)
    }

    /// How many were forgotten because there was no room.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_and_is_counted() {
        let mut memory = Bounded::new(2);
        for number in 0..5 {
            memory.insert(number, number * 10);
        }
        memory.insert(4, 99);
        assert_eq!((memory.get(&2), memory.get(&3), memory.get(&4)), (None, Some(&30), Some(&99)));
        assert_eq!(memory.forgotten(), 3);
        assert_eq!((memory.remove(&3), memory.remove(&3)), (Some(30), None));
        memory.insert(5, 50);
        assert_eq!((memory.forgotten(), memory.contains(&4)), (3, true));
    }
}
