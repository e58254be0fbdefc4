//! Futures live on the stacks of the runtime's threads until they are spawned, several in one another: the SDK's own
//! would not fit.

use crate::scene::{Scene, id, witness};
use sequester::api::evidence_snapshot::KeyAccess;
use sequester::cloud::{AskEvidence, AskQuarantine, Cloud};
use sequester::playbook::effect::Effect;
use sequester::playbook::record::OperationId;
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test]
async fn calls_are_small_futures() {
    let scene = Scene::new().await;
    let (aws, place) = (&scene.aws, &scene.place);
    let host = AskQuarantine { surroundings: true, ..crate::scene::ask("i-0123456789abcdef0") };
    let moment = AskEvidence {
        instance: None,
        adopts: BTreeSet::new(),
        operations: BTreeMap::new(),
        locks: BTreeSet::new(),
        permissions: BTreeSet::new(),
        tiers: BTreeSet::new(),
        public_sharing: true,
        keys: Some(KeyAccess::Grant),
        owed: BTreeSet::new(),
    };
    let effect = Effect::SetStopProtection { instance: id("i-0123456789abcdef0"), enabled: true };
    let (operation, witness) = (OperationId("op".to_owned()), witness());
    let sizes = [
        size_of_val(&aws.identify(&place.access)),
        size_of_val(&aws.observe_quarantine(place, &host)),
        size_of_val(&aws.observe_evidence(place, &moment)),
        size_of_val(&aws.perform(place, &operation, &effect, &witness)),
    ];
    assert!(sizes.iter().all(|size| *size < 8 * 1024), "{sizes:?}");
}
