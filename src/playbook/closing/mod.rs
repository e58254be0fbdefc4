//! The case around the hosts.

pub mod compose_case;
mod raised;
pub mod verify_evidence;
