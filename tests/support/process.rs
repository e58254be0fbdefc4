//! A child process of the bed: its output in a file, its signals, its readiness, and its end with ours.

use super::{http, nursery, wait};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

/// What to start.
pub struct Program {
    name: String,
    command: Command,
    log: PathBuf,
}

/// The prefix that has the kernel kill a child when its parent is gone, however that went: `setpriv` of util-linux,
/// because asking the kernel ourselves would need unsafe code. Elsewhere a child ends only when it is dropped.
static END_WITH_PARENT: LazyLock<&[&str]> = LazyLock::new(|| {
    const SETPRIV: &[&str] = &["setpriv", "--pdeathsig", "KILL"];
    let tried =
        Command::new(SETPRIV[0]).args(&SETPRIV[1..]).arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if tried.is_ok_and(|status| status.success()) { SETPRIV } else { &[] }
});

impl Program {
    /// A program whose output is added to the file `log`.
    pub fn new(path: impl AsRef<Path>, log: impl Into<PathBuf>) -> Self {
        let path = path.as_ref();
        let mut words = END_WITH_PARENT.iter().map(OsStr::new).chain([path.as_os_str()]);
        let mut command = Command::new(words.next().expect("at least the program"));
        command.args(words).stdin(Stdio::null()).process_group(0);
        // A developer's own credentials, cluster and proxies must not reach what is tested.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_ascii_uppercase();
            if text.starts_with("AWS_") || text == "KUBECONFIG" || text.ends_with("_PROXY") {
                command.env_remove(&name);
            }
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { name, command, log: log.into() }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn start(mut self) -> Process {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.unwrap_or_else(|error| panic!("open {}: {error}", self.log.display()));
        let before = log.metadata().map_or(0, |file| file.len());
        let copy = log.try_clone().expect("share the log between both outputs");
        self.command.stdout(log).stderr(copy);
        let child = nursery::spawn(self.command).unwrap_or_else(|error| panic!("start {}: {error}", self.name));
        Process { pid: child.id(), name: self.name, child: Mutex::new(child), log: self.log, before }
    }
}

/// A child that runs, or has run. Dropping it kills it and its process group.
pub struct Process {
    name: String,
    pid: u32,
    child: Mutex<Child>,
    log: PathBuf,
    before: u64,
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What this child has printed; earlier children may have written to the same file.
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            let _ = file.seek(SeekFrom::Start(self.before)).and_then(|_| file.read_to_end(&mut text));
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// How it ended, if it did.
    pub fn exited(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().expect("no holder panics");
        child.try_wait().unwrap_or_else(|error| panic!("wait for {}: {error}", self.name))
    }

    /// Sends a signal to the child's process group, unless it is gone: then the number may be somebody else's.
    pub fn signal(&self, signal: Signal) {
        let mut child = self.child.lock().expect("no holder panics");
        if let Ok(None) = child.try_wait() {
            let group = Pid::from_raw(i32::try_from(self.pid).expect("a process id"));
            killpg(group, signal).unwrap_or_else(|error| panic!("send {signal} to {}: {error}", self.name));
        }
    }

    /// `kill -9`, and gone when this returns.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
        let mut child = self.child.lock().expect("no holder panics");
        child.wait().unwrap_or_else(|error| panic!("wait for {}: {error}", self.name));
    }

    /// Asks it to end, as a node that is drained does.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Stops it where it is, and has stopped when this returns (as far as /proc can tell).
    pub async fn pause(&self) {
        self.signal(Signal::SIGSTOP);
        let stat = PathBuf::from(format!("/proc/{}/stat", self.pid));
        wait::until("stopped process", Duration::from_secs(5), async || {
            let Ok(text) = std::fs::read_to_string(&stat) else { return Ok(()) };
            // The state is the word after the name, which is in brackets and may hold anything.
            let state = text.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
            if state == Some("T") { Ok(()) } else { Err(text) }
        })
        .await;
    }

    /// Lets it go on after `pause`.
    pub fn unpause(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Waits for its end.
    pub async fn wait_exit(&self, limit: Duration) -> ExitStatus {
        let what = format!("end of {}", self.name);
        wait::until(&what, limit, async || self.exited().ok_or_else(|| self.tail())).await
    }

    /// Waits for a line that holds `text` and gives the line.
    pub async fn wait_for_log(&self, text: &str, limit: Duration) -> String {
        let what = format!("line with {text:?} from {}", self.name);
        let found = self.alive_until(&what, limit, async || {
            let log = self.log();
            log.lines().find(|line| line.contains(text)).map(str::to_owned).ok_or_else(|| self.tail())
        });
        found.await.unwrap_or_else(|why| panic!("{why}"))
    }

    /// Waits until an HTTP GET of the URL is answered with a 2xx status.
    pub async fn wait_ready(&self, url: &str, limit: Duration) {
        let ready = self.alive_until(url, limit, async || match http::get(url).await {
            Ok((status, _)) if status.is_success() => Ok(()),
            Ok((status, body)) => Err(format!("{status} {}", String::from_utf8_lossy(&body))),
            Err(why) => Err(why),
        });
        ready.await.unwrap_or_else(|why| panic!("{why}"));
    }

    /// Waits for a fact about the child, and gives up at once when the child has ended.
    pub async fn alive_until<T, F, Fut>(&self, what: &str, limit: Duration, mut probe: F) -> Result<T, String>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, String>>,
    {
        let found = wait::try_until(what, limit, || {
            // Asked before the probe: what a child printed last is still found.
            let ended = self.exited();
            let found = probe();
            async move {
                match (found.await, ended) {
                    (Err(_), Some(status)) => Ok(Err(format!("no {what}: {} ended with {status}", self.name))),
                    (found, _) => found.map(Ok),
                }
            }
        });
        match found.await {
            Ok(found) => found,
            Err(why) => Err(why),
        }
        .map_err(|why| format!("{why}\n{}", self.tail()))
    }

    /// The end of its output, for messages.
    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(15)..].join("\n");
        format!("--- end of {}:\n{last}\n---", self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
