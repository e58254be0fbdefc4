//! An event for each transition: for people who watch, gone after an hour, never relied on.

use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use super::context::Context;
use super::kind::Kind;
use crate::api::conditions::{Condition, RECONCILING};
use crate::cloud::Cloud;

/// Longest note that the API server takes, in bytes
/// ([events.k8s.io/v1](https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/)).
const NOTE_LIMIT: usize = 1024;

/// Publishes what changed between two sets of conditions, in the background: nothing waits for an event.
pub fn announce<K: Kind, C: Cloud>(ctx: &Context<C>, object: &K::Object, before: &[Condition], after: &[Condition]) {
    let reference = object.object_ref(&());
    for condition in after.iter().filter(|condition| condition.type_ != RECONCILING) {
        let old = before.iter().find(|old| old.type_ == condition.type_);
        let same = old.is_some_and(|old| old.status == condition.status && old.reason == condition.reason);
        if same || old.is_none() && condition.status == "False" && condition.type_ != "Ready" {
            continue;
        }
        let mut note = format!("{}: {}", condition.type_, condition.message);
        note.truncate(note.floor_char_boundary(NOTE_LIMIT));
        let stalled = condition.type_ == "Stalled";
        let event = Event {
            type_: if stalled { EventType::Warning } else { EventType::Normal },
            reason: condition.reason.clone(),
            note: Some(note),
            action: format!("{}{}", condition.type_, condition.status),
            secondary: None,
        };
        let (cluster, reference) = (ctx.cluster.clone(), reference.clone());
        let reporter =
            Reporter { controller: "sequester.dev/controller".to_owned(), instance: Some(ctx.writer.identity.clone()) };
        tokio::spawn(async move {
            let recorder = Recorder::new(cluster.client(), reporter);
            if let Err(error) = cluster.announce(&recorder, &event, &reference).await {
                tracing::debug!(%error, "an event was not published");
            }
        });
    }
}
