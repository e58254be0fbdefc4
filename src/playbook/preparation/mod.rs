//! What must be true before an incident.

pub mod readiness;
