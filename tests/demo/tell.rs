//! How the demo speaks, and how people in it do.

use crate::support::identities::Identity;
use crate::support::stage::Stage;
use std::io::IsTerminal;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Time since the start.
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn seconds(&self) -> u64 {
        self.0.elapsed().as_secs()
    }

    pub fn tick(&self, what: &str) {
        println!("  {:>3} s  {what}", self.seconds());
    }
}

pub fn chapter(number: &str, title: &str) {
    if std::io::stdout().is_terminal() {
        println!("\n\x1b[1m{number}. {title}\x1b[0m");
    } else {
        println!("\n{number}. {title}");
    }
}

pub fn note(text: &str) {
    println!("  {text}");
}

pub fn code(text: &str) {
    for line in text.lines() {
        println!("{}", format!("    {line}").trim_end());
    }
}

/// What a command said.
pub struct Said {
    pub text: String,
    success: bool,
}

impl Said {
    /// The demo ends here when the command failed.
    pub fn succeeded(&self) {
        assert!(self.success, "the command failed");
    }

    /// The demo ends here unless the command failed, and for this reason.
    pub fn refused(&self, why: &str) {
        assert!(!self.success, "this had to be refused, and was accepted");
        assert!(self.text.contains(why), "this was refused for another reason than {why:?}");
    }
}

/// Shows a command, runs it as somebody, and shows what it says.
pub async fn run_as(stage: &Stage, who: Identity, command: &str) -> Said {
    println!("  {}$ {command}", who.user());
    let said = silently(stage, who, command).await;
    code(&said.text);
    said
}

/// Runs a command as somebody in the project's folder, as a shell would.
#[allow(clippy::disallowed_methods, reason = "people start processes")]
pub async fn silently(stage: &Stage, who: Identity, command: &str) -> Said {
    let plane = &stage.bed.control_plane;
    let mut path = plane.kubectl().parent().expect("a program is in a folder").as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    shell.env("PATH", path).env("KUBECONFIG", plane.kubeconfig(who));
    let output = tokio::task::spawn_blocking(move || shell.output()).await.expect("wait for the shell");
    let output = output.expect("run a shell");
    let text = [output.stdout, output.stderr].concat();
    Said { text: String::from_utf8_lossy(&text).into_owned(), success: output.status.success() }
}

/// Until Ctrl-C or `make demo-down`.
pub async fn until_ended() {
    let mut terminated =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("listen for SIGTERM");
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
