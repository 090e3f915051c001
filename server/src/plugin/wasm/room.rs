//! How many instances may be alive at once, of all components: kept ones go where somebody waits for their place.

use super::guest::Shelf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of all instances.
pub(super) struct Room {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    shelves: Mutex<Vec<Weak<Shelf>>>,
}

impl Room {
    /// Room for `instances`.
    pub(super) fn new(instances: u32) -> Self {
        let places = Arc::new(Semaphore::new(instances as usize));
        Self { places, waiting: AtomicUsize::new(0), shelves: Mutex::default() }
    }

    /// A shelf whose instances may be taken for their places.
    pub(super) fn shelf(&self) -> Arc<Shelf> {
        let shelf = Arc::new(Shelf::default());
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.retain(|shelf| shelf.strong_count() > 0);
        shelves.push(Arc::downgrade(&shelf));
        shelf
    }

    /// A place, perhaps that of a kept instance; none when the server stops.
    pub(super) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        // Counted before the look: an instance that is kept meanwhile sees that it is not to be.
        let _waiting = Waiting::new(&self.waiting);
        self.evict_one();
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// How many wait for a place.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    fn evict_one(&self) {
        let shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let evicted = shelves.iter().filter_map(Weak::upgrade).find_map(|shelf| shelf.take());
        drop(shelves);
        drop(evicted);
    }
}

/// Counts one who waits, also when its future is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
