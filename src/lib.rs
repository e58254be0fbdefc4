//! Sequester: the AWS EC2 forensics playbook as declared Kubernetes state.
//!
//! - [`api`]: what may be declared. Data only.
//! - [`playbook`]: what happens next. Pure: no async, no clock, no client.
//! - [`cloud`]: how it is done on AWS, and an in-memory AWS for tests.

pub mod api;
pub mod cloud;
pub mod playbook;
