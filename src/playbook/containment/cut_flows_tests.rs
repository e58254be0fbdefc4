//! Given what was seen of a closed host, expect the paths that can still carry its traffic, and the switch of each.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::api::credentials::MetadataService;
use crate::api::ids::{InstanceId, LoadBalancerName, TargetGroupArn};
use crate::api::quarantine::{PublicAddress, Pulse};
use crate::cloud::error::ErrorClass;
use crate::playbook::QuarantineSeen;
use crate::playbook::attribute::{Attribute, Value};
use crate::playbook::balancers::{Balancers, ClassicLoadBalancer, TargetGroup};
use crate::playbook::credentials::MetadataOptions;
use crate::playbook::project;
use crate::playbook::sample::{self, Bench};
use crate::playbook::seen::ReadFailure;
use crate::playbook::step::State;

const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/0123456789abcdef";

fn closed(pulse: Pulse) -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(2, 1));
    bench.spec.isolation.pulse = pulse;
    bench.settle();
    bench
}

/// Path, and what closes it.
fn told(bench: &Bench<Quarantine>) -> BTreeMap<String, String> {
    let turn = bench.step(NAME);
    let parts = turn.parts.into_iter().map(|part| {
        let (_, closed_by) = part.message.split_once("; closed by ").unwrap();
        (part.name, closed_by.to_owned())
    });
    parts.collect()
}

fn paths(bench: &Bench<Quarantine>) -> Vec<String> {
    bench.step(NAME).parts.into_iter().map(|part| part.name).collect()
}

#[test]
fn what_no_group_filters_is_always_told_and_nothing_is_called_cut() {
    let mut bench = closed(Pulse::Auto);
    assert_eq!(paths(&bench), ["ICMP", "DNS"], "the pulse ended what was tracked");
    let Some(State::Unknown(refusal)) = bench.state(NAME) else { panic!("{:?}", bench.state(NAME)) };
    assert_eq!(refusal.reason, Reason::FlowLogsNotRead);
    assert!(refusal.message.starts_with("2 paths"), "{}", refusal.message);
    let before = project::Before { conditions: &[], generation: 1, now: bench.now };
    let conditions = project::conditions(&bench.plan(), &BTreeMap::new(), &before);
    let told = conditions.iter().find(|condition| condition.type_ == NAME).unwrap();
    assert_eq!((told.status.as_str(), told.reason.as_str()), ("Unknown", "FlowLogsNotRead"));
    assert!(bench.verdict().ready, "nothing that is declared is left undone: {:?}", bench.verdict());
    assert!(!bench.turn(), "a report is written nowhere");

    bench.spec.level = Level::Released;
    bench.settle();
    bench.approvals.push(sample::yes(&bench.record, crate::api::approval::Action::Release));
    bench.see_out();
    assert!(bench.record.released, "{:?}", bench.verdict());
}

#[test]
fn nothing_is_told_before_the_host_is_closed() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.refusals.insert("ModifyNetworkInterfaceAttribute", ErrorClass::Denied);
    for _ in 0..4 {
        bench.turn();
    }
    let step = bench.plan().steps.into_iter().find(|step| step.name == NAME).unwrap();
    assert!(matches!(&step.state, Some(State::Working(refusal)) if refusal.reason == Reason::Waiting), "{step:?}");
    assert!(step.parts.is_empty());
    assert_eq!(bench.verdict().reason, Reason::PermissionMissing, "{:?}", bench.verdict());
}

#[test]
fn connections_that_were_tracked_are_told_where_no_pulse_ended_them() {
    let eni = |n| sample::interface(n).to_string();
    let bench = closed(Pulse::Never);
    assert_eq!(told(&bench)[&eni(0)], "spec.isolation.pulse: Auto");
    assert!(told(&bench).contains_key(&eni(1)));

    let mut bench = Bench::quarantine(Level::Isolated, sample::world(2, 1));
    bench.spec.isolation.pulse = Pulse::Auto;
    let reached = &mut bench.world.interfaces.get_mut(&sample::interface(1)).unwrap().interface;
    (reached.public_ips, reached.ipv6) = (vec!["198.51.100.7".to_owned()], vec!["2001:db8::7".to_owned()]);
    reached.automatic = Some("198.51.100.7".to_owned());
    bench.spec.isolation.public_address = PublicAddress::Leave;
    bench.settle();
    let found = told(&bench);
    assert!(!found.contains_key(&eni(0)), "it was pulsed: {found:?}");
    assert!(found[&eni(1)].starts_with("CreateNetworkAclEntry"), "no pulse while it has a public address: {found:?}");
    assert_eq!(found["198.51.100.7"], "spec.isolation.publicAddress: Remove");
    assert_eq!(found["2001:db8::7"], "UnassignIpv6Addresses");

    // AWS refused the opening: that is no pulse.
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.spec.isolation.pulse = Pulse::Auto;
    bench.settle();
    bench.record.given_up.insert(format!("Isolated/{}", eni(0)), "Refused".to_owned());
    assert!(told(&bench).contains_key(&eni(0)));

    // It is begun, and AWS has not answered: nobody knows whether it was opened.
    bench.record.given_up.clear();
    assert!(!told(&bench).contains_key(&eni(0)));
    let opening = bench.record.operations.values().find(|made| made.effect.opens()).unwrap().clone();
    let id = crate::playbook::record::OperationId("op".to_owned());
    let opening = crate::playbook::record::Operation { outcome: None, ..opening };
    bench.record.operations.insert(id, opening);
    assert!(told(&bench).contains_key(&eni(0)));

    // Groups that let everything through both ways track nothing.
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.spec.isolation.pulse = Pulse::Auto;
    bench.world.groups.get_mut(&sample::group(0)).unwrap().rules = super::super::pulse::everything();
    bench.settle();
    assert!(bench.record.pulsed.is_empty() && !told(&bench).contains_key(&eni(0)), "{:?}", told(&bench));
}

#[test]
fn the_metadata_service_is_told_while_it_answers() {
    let mut bench = closed(Pulse::Auto);
    let name = "metadata service";
    let options = |enabled, pending| Some(MetadataOptions { enabled, pending, others: BTreeMap::new() });
    for (declared, options, expected) in [
        (MetadataService::Disable, None, None),
        (MetadataService::Disable, options(false, false), None),
        (MetadataService::Disable, options(false, true), Some("CredentialsCut, which switches it off")),
        (MetadataService::Leave, options(true, false), Some("spec.isolation.metadataService: Disable")),
    ] {
        bench.spec.isolation.metadata_service = declared;
        bench.world.instances.get_mut(&sample::instance_id()).unwrap().instance.metadata = options;
        assert_eq!(told(&bench).get(name).map(String::as_str), expected);
    }
}

#[test]
fn what_stands_around_the_host_is_told_as_it_was_seen() {
    let mut bench = closed(Pulse::Auto);
    let ways = &mut bench.world.ways;
    let core = "arn:aws:networkmanager::111122223333:core-network/core-network-1";
    let routes = ["nat-1", "eigw-1", "tgw-1", "vpce-1", "i-00000009", "eni-00000009", "vgw-1", "pcx-1", core];
    ways.routes = Ok(routes.map(ToOwned::to_owned).into());
    ways.endpoints = Ok(BTreeMap::from([("vpce-2".to_owned(), "com.amazonaws.eu-west-1.ssm".to_owned())]));
    ways.serial_console = Ok(true);
    let other = InstanceId::parse("i-00000002").unwrap();
    ways.shared_volumes = Ok(BTreeMap::from([(sample::volume(0), BTreeSet::from([other]))]));
    let found = told(&bench);
    assert!(found["nat-1"].contains("which neighbours do not feel"), "{found:?}");
    for gateway in routes.into_iter().filter(|id| *id != "nat-1") {
        assert!(found[gateway].starts_with("CreateNetworkAclEntry in the network ACL of its subnet"), "{found:?}");
    }
    assert!(found["interface endpoints"].starts_with("ModifyVpcEndpoint"));
    assert!(found["serial console"].starts_with("DisableSerialConsoleAccess"));
    assert!(found[sample::volume(0).as_str()].starts_with("DetachVolume"));
    let lines: Vec<String> = bench.step(NAME).parts.into_iter().map(|part| part.message).collect();
    for word in ["a NAT instance", "a virtual private gateway", "a core network", "a VPC peering connection"] {
        assert!(lines.iter().any(|line| line.contains(word)), "{word}: {lines:?}");
    }
    assert!(lines.iter().any(|line| line.contains("vpce-2 (com.amazonaws.eu-west-1.ssm)")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("attached to i-00000002 too")), "{lines:?}");
    assert!(lines.iter().all(|line| line.len() < 480), "a status has no room for more: {lines:?}");
}

#[test]
fn what_could_not_be_read_is_said_and_hides_nothing_else() {
    let mut bench = closed(Pulse::Auto);
    let message = || bench_message(&bench);
    assert!(!message().contains("serial console"), "{}", message());
    bench.lens = |seen: &mut QuarantineSeen| {
        let message = "grant ec2:DescribeVolumes".to_owned();
        seen.ways = Read::Failed(ReadFailure { reason: Reason::PermissionMissing, message });
    };
    assert!(bench_message(&bench).contains("grant ec2:DescribeVolumes"));
    assert_eq!(paths(&bench), ["ICMP", "DNS"]);
    assert!(bench.verdict().ready);
    bench.lens = |seen: &mut QuarantineSeen| seen.ways = Read::NotRead;
    assert!(bench_message(&bench).contains("not read yet"));
    bench.lens = |seen: &mut QuarantineSeen| seen.interfaces = Read::NotRead;
    assert!(matches!(bench.step(NAME).state, State::Working(_)));
}

/// One question that fails takes nothing from the answers to the others.
#[test]
fn each_way_that_could_not_be_read_is_said_beside_those_that_could() {
    let mut bench = closed(Pulse::Auto);
    bench.world.ways.routes = Ok(BTreeSet::from(["nat-1".to_owned()]));
    let message = "grant ec2:DescribeVolumes".to_owned();
    bench.world.ways.shared_volumes = Err(ReadFailure { reason: Reason::PermissionMissing, message });
    assert!(bench_message(&bench).contains("shared volumes not among them: grant ec2:DescribeVolumes"));
    assert!(!bench_message(&bench).contains("routes"), "{}", bench_message(&bench));
    assert_eq!(paths(&bench), ["nat-1", "ICMP", "DNS"]);
}

fn bench_message(bench: &Bench<Quarantine>) -> String {
    match bench.step(NAME).state {
        State::Unknown(refusal) => refusal.message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_load_balancer_is_told_while_it_drains_and_a_network_one_after_that() {
    let mut bench = closed(Pulse::Auto);
    let arn = TargetGroupArn::parse(ARN).unwrap();
    bench.lens = |seen: &mut QuarantineSeen| {
        let draining = BTreeSet::from(["i-00000001 80".parse().unwrap()]);
        let group = TargetGroup { draining, ..TargetGroup::default() };
        let classic = ClassicLoadBalancer { draining: true, ..ClassicLoadBalancer::default() };
        let value = Balancers {
            groups: BTreeMap::from([(TargetGroupArn::parse(ARN).unwrap(), Some(group))]),
            classic: BTreeMap::from([(LoadBalancerName::parse("old").unwrap(), Some(classic))]),
            whole: true,
        };
        seen.balancers = Read::Found { asked_at: sample::at(0), value };
    };
    let found = told(&bench);
    assert!(found[ARN].contains("timeout_seconds") && found["old"].contains("ConnectionDraining"), "{found:?}");

    let had = |bench: &mut Bench<Quarantine>, targets: &[&str]| {
        let value = Value::Set(targets.iter().map(|target| (*target).to_owned()).collect());
        bench.record.baseline.insert(Attribute::Targets(arn.clone()), value);
    };
    for (name, targets, expected) in
        [("net/edge", &["i-00000001 80"][..], true), ("app/edge", &["i-00000001 80"], false), ("net/edge", &[], false)]
    {
        had(&mut bench, targets);
        bench.lens = if name.starts_with("net") { behind_network } else { behind_application };
        assert_eq!(told(&bench).contains_key(ARN), expected, "{name}, {targets:?}");
    }
}

fn behind(seen: &mut QuarantineSeen, name: &str) {
    let group = TargetGroup { load_balancers: vec![name.to_owned()], ..TargetGroup::default() };
    let groups = BTreeMap::from([(TargetGroupArn::parse(ARN).unwrap(), Some(group))]);
    seen.balancers =
        Read::Found { asked_at: sample::at(0), value: Balancers { groups, whole: true, ..Balancers::default() } };
}

fn behind_network(seen: &mut QuarantineSeen) {
    behind(seen, "net/edge");
}

fn behind_application(seen: &mut QuarantineSeen) {
    behind(seen, "app/edge");
}

#[test]
fn pods_are_told_by_tags_and_by_branch_interfaces() {
    let mut bench = closed(Pulse::Auto);
    assert!(!told(&bench).contains_key("pod roles"));
    bench.lens = |seen: &mut QuarantineSeen| {
        let Read::Found { value, .. } = &mut seen.instance else { panic!() };
        value.tags.insert("eks:nodegroup-name".to_owned(), "workers".to_owned());
    };
    assert!(told(&bench)["pod roles"].contains("DeletePodIdentityAssociation"));
    bench.lens = |seen: &mut QuarantineSeen| {
        let Read::Found { value, .. } = &mut seen.interfaces else { panic!() };
        value[1].trunk = Some(sample::interface(0));
    };
    assert!(told(&bench).contains_key("pod roles"));
}
