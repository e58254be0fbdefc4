//! A proxy for faults: it stands before the emulator (or the API server), writes down every call, and does to some of
//! them what networks and clouds do. One costs a socket and a task, so each test has its own.

mod answer;
mod bucket;
mod call;
mod crash;
mod fault;
mod iam;
mod kubernetes;
mod lates;
mod ledger;
mod parse;
mod principals;
mod replay;
mod reply;
mod rules;
mod serve;
mod unseen;
mod upstream;
mod when;

pub use bucket::Bucket;
pub use call::{Applied, Call, Outcome, Protocol};
pub use crash::{Crash, CrashMode};
pub use fault::{AsOf, Fault, Late};
pub use iam::{Ask, Policy, Roles};
pub use ledger::NoSuchCall;
pub use principals::{Principal, Principals};
pub use reply::Reply;
pub use rules::RuleHandle;
pub use when::When;

use answer::{Answer, Replier};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serve::Shared;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use upstream::{Error, Upstream};

/// All proxies run here, not on the runtime of the test: a test may block, and a test's runtime ends with it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("proxy").enable_all().build();
    runtime.expect("start a runtime for the proxies")
});

/// A running proxy. Dropping it closes its port, its connections and what it holds.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _end: DropGuard,
}

impl Proxy {
    /// One before an AWS endpoint.
    pub fn before_aws(url: &str, principals: &Principals) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self::before(Upstream::Aws {
            url: url.trim_end_matches('/').to_owned(),
            client,
            principals: principals.clone(),
        })
    }

    /// One before an API server. Clients speak plain HTTP to it and bring their own tokens.
    pub fn before_kubernetes(mut config: kube::Config) -> Self {
        // What the API server answers is for the client to judge, not for the proxy to try again.
        config.default_retry = false;
        let _on_ours = RUNTIME.enter();
        Self::before(Upstream::Kubernetes(kube::Client::try_from(config).expect("a client for the API server")))
    }

    fn before(upstream: Upstream) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("listen on the loopback interface");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared::new(upstream));
        let end = CancellationToken::new();
        let serving = accept(listener, Arc::clone(&shared), end.clone());
        RUNTIME.spawn(end.clone().run_until_cancelled_owned(serving));
        Self { address, shared, _end: end.drop_guard() }
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All calls so far, in the order of arrival, those under way included.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.ledger.calls()
    }

    /// Those that ask for a change.
    pub fn mutations(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.mutates).collect()
    }

    /// Forgets the calls so far. Rules stay, and so do their counts.
    pub fn clear(&self) {
        self.shared.ledger.clear();
    }

    /// The first recorded call that meets the condition, as soon as there is one. To wait for the end of a call, ask
    /// for its `outcome`.
    pub async fn wait_for(&self, meets: impl Fn(&Call) -> bool, limit: Duration) -> Result<Call, NoSuchCall> {
        self.shared.ledger.wait_for(meets, limit).await
    }

    /// How long each call takes at least, there and back.
    pub fn latency(&self, latency: Duration) {
        *self.shared.latency.lock().expect("no holder panics") = latency;
    }

    /// Adds a rule. Of all rules the first that takes a call decides.
    pub fn rule(&self, when: When, fault: Fault) -> RuleHandle {
        RuleHandle { shared: Arc::clone(&self.shared), rule: self.shared.rules.add(when, fault) }
    }

    /// Takes all rules away, and lets go what they hold.
    pub fn clear_rules(&self) {
        self.shared.rules.clear();
    }

    /// Lets everything stand still at the n-th change from now on.
    pub fn crash_at(&self, n: u64, mode: CrashMode) -> Crash {
        self.crash_when(When::mutations().nth(n), mode)
    }

    /// Lets everything stand still at the first call that the condition takes.
    pub fn crash_when(&self, when: When, mode: CrashMode) -> Crash {
        assert_ne!(mode, CrashMode::Late(Late::Released), "a crash point is no rule that could be released");
        Crash { shared: Arc::clone(&self.shared), point: self.shared.gate.arm(when, mode) }
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>, end: CancellationToken) {
    let listener = TcpListener::from_std(listener).expect("a listener for tokio");
    loop {
        // What can go wrong here is a connection that is gone before it is taken.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let serving = connection(stream, Arc::clone(&shared), end.clone());
        tokio::spawn(end.clone().run_until_cancelled_owned(serving));
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, end: CancellationToken) {
    let age = shared.gate.age.load(Ordering::SeqCst);
    // Small replies to small requests: waiting to fill a packet would cost 40 ms.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: Request<Incoming>| {
        let (shared, end) = (Arc::clone(&shared), end.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body: Bytes = body.collect().await.map_err(Error::other)?.to_bytes();
            let (to, answer) = oneshot::channel();
            let handling = shared.handle(Request::from_parts(parts, body), age, Replier::new(to));
            tokio::spawn(end.run_until_cancelled_owned(handling));
            answer.await.unwrap_or(Answer::Close).into_response()
        }
    });
    // The error is the closing of the connection that a rule asked for, or a client that is gone.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
