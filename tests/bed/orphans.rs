//! Nothing that the bed starts outlives the process that started it, and nothing dies before.

use crate::support::process::Program;
use crate::support::wait;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const PART: &str = "BED_TEST_PART";
const PIDS: &str = "BED_TEST_PIDS";

/// Whether no process has this number, or one that has ended and not been waited for.
pub fn is_gone(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    }
}

/// The part of a parent, played by another process that runs this same test binary; the test proper leaves it out.
#[tokio::test]
async fn parent() {
    let (Ok(part), Ok(file)) = (std::env::var(PART), std::env::var(PIDS)) else { return };
    let folder = tempfile::tempdir().expect("make a folder");
    let child = Program::new("sleep", folder.path().join("log")).arg("600").start();
    let ready = format!("{file}.part");
    std::fs::write(&ready, child.pid().to_string()).expect("write the number of the child");
    std::fs::rename(ready, file).expect("show the number of the child");
    assert_ne!(part, "panics", "on purpose");
    std::future::pending::<()>().await;
}

async fn play(part: &str) -> (std::process::Child, u32) {
    let folder = tempfile::tempdir().expect("make a folder");
    let file = folder.path().join("pid");
    let parent = Command::new(std::env::current_exe().expect("this test binary"))
        .args(["--exact", "orphans::parent"])
        .env(PART, part)
        .env(PIDS, &file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("start a parent");
    let pid = wait::until("child of the parent", LIMIT, async || {
        std::fs::read_to_string(&file).map_err(|error| error.to_string())
    });
    let pid = pid.await.parse().expect("a process number");
    (parent, pid)
}

async fn goes_away(pid: u32) {
    let what = format!("end of process {pid}");
    wait::until(&what, LIMIT, async || if is_gone(pid) { Ok(()) } else { Err("alive".into()) }).await;
}

#[tokio::test]
async fn a_child_ends_with_a_parent_that_is_killed() {
    let (mut parent, child) = play("waits").await;
    assert!(!is_gone(child));
    parent.kill().expect("kill the parent");
    parent.wait().expect("wait for the parent");
    goes_away(child).await;
}

#[tokio::test]
async fn a_child_ends_with_a_parent_that_panics() {
    let (mut parent, child) = play("panics").await;
    assert!(!parent.wait().expect("wait for the parent").success());
    goes_away(child).await;
}

/// The kernel's parent-death signal is about threads, and tests end theirs all the time.
#[tokio::test]
async fn a_child_outlives_the_thread_that_asked_for_it() {
    let folder = tempfile::tempdir().expect("make a folder");
    let (log, go) = (folder.path().join("log"), folder.path().join("go"));
    let script = format!("echo started; until [ -e '{}' ]; do sleep 0.01; done; echo went on", go.display());
    let in_a_thread = move || {
        let child = Program::new("sh", log).args(["-c", &script]).start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        // A thread that ended before the child has set itself up would be no parent to lose.
        runtime.block_on(child.wait_for_log("started", LIMIT));
        child
    };
    let child = std::thread::spawn(in_a_thread).join().expect("start a child");
    std::fs::write(go, "").expect("let the child go on");
    child.wait_for_log("went on", LIMIT).await;
    child.kill();
    assert!(is_gone(child.pid()));
}
