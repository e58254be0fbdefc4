//! The AWS port on the wire: the real SDK against the emulator, behind a proxy that counts, and against sockets that
//! do what no emulator does.
#![allow(missing_docs, reason = "a test has no readers of its documentation but those of its source")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "that is how tests fail")]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod adopted;
mod balancers;
mod blocks;
mod changes;
mod commands;
mod copies;
mod credentials;
mod failures;
mod groups;
mod identity;
mod image;
mod keys;
mod reads;
mod scene;
mod size;
mod sockets;
mod tiers;
mod ways;
