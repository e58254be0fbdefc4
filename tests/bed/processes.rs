//! Children as the tests handle them: what they say, when they are ready, and what signals do.

use crate::support::process::Program;
use crate::support::wait;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);

fn shell(folder: &TempDir, script: &str) -> Program {
    Program::new("sh", folder.path().join("log")).args(["-c", script])
}

#[tokio::test]
async fn a_log_is_waited_for_line_by_line() {
    let folder = tempfile::tempdir().expect("make a folder");
    let first = shell(&folder, "echo one first; echo two >&2; sleep 600").start();
    assert_eq!(first.wait_for_log("one", LIMIT).await, "one first");
    assert_eq!(first.wait_for_log("two", LIMIT).await, "two");
    first.kill();
    // The same file, but what the former child said is not this one's.
    let second = shell(&folder, "echo three; sleep 600").start();
    second.wait_for_log("three", LIMIT).await;
    assert_eq!(second.log(), "three\n");
}

#[tokio::test]
async fn a_child_that_ends_too_soon_is_reported_with_its_last_words() {
    let folder = tempfile::tempdir().expect("make a folder");
    let child = shell(&folder, "echo cannot go on; exit 3").start();
    let found = child.alive_until("readiness", Duration::from_mins(10), async || Err::<(), _>("not ready".into()));
    let why = found.await.expect_err("it has ended");
    assert!(why.contains("exit status: 3") && why.contains("cannot go on"), "{why}");
}

#[tokio::test]
async fn readiness_is_an_answer_of_2xx() {
    let folder = tempfile::tempdir().expect("make a folder");
    let script = r#"
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        self.send_response(200 if Handler.asked > 3 else 503)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_port, flush=True)
server.serve_forever()
"#;
    let child = Program::new("python3", folder.path().join("log")).args(["-c", script]).start();
    let line = child.wait_for_log("port ", LIMIT).await;
    let port = line.trim_start_matches("port ");
    child.wait_ready(&format!("http://127.0.0.1:{port}/readyz"), LIMIT).await;
    assert_eq!(child.log().matches("GET /readyz").count(), 4, "{}", child.log());
}

#[tokio::test]
async fn signals_do_what_they_say() {
    let folder = tempfile::tempdir().expect("make a folder");
    let file = folder.path().join("ticks");
    let script = format!(
        "trap 'echo asked to end; exit 7' TERM; while :; do echo tick >> '{}'; sleep 0.01; done",
        file.display()
    );
    let child = shell(&folder, &script).start();
    let ticks = || std::fs::read_to_string(&file).unwrap_or_default().len();
    let more_than = async |before| {
        wait::until("more ticks", LIMIT, async || if ticks() > before { Ok(()) } else { Err("none".into()) }).await;
    };
    more_than(0).await;
    child.pause().await;
    let before = ticks();
    // Another process gets through fifty of its rounds meanwhile.
    let rounds = shell(&folder, "i=0; while [ $i -lt 50 ]; do sleep 0.01; i=$((i+1)); done").start();
    rounds.wait_exit(LIMIT).await;
    assert_eq!(ticks(), before, "it ticks though it is stopped");
    child.unpause();
    more_than(before).await;
    child.terminate();
    assert_eq!(child.wait_exit(LIMIT).await.code(), Some(7));
    assert!(child.log().contains("asked to end"));
    // To whom? The number may be somebody else's by now.
    child.kill();
}

/// Variables of this process can't be set without unsafe code, so the test runs itself with them.
#[tokio::test]
async fn a_child_does_not_get_the_developers_credentials() {
    const INSIDE: &str = "BED_TEST_INSIDE";
    if std::env::var(INSIDE).is_err() {
        let again = Command::new(std::env::current_exe().expect("this test binary"))
            .args(["--exact", "processes::a_child_does_not_get_the_developers_credentials"])
            .env(INSIDE, "1")
            .env("AWS_SECRET_ACCESS_KEY", "the developer's own")
            .env("KUBECONFIG", "/the/developers/own")
            .env("https_proxy", "http://127.0.0.1:1")
            .output();
        let again = again.expect("run this test again");
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
        return;
    }
    let folder = tempfile::tempdir().expect("make a folder");
    let child = shell(&folder, "env; echo end").env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").start();
    child.wait_for_log("end", LIMIT).await;
    let log = child.log();
    let private = |line: &&str| line.starts_with("AWS_") || line.starts_with("KUBECONFIG") || line.contains("proxy=");
    let found: Vec<_> = log.lines().filter(private).collect();
    assert_eq!(found, ["AWS_ENDPOINT_URL=http://127.0.0.1:1"]);
    assert!(log.contains("PATH=") && log.contains(INSIDE), "{log}");
}
