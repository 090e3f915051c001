//! The configuration: files and environment merged by figment, then parsed one section at a time and cross-checked.

pub mod model;
