//! Temporary folders, and the sweeping of those that nobody could remove.

use std::path::Path;
use std::sync::Once;
use tempfile::TempDir;

const PREFIX: &str = "sequester-bed-";

/// A new temporary folder. What tests share lives in statics, which are never dropped: so the first call of each
/// process removes the folders of processes that are gone.
pub fn folder() -> TempDir {
    static SWEEP: Once = Once::new();
    SWEEP.call_once(|| sweep(&std::env::temp_dir()));
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-", std::process::id()))
        .tempdir()
        .expect("make a temporary folder")
}

fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .and_then(|rest| rest.split('-').next())
            .and_then(|pid| pid.parse::<i32>().ok());
        if owner.is_some_and(is_gone) {
            // Another process may be sweeping the same folder.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn is_gone(pid: i32) -> bool {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, None) == Err(nix::errno::Errno::ESRCH)
}
