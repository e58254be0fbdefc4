//! Keeping the host, and keeping it apart.

pub mod isolate;
pub mod protect;
pub mod pulse;
