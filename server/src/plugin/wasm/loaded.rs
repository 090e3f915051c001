//! Components that are loaded already: a reload that keeps one need not map and decode it again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use wasmtime::component::Component;

type BySha256 = HashMap<[u8; 32], Component>;

/// Those of this loading of a configuration, and of the one before.
#[derive(Default)]
pub(super) struct Loaded(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    current: BySha256,
    before: BySha256,
}

impl Loaded {
    /// Begins another loading: what the last one did not ask for goes, once nothing runs it.
    pub(super) fn begin(&self) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.before = std::mem::take(&mut generations.current);
    }

    /// The component of this hash.
    pub(super) fn find(&self, sha256: &[u8; 32]) -> Option<Component> {
        let generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.current.get(sha256).or_else(|| generations.before.get(sha256)).cloned()
    }

    /// Keeps one for the next loading.
    pub(super) fn put(&self, sha256: &[u8; 32], component: &Component) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.current.insert(*sha256, component.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::Engine;

    #[test]
    fn a_component_stays_for_as_long_as_each_loading_asks_for_it() {
        let engine = Engine::default();
        let component = Component::from_binary(&engine, &wat::parse_str("(component)").unwrap()).unwrap();
        let loaded = Loaded::default();
        let (used, unused) = ([1; 32], [2; 32]);
        loaded.put(&used, &component);
        loaded.put(&unused, &component);
        loaded.begin();
        assert!(loaded.find(&unused).is_some(), "of the loading before");
        loaded.put(&used, &loaded.find(&used).unwrap());
        loaded.begin();
        assert!(loaded.find(&used).is_some() && loaded.find(&unused).is_none());
    }
}
