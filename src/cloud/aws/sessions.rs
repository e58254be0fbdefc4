//! Who speaks to AWS, and where: one session for each way into an account and Region, made once and kept.
//!
//! Nothing of the process's environment decides where AWS is, only who the controller itself is: its own credentials,
//! and whether FIPS and dual-stack endpoints are used. Endpoints come from an `AwsAccount` and from nowhere else.
//!
//! Every call goes through [`Session::ask`] or [`super::calls::Order::send`]: a budget of calls would be spent there.
//!
//! What resends below us, and what not:
//! - Reads are tried again by the SDK. Changes are not: `RetryConfig::disabled()` is one attempt.
//! - The connection pool (hyper-util 0.1, `client::legacy`) is built with `retry_canceled_requests`, which the SDK does
//!   not let us turn off. It sends a request again only where hyper gives the request back (`TrySendError::message`),
//!   and hyper does that only for one that it never began to write: still in the channel to a connection that turned
//!   out to be closed (hyper 1.12, `client/dispatch.rs`, and `proto/h1/dispatch.rs`: "never even started"; what the
//!   HTTP/1 or HTTP/2 connection has taken out of the channel comes back with `message: None`). Once a byte may have
//!   left, the error stands, and is ambiguous. So that this is rare, connections are dropped before a server would.
//!   `tests/aws_wire/sockets.rs` counts what arrives.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::meta::region::ProvideRegion;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::config::retry::RetryPartition;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::sync::OnceCell;

use super::AwsSettings;
use super::balancers::Surveys;
use super::ebs_rate::Rates;
use super::ec2_ways;
use super::own_credentials::OwnCredentials;
use crate::api::aws_account::Partition;
use crate::cloud::Access;

/// A connection takes a second or two at most where one can be had at all.
const CONNECT: Duration = Duration::from_secs(3);

/// Shorter than servers keep idle connections, longer than the pause between a look and the change that follows.
const IDLE: Duration = Duration::from_secs(15);

/// How long a session lasts. With one role assumed from another AWS allows no more (STS `AssumeRole`, role chaining).
const SESSION: Duration = Duration::from_hours(1);

/// How long before its end a session is replaced.
const MARGIN: Duration = Duration::from_mins(5);

/// A session, or the promise of one that is being made.
type Made = Arc<OnceCell<Arc<Session>>>;

/// The sessions, and what they are made of.
#[derive(Debug)]
pub(super) struct Sessions {
    settings: AwsSettings,
    http: SharedHttpClient,
    given: Option<SharedCredentialsProvider>,
    base: OnceCell<Base>,
    made: Mutex<HashMap<(Access, String), Made>>,
}

/// What the controller is before it becomes anybody else.
#[derive(Debug)]
struct Base {
    /// Of the environment.
    config: SdkConfig,
    /// Shared by all sessions.
    own: Option<SharedCredentialsProvider>,
}

/// Clients for one way into one account and Region.
#[derive(Debug)]
pub(super) struct Session {
    /// The way in.
    pub(super) access: Access,
    /// Asks Auto Scaling.
    pub(super) autoscaling: aws_sdk_autoscaling::Client,
    /// Reads blocks of snapshots. One attempt: there may be a thousand a second, with a rate and tries of their own.
    pub(super) ebs: aws_sdk_ebs::Client,
    /// Asks EC2.
    pub(super) ec2: aws_sdk_ec2::Client,
    /// Asks about classic load balancers.
    pub(super) elb_classic: aws_sdk_elasticloadbalancing::Client,
    /// Asks about target groups.
    pub(super) elb_v2: aws_sdk_elasticloadbalancingv2::Client,
    /// Asks IAM: a global service, whose endpoint and signing Region the SDK knows by the partition of ours.
    pub(super) iam: aws_sdk_iam::Client,
    /// Asks KMS.
    pub(super) kms: aws_sdk_kms::Client,
    /// Asks STS.
    pub(super) sts: aws_sdk_sts::Client,
    /// Changes Auto Scaling groups: one attempt.
    pub(super) autoscaling_once: aws_sdk_autoscaling::Client,
    /// Changes EC2: one attempt.
    pub(super) ec2_once: aws_sdk_ec2::Client,
    /// Changes classic load balancers: one attempt.
    pub(super) elb_classic_once: aws_sdk_elasticloadbalancing::Client,
    /// Changes target groups: one attempt.
    pub(super) elb_v2_once: aws_sdk_elasticloadbalancingv2::Client,
    /// How fast blocks are read.
    pub(super) block_rates: Rates,
    /// Changes IAM: one attempt.
    pub(super) iam_once: aws_sdk_iam::Client,
    /// What was seen of all load balancers.
    pub(super) surveys: Surveys,
    /// What was seen of the ways around closed hosts.
    pub(super) ways: ec2_ways::Kept,
    /// Changes KMS: one attempt.
    pub(super) kms_once: aws_sdk_kms::Client,
    /// What it signs with.
    pub(super) credentials: Option<SharedCredentialsProvider>,
    /// AWS takes its credentials no more.
    ended: AtomicBool,
}

impl Sessions {
    pub(super) fn new(settings: AwsSettings, given: Option<SharedCredentialsProvider>) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .pool_idle_timeout(IDLE)
            .tls_provider(Provider::rustls(CryptoMode::Ring))
            .build_https();
        Self { settings, http, given, base: OnceCell::new(), made: Mutex::default() }
    }

    /// The session for this way in and this Region. Whoever comes second waits for the first one's, so that one role is
    /// assumed once.
    pub(super) async fn of(&self, access: &Access, region: &str) -> Arc<Session> {
        let key = (access.clone(), region.to_owned());
        let cell = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            let cell = made.entry(key).or_default();
            if cell.get().is_some_and(|session| session.ended.load(Ordering::Relaxed)) {
                *cell = Arc::default();
            }
            Arc::clone(cell)
        };
        Arc::clone(cell.get_or_init(async || Arc::new(Box::pin(self.make(access, region)).await)).await)
    }

    /// A Region for what belongs to none: that of the process where it is in the partition, since its endpoints are the
    /// ones most likely to be reachable.
    pub(super) async fn home(&self, partition: Partition) -> String {
        let own = Box::pin(self.base()).await.config.region().map(ToString::to_string).unwrap_or_default();
        let of = match own.as_str() {
            china if china.starts_with("cn-") => Partition::AwsCn,
            government if government.starts_with("us-gov-") => Partition::AwsUsGov,
            _ => Partition::Aws,
        };
        if of == partition && !own.is_empty() {
            return own;
        }
        match partition {
            Partition::Aws => "us-east-1",
            Partition::AwsCn => "cn-north-1",
            Partition::AwsUsGov => "us-gov-west-1",
        }
        .to_owned()
    }

    /// The controller's own credentials and Region, looked for once.
    async fn base(&self) -> &Base {
        self.base
            .get_or_init(async || {
                // The environment alone: the metadata service would be asked too, and where there is none that takes seconds.
                let region = EnvironmentVariableRegionProvider::new().region().await;
                let loader = aws_config::defaults(BehaviorVersion::latest())
                    .http_client(self.http.clone())
                    .timeout_config(self.timeouts(self.settings.operation_timeout))
                    .region(region.unwrap_or_else(|| Region::from_static("us-east-1")));
                let config = match &self.given {
                    Some(given) => loader.credentials_provider(given.clone()).load().await,
                    None => loader.load().await,
                };
                let keep = |chain| SharedCredentialsProvider::new(OwnCredentials::new(chain, MARGIN));
                Base { own: config.credentials_provider().map(keep), config }
            })
            .await
    }

    async fn make(&self, access: &Access, region: &str) -> Session {
        let Base { config: base, own } = self.base().await;
        let mut builder = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(self.http.clone())
            .region(Region::new(region.to_owned()))
            .retry_config(RetryConfig::standard().with_max_attempts(self.settings.read_attempts.max(1)))
            .timeout_config(self.timeouts(self.settings.operation_timeout))
            // One cache a session: the SDK's default is shared, and forgets at random beyond 64 identities. A load that
            // hangs ends with the attempt that waits for it.
            .identity_cache(
                IdentityCache::lazy().load_timeout(self.settings.attempt_timeout).buffer_time(MARGIN).build(),
            );
        builder.set_credentials_provider(own.clone());
        builder.set_endpoint_url(access.endpoint.clone());
        builder.set_sleep_impl(base.sleep_impl());
        builder.set_time_source(base.time_source());
        builder.set_use_fips(base.use_fips());
        builder.set_use_dual_stack(base.use_dual_stack());
        builder.set_app_name(AppName::new(format!("sequester-{}", self.settings.app_version)).ok());
        let mut asking = builder.build();
        if let (Some(role), Some(own)) = (&access.role, own.clone()) {
            let mut assume = AssumeRoleProvider::builder(role.as_str())
                .configure(&asking)
                .region(Region::new(region.to_owned()))
                .session_name(&self.settings.session_name)
                .session_length(SESSION);
            if let Some(external_id) = &access.external_id {
                assume = assume.external_id(external_id);
            }
            let assumed = SharedCredentialsProvider::new(assume.build_from_provider(own).await);
            asking = asking.into_builder().credentials_provider(assumed).build();
        }
        let once = asking
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(self.timeouts(self.settings.attempt_timeout))
            .build();
        // The SDK's tokens for trying again are by service and Region; ours are by account too, so that one account that
        // is throttled takes no tries from another.
        let partition = |service: &str| RetryPartition::new(format!("{service}/{}/{region}", access.account_ref));
        Session {
            autoscaling: aws_sdk_autoscaling::Client::from_conf(
                aws_sdk_autoscaling::config::Builder::from(&asking).retry_partition(partition("autoscaling")).build(),
            ),
            ec2: aws_sdk_ec2::Client::from_conf(
                aws_sdk_ec2::config::Builder::from(&asking).retry_partition(partition("ec2")).build(),
            ),
            elb_classic: aws_sdk_elasticloadbalancing::Client::from_conf(
                aws_sdk_elasticloadbalancing::config::Builder::from(&asking).retry_partition(partition("elb")).build(),
            ),
            elb_v2: aws_sdk_elasticloadbalancingv2::Client::from_conf(
                aws_sdk_elasticloadbalancingv2::config::Builder::from(&asking)
                    .retry_partition(partition("elb"))
                    .build(),
            ),
            iam: aws_sdk_iam::Client::from_conf(
                aws_sdk_iam::config::Builder::from(&asking).retry_partition(partition("iam")).build(),
            ),
            kms: aws_sdk_kms::Client::from_conf(
                aws_sdk_kms::config::Builder::from(&asking).retry_partition(partition("kms")).build(),
            ),
            sts: aws_sdk_sts::Client::from_conf(
                aws_sdk_sts::config::Builder::from(&asking).retry_partition(partition("sts")).build(),
            ),
            autoscaling_once: aws_sdk_autoscaling::Client::new(&once),
            ebs: aws_sdk_ebs::Client::new(&once),
            ec2_once: aws_sdk_ec2::Client::new(&once),
            elb_classic_once: aws_sdk_elasticloadbalancing::Client::new(&once),
            elb_v2_once: aws_sdk_elasticloadbalancingv2::Client::new(&once),
            block_rates: Rates::default(),
            iam_once: aws_sdk_iam::Client::new(&once),
            surveys: Surveys::default(),
            ways: ec2_ways::Kept::default(),
            kms_once: aws_sdk_kms::Client::new(&once),
            access: access.clone(),
            credentials: asking.credentials_provider(),
            ended: AtomicBool::new(false),
        }
    }

    fn timeouts(&self, whole: Duration) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(CONNECT.min(self.settings.attempt_timeout))
            .operation_attempt_timeout(self.settings.attempt_timeout)
            .operation_timeout(whole)
            .build()
    }
}

impl Session {
    /// AWS takes its credentials no more: who comes next gets a new session.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
