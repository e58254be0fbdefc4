//! Whole cases on the real API server and the emulator, each with an account, a namespace and a controller of its own.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "that is how tests fail")]

#[path = "../support/mod.rs"]
mod support;

mod chain;
mod inventory;
mod scene;

mod accounts;
mod adopted;
mod approvals;
mod balancers;
mod case;
mod copies;
mod crash;
mod credentials;
mod custody;
mod deletion;
mod enforcement;
mod evidence;
mod evidence_kept;
mod flows;
mod groups;
mod idle;
mod keeping;
mod key_policy;
mod nodes;
mod permissions;
mod pods;
mod pulse;
mod quarantine;
mod release;
mod replicas;
mod tenancy;
mod verified;
