//! Proves the test bed on the real things: what it starts is what it says, and each fault is the fault that it claims.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "that is how tests fail")]
#![allow(clippy::disallowed_methods, reason = "the bed is about processes and time")]

#[path = "../support/mod.rs"]
mod support;

mod control_plane;
mod crash_points;
mod emulator;
mod faults_of_replies;
mod faults_of_requests;
mod install;
mod kubernetes_proxy;
mod orphans;
mod permissions;
mod processes;
mod record;
mod scene;
