//! An account of one's own, a proxy before it, and the port that is tested.

use crate::support::aws::{Aws as Admin, REGION};
use crate::support::emulator::{Credentials, Emulator};
use crate::support::proxy::Proxy;
use crate::support::world;
use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::SharedCredentialsProvider;
use sequester::api::aws_account::Partition;
use sequester::api::ids::{AccountId, Digest, RegionName, RoleArn};
use sequester::cloud::aws::{Aws, AwsSettings};
use sequester::cloud::{Access, AskQuarantine, Place, Witness};
use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::OnceCell;

pub const EXTERNAL_ID: &str = "responders-2026";
pub const UID: &str = "5d0c2f5e-7a60-4b1e-9d54-0f6f3d9b7c11";

pub fn settings() -> AwsSettings {
    AwsSettings {
        session_name: "sequester".to_owned(),
        attempt_timeout: Duration::from_secs(20),
        operation_timeout: Duration::from_mins(1),
        read_attempts: 3,
        app_version: "1.2.3".to_owned(),
    }
}

pub fn impatient() -> AwsSettings {
    AwsSettings { attempt_timeout: Duration::from_millis(1500), read_attempts: 1, ..settings() }
}

pub fn port(credentials: &Credentials, settings: AwsSettings) -> Aws {
    let keys = Keys::new(&credentials.access_key_id, &credentials.secret_access_key, None, None, "test");
    Aws::with_credentials(settings, SharedCredentialsProvider::new(keys))
}

pub fn witness() -> Witness {
    Witness { uid: UID.to_owned(), index: 7, hash: Digest::of(&[0xab; 32]) }
}

pub fn product() -> String {
    format!("custody/{UID}/7/{}", "ab".repeat(32))
}

/// What every look at a host asks, and nothing beside.
pub fn ask(instance: &str) -> AskQuarantine {
    AskQuarantine {
        instance: id(instance),
        group_names: Vec::new(),
        tag_prefix: "ops".to_owned(),
        auto_scaling_group: None,
        surroundings: false,
        protections: true,
        former_groups: BTreeSet::new(),
        held: BTreeSet::new(),
        balancers: None,
        credentials: None,
        addresses: BTreeSet::new(),
        ways: None,
    }
}

pub fn id<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is no id"))
}

pub struct Scene {
    pub emulator: &'static Emulator,
    pub proxy: Proxy,
    pub account: String,
    /// Administrator of the account, past the proxy: what is really there.
    pub admin: Admin,
    pub aws: Aws,
    pub place: Place,
}

impl Scene {
    pub async fn new() -> Self {
        Self::with(settings()).await
    }

    /// The port speaks as the account's own administrator; without a role, so that calls are those of the test alone.
    pub async fn with(settings: AwsSettings) -> Self {
        static SHARED: OnceCell<Emulator> = OnceCell::const_new();
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let emulator = SHARED.get_or_init(Emulator::start).await;
        let account = format!("41{:010}", NEXT.fetch_add(1, Ordering::Relaxed));
        let credentials = emulator.account(&account).await;
        let proxy = Proxy::before_aws(emulator.url(), emulator.principals());
        let access = Access {
            account_ref: "workload".to_owned(),
            account: id::<AccountId>(&account),
            partition: Partition::Aws,
            role: None,
            external_id: None,
            endpoint: Some(proxy.url()),
        };
        Self {
            emulator,
            admin: Admin::new(emulator.url(), &credentials),
            aws: port(&credentials, settings),
            place: Place { access, region: id::<RegionName>(REGION) },
            proxy,
            account,
        }
    }

    /// A role in the account that the given account may assume, with the external id.
    pub async fn role_for(&self, trusted: &str) -> RoleArn {
        let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{trusted}:root")}, "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}}]});
        let parameters = [("RoleName", "sequester"), ("AssumeRolePolicyDocument", &trust.to_string())];
        world::iam(&self.admin, "CreateRole", &parameters).await;
        id(&format!("arn:aws:iam::{}:role/sequester", self.account))
    }

    /// How often an operation was asked for.
    pub fn count(&self, operation: &str) -> usize {
        self.proxy.calls().iter().filter(|call| call.operation == operation).count()
    }
}
