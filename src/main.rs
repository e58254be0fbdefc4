//! Arguments, telemetry, lease, run; or one of the commands, which need none of these.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kube::Config;
use sequester::api::policies::PolicyConfig;
use sequester::cloud::aws::{Aws, AwsSettings};
use sequester::commands::Command;
use sequester::controller::settings::Settings;
use sequester::controller::{Options, run};
use sequester::health::{self, Health};
use sequester::metrics::Metrics;
use sequester::telemetry::{self, LogFormat};

/// Declares the AWS EC2 forensics playbook as Kubernetes state: contains a host, keeps its evidence, proves both.
///
/// AWS credentials come from where the AWS SDK looks: environment, web identity, Pod Identity, instance profile.
/// Kubernetes from the pod's service account, or KUBECONFIG.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Namespaces to work in, separated by commas. Default: all.
    #[arg(long, env = "SEQUESTER_NAMESPACES", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Namespace of the Lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = "sequester-system")]
    lease_namespace: String,
    /// Name of the Lease: replicas with the same one take turns.
    #[arg(long, default_value = "sequester")]
    lease_name: String,
    /// Run without a Lease. Only where nothing else can run a second replica.
    #[arg(long)]
    no_lease: bool,
    /// Stable identity of this replica, for the Lease and the records; two replicas never share one.
    /// Default: the host's name, which in a pod is the pod's.
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// Name of the node that this replica runs on: that host is not cut off while it does. In a pod take it from
    /// spec.nodeName. Default: none, it runs in no cluster.
    #[arg(long, env = "NODE_NAME")]
    node_name: Option<String>,
    /// Digest of the container image, for the records.
    #[arg(long, env = "IMAGE_DIGEST")]
    image_digest: Option<String>,
    /// User name of the controller in the admission policies, as they were generated.
    #[arg(long, default_value_t = PolicyConfig::default().controller)]
    controller: String,
    /// Break-glass group in the admission policies, as they were generated.
    #[arg(long, default_value_t = PolicyConfig::default().break_glass_group)]
    break_glass_group: String,
    /// Where to serve /healthz, /readyz and /metrics.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Form of the logs.
    #[arg(long, value_enum, default_value = "json")]
    log: LogFormat,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    digesting: Digesting,
}

/// Times, each in seconds; `src/controller/settings.rs` says what depends on them.
#[derive(Debug, clap::Args)]
struct Times {
    /// How long a lease is valid.
    #[arg(long, default_value_t = 30.0)]
    lease: f64,
    /// How long before its end it is renewed; longer than a request may take.
    #[arg(long, default_value_t = 20.0)]
    lease_margin: f64,
    /// Longest time of one request.
    #[arg(long, default_value_t = 10.0)]
    request_deadline: f64,
    /// How far AWS's answers may lag behind.
    #[arg(long, default_value_t = 30.0)]
    visibility_lag: f64,
    /// How far clocks may differ.
    #[arg(long, default_value_t = 5.0)]
    clock_skew: f64,
    /// W: the wait before what has no token may be sent again; longer than lease, deadline, lag and skew together.
    #[arg(long, default_value_t = 90.0)]
    settle: f64,
    /// How often AWS is asked about work that it does by itself.
    #[arg(long, default_value_t = 5.0)]
    poll: f64,
    /// How often a repeated foreign change is written down.
    #[arg(long, default_value_t = 3600.0)]
    coalesce: f64,
    /// First wait after an error; doubles.
    #[arg(long, default_value_t = 1.0)]
    backoff: f64,
    /// Longest wait after an error that may pass by itself.
    #[arg(long, default_value_t = 60.0)]
    backoff_limit: f64,
    /// Longest wait after an error that a person must mend.
    #[arg(long, default_value_t = 300.0)]
    patience: f64,
}

/// How the bytes of evidence are read.
#[derive(Debug, clap::Args)]
struct Digesting {
    /// Snapshots that are read at the same time, to verify their bytes. Each takes 24 MiB of memory.
    #[arg(long, default_value_t = 2)]
    digests: u16,
    /// Blocks of 512 KiB read a second in one account and Region, at most; the budget of an AwsAccount can only lower it.
    #[arg(long, default_value_t = 500)]
    digest_rate: u32,
}

impl Times {
    fn settings(&self) -> Settings {
        // What is no time becomes none, which the check refuses by name.
        let seconds = |value: f64| Duration::try_from_secs_f64(value).unwrap_or_default();
        Settings {
            lease: seconds(self.lease),
            lease_margin: seconds(self.lease_margin),
            request_deadline: seconds(self.request_deadline),
            visibility_lag: seconds(self.visibility_lag),
            clock_skew: seconds(self.clock_skew),
            settle: seconds(self.settle),
            poll: seconds(self.poll),
            coalesce: seconds(self.coalesce),
            backoff: seconds(self.backoff),
            backoff_limit: seconds(self.backoff_limit),
            patience: seconds(self.patience),
            ..Settings::default()
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if let Some(command) = arguments.command.take() {
        telemetry::start(LogFormat::Human);
        return ended(Box::pin(command.run()).await);
    }
    telemetry::start(arguments.log);
    match Box::pin(start(arguments)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "ends");
            ExitCode::FAILURE
        }
    }
}

/// A person reads it, so it is no log line.
fn ended(result: Result<(), impl std::fmt::Display>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where not even this can be written, the exit code still says it.
            let _ = writeln!(std::io::stderr(), "sequester: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let Digesting { digests, digest_rate } = arguments.digesting;
    let settings = Settings { digests, digest_rate, ..arguments.times.settings() };
    settings.check()?;
    let config = Config::infer().await?;
    let cloud = Aws::new(AwsSettings {
        session_name: arguments.lease_name.clone(),
        attempt_timeout: settings.request_deadline,
        operation_timeout: settings.request_deadline * 3,
        read_attempts: 3,
        app_version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    let (health, metrics) = (Health::default(), Metrics::default());
    let server = tokio::spawn(health::serve(arguments.listen, health.clone(), metrics.clone()));
    let options = Options {
        settings,
        namespaces: arguments.namespaces,
        lease_namespace: arguments.lease_namespace,
        lease_name: (!arguments.no_lease).then_some(arguments.lease_name),
        identity: arguments.identity.map_or_else(host_name, Ok)?,
        image: arguments.image_digest,
        node: arguments.node_name,
        policies: PolicyConfig { controller: arguments.controller, break_glass_group: arguments.break_glass_group },
    };
    let abort = server.abort_handle();
    let ended = tokio::select! {
        ended = Box::pin(run(options, config, cloud, health, metrics, stop())) => ended.map_err(Into::into),
        served = server => Err(match served {
            Ok(Err(error)) => format!("--listen {} can't be served: {error}", arguments.listen).into(),
            _ => "health and metrics are not served any more".into(),
        }),
    };
    abort.abort();
    ended
}

/// The host's name as the kernel has it.
fn host_name() -> Result<String, String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    if name.is_empty() { Err("--identity is needed: this host has no name".to_owned()) } else { Ok(name) }
}

/// SIGTERM or Ctrl-C.
async fn stop() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
