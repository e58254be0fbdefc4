//! What the API server refuses, and in which words: schemas, CEL rules and admission policies on a real control plane.
//! No controller runs here; where a test needs what it would write, the test writes it in its name.
#![allow(unreachable_pub, reason = "the bed is shared by sources")]
#![allow(clippy::needless_pass_by_value, reason = "manifests are written where they are used")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "../support/mod.rs"]
mod support;
mod world;

mod adopted;
mod approvals;
mod changes;
mod guards;
mod machinery;
mod malformed;
mod manual;
mod readable;
mod requesters;
mod types;
