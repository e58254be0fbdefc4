//! Nodes of Kubernetes clusters, told by their tags: who manages them replaces them, too.
//!
//! Tags prove nothing, so nothing is decided by them: they only make a plan say more. That the controller itself runs on a
//! host is known from its own cluster, and keeps the host from being cut off.

use crate::api::conditions::Reason;
use crate::playbook::Quarantine;
use crate::playbook::seen::NodeRole;
use crate::playbook::step::{State, Turn, View};

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

/// Whether pods run on it, as far as its tags and its interfaces tell.
pub(super) fn has_pods(view: &View<'_, Quarantine>) -> bool {
    let branches = view.seen.interfaces.value().into_iter().flatten().any(|interface| interface.trunk.is_some());
    branches || manager(view).is_some()
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

/// Why a person has to move the controller before this host is cut off.
pub(super) fn lockout(view: &View<'_, Quarantine>) -> Option<String> {
    let beyond = "what needs no network, such as snapshots, goes on";
    match &view.seen.node {
        NodeRole::None => None,
        NodeRole::RunsController(node) => Some(format!(
            "the controller runs on this host, as node {node}: cut off, it could neither hold it nor give it back. Move it first: \
             kubectl cordon {node}, then delete the controller's pod; {beyond}"
        )),
        NodeRole::LastThatCould(node) => Some(format!(
            "this host is node {node}, and no other node of the cluster is ready and schedulable: the controller could run nowhere \
             once it is cut off. Add a node first; {beyond}"
        )),
    }
}

/// Whether the host must not be cut off yet. One that was stays cut off, wherever the controller runs by then.
pub(super) fn refused(view: &View<'_, Quarantine>) -> Option<Turn<Quarantine>> {
    let begun = view.record.operations.values().any(|operation| operation.step == "Isolated")
        || view.record.contained_at.is_some();
    let told = lockout(view).filter(|_| !begun)?;
    Some(Turn::new(State::blocked(Reason::RunsController, told)).again_in(view.limits.poll_seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::quarantine::Level;
    use crate::playbook::QuarantineSeen;
    use crate::playbook::effect::Effect;
    use crate::playbook::sample::{self, Bench};

    #[test]
    fn what_the_controller_runs_on_is_kept_and_cut_off_only_after_it_has_moved() {
        let own: fn(&mut QuarantineSeen) = |seen| seen.node = NodeRole::RunsController("a".to_owned());
        let last: fn(&mut QuarantineSeen) = |seen| seen.node = NodeRole::LastThatCould("a".to_owned());
        for (lens, word) in [(own, "kubectl cordon a"), (last, "Add a node first")] {
            let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
            bench.lens = lens;
            bench.settle();
            let Some(State::Blocked(refusal)) = bench.state("Isolated") else {
                panic!("{:?}", bench.state("Isolated"))
            };
            assert_eq!(refusal.reason, Reason::RunsController);
            assert!(refusal.message.contains(word), "{}", refusal.message);
            let swapped = bench.sent.iter().any(|(effect, _)| matches!(effect, Effect::ReplaceSecurityGroups { .. }));
            assert!(!swapped, "{:?}", bench.operations());
            assert!(matches!(bench.state("Protected"), Some(State::Done(_))), "it is protected meanwhile");
            bench.lens = |_| {};
            bench.settle();
            assert!(matches!(bench.state("Isolated"), Some(State::Done(_))), "{:?}", bench.state("Isolated"));
            // It came back onto the host, where it stays cut off.
            bench.lens = lens;
            bench.settle();
            assert!(matches!(bench.state("Isolated"), Some(State::Done(_))), "{:?}", bench.state("Isolated"));
        }
    }
}
