//! Every change: one call, with its witness, and the effect is there.

use crate::scene::{Scene, id, product, witness};
use crate::support::world::{Host, Network, groups_of, run_instance};
use sequester::api::aws_account::LockMode;
use sequester::api::evidence_snapshot::KeyAccess;
use sequester::api::ids::{AccountId, InstanceId, SecurityGroupId, SnapshotId, VolumeId};
use sequester::cloud::error::{CloudError, ErrorClass};
use sequester::cloud::{AskEvidence, AskQuarantine, Cloud};
use sequester::playbook::containment::pulse::everything;
use sequester::playbook::effect::{Created, Effect, Receipt};
use sequester::playbook::own_groups::GroupRole;
use sequester::playbook::record::OperationId;
use sequester::playbook::seen::ShutdownBehavior;
use std::collections::{BTreeMap, BTreeSet};

pub async fn attempt(scene: &Scene, operation: &str, effect: &Effect) -> Result<Receipt, CloudError> {
    scene.aws.perform(&scene.place, &OperationId(operation.to_owned()), effect, &witness()).await
}

/// Performs, and checks what holds for every change.
pub async fn perform(scene: &Scene, operation: &str, effect: &Effect, calls: &[&str]) -> Receipt {
    scene.proxy.clear();
    let receipt = attempt(scene, operation, effect).await.unwrap_or_else(|error| panic!("{error}"));
    let sent = scene.proxy.calls();
    let mut names: Vec<&str> = sent.iter().map(|call| call.operation.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, calls, "exactly these calls, each once");
    for call in &sent {
        assert!(call.user_agent.ends_with(&format!(" {}", product())), "{}: {}", call.operation, call.user_agent);
        assert!(call.user_agent.starts_with("aws-sdk-rust/"), "{}", call.user_agent);
    }
    assert!(receipt.request_id.is_some(), "{}: no request id", effect.operation());
    assert!(receipt.server_date.as_deref().is_some_and(|date| date.ends_with("GMT")), "{:?}", receipt.server_date);
    receipt
}

pub async fn look(scene: &Scene, instance: &str) -> sequester::playbook::QuarantineSeen {
    let ask = AskQuarantine {
        group_names: vec!["baseline-a".to_owned(), "baseline-b".to_owned()],
        ..crate::scene::ask(instance)
    };
    scene.aws.observe_quarantine(&scene.place, &ask).await
}

#[tokio::test]
async fn containment() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let vpc = id(&network.vpc);
    let create = |name: &str, role| Effect::CreateSecurityGroup {
        vpc: id(&network.vpc),
        name: name.to_owned(),
        role,
        tag_prefix: "ops".to_owned(),
    };
    let mut groups = Vec::new();
    for (name, role, operation) in [("baseline-a", GroupRole::Closed, "op-a"), ("baseline-b", GroupRole::Open, "op-b")]
    {
        let receipt = perform(&scene, operation, &create(name, role), &["CreateSecurityGroup"]).await;
        let [Created::SecurityGroup { id, vpc: of, role: as_role }] = receipt.created.as_slice() else {
            panic!("{receipt:?}")
        };
        assert_eq!((of, *as_role), (&vpc, role));
        let call = scene.proxy.calls().remove(0);
        assert_eq!(call.parameter("TagSpecification.1.ResourceType"), Some("security-group"));
        assert_eq!(call.parameter("TagSpecification.1.Tag.1.Key"), Some("ops:operation"));
        assert_eq!(call.parameter("TagSpecification.1.Tag.1.Value"), Some(operation));
        assert!(!format!("{:?}", call.parameters).to_lowercase().contains("quarantine"));
        groups.push(id.clone());
    }
    let again = attempt(&scene, "op-c", &create("baseline-a", GroupRole::Closed)).await.unwrap_err();
    assert_eq!((again.class, again.code.as_str()), (ErrorClass::Conflict, "InvalidGroup.Duplicate"));

    let seen = look(&scene, &instance).await;
    let marks = |id| seen.groups.value().unwrap().iter().find(|group| group.id == id).unwrap().operation.clone();
    assert_eq!([marks(groups[0].clone()), marks(groups[1].clone())], ["op-a", "op-b"].map(|tag| Some(tag.to_owned())));
    let born = seen.groups.value().unwrap().iter().find(|group| group.id == groups[0]).unwrap().rules.clone();
    assert!(!born.is_empty(), "AWS gives a new group a rule: all out");
    let revoke = Effect::RevokeRules { group: groups[0].clone(), rules: born };
    perform(&scene, "op-d", &revoke, &["RevokeSecurityGroupEgress"]).await;
    // The open group was born with one of the rules that it is to have: AWS refuses the whole call for it, which is
    // taken for success, and the next look tells what is still lacking.
    let open: BTreeSet<_> = everything();
    let of = async |group: &SecurityGroupId| {
        let seen = look(&scene, &instance).await;
        seen.groups.value().unwrap().iter().find(|found| found.id == *group).unwrap().rules.clone()
    };
    let authorize = |rules: BTreeSet<_>| Effect::AuthorizeRules { group: groups[1].clone(), rules };
    attempt(&scene, "op-e", &authorize(open.clone())).await.unwrap();
    let lacking: BTreeSet<_> = open.difference(&of(&groups[1]).await).cloned().collect();
    assert_eq!(lacking.len(), 1);
    perform(&scene, "op-e", &authorize(lacking), &["AuthorizeSecurityGroupEgress"]).await;
    assert!(open.is_subset(&of(&groups[1]).await));
    scene.proxy.clear();
    attempt(&scene, "op-e", &authorize(open.clone())).await.expect("rules that are there are what was asked for");
    assert_eq!(scene.proxy.mutations().len(), 2);
    attempt(&scene, "op-d", &revoke).await.expect("a rule that is gone is what was asked for");
    assert_eq!(of(&groups[0]).await, BTreeSet::new());
    let both = Effect::RevokeRules { group: groups[1].clone(), rules: open.clone() };
    perform(&scene, "op-f", &both, &["RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress"]).await;
    let both = Effect::AuthorizeRules { group: groups[1].clone(), rules: open };
    perform(&scene, "op-g", &both, &["AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress"]).await;

    let interface = seen.interfaces.value().unwrap()[0].id.clone();
    let pulse = Effect::OpenForPulse { interface: interface.clone(), open: groups[1].clone() };
    perform(&scene, "op-h", &pulse, &["ModifyNetworkInterfaceAttribute"]).await;
    assert_eq!(groups_of(&scene.admin, interface.as_str()).await, [groups[1].to_string()]);
    let close =
        Effect::ReplaceSecurityGroups { interface: interface.clone(), groups: BTreeSet::from([groups[0].clone()]) };
    perform(&scene, "op-i", &close, &["ModifyNetworkInterfaceAttribute"]).await;
    assert_eq!(groups_of(&scene.admin, interface.as_str()).await, [groups[0].to_string()]);
    let gone = Effect::ReplaceSecurityGroups { interface, groups: BTreeSet::from([id("sg-0123456789abcdef0")]) };
    let error = attempt(&scene, "op-j", &gone).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Conflict, "InvalidGroup.NotFound"));
}

#[tokio::test]
async fn protection() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let before = look(&scene, &instance).await;
    let root = before.instance.value().unwrap().volumes[0].clone();
    for enabled in [true, false] {
        let behavior = if enabled { ShutdownBehavior::Terminate } else { ShutdownBehavior::Stop };
        let host = || id::<InstanceId>(&instance);
        let effects = [
            Effect::SetTerminationProtection { instance: host(), enabled },
            Effect::SetStopProtection { instance: host(), enabled },
            Effect::SetShutdownBehavior { instance: host(), behavior },
            Effect::SetDeleteOnTermination {
                instance: host(),
                volume: root.volume.clone(),
                device: root.device.clone(),
                enabled,
            },
        ];
        for effect in &effects {
            perform(&scene, "op", effect, &["ModifyInstanceAttribute"]).await;
        }
        let seen = look(&scene, &instance).await;
        let protections = seen.protections.value().unwrap();
        assert_eq!((protections.termination, protections.stop, protections.shutdown), (enabled, enabled, behavior));
        assert_eq!(seen.instance.value().unwrap().volumes[0].delete_on_termination, enabled);
        // A change of an attribute touches no other: the groups above all.
        assert_eq!(seen.interfaces.value(), before.interfaces.value());
    }
}

#[tokio::test]
async fn evidence() {
    let (scene, forensics) = (Scene::new().await, Scene::new().await);
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let host = Host::furnish(&scene.admin, &network, &instance).await;
    let seen = look(&scene, &instance).await;
    let volumes: BTreeSet<VolumeId> = seen.instance.value().unwrap().volumes.iter().map(|v| v.volume.clone()).collect();
    let excluded = seen.instance.value().unwrap().volumes.iter().find(|volume| volume.device == "/dev/sdg").unwrap();
    let exclude = BTreeSet::from([excluded.volume.clone()]);
    let taken: BTreeSet<VolumeId> = volumes.difference(&exclude).cloned().collect();
    let effect = Effect::CreateSnapshots {
        instance: id(&instance),
        volumes: taken.clone(),
        exclude,
        exclude_root: false,
        description: "uid of i".to_owned(),
        tags: BTreeMap::from([("ops:object".to_owned(), "uid".to_owned())]),
        tag_prefix: "ops".to_owned(),
    };
    let receipt = perform(&scene, "op-1", &effect, &["CreateSnapshots"]).await;
    let call = scene.proxy.calls().remove(0);
    assert_eq!(call.parameter("CopyTagsFromSource"), None);
    assert_eq!(call.parameter("Description"), Some("uid of i"));
    let made: BTreeMap<VolumeId, SnapshotId> = receipt
        .created
        .iter()
        .map(|created| match created {
            Created::Snapshot { id, volume } => (volume.clone(), id.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(made.keys().cloned().collect::<BTreeSet<_>>(), taken);

    let grantee: AccountId = id(&forensics.account);
    let until = jiff::Timestamp::from_second(sequester::clock::now().as_second())
        .unwrap()
        .checked_add(jiff::SignedDuration::from_hours(48))
        .unwrap();
    for snapshot in made.values() {
        let lock = Effect::LockSnapshot { snapshot: snapshot.clone(), mode: LockMode::Governance, until };
        perform(&scene, "op-2", &lock, &["LockSnapshot"]).await;
        perform(&scene, "op-2", &lock, &["LockSnapshot"]).await;
    }
    let grant =
        Effect::CreateGrant { key: id(&host.customer_key), name: "ops-uid".to_owned(), grantee: grantee.clone() };
    let receipt = perform(&scene, "op-3", &grant, &["CreateGrant"]).await;
    assert!(matches!(receipt.created.as_slice(), [Created::Grant { id, .. }] if !id.is_empty()), "{receipt:?}");
    for snapshot in made.values() {
        let accounts = BTreeSet::from([grantee.clone()]);
        let share = Effect::ShareSnapshot { snapshot: snapshot.clone(), accounts: accounts.clone() };
        perform(&scene, "op-4", &share, &["ModifySnapshotAttribute"]).await;
    }
    let ask = AskEvidence {
        instance: None,
        adopts: BTreeSet::new(),
        operations: BTreeMap::from([("ops".to_owned(), BTreeSet::from([OperationId("op-1".to_owned())]))]),
        locks: made.values().cloned().collect(),
        permissions: made.values().cloned().collect(),
        tiers: BTreeSet::new(),
        public_sharing: true,
        keys: Some(KeyAccess::Grant),
        owed: BTreeSet::new(),
    };
    let seen = scene.aws.observe_evidence(&scene.place, &ask).await;
    assert_eq!(seen.snapshots.value().map(Vec::len), Some(2));
    let locks = seen.locks.value().unwrap();
    let names = BTreeSet::from(["ops-uid".to_owned()]);
    for snapshot in made.values() {
        assert_eq!(locks[snapshot].until, Some(until), "the date that was asked for");
        assert_eq!(seen.permissions[snapshot].value(), Some(&BTreeSet::from([grantee.to_string()])));
    }
    assert_eq!(
        seen.keys[&id(&host.customer_key)].value().unwrap().grants.keys().cloned().collect::<BTreeSet<_>>(),
        names
    );

    let unencrypted =
        seen.snapshots.value().unwrap().iter().find(|snapshot| snapshot.key.is_none()).unwrap().id.clone();
    let unshare =
        Effect::UnshareSnapshot { snapshot: unencrypted.clone(), accounts: BTreeSet::from([grantee]), public: true };
    perform(&scene, "op-5", &unshare, &["ModifySnapshotAttribute"]).await;
    let call = scene.proxy.calls().remove(0);
    assert_eq!(call.parameter("OperationType"), Some("remove"));
    let seen = scene.aws.observe_evidence(&scene.place, &ask).await;
    assert_eq!(seen.permissions[&unencrypted].value(), Some(&BTreeSet::new()));
}

#[tokio::test]
async fn a_key_of_another_region_is_refused_here() {
    let scene = Scene::new().await;
    let key = format!("arn:aws:kms:us-east-1:{}:key/0a1b2c3d", scene.account);
    let effect = Effect::CreateGrant { key: id(&key), name: "n".to_owned(), grantee: id("444455556666") };
    let error = attempt(&scene, "op", &effect).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(scene.proxy.calls().is_empty());
}
