//! The same proxy before the API server: crash points at writes there, and watches that flow.

use crate::support::bed::Bed;
use crate::support::identities::Identity;
use crate::support::proxy::{Call, CrashMode, Fault, Outcome, Proxy, When};
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use serde_json::json;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

struct Scene {
    proxy: Proxy,
    through: Api<ConfigMap>,
    behind: Api<ConfigMap>,
    namespace: String,
}

impl Scene {
    async fn new() -> Self {
        let bed = Bed::shared().await;
        let (proxy, namespace) = (bed.kubernetes_proxy().await, bed.namespace("through").await);
        // By a file, as the controller does it.
        let token = bed.control_plane.token(Identity::Admin);
        let file = bed.control_plane.kubeconfig_through(&proxy.url(), &namespace, token);
        let kubeconfig = Kubeconfig::read_from(file).expect("a kubeconfig file");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        // Each call counts here; kube would repeat some by itself.
        let mut config = config.expect("a configuration");
        config.default_retry = false;
        let client = Client::try_from(config).expect("a client");
        let through = Api::namespaced(client, &namespace);
        let behind = Api::namespaced(bed.control_plane.client(Identity::Admin).await, &namespace);
        Self { proxy, through, behind, namespace }
    }

    async fn create(&self, name: &str) -> Result<ConfigMap, kube::Error> {
        self.through.create(&PostParams::default(), &map(name)).await
    }
}

fn map(name: &str) -> ConfigMap {
    ConfigMap { metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() }, ..ConfigMap::default() }
}

#[tokio::test]
async fn calls_are_recorded_as_verb_and_resource() {
    let scene = Scene::new().await;
    scene.create("one").await.expect("create");
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    scene.through.create(&dry_run, &map("two")).await.expect("create in dry-run");
    scene.through.get("one").await.expect("get");
    scene.through.list(&ListParams::default()).await.expect("list");
    let patch = Patch::Merge(json!({"data": {"a": "b"}}));
    scene.through.patch("one", &PatchParams::default(), &patch).await.expect("patch");
    scene.through.delete("one", &kube::api::DeleteParams::default()).await.expect("delete");
    scene.through.get_opt("one").await.expect("get nothing");

    let calls = scene.proxy.calls();
    let all: Vec<_> = calls.iter().map(|call| (call.operation.as_str(), call.mutates)).collect();
    let expected = [
        ("create configmaps", true),
        ("create configmaps", false),
        ("get configmaps", false),
        ("list configmaps", false),
        ("patch configmaps", true),
        ("delete configmaps", true),
        ("get configmaps", false),
    ];
    assert_eq!(all, expected);
    assert_eq!(calls[0].parameter("name"), Some("one"));
    assert_eq!(calls[4].parameter("namespace"), Some(scene.namespace.as_str()));
    assert_eq!(calls[4].parameter("name"), Some("one"));
    assert_eq!(calls[6].code(), Some("NotFound"));
}

#[tokio::test]
async fn a_watch_flows_through() {
    let scene = Scene::new().await;
    let without_bookmarks = WatchParams { bookmarks: false, ..WatchParams::default() };
    let events = scene.through.watch(&without_bookmarks, "0").await.expect("watch");
    pin_mut!(events);
    for name in ["one", "two"] {
        scene.behind.create(&PostParams::default(), &map(name)).await.expect("create");
        let event = tokio::time::timeout(LIMIT, events.next()).await.expect("an event in time");
        match event.expect("the watch goes on").expect("an event") {
            WatchEvent::Added(added) => assert_eq!(added.name_any(), name),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(scene.proxy.calls()[0].operation, "watch configmaps");
}

#[tokio::test]
async fn errors_and_crash_points_are_those_of_an_api_server() {
    let scene = Scene::new().await;
    let creates = || When::operation("create configmaps");
    scene.proxy.rule(creates().once(), Fault::Throttle);
    match scene.create("one").await.expect_err("it is throttled") {
        kube::Error::Api(status) => assert_eq!((status.code, status.reason.as_str()), (429, "TooManyRequests")),
        other => panic!("{other}"),
    }
    for (name, mode, exists) in [("before", CrashMode::BeforeApplied, false), ("after", CrashMode::AfterApplied, true)]
    {
        let crash = scene.proxy.crash_when(creates(), mode);
        let meeting = async {
            let victim = tokio::time::timeout(LIMIT, crash.reached()).await.expect("the crash point is reached");
            assert_eq!(victim.operation, "create configmaps");
            crash.killed();
        };
        let (answer, ()) = tokio::join!(scene.create(name), meeting);
        answer.expect_err("no reply to a dead process");
        let found = scene.behind.get_opt(name).await.expect("get");
        assert_eq!(found.is_some(), exists, "{name}");
    }
    let last = scene.proxy.wait_for(|call: &Call| call.took_effect(), LIMIT).await.expect("one took effect");
    assert_eq!(last.outcome, Outcome::Dropped);
}
