//! Forgetting failures: after a success, or by command.

use super::capacity::{Indexed, Plan};
use super::entry::Kind;
use super::live::Place;
use super::{Lockout, MAX_TRIES, lock, take_turns};
use crate::store::{Batch, CommitError, StoreError};

impl Lockout {
    /// Forgets the failures under the first of `places`; returns whether there were any. Where that is a client's, its
    /// address, if it is the next one, counts one client fewer: it would be counted once more for every wrong secret
    /// between two right ones.
    pub(super) async fn forget(&self, places: &[Place]) -> Result<bool, StoreError> {
        let Some((named, others)) = places.split_first() else { return Ok(false) };
        let address = others.iter().find(|place| place.subject.row.kind == Kind::ClientAddress);
        let _turns = take_turns(&[named].into_iter().chain(address).collect::<Vec<_>>()).await;
        for _ in 0..MAX_TRIES {
            let Some(loaded) = self.load(named).await? else { return Ok(false) };
            let row = named.subject.row;
            let mut plan = Plan::default();
            plan.replaced.push(Indexed::new(row, &loaded.value, &self.options));
            let mut batch = Batch::new().expect_at(row.key(), loaded.version).delete(row.key());
            if let Some(address) = address {
                batch = self.plan_one_less(address, batch, &mut plan).await?;
            }
            match self.store.commit(batch).await {
                Ok(_) => {
                    if let Some(index) = self.index.get() {
                        lock(index).follow(&plan);
                    }
                    return Ok(true);
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Unavailable(error)) => return Err(error),
                Err(error) => return Err(StoreError::new(error)),
            }
        }
        Err(StoreError::new(CommitError::Conflict))
    }

    async fn plan_one_less(&self, place: &Place, batch: Batch, plan: &mut Plan) -> Result<Batch, StoreError> {
        let row = place.subject.row;
        // It may have expired, or made room for others.
        let Some(loaded) = self.load(place).await? else { return Ok(batch) };
        plan.replaced.push(Indexed::new(row, &loaded.value, &self.options));
        let batch = batch.expect_at(row.key(), loaded.version);
        let Some(entry) = loaded.value.with_one_less() else { return Ok(batch.delete(row.key())) };
        plan.inserted.push(Indexed::new(row, &entry, &self.options));
        batch.put_record(row.key(), &entry, Some(entry.expires_at(&self.options)))
    }
}
