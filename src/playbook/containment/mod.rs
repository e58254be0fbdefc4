//! Keeping the host, and keeping it apart.

mod balancers_left;
mod beginning;
pub mod cut_credentials;
pub mod cut_flows;
pub mod deregister_from_load_balancers;
pub mod detach_from_asg;
mod idle_timeouts;
pub mod isolate;
pub mod lower_minimum;
mod node;
pub mod protect;
mod public_addresses;
pub mod pulse;
mod return_to_service;
mod sessions_left;
pub mod stop_replacement;
mod survivors;
