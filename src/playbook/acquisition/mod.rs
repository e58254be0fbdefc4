//! Taking what is volatile before anything changes it.

pub mod bounded;
pub mod capture_memory;
pub mod capture_metadata;
