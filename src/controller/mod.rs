//! The shell: observe, decide, record, perform, project, requeue.
//!
//! Nothing depends on this room, and only [`cluster`] changes Kubernetes.

mod accounts;
mod approvals;
mod broken;
pub mod cluster;
mod context;
mod copies;
mod custody;
mod digests;
mod events;
mod hold;
mod kind;
mod kinds;
mod lease;
mod look;
mod nodes;
mod pace;
mod perform;
mod project;
mod reconcile;
mod run;
pub mod settings;
mod shipped;
mod turn;
mod wakes;

pub use run::{Options, RunError, run};
