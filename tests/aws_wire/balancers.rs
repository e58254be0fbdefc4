//! Load balancers on the wire: who has the host is found in all of them, and each change is one call that names it exactly.

use crate::scene::{Scene, id, product, witness};
use crate::support::aws::{Aws, ok, tag};
use crate::support::balancers::{
    addresses, classic_load_balancer, elb, in_front_of, instances_of, register, target_group, targets,
};
use crate::support::proxy::{Fault, When};
use crate::support::world::{Host, Network, run_instance};
use sequester::api::conditions::Reason;
use sequester::api::ids::{LoadBalancerName, TargetGroupArn};
use sequester::cloud::error::{CloudError, ErrorClass};
use sequester::cloud::{AskBalancers, AskQuarantine, Cloud, Survey};
use sequester::playbook::balancers::{Balancers, Health, Target, TargetGroup};
use sequester::playbook::effect::{Effect, Receipt};
use sequester::playbook::record::OperationId;
use sequester::playbook::seen::Read;
use std::collections::BTreeSet;

const KEPT: Option<Survey> = Some(Survey { keep_seconds: 600, not_before: None });

/// The youngest survey that there can be.
fn fresh() -> Survey {
    Survey { keep_seconds: 0, not_before: Some(sequester::clock::now()) }
}

async fn look(scene: &Scene, instance: &str, balancers: AskBalancers) -> Read<Balancers> {
    let ask = AskQuarantine { balancers: Some(balancers), ..crate::scene::ask(instance) };
    scene.aws.observe_quarantine(&scene.place, &ask).await.balancers
}

async fn survey(scene: &Scene, instance: &str) -> Balancers {
    let seen = look(scene, instance, AskBalancers { survey: Some(fresh()), ..AskBalancers::default() }).await;
    seen.value().unwrap_or_else(|| panic!("{seen:?}")).clone()
}

fn set(all: impl IntoIterator<Item = String>) -> BTreeSet<Target> {
    all.into_iter().map(|text| text.parse().unwrap()).collect()
}

fn arn(text: &str) -> TargetGroupArn {
    id(text)
}

fn group<'a>(seen: &'a Balancers, text: &str) -> &'a TargetGroup {
    seen.groups.get(&arn(text)).and_then(Option::as_ref).unwrap_or_else(|| panic!("no {text} in {seen:?}"))
}

async fn attempt(scene: &Scene, effect: &Effect) -> Result<Receipt, CloudError> {
    scene.aws.perform(&scene.place, &OperationId("op".to_owned()), effect, &witness()).await
}

/// One call, witnessed.
async fn perform(scene: &Scene, effect: &Effect) {
    scene.proxy.clear();
    let receipt = attempt(scene, effect).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(receipt.request_id.is_some() && receipt.server_date.is_some(), "{receipt:?}");
    let calls = scene.proxy.calls();
    assert_eq!(calls.iter().map(|call| call.operation.as_str()).collect::<Vec<_>>(), [effect.operation()]);
    assert!(calls[0].user_agent.ends_with(&format!(" {}", product())), "{}", calls[0].user_agent);
}

/// A host with two interfaces and a second address, and a neighbour.
struct Hosts {
    scene: Scene,
    network: Network,
    host: String,
    neighbour: String,
    addresses: Vec<String>,
}

impl Hosts {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let network = Network::new(&scene.admin).await;
        let host = run_instance(&scene.admin, &network).await;
        let furnished = Host::furnish(&scene.admin, &network, &host).await;
        let more = [("NetworkInterfaceId", furnished.interfaces[0].as_str()), ("SecondaryPrivateIpAddressCount", "1")];
        ok(scene.admin.ec2("AssignPrivateIpAddresses", &more).await);
        let neighbour = run_instance(&scene.admin, &network).await;
        let addresses = addresses(&scene.admin, &host).await;
        assert_eq!(addresses.len(), 3, "{addresses:?}");
        Self { scene, network, host, neighbour, addresses }
    }

    fn aws(&self) -> &Aws {
        &self.scene.admin
    }
}

#[tokio::test]
async fn the_host_is_found_by_its_id_and_by_each_address_in_all_of_them() {
    let hosts = Hosts::new().await;
    let (scene, aws, vpc) = (&hosts.scene, hosts.aws(), hosts.network.vpc.as_str());
    let by_id = target_group(aws, vpc, "by-id", "instance").await;
    for target in [format!("{} 80", hosts.host), format!("{} 81", hosts.host), format!("{} 80", hosts.neighbour)] {
        register(aws, &by_id, &target).await;
    }
    in_front_of(aws, &hosts.network, "front", &by_id).await;
    let by_address = target_group(aws, vpc, "by-address", "ip").await;
    for address in &hosts.addresses {
        register(aws, &by_address, &format!("{address} 443")).await;
    }
    register(aws, &by_address, "10.20.1.250 443").await;
    let others = target_group(aws, vpc, "others", "instance").await;
    register(aws, &others, &format!("{} 80", hosts.neighbour)).await;
    classic_load_balancer(aws, &hosts.network, "old", &[&hosts.host, &hosts.neighbour]).await;
    classic_load_balancer(aws, &hosts.network, "theirs", &[&hosts.neighbour]).await;

    let seen = survey(scene, &hosts.host).await;
    assert!(seen.whole);
    assert_eq!(seen.groups.len(), 2, "{seen:?}");
    let found = group(&seen, &by_id);
    assert_eq!(found.registered, set([format!("{} 80", hosts.host), format!("{} 81", hosts.host)]));
    assert_eq!(found.health, Health { healthy_left: 1, all: 3 });
    assert_eq!(found.load_balancers, ["app/front"]);
    let found = group(&seen, &by_address);
    let expected = hosts.addresses.iter().map(|address| format!("{address} 443 eu-west-1a"));
    assert_eq!(found.registered, set(expected), "with the zone that AWS found");
    assert_eq!((found.health.all, &found.unclear), (4, &BTreeSet::new()));
    let names: Vec<&str> = seen.classic.keys().map(LoadBalancerName::as_str).collect();
    assert_eq!(names, ["old"]);
    let old = seen.classic[&id::<LoadBalancerName>("old")].unwrap();
    assert!(old.registered && !old.draining);
    assert_eq!(old.health, Some(Health { healthy_left: 1, all: 2 }));
    assert!(scene.proxy.mutations().is_empty());
}

#[tokio::test]
async fn each_change_is_one_call_and_what_it_took_can_be_given_back() {
    let hosts = Hosts::new().await;
    let (scene, aws, vpc) = (&hosts.scene, hosts.aws(), hosts.network.vpc.as_str());
    let by_id = target_group(aws, vpc, "by-id", "instance").await;
    let by_address = target_group(aws, vpc, "by-address", "ip").await;
    for port in ["80", "81"] {
        register(aws, &by_id, &format!("{} {port}", hosts.host)).await;
        register(aws, &by_address, &format!("{} {port}", hosts.addresses[0])).await;
    }
    register(aws, &by_id, &format!("{} 80", hosts.neighbour)).await;
    classic_load_balancer(aws, &hosts.network, "old", &[&hosts.host, &hosts.neighbour]).await;
    let before = [targets(aws, &by_id).await, targets(aws, &by_address).await];
    let seen = survey(scene, &hosts.host).await;
    let known = AskBalancers {
        groups: [&by_id, &by_address].map(|text| arn(text)).into(),
        classic: [id::<LoadBalancerName>("old")].into(),
        survey: None,
    };
    // Long enough to be seen.
    let slow = serde_json::json!({"account": scene.account, "draining_scale": 1.0});
    scene.emulator.settings(&slow).await;
    for text in [&by_id, &by_address] {
        let targets = group(&seen, text).registered.clone();
        perform(scene, &Effect::DeregisterTargets { target_group: arn(text), targets }).await;
    }
    let (load_balancer, instance) = (id::<LoadBalancerName>("old"), id(&hosts.host));
    let effect = Effect::DeregisterInstance { load_balancer, instance };
    perform(scene, &effect).await;
    attempt(scene, &effect).await.expect("not to be registered is what was asked for");
    assert_eq!(targets(aws, &by_id).await, [format!("{} 80", hosts.neighbour)].into());
    assert_eq!(instances_of(aws, "old").await, [hosts.neighbour.clone()].into());
    scene.proxy.clear();
    let after = look(scene, &hosts.host, known.clone()).await;
    let after = after.value().unwrap_or_else(|| panic!("{after:?}"));
    for text in [&by_id, &by_address] {
        let (found, was) = (group(after, text), group(&seen, text));
        assert_eq!((&found.registered, &found.draining), (&BTreeSet::new(), &was.registered), "accepted, and draining");
    }
    assert!(!after.whole && !after.classic[&id::<LoadBalancerName>("old")].unwrap().registered);
    assert_eq!(scene.count("DescribeTargetGroups"), 0, "those that are known are asked for alone");

    // An instance may return at once; an address only when it has drained.
    let give_back = |text: &str| Effect::RegisterTargets {
        target_group: arn(text),
        targets: group(&seen, text).registered.clone(),
    };
    perform(scene, &give_back(&by_id)).await;
    let refused = attempt(scene, &give_back(&by_address)).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_str()), (ErrorClass::Invalid, "InvalidTarget"));
    scene.emulator.settings(&serde_json::json!({"account": scene.account, "draining_scale": 0.0})).await;
    let (load_balancer, instance) = (id::<LoadBalancerName>("old"), id(&hosts.host));
    perform(scene, &Effect::RegisterInstance { load_balancer, instance }).await;
    assert_eq!(targets(aws, &by_id).await, before[0]);
    assert_eq!(instances_of(aws, "old").await.len(), 2);

    // What is gone is shown as gone.
    elb(aws, "DeleteTargetGroup", &[("TargetGroupArn", &by_id)]).await;
    let gone = look(scene, &hosts.host, known).await;
    assert_eq!(gone.value().unwrap().groups[&arn(&by_id)], None);
    let late = attempt(scene, &give_back(&by_id)).await.unwrap_err();
    assert_eq!((late.class, late.code.as_str()), (ErrorClass::Conflict, "TargetGroupNotFound"));
}

#[tokio::test]
async fn one_survey_serves_all_until_it_is_too_old() {
    let hosts = Hosts::new().await;
    let (scene, aws, vpc) = (&hosts.scene, hosts.aws(), hosts.network.vpc.as_str());
    let mut groups = Vec::new();
    for n in 0..6 {
        groups.push(target_group(aws, vpc, &format!("group-{n}"), "instance").await);
    }
    register(aws, &groups[0], &format!("{} 80", hosts.host)).await;
    register(aws, &groups[1], &format!("{} 80", hosts.neighbour)).await;
    let ask = |survey| AskBalancers { survey, ..AskBalancers::default() };
    let (one, other) = tokio::join!(look(scene, &hosts.host, ask(KEPT)), look(scene, &hosts.neighbour, ask(KEPT)));
    assert_eq!((scene.count("DescribeTargetGroups"), scene.count("DescribeLoadBalancers")), (1, 1), "made once");
    assert!(group(one.value().unwrap(), &groups[0]).registered.len() == 1);
    assert!(group(other.value().unwrap(), &groups[1]).registered.len() == 1);
    scene.proxy.clear();
    // It says where to look; how it stands there is asked anew.
    register(aws, &groups[0], &format!("{} 81", hosts.host)).await;
    let again = look(scene, &hosts.host, ask(KEPT)).await;
    assert_eq!(group(again.value().unwrap(), &groups[0]).registered.len(), 2);
    assert_eq!((scene.count("DescribeTargetGroups"), scene.count("DescribeTargetHealth")), (0, 1));
    // Where nothing older will do, it is made anew.
    register(aws, &groups[2], &format!("{} 80", hosts.host)).await;
    let anew = look(scene, &hosts.host, ask(Some(fresh()))).await;
    assert_eq!(anew.value().unwrap().groups.len(), 2);
    assert_eq!((scene.count("DescribeTargetGroups"), scene.count("DescribeTargetHealth")), (1, 7));
}

#[tokio::test]
async fn an_address_of_another_network_is_the_hosts_only_where_nobody_else_has_it() {
    let hosts = Hosts::new().await;
    let (scene, aws) = (&hosts.scene, hosts.aws());
    // A network of the same range, as hubs have them: its group knows the host by an address alone.
    let hub = Network::new(aws).await;
    let far = target_group(aws, &hub.vpc, "far", "ip").await;
    let [ours, shared, ..] = hosts.addresses.as_slice() else { panic!("{:?}", hosts.addresses) };
    for address in [ours, shared] {
        register(aws, &far, &format!("{address} 80 all")).await;
    }
    let interface = [
        ("SubnetId", hub.subnet.as_str()),
        ("PrivateIpAddress", shared.as_str()),
        ("SecurityGroupId.1", hub.web.as_str()),
    ];
    tag(&ok(aws.ec2("CreateNetworkInterface", &interface).await), "networkInterfaceId");
    let seen = survey(scene, &hosts.host).await;
    let found = group(&seen, &far);
    assert_eq!(found.registered.iter().map(|target| target.id.as_str()).collect::<Vec<_>>(), [ours.as_str()]);
    assert_eq!(found.unclear, [shared.clone()].into());
}

#[tokio::test]
async fn a_denied_read_names_what_is_missing_and_leaves_the_rest_standing() {
    let hosts = Hosts::new().await;
    let scene = &hosts.scene;
    target_group(hosts.aws(), &hosts.network.vpc, "web", "instance").await;
    scene.proxy.rule(When::operation("DescribeTargetHealth"), Fault::Unauthorized);
    let ask = AskQuarantine {
        balancers: Some(AskBalancers { survey: Some(fresh()), ..AskBalancers::default() }),
        ..crate::scene::ask(&hosts.host)
    };
    let seen = scene.aws.observe_quarantine(&scene.place, &ask).await;
    let failure = seen.balancers.failure().unwrap();
    assert_eq!(failure.reason, Reason::PermissionMissing);
    assert!(failure.message.contains("elasticloadbalancing:DescribeTargetHealth"), "{}", failure.message);
    assert!(seen.interfaces.value().is_some() && seen.instance.value().is_some());
}
