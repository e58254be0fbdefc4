//! Ways around the closed groups of a host: what is there is seen, and not asked for at every look.

use crate::scene::{Scene, ask};
use crate::support::aws::{Aws, ok, tag};
use crate::support::proxy::{Fault, When};
use crate::support::wait::until;
use crate::support::world::{Network, run_instance};
use sequester::api::conditions::Reason;
use sequester::cloud::{AskQuarantine, Cloud};
use sequester::playbook::seen::Read;
use sequester::playbook::ways::Ways;
use std::collections::BTreeMap;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(1);

const CALLS: [&str; 4] =
    ["DescribeRouteTables", "DescribeVpcEndpoints", "DescribeVolumes", "GetSerialConsoleAccessStatus"];

/// The subnet goes out by a NAT gateway, and its network has an endpoint: their ids.
async fn ways_out(aws: &Aws, network: &Network) -> (String, String) {
    let of = [("SubnetId", network.subnet.as_str()), ("ConnectivityType", "private")];
    let nat = tag(&ok(aws.ec2("CreateNatGateway", &of).await), "natGatewayId").to_owned();
    let table = ok(aws.ec2("CreateRouteTable", &[("VpcId", &network.vpc)]).await);
    let table = tag(&table, "routeTableId").to_owned();
    ok(aws.ec2("AssociateRouteTable", &[("RouteTableId", &table), ("SubnetId", &network.subnet)]).await);
    let route =
        [("RouteTableId", table.as_str()), ("DestinationCidrBlock", "0.0.0.0/0"), ("NatGatewayId", nat.as_str())];
    ok(aws.ec2("CreateRoute", &route).await);
    let endpoint = [
        ("VpcId", network.vpc.as_str()),
        ("VpcEndpointType", "Interface"),
        ("ServiceName", "com.amazonaws.eu-west-1.ssm"),
        ("SubnetId.1", network.subnet.as_str()),
    ];
    let endpoint = ok(aws.ec2("CreateVpcEndpoint", &endpoint).await);
    (nat, tag(&endpoint, "vpcEndpointId").to_owned())
}

fn asked(scene: &Scene) -> Vec<usize> {
    let calls = scene.proxy.calls();
    CALLS.iter().map(|name| calls.iter().filter(|call| call.operation == *name).count()).collect()
}

#[tokio::test]
async fn routes_endpoints_and_the_serial_console_are_seen_and_kept_for_a_while() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let look = async |ways| {
        let ask = AskQuarantine { ways, ..ask(&instance) };
        scene.aws.observe_quarantine(&scene.place, &ask).await.ways
    };
    assert_eq!(look(None).await, Read::NotRead);
    assert_eq!(asked(&scene), [0; 4], "nothing of it is on the way to containment");
    let Read::Found { asked_at, value } = look(Some(600)).await else { panic!("nothing found") };
    assert_eq!(value, Ways::NONE);

    let (nat, endpoint) = ways_out(&scene.admin, &network).await;
    ok(scene.admin.ec2("EnableSerialConsoleAccess", &[]).await);
    assert_eq!(look(Some(600)).await, Read::Found { asked_at, value: value.clone() }, "as it was asked before");
    assert_eq!(asked(&scene), [1; 4]);
    // One that is old is renewed beside the looks, none of which waits for it.
    assert_eq!(look(Some(0)).await, Read::Found { asked_at, value });
    let value = until("renewed answer", LIMIT, || async {
        match look(Some(600)).await {
            Read::Found { asked_at: at, value } if at > asked_at => Ok(value),
            other => Err(format!("{other:?}")),
        }
    });
    let value = value.await;
    assert_eq!(asked(&scene), [2; 4], "once, however often it is looked at meanwhile");
    assert_eq!((value.serial_console, value.shared_volumes), (Ok(true), Ok(BTreeMap::new())));
    assert_eq!(value.routes.unwrap().into_iter().collect::<Vec<_>>(), [nat]);
    let endpoints: Vec<_> = value.endpoints.unwrap().into_iter().collect();
    assert_eq!(endpoints, [(endpoint, "com.amazonaws.eu-west-1.ssm".to_owned())]);
}

#[tokio::test]
async fn what_can_t_be_read_spoils_nothing_else_and_is_kept_for_a_while_too() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let ask = AskQuarantine { ways: Some(600), ..ask(&instance) };
    scene.proxy.rule(When::operation("DescribeVpcEndpoints").once(), Fault::Unauthorized);
    let seen = scene.aws.observe_quarantine(&scene.place, &ask).await;
    let Read::Found { value, .. } = &seen.ways else { panic!("{:?}", seen.ways) };
    let failure = value.endpoints.as_ref().unwrap_err();
    assert_eq!(failure.reason, Reason::PermissionMissing);
    assert!(value.routes.is_ok() && value.shared_volumes.is_ok() && value.serial_console.is_ok(), "{value:?}");
    assert!(failure.message.contains("ec2:DescribeVpcEndpoints"), "{}", failure.message);
    assert!(seen.interfaces.value().is_some() && seen.instance.value().is_some());
    let again = scene.aws.observe_quarantine(&scene.place, &ask).await;
    assert_eq!((again.ways, asked(&scene)), (seen.ways, vec![1; 4]), "who refuses is not asked at every look");
}
