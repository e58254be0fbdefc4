//! The nodes of the cluster that the controller runs in: cutting off its own would be the last thing that it does.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::runtime::reflector::Store;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::ids::InstanceId;
use crate::playbook::seen::NodeRole;

/// How long after the start looks wait for the first list. An API server that does not give it delays no host after that.
const FIRST_LIST: Duration = Duration::from_secs(2);

/// Nodes, as last watched. Nothing is known of a controller that runs outside of any cluster.
#[derive(Debug, Default)]
pub struct Nodes(Option<Known>);

#[derive(Debug)]
struct Known {
    /// Name of the node that this replica runs on.
    own: String,
    nodes: Store<Node>,
    /// Until when the first list is waited for.
    patience: Instant,
}

impl Nodes {
    /// Watches the nodes until `stopped`, where it is known on which one this replica runs.
    pub fn watch(own: Option<String>, client: &Client, mut stopped: watch::Receiver<bool>) -> Self {
        let Some(own) = own else { return Self(None) };
        let (nodes, writer) = reflector::store();
        let stream = watcher(Api::<Node>::all(client.clone()), watcher::Config::default())
            .default_backoff()
            .modify(prune)
            .reflect(writer)
            .inspect(|event| {
                if let Err(error) = event {
                    tracing::warn!(%error, "nodes can't be watched: isolation of the controller's own node is not refused");
                }
            });
        tokio::spawn(async move {
            tokio::select! {
                () = stream.for_each(|_| std::future::ready(())) => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        });
        Self(Some(Known { own, nodes, patience: Instant::now() + FIRST_LIST }))
    }

    /// What a host is to this controller. `held` says which other hosts are cut off, or about to be.
    pub async fn role_of(&self, instance: &InstanceId, held: impl Fn(&str) -> bool) -> NodeRole {
        let Some(known) = &self.0 else { return NodeRole::None };
        let _ = tokio::time::timeout_at(known.patience, known.nodes.wait_until_ready()).await;
        let nodes: Vec<_> = known.nodes.state();
        role(&known.own, &nodes, instance, held)
    }
}

/// Only what is asked of a node: a large cluster has thousands.
fn prune(node: &mut Node) {
    node.metadata.managed_fields = None;
    node.metadata.annotations = None;
    node.metadata.labels = None;
    if let Some(status) = &mut node.status {
        let conditions = status.conditions.take();
        *status = k8s_openapi::api::core::v1::NodeStatus { conditions, ..Default::default() };
    }
}

fn role(own: &str, nodes: &[impl AsRef<Node>], instance: &InstanceId, held: impl Fn(&str) -> bool) -> NodeRole {
    let nodes = || nodes.iter().map(AsRef::as_ref);
    let Some(node) = nodes().find(|node| instance_of(node) == Some(instance.as_str())) else { return NodeRole::None };
    let name = node.name_any();
    if name == own {
        return NodeRole::RunsController(name);
    }
    // The node that it runs on is one of them, unless that one is cut off by another object or goes away.
    let another = nodes()
        .filter(|other| other.name_any() != name)
        .any(|other| could_run(other) && !instance_of(other).is_some_and(&held));
    if another { NodeRole::None } else { NodeRole::LastThatCould(name) }
}

/// The instance behind a node: the AWS cloud provider writes `aws:///<zone>/<instance id>`.
fn instance_of(node: &Node) -> Option<&str> {
    let id = node.spec.as_ref()?.provider_id.as_deref()?;
    id.strip_prefix("aws://")?.rsplit('/').next()
}

fn could_run(node: &Node) -> bool {
    let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false);
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    !cordoned
        && conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn node(name: &str, instance: &str, ready: bool, cordoned: bool) -> Arc<Node> {
        let node = json!({
            "metadata": {"name": name},
            "spec": {"providerID": format!("aws:///eu-west-1a/{instance}"), "unschedulable": cordoned},
            "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "Unknown" }}]},
        });
        Arc::new(serde_json::from_value(node).unwrap())
    }

    #[test]
    fn a_host_is_the_controllers_own_node_or_the_last_or_nothing_to_it() {
        let host: InstanceId = "i-0000000a".parse().unwrap();
        let ours = || node("ours", "i-0000000b", true, false);
        let last = NodeRole::LastThatCould("a".to_owned());
        for (what, nodes, expected) in [
            ("no node", vec![ours()], NodeRole::None),
            ("its own", vec![node("ours", "i-0000000a", true, false)], NodeRole::RunsController("ours".to_owned())),
            ("one of two", vec![node("a", "i-0000000a", true, false), ours()], NodeRole::None),
            (
                "the other is not ready",
                vec![node("a", "i-0000000a", true, false), node("ours", "i-0000000b", false, false)],
                last.clone(),
            ),
            (
                "the other is cordoned",
                vec![node("a", "i-0000000a", true, false), node("ours", "i-0000000b", true, true)],
                last.clone(),
            ),
            (
                "the other is held",
                vec![node("a", "i-0000000a", true, false), node("ours", "i-0000000c", true, false)],
                last,
            ),
        ] {
            assert_eq!(role("ours", &nodes, &host, |instance| instance == "i-0000000c"), expected, "{what}");
        }
    }

    #[test]
    fn nodes_of_other_clouds_are_no_instances() {
        let node = json!({"metadata": {"name": "a"}, "spec": {"providerID": "gce://project/zone/i-0000000a"}});
        assert_eq!(instance_of(&serde_json::from_value(node).unwrap()), None);
    }
}
