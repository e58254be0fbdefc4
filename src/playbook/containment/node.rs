//! Nodes of Kubernetes clusters, told by their tags: who manages them replaces them, too.
//!
//! Tags prove nothing, so nothing is decided by them: they only make a plan say more.

use crate::playbook::Quarantine;
use crate::playbook::step::View;

/// Tags of nodes, and who manages those (EKS guide, managed node groups, Auto Mode; Karpenter, node classes).
const MANAGERS: [(&str, &str); 4] = [
    ("karpenter.sh/nodepool", "Karpenter"),
    ("eks:nodegroup-name", "an EKS managed node group"),
    ("eks:kubernetes-node-pool-name", "EKS Auto Mode"),
    ("kubernetes.io/cluster/", "a Kubernetes cluster"),
];

/// Who manages the host as a node, as its tags say.
fn manager(view: &View<'_, Quarantine>) -> Option<&'static str> {
    let tags = &view.seen.instance.value()?.tags;
    let has = |tag: &str| tags.keys().any(|key| key == tag || tag.ends_with('/') && key.starts_with(tag));
    MANAGERS.iter().find(|(tag, _)| has(tag)).map(|(_, manager)| *manager)
}

/// What a person should know before a node is cut off.
pub(super) fn risk(view: &View<'_, Quarantine>) -> Option<String> {
    manager(view).map(|manager| {
        format!(
            "by its tags it is a node of {manager}: cut off it becomes NotReady, and node repair, where it is on, replaces a node \
             after 30 minutes of that. Turn node repair off for it, or take its evidence before; its pods are started elsewhere, \
             and their own roles stay valid"
        )
    })
}
