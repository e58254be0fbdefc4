//! The case around the hosts.

pub mod compose_case;
pub mod verify_evidence;
