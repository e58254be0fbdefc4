//! What the tests of one binary share: a control plane with our kinds and policies on it, and an AWS emulator.

use super::control_plane::{ControlPlane, Options};
use super::emulator::{Credentials, Emulator};
use super::identities::Identity;
use super::install;
use super::proxy::Proxy;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ObjectMeta, PostParams};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OnceCell;

/// Tests share one and keep apart by namespace and AWS account.
pub struct Bed {
    pub control_plane: ControlPlane,
    pub emulator: Emulator,
}

impl Bed {
    /// The bed of this test binary, started by whoever comes first.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Bed> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(Options::default())).await
    }

    /// A bed of one's own, for what would disturb others, such as missing policies.
    pub async fn start(options: Options) -> Self {
        let (control_plane, emulator) = tokio::join!(ControlPlane::start(options), Emulator::start());
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
        if manifests.exists() {
            install::install(&control_plane.client(Identity::Admin).await, &manifests).await;
        }
        Self { control_plane, emulator }
    }

    /// A new namespace.
    pub async fn namespace(&self, prefix: &str) -> String {
        let name = format!("{prefix}-{}", next());
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let namespaces: Api<Namespace> = Api::all(self.control_plane.client(Identity::Admin).await);
        let made = namespaces.create(&PostParams::default(), &Namespace { metadata, ..Namespace::default() }).await;
        made.unwrap_or_else(|error| panic!("make namespace {name}: {error}"));
        name
    }

    /// Keys of an AWS account that nobody else has.
    pub async fn account(&self) -> Credentials {
        self.emulator.account(&format!("7{:011}", next())).await
    }

    /// A proxy of one's own before the emulator.
    pub fn proxy(&self) -> Proxy {
        Proxy::before_aws(self.emulator.url(), self.emulator.principals())
    }

    /// A proxy of one's own before the API server; see `ControlPlane::kubeconfig_through`.
    pub async fn kubernetes_proxy(&self) -> Proxy {
        Proxy::before_kubernetes(self.control_plane.anonymous_config().await)
    }
}

fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
