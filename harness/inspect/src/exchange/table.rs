//! A bounded map that remembers the order in which things came.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// At most so many values by key, in the order in which they came. What does not fit is counted.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    /// Seeded at random, so that no capture can be made to collide.
    index: HashMap<K, usize, RandomState>,
    rows: Vec<(K, V)>,
    limit: usize,
    refused: u64,
}

impl<K: Copy + Eq + Hash, V> Table<K, V> {
    /// An empty table for at most `limit` values.
    pub(crate) fn new(limit: usize) -> Self {
        Self { index: HashMap::default(), rows: Vec::new(), limit, refused: 0 }
    }

    /// The value of that key, made now if there is room for one.
    pub(crate) fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> Option<&mut V> {
        let at = self.place(key, make)?;
        self.at_mut(at)
    }

    /// The place of the value of that key, made now if there is room for one. It stays its place.
    pub(super) fn place(&mut self, key: K, make: impl FnOnce() -> V) -> Option<usize> {
        match self.index.get(&key) {
            Some(at) => Some(*at),
            None if self.rows.len() < self.limit => {
                self.index.insert(key, self.rows.len());
                self.rows.push((key, make()));
                Some(self.rows.len() - 1)
            }
            None => {
                self.refused += 1;
                None
            }
        }
    }

    /// The value at a place.
    pub(super) fn at_mut(&mut self, at: usize) -> Option<&mut V> {
        self.rows.get_mut(at).map(|(_, value)| value)
    }

    /// The value of that key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let at = *self.index.get(key)?;
        self.rows.get(at).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = *self.index.get(key)?;
        self.rows.get_mut(at).map(|(_, value)| value)
    }

    /// All values with their keys, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> {
        self.rows.iter().map(|(key, value)| (key, value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How often there was no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}
