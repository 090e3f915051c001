//! Loading as a whole.

mod reference;
