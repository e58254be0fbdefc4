//! The same proxy before the API server: crash points at writes there, and watches that flow.

use crate::support::bed::Bed;
use crate::support::identities::Identity;
use crate::support::proxy::{CrashMode, Fault, Outcome, Protocol, When};
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ObjectMeta, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

fn map(name: &str) -> ConfigMap {
    ConfigMap { metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() }, ..ConfigMap::default() }
}

/// A client by a kubeconfig file, as the controller reads it.
async fn client_through(bed: &Bed, url: &str) -> Client {
    let token = bed.control_plane.service_account_token("sequester-system", "through").await;
    bed.control_plane.client(Identity::Admin).await;
    let path = bed.control_plane.kubeconfig_through(url, "through", &token);
    let kubeconfig = Kubeconfig::read_from(path).expect("a kubeconfig file");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a configuration")).expect("a client")
}
