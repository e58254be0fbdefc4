//! Proves the test bed on the real things: what it starts is what it says, and each fault is the fault that it claims.

#[path = "../support/mod.rs"]
mod support;

mod aws;
mod control_plane;
mod crash_points;
mod emulator;
mod faults_of_replies;
mod faults_of_requests;
mod install;
mod kubernetes_proxy;
mod orphans;
mod processes;
mod record;
