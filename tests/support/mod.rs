//! The test bed: see README.md beside this file.
#![allow(dead_code, unused_imports, reason = "each test, the demo and the bench use a part of it")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a bed that does not stand ends the test")]
#![allow(clippy::disallowed_methods, reason = "the world outside has clocks and starts processes")]
#![allow(clippy::must_use_candidate, clippy::missing_panics_doc, reason = "nobody but tests reads this")]

pub mod aws;
pub mod balancers;
pub mod bed;
pub mod control_plane;
pub mod emulator;
pub mod fleet;
pub mod http;
pub mod identities;
pub mod image;
pub mod install;
mod nursery;
pub mod process;
pub mod proxy;
pub mod roles;
mod scratch;
pub mod stage;
pub mod wait;
pub mod world;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file of the test bed.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(name)
}

/// Runs one of the bed's scripts, which make what is missing and print where it is. What they say meanwhile goes
/// straight to the person who waits.
fn run_script(name: &str) -> PathBuf {
    let mut script = Command::new("sh");
    script.arg(path(name)).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = script.output().unwrap_or_else(|error| panic!("run {name}: {error}"));
    assert!(output.status.success(), "{name} failed with {}", output.status);
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}
