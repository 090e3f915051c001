//! Two ordered streams as one: sled's heads, and the older records that hide them.

use crate::store::{Key, StoreError, Stored};
use std::iter::Peekable;

type Head = Result<(Key, sled::IVec), StoreError>;
type Old<'a> = (&'a Key, &'a Option<Stored>);

/// Where a record comes from.
pub(super) enum Source<'a> {
    /// Sled's tree.
    Head(sled::IVec),
    /// The overlay, `None` where there was no record.
    Old(Option<&'a Stored>),
}

/// Both streams in key order; where both have a key, the older record only.
pub(super) struct Overlaid<H: Iterator, O: Iterator> {
    heads: Peekable<H>,
    old: Peekable<O>,
}

impl<'a, H: Iterator<Item = Head>, O: Iterator<Item = Old<'a>>> Overlaid<H, O> {
    pub(super) fn new(heads: H, old: O) -> Self {
        Self { heads: heads.peekable(), old: old.peekable() }
    }
}

impl<'a, H: Iterator<Item = Head>, O: Iterator<Item = Old<'a>>> Iterator for Overlaid<H, O> {
    type Item = Result<(Key, Source<'a>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let old_is_next = match (self.old.peek(), self.heads.peek()) {
            (Some((old, _)), Some(Ok((head, _)))) => *old <= head,
            (Some(_), None) => true,
            _ => false,
        };
        if !old_is_next {
            return Some(self.heads.next()?.map(|(key, head)| (key, Source::Head(head))));
        }
        let (key, old) = self.old.next()?;
        self.heads.next_if(|head| head.as_ref().is_ok_and(|(head, _)| head == key));
        Some(Ok((key.clone(), Source::Old(old.as_ref()))))
    }
}
