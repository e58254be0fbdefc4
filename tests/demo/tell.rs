//! How the demo speaks.

use std::io::IsTerminal;
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
        println!("    {line}");
    }
}

pub fn output(who: &str, command: &str, output: &str) {
    println!("  {who}$ {command}");
    code(output);
}

/// The API server's own words.
pub fn api_message(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => other.to_string(),
    }
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
