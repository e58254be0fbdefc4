//! Public addresses of a host, and how long AWS keeps its connections: seen, taken, given back.

use crate::changes::{attempt, perform};
use crate::scene::{Scene, ask, id};
use crate::support::aws::{ok, tag};
use crate::support::world::Network;
use sequester::api::ids::AllocationId;
use sequester::cloud::error::ErrorClass;
use sequester::cloud::{AskQuarantine, Cloud};
use sequester::playbook::effect::Effect;
use sequester::playbook::interface::IdleTimeouts;
use sequester::playbook::network_change::NetworkChange;
use sequester::playbook::seen::Interface;
use std::collections::BTreeSet;

const MODIFY: &[&str] = &["ModifyNetworkInterfaceAttribute"];

/// A host that was launched with an automatic address.
async fn launch(scene: &Scene, network: &Network) -> String {
    let image = crate::support::world::image(&scene.admin).await;
    let parameters = [
        ("ImageId", image.as_str()),
        ("InstanceType", "t3.micro"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("NetworkInterface.1.DeviceIndex", "0"),
        ("NetworkInterface.1.SubnetId", &network.subnet),
        ("NetworkInterface.1.AssociatePublicIpAddress", "true"),
    ];
    tag(&ok(scene.admin.ec2("RunInstances", &parameters).await), "instanceId").to_owned()
}

async fn interface(scene: &Scene, instance: &str) -> Interface {
    let seen = scene.aws.observe_quarantine(&scene.place, &ask(instance)).await;
    seen.interfaces.value().unwrap_or_else(|| panic!("{:?}", seen.interfaces))[0].clone()
}

async fn allocate(scene: &Scene) -> (AllocationId, String) {
    let made = ok(scene.admin.ec2("AllocateAddress", &[("Domain", "vpc")]).await);
    (id(tag(&made, "allocationId")), tag(&made, "publicIp").to_owned())
}

#[tokio::test]
async fn an_elastic_address_is_taken_the_automatic_one_follows_and_both_are_given_back() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = launch(&scene, &network).await;
    let before = interface(&scene, &instance).await;
    let automatic = before.automatic.clone().expect("an automatic address");
    assert!(before.elastic.is_empty() && before.public_ips == [automatic.clone()], "{before:?}");
    let (allocation, address) = allocate(&scene).await;
    let associate = [("AllocationId", allocation.as_str()), ("NetworkInterfaceId", before.id.as_str())];
    ok(scene.admin.ec2("AssociateAddress", &associate).await);
    let held = interface(&scene, &instance).await;
    let private_ip = held.private_ips[0].clone();
    assert_eq!((held.automatic, &held.elastic[&private_ip].public_ip), (None, &address), "it takes the other's place");

    let asked = AskQuarantine { addresses: BTreeSet::from([allocation.clone()]), ..ask(&instance) };
    let holder = async || {
        let seen = scene.aws.observe_quarantine(&scene.place, &asked).await.addresses;
        seen.value().unwrap_or_else(|| panic!("{seen:?}")).get(&allocation).cloned()
    };
    assert_eq!(holder().await, Some(Some(before.id.to_string())));
    scene.proxy.clear();
    let (eni, association) = (before.id.clone(), held.elastic[&private_ip].association.clone());
    let network = |change| Effect::Network(change);
    let change = NetworkChange::DisassociateAddress {
        interface: eni.clone(),
        private_ip: private_ip.clone(),
        association: association.clone(),
    };
    perform(&scene, "op-a", &network(change.clone()), &["DisassociateAddress"]).await;
    assert_eq!(holder().await, Some(None), "free");
    let again = attempt(&scene, "op-a", &network(change)).await.unwrap_err();
    assert_eq!(again.code, "InvalidAssociationID.NotFound");
    let follows = interface(&scene, &instance).await;
    assert!(follows.elastic.is_empty() && follows.automatic.is_some_and(|another| another != automatic));

    let set = |enabled| NetworkChange::AssociatePublicIpAddress { interface: eni.clone(), enabled };
    perform(&scene, "op-b", &network(set(false)), MODIFY).await;
    assert_eq!(interface(&scene, &instance).await.public_ips, Vec::<String>::new());
    perform(&scene, "op-c", &network(set(true)), MODIFY).await;
    assert!(interface(&scene, &instance).await.automatic.is_some());

    let back = NetworkChange::AssociateAddress {
        interface: eni.clone(),
        private_ip: private_ip.clone(),
        allocation: allocation.clone(),
    };
    perform(&scene, "op-d", &network(back), &["AssociateAddress"]).await;
    assert_eq!(interface(&scene, &instance).await.public_ips, [address]);
    let second = allocate(&scene).await.0;
    let other =
        ok(scene.admin.ec2("CreateNetworkInterface", &[("SubnetId", before.subnet.as_ref().unwrap().as_str())]).await);
    let associate = [("AllocationId", second.as_str()), ("NetworkInterfaceId", tag(&other, "networkInterfaceId"))];
    ok(scene.admin.ec2("AssociateAddress", &associate).await);
    let taken = NetworkChange::AssociateAddress { interface: eni, private_ip, allocation: second };
    let refused = attempt(&scene, "op-e", &network(taken)).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_str()), (ErrorClass::Conflict, "Resource.AlreadyAssociated"));
}

#[tokio::test]
async fn idle_timeouts_are_seen_and_set() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = launch(&scene, &network).await;
    let before = interface(&scene, &instance).await;
    assert_eq!(before.idle_timeouts, Some(IdleTimeouts::UNSET));
    for timeouts in [IdleTimeouts::SHORTEST, IdleTimeouts::DEFAULT] {
        scene.proxy.clear();
        let change = NetworkChange::SetIdleTimeouts { interface: before.id.clone(), timeouts };
        perform(&scene, "op", &Effect::Network(change), MODIFY).await;
        assert_eq!(interface(&scene, &instance).await.idle_timeouts, Some(timeouts));
    }
    let timeouts = IdleTimeouts { tcp_established: Some(59), ..IdleTimeouts::SHORTEST };
    let change = NetworkChange::SetIdleTimeouts { interface: before.id, timeouts };
    let refused = attempt(&scene, "op", &Effect::Network(change)).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_str()), (ErrorClass::Invalid, "InvalidParameterValue"));
}
