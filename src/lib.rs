//! Sequester: the AWS EC2 forensics playbook as declared Kubernetes state.
//!
//! - [`api`]: what may be declared. Data only.
//! - [`playbook`]: what happens next. Pure: no async, no clock, no client.
//! - [`cloud`]: how it is done on AWS, and an in-memory AWS for tests.
//! - `commands`: what a person runs by hand, without a cluster.
//! - [`controller`]: the shell that observes, decides, records, performs and projects.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how tests fail"),
    allow(clippy::type_complexity, clippy::unnecessary_wraps, reason = "tables of cases are wide")
)]

pub mod api;
pub mod clock;
pub mod cloud;
#[cfg(feature = "aws")]
pub mod commands;
pub mod controller;
pub mod health;
pub mod metrics;
pub mod playbook;
pub mod telemetry;
