//! A plugin in shadow: it is asked what another plugin was asked, once that one has answered. Its answers are compared and
//! never used; nobody waits for them.

mod beside;
mod facts;
mod ledger;
mod pair;
#[cfg(test)]
mod tests;

pub use beside::Beside;
pub use facts::Facts;
pub use ledger::{Difference, Ledger, Ledgers, Subject, Sum};
pub use pair::{Comparison, Observer, Pair};
