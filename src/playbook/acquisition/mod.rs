//! Taking what is volatile before anything changes it.

pub mod capture_metadata;
