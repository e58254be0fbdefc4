//! What is seen is what is there; what can't be read spoils nothing else.

use crate::scene::{Scene, id};
use crate::support::aws::{ok, tag};
use crate::support::proxy::{Fault, When};
use crate::support::world::{Host, Network, groups_of, run_instance};
use sequester::api::aws_account::LockMode;
use sequester::api::conditions::Reason;
use sequester::api::evidence_snapshot::KeyAccess;
use sequester::api::ids::{InstanceId, KeyArn, SnapshotId};
use sequester::cloud::{AskBalancers, AskEvidence, AskQuarantine, Cloud, Survey};
use sequester::playbook::containment::pulse::everything;
use sequester::playbook::record::OperationId;
use sequester::playbook::seen::{Blob, InstanceState, KeyManager, Peer, Read, ShutdownBehavior};
use std::collections::{BTreeMap, BTreeSet};

/// Every load balancer.
fn all() -> AskBalancers {
    AskBalancers { survey: Some(Survey { keep_seconds: 0, not_before: None }), ..AskBalancers::default() }
}

fn ask(instance: &str) -> AskQuarantine {
    AskQuarantine {
        group_names: vec!["web".to_owned(), "none".to_owned()],
        balancers: Some(all()),
        ..crate::scene::ask(instance)
    }
}

#[tokio::test]
async fn protections_cost_nothing_where_they_are_not_asked_for() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let asked = || scene.proxy.calls().iter().filter(|call| call.operation == "DescribeInstanceAttribute").count();
    let without = AskQuarantine { protections: false, ..crate::scene::ask(&instance) };
    let seen = scene.aws.observe_quarantine(&scene.place, &without).await;
    assert_eq!((seen.protections, asked()), (Read::NotRead, 0));
    assert!(seen.instance.value().is_some());
    let seen = scene.aws.observe_quarantine(&scene.place, &crate::scene::ask(&instance)).await;
    assert!(seen.protections.value().is_some());
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn a_host_with_all_that_is_around_it() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let host = Host::furnish(&scene.admin, &network, &instance).await;
    let elb = async |version, action, parameters: &[(&str, &str)]| {
        ok(scene.admin.query("elasticloadbalancing", version, action, parameters).await)
    };
    let classic = [
        ("LoadBalancerName", "old"),
        ("Subnets.member.1", network.subnet.as_str()),
        ("Listeners.member.1.Protocol", "HTTP"),
        ("Listeners.member.1.LoadBalancerPort", "80"),
        ("Listeners.member.1.InstancePort", "80"),
    ];
    elb("2012-06-01", "CreateLoadBalancer", &classic).await;
    let registered = [("LoadBalancerName", "old"), ("Instances.member.1.InstanceId", instance.as_str())];
    elb("2012-06-01", "RegisterInstancesWithLoadBalancer", &registered).await;
    let described = ok(scene.admin.ec2("DescribeInstances", &[("InstanceId.1", &instance)]).await);
    let address = tag(&described, "privateIpAddress").to_owned();
    for (name, kind, target) in [("by-id", "instance", &instance), ("by-address", "ip", &address)] {
        let group = [
            ("Name", name),
            ("TargetType", kind),
            ("Protocol", "HTTP"),
            ("Port", "80"),
            ("VpcId", network.vpc.as_str()),
        ];
        let made = elb("2015-12-01", "CreateTargetGroup", &group).await;
        let arn = tag(&made, "TargetGroupArn").to_owned();
        let targets = [("TargetGroupArn", arn.as_str()), ("Targets.member.1.Id", target.as_str())];
        elb("2015-12-01", "RegisterTargets", &targets).await;
    }

    let ask = AskQuarantine {
        surroundings: true,
        former_groups: BTreeSet::from([id(&network.web), id("sg-0123456789abcdef0")]),
        ..ask(&instance)
    };
    let before = sequester::clock::now();
    let seen = scene.aws.observe_quarantine(&scene.place, &ask).await;

    let Read::Found { asked_at, value: found } = &seen.instance else { panic!("{:?}", seen.instance) };
    assert!(*asked_at >= before);
    let arrived = scene.proxy.calls().iter().find(|call| call.operation == "DescribeInstances").unwrap().at;
    assert!(*asked_at <= jiff::Timestamp::try_from(arrived).unwrap(), "asked before it arrived");
    assert_eq!((found.id.as_str(), found.owner.as_str()), (instance.as_str(), scene.account.as_str()));
    assert_eq!((found.state, found.instance_type.as_str()), (InstanceState::Running, "m5.large"));
    assert_eq!(found.vpc.as_ref().map(ToString::to_string), Some(network.vpc.clone()));
    assert!(!found.spot && found.root_device_type == "ebs" && found.launched.starts_with("20"));
    let volumes: BTreeSet<String> = found.volumes.iter().map(|volume| volume.volume.to_string()).collect();
    assert_eq!(volumes, host.volumes.iter().cloned().collect());

    let interfaces = seen.interfaces.value().unwrap();
    let ids: Vec<String> = interfaces.iter().map(|interface| interface.id.to_string()).collect();
    assert_eq!(ids.len(), 2);
    for interface in interfaces {
        let there = groups_of(&scene.admin, interface.id.as_str()).await;
        assert_eq!(interface.groups.iter().map(ToString::to_string).collect::<Vec<_>>(), there);
    }
    assert_eq!(interfaces[0].device_index, 0);
    assert_eq!(interfaces[0].private_ips[0], address);

    let protections = seen.protections.value().unwrap();
    assert!(!protections.termination && !protections.stop);
    assert_eq!(protections.shutdown, ShutdownBehavior::Stop);

    let groups = seen.groups.value().unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!((groups[0].id.to_string(), groups[0].name.as_str()), (network.web.clone(), "web"));
    assert!(groups[0].rules.iter().any(|rule| {
        (rule.protocol.as_str(), rule.from, rule.to) == ("tcp", Some(80), Some(80))
            && rule.peer == Peer::Ipv4("0.0.0.0/0".to_owned())
    }));
    assert!(groups[0].rules.iter().any(|rule| everything().contains(rule)), "the default rule: all out");
    assert_eq!(seen.former_groups.value().map(Vec::len), Some(1), "one that is gone is simply not there");

    let around = seen.surroundings.value().unwrap_or_else(|| panic!("{:?}", seen.surroundings));
    assert_eq!(around.auto_scaling, None);
    assert_eq!(around.classic_load_balancers, ["old"]);
    let targets: BTreeSet<&str> = around.target_groups.iter().map(|target| target.target.as_str()).collect();
    assert_eq!(targets, BTreeSet::from([instance.as_str(), address.as_str()]));
    let names: Vec<&str> = around.blobs.keys().map(String::as_str).collect();
    assert_eq!(names, ["consoleOutput", "consoleScreenshot", "userData"]);
    assert!(matches!(&around.blobs["consoleScreenshot"], Blob::Digested { kept, .. } if kept.starts_with("NotKept")));
    assert!(scene.proxy.mutations().is_empty(), "to look is to change nothing");
}

#[tokio::test]
async fn membership_of_an_auto_scaling_group() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let image = crate::support::world::image(&scene.admin).await;
    let group = async |action, parameters: &[(&str, &str)]| {
        ok(scene.admin.query("autoscaling", "2011-01-01", action, parameters).await)
    };
    let launch = [("LaunchConfigurationName", "l"), ("ImageId", &image), ("InstanceType", "m5.large")];
    group("CreateLaunchConfiguration", &launch).await;
    let fleet = [
        ("AutoScalingGroupName", "fleet"),
        ("LaunchConfigurationName", "l"),
        ("MinSize", "1"),
        ("MaxSize", "1"),
        ("VPCZoneIdentifier", &network.subnet),
    ];
    group("CreateAutoScalingGroup", &fleet).await;
    let instances = group("DescribeAutoScalingInstances", &[]).await;
    let instance = tag(&instances, "InstanceId").to_owned();
    let ask = AskQuarantine { surroundings: true, ..ask(&instance) };
    let seen = scene.aws.observe_quarantine(&scene.place, &ask).await;
    let membership = seen.surroundings.value().unwrap().auto_scaling.clone().unwrap();
    assert_eq!((membership.group.as_str(), membership.lifecycle_state.as_str()), ("fleet", "InService"));
}

#[tokio::test]
async fn what_is_not_there_is_absent_and_what_was_not_asked_is_not_read() {
    let scene = Scene::new().await;
    let ask = AskQuarantine { group_names: Vec::new(), ..ask("i-0123456789abcdef0") };
    let seen = scene.aws.observe_quarantine(&scene.place, &ask).await;
    assert!(matches!(seen.instance, Read::Absent { .. }), "{:?}", seen.instance);
    assert!(matches!(seen.protections, Read::Absent { .. }), "{:?}", seen.protections);
    assert_eq!(seen.interfaces.value().map(Vec::len), Some(0));
    for unread in [&seen.groups, &seen.former_groups] {
        assert_eq!(*unread, Read::NotRead);
    }
    assert_eq!(seen.surroundings, Read::NotRead);
}

#[tokio::test]
async fn a_part_that_fails_leaves_the_others_standing() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let broken = scene.proxy.rule(
        When::operation("DescribeSecurityGroups"),
        Fault::error(500, "InternalError", "An internal error has occurred"),
    );
    scene.proxy.rule(When::operation("GetConsoleScreenshot"), Fault::Unauthorized);
    let slow = scene.proxy.rule(When::operation("DescribeNetworkInterfaces").once(), Fault::Throttle);
    let ask = AskQuarantine { surroundings: true, ..ask(&instance) };
    let seen = scene.aws.observe_quarantine(&scene.place, &ask).await;
    assert!(seen.instance.value().is_some());
    assert_eq!((slow.hits(), seen.interfaces.value().map(Vec::len)), (1, Some(1)), "asked again");
    assert_eq!(seen.groups.failure().map(|failure| failure.reason), Some(Reason::AwsUnavailable));
    assert_eq!(broken.hits(), 3, "as often as the settings say");
    let failure = seen.surroundings.failure().unwrap();
    assert_eq!(failure.reason, Reason::PermissionMissing);
    assert!(failure.message.contains("ec2:GetConsoleScreenshot"), "{}", failure.message);
}

#[tokio::test]
async fn what_an_instance_does_not_offer_is_said_and_no_failure() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let refuse = || Fault::error(400, "UnsupportedOperation", "This instance type does not support retrieving it");
    scene.proxy.rule(When::operation("GetConsoleScreenshot"), refuse());
    scene.proxy.rule(When::operation("GetConsoleOutput").parameter("Latest", "true"), refuse());
    let ask = AskQuarantine { surroundings: true, ..ask(&instance) };
    let seen = scene.aws.observe_quarantine(&scene.place, &ask).await;
    let blobs = &seen.surroundings.value().unwrap().blobs;
    assert!(
        matches!(&blobs["consoleScreenshot"], Blob::Unreadable { reason } if reason.contains("UnsupportedOperation"))
    );
    assert!(matches!(&blobs["consoleOutput"], Blob::Digested { .. }), "the older output is to be had");
    assert_eq!(blobs["userData"], Blob::Empty);
}

#[tokio::test]
async fn a_moment_with_its_locks_permissions_and_keys() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let host = Host::furnish(&scene.admin, &network, &instance).await;
    let taken = [
        ("InstanceSpecification.InstanceId", instance.as_str()),
        ("TagSpecification.1.ResourceType", "snapshot"),
        ("TagSpecification.1.Tag.1.Key", "ops:operation"),
        ("TagSpecification.1.Tag.1.Value", "op-1"),
    ];
    ok(scene.admin.ec2("CreateSnapshots", &taken).await);
    let ask = |locks: BTreeSet<SnapshotId>| AskEvidence {
        instance: Some(id::<InstanceId>(&instance)),
        adopts: BTreeSet::new(),
        operations: BTreeMap::from([(
            "ops".to_owned(),
            BTreeSet::from([OperationId("op-1".to_owned()), OperationId("op-2".to_owned())]),
        )]),
        permissions: locks.clone(),
        tiers: BTreeSet::new(),
        locks,
        public_sharing: true,
        keys: Some(KeyAccess::Grant),
        owed: BTreeSet::new(),
    };
    let seen = scene.aws.observe_evidence(&scene.place, &ask(BTreeSet::new())).await;
    assert!(seen.instance.value().is_some());
    assert_eq!(seen.public_sharing.value().map(String::as_str), Some("unblocked"));
    assert_eq!(seen.locks, Read::NotRead);
    assert!(seen.permissions.is_empty());
    let snapshots = seen.snapshots.value().unwrap();
    assert_eq!(snapshots.len(), 3);
    assert!(snapshots.iter().all(|snapshot| snapshot.operation.as_deref() == Some("op-1")));
    let by_manager: BTreeMap<bool, &KeyArn> =
        seen.keys.iter().map(|(arn, key)| (key.value().unwrap().manager == KeyManager::Customer, arn)).collect();
    assert_eq!(by_manager[&true].as_str(), host.customer_key);
    assert_eq!(by_manager.len(), 2, "the customer's and AWS's own");

    let mut all: BTreeSet<SnapshotId> = snapshots.iter().map(|snapshot| snapshot.id.clone()).collect();
    let locked = all.first().unwrap().clone();
    let lock = [("SnapshotId", locked.as_str()), ("LockMode", "governance"), ("LockDuration", "3")];
    ok(scene.admin.ec2("LockSnapshot", &lock).await);
    let public = [
        ("SnapshotId", locked.as_str()),
        ("Attribute", "createVolumePermission"),
        ("OperationType", "add"),
        ("UserId.1", "444455556666"),
    ];
    let plain = snapshots.iter().find(|snapshot| snapshot.key.is_none()).unwrap().id.clone();
    ok(scene.admin.ec2("ModifySnapshotAttribute", &[&[("SnapshotId", plain.as_str())], &public[1..]].concat()).await);
    all.insert(id("snap-0123456789abcdef0"));
    let block = [("State", "block-all-sharing")];
    ok(scene.admin.ec2("EnableSnapshotBlockPublicAccess", &block).await);
    let seen = scene.aws.observe_evidence(&scene.place, &ask(all)).await;
    assert_eq!(seen.public_sharing.value().map(String::as_str), Some("block-all-sharing"));
    let locks = seen.locks.value().unwrap_or_else(|| panic!("{:?}", seen.locks));
    assert_eq!(locks.iter().map(|(id, lock)| (id, lock.mode)).collect::<Vec<_>>(), [(&locked, LockMode::Governance)]);
    assert!(locks[&locked].until.is_some());
    assert_eq!(seen.permissions[&plain].value(), Some(&BTreeSet::from(["444455556666".to_owned()])));
    assert!(matches!(seen.permissions[&id("snap-0123456789abcdef0")], Read::Absent { .. }));
    assert_eq!(seen.snapshots.value().map(Vec::len), Some(3), "an id that is not there is no error");

    // Who takes the tag off does not make it look lost.
    let untag = [("ResourceId.1", locked.as_str()), ("Tag.1.Key", "ops:operation")];
    ok(scene.admin.ec2("DeleteTags", &untag).await);
    let seen = scene.aws.observe_evidence(&scene.place, &ask(BTreeSet::new())).await;
    assert_eq!(seen.snapshots.value().map(Vec::len), Some(2));
    let seen = scene.aws.observe_evidence(&scene.place, &ask(BTreeSet::from([locked.clone()]))).await;
    let found = seen.snapshots.value().unwrap().iter().find(|snapshot| snapshot.id == locked).unwrap();
    assert_eq!(found.operation, None);
}

#[tokio::test]
async fn without_an_operation_there_is_nothing_to_look_for() {
    let scene = Scene::new().await;
    let ask = AskEvidence {
        instance: None,
        adopts: BTreeSet::new(),
        operations: BTreeMap::new(),
        locks: BTreeSet::new(),
        permissions: BTreeSet::new(),
        tiers: BTreeSet::new(),
        public_sharing: false,
        keys: Some(KeyAccess::Grant),
        owed: BTreeSet::new(),
    };
    let seen = scene.aws.observe_evidence(&scene.place, &ask).await;
    assert_eq!(seen.snapshots.value().map(Vec::len), Some(0));
    assert!(scene.proxy.calls().is_empty());
}

#[tokio::test]
async fn an_interface_that_was_detached_is_found_by_its_id() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let host = Host::furnish(&scene.admin, &network, &instance).await;
    let [first, second] = host.interfaces.as_slice() else { panic!("{:?}", host.interfaces) };
    let described =
        ok(scene.admin.ec2("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", second.as_str())]).await);
    let attachment = tag(&described, "attachmentId").to_owned();
    ok(scene.admin.ec2("DetachNetworkInterface", &[("AttachmentId", &attachment), ("Force", "true")]).await);

    let held = [first.as_str(), second.as_str(), "eni-0123456789abcdef0"].map(id).into();
    let seen = scene.aws.observe_quarantine(&scene.place, &AskQuarantine { held, ..ask(&instance) }).await;
    let ids = |read: &Read<Vec<sequester::playbook::seen::Interface>>| -> BTreeSet<String> {
        read.value().unwrap_or_else(|| panic!("{read:?}")).iter().map(|interface| interface.id.to_string()).collect()
    };
    assert_eq!(ids(&seen.interfaces), [first.clone()].into());
    assert_eq!(ids(&seen.held), [first.clone(), second.clone()].into(), "one that is gone hides no other");
    let found = seen.held.value().unwrap().iter().find(|interface| interface.id.as_str() == second).unwrap();
    assert_eq!(found.groups.iter().map(ToString::to_string).collect::<Vec<_>>(), groups_of(&scene.admin, second).await);

    let nobody = scene.aws.observe_quarantine(&scene.place, &ask(&instance)).await;
    assert_eq!(nobody.held, Read::NotRead, "and nobody asks where nothing is given back");
}
