//! What was thought once is not thought again: many states differ in parts that a step does not depend on.

use std::collections::HashMap;
use std::sync::Mutex;

const SHARDS: usize = 16;

/// Results by the hash of all that they depend on.
pub struct Memo<V>(Vec<Mutex<HashMap<u64, V>>>);

impl<V> Default for Memo<V> {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }
}

impl<V: Clone> Memo<V> {
    fn shard(&self, key: u64) -> std::sync::MutexGuard<'_, HashMap<u64, V>> {
        let at = usize::try_from(key >> 32).unwrap_or_default() % SHARDS;
        self.0[at].lock().unwrap()
    }

    pub fn get(&self, key: u64) -> Option<V> {
        self.shard(key).get(&key).cloned()
    }

    pub fn put(&self, key: u64, value: V) {
        self.shard(key).insert(key, value);
    }

    /// The result, made where it is not known yet. Made without a lock: two may make the same.
    pub fn or_make(&self, key: u64, make: impl FnOnce() -> V) -> V {
        if let Some(known) = self.get(key) {
            return known;
        }
        let made = make();
        self.shard(key).entry(key).or_insert(made).clone()
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}
