//! Ways around the closed groups of a host: routes, endpoints, shared volumes, the serial console. They change seldom, and no
//! decision waits for them, so that one answer serves for a while.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use aws_sdk_ec2::types::builders::FilterBuilder;
use aws_sdk_ec2::types::{Filter, Route, RouteState, RouteTable, Volume, VpcEndpointType};

use super::calls::Question;
use super::errors::Fault;
use super::sessions::Session;
use super::surroundings::gravest;
use super::words::{id, read, text};
use crate::api::ids::{InstanceId, SubnetId, VolumeId};
use crate::clock::now;
use crate::playbook::Time;
use crate::playbook::seen::{Instance, Interface, Read};
use crate::playbook::ways::Ways;

const ROUTES: Question = ("DescribeRouteTables", "ec2:DescribeRouteTables");
const ENDPOINTS: Question = ("DescribeVpcEndpoints", "ec2:DescribeVpcEndpoints");
const VOLUMES: Question = ("DescribeVolumes", "ec2:DescribeVolumes");
const CONSOLE: Question = ("GetSerialConsoleAccessStatus", "ec2:GetSerialConsoleAccessStatus");

/// Longest id or name of a service.
const NAME: usize = 128;

/// Prefixes of what tracks every connection through it (EC2 guide, connection tracking).
const TRACKING: [&str; 4] = ["nat-", "eigw-", "tgw-", "vpce-"];

/// The last answers of a session, by host.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<HashMap<InstanceId, (Time, Ways)>>);

impl Kept {
    fn take(&self, instance: &InstanceId, keep_seconds: u32) -> Option<(Time, Ways)> {
        let oldest = now().as_second() - i64::from(keep_seconds);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (asked_at, _)| asked_at.as_second() > oldest);
        kept.get(instance).cloned()
    }

    fn put(&self, instance: &InstanceId, asked_at: Time, ways: Ways) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(instance.clone(), (asked_at, ways));
    }
}

/// What there is around a host; not read where it is not asked for, or where the host could not be read.
pub(super) async fn look(
    session: &Session,
    ask: Option<u32>,
    instance: &Read<Instance>,
    interfaces: &Read<Vec<Interface>>,
) -> Read<Ways> {
    let (Some(keep_seconds), Some(instance), Some(interfaces)) = (ask, instance.value(), interfaces.value()) else {
        return Read::NotRead;
    };
    if let Some((asked_at, value)) = session.ways.take(&instance.id, keep_seconds) {
        return Read::Found { asked_at, value };
    }
    let asked_at = now();
    let found = Box::pin(ways(session, instance, interfaces)).await;
    if let Ok(ways) = &found {
        session.ways.put(&instance.id, asked_at, ways.clone());
    }
    read(asked_at, found)
}

async fn ways(session: &Session, instance: &Instance, interfaces: &[Interface]) -> Result<Ways, Fault> {
    let vpcs: BTreeSet<&str> = interfaces.iter().map(|interface| interface.vpc.as_str()).collect();
    let subnets: BTreeSet<&str> = interfaces.iter().filter_map(|i| i.subnet.as_ref()).map(SubnetId::as_str).collect();
    let volumes = instance.volumes.iter().map(|attached| &attached.volume);
    let (tracking, endpoints, shared_volumes, serial_console) = tokio::join!(
        tracking(session, &vpcs, &subnets),
        endpoints(session, &vpcs),
        shared(session, &instance.id, volumes.collect()),
        serial_console(session),
    );
    match (tracking, endpoints, shared_volumes, serial_console) {
        (Ok(tracking), Ok(endpoints), Ok(shared_volumes), Ok(serial_console)) => {
            Ok(Ways { tracking, endpoints, shared_volumes, serial_console })
        }
        (one, two, three, four) => Err(gravest([one.err(), two.err(), three.err(), four.err()])),
    }
}

fn filter<'v>(name: &str, values: impl IntoIterator<Item = &'v str>) -> Filter {
    values.into_iter().fold(Filter::builder().name(name), FilterBuilder::values).build()
}

async fn tracking(
    session: &Session,
    vpcs: &BTreeSet<&str>,
    subnets: &BTreeSet<&str>,
) -> Result<BTreeSet<String>, Fault> {
    let of = filter("vpc-id", vpcs.iter().copied());
    let request = session.ec2.describe_route_tables().filters(of).into_paginator().items().send();
    Ok(targets(&session.ask(ROUTES, request.try_collect()).await?, subnets))
}

/// What tracks connections among the targets of the routes of these subnets: a subnet without a table of its own has the
/// main one of its network (VPC guide, route tables).
fn targets(tables: &[RouteTable], subnets: &BTreeSet<&str>) -> BTreeSet<String> {
    let named = |table: &RouteTable| -> BTreeSet<String> {
        table.associations().iter().filter_map(|one| one.subnet_id()).map(ToOwned::to_owned).collect()
    };
    let associated: BTreeSet<String> = tables.iter().flat_map(named).collect();
    let on_main = subnets.iter().any(|subnet| !associated.contains(*subnet));
    let applies = |table: &&RouteTable| {
        let main = table.associations().iter().any(|one| one.main() == Some(true));
        named(table).iter().any(|subnet| subnets.contains(subnet.as_str())) || main && on_main
    };
    let routes = tables.iter().filter(applies).flat_map(RouteTable::routes);
    let stands = routes.filter(|route| route.state() != Some(&RouteState::Blackhole));
    stands.filter_map(target).filter(|id| TRACKING.iter().any(|prefix| id.starts_with(prefix))).collect()
}

fn target(route: &Route) -> Option<String> {
    let all = [
        route.nat_gateway_id(),
        route.egress_only_internet_gateway_id(),
        route.transit_gateway_id(),
        route.gateway_id(),
    ];
    all.into_iter().flatten().find(|id| !id.is_empty()).map(|id| text(Some(id), NAME))
}

async fn endpoints(session: &Session, vpcs: &BTreeSet<&str>) -> Result<BTreeMap<String, String>, Fault> {
    let of = filter("vpc-id", vpcs.iter().copied());
    let request = session.ec2.describe_vpc_endpoints().filters(of).into_paginator().items().send();
    let all = session.ask(ENDPOINTS, request.try_collect()).await?;
    let interfaces = all.iter().filter(|endpoint| endpoint.vpc_endpoint_type() == Some(&VpcEndpointType::Interface));
    let named = interfaces.map(|one| (text(one.vpc_endpoint_id(), NAME), text(one.service_name(), NAME)));
    Ok(named.collect())
}

async fn shared(
    session: &Session,
    instance: &InstanceId,
    volumes: BTreeSet<&VolumeId>,
) -> Result<BTreeMap<VolumeId, BTreeSet<InstanceId>>, Fault> {
    if volumes.is_empty() {
        return Ok(BTreeMap::new());
    }
    // By filter, since one that is gone must not hide the others.
    let of = filter("volume-id", volumes.iter().map(|volume| volume.as_str()));
    let request = session.ec2.describe_volumes().filters(of).into_paginator().items().send();
    let all = session.ask(VOLUMES, request.try_collect()).await?;
    Ok(all.iter().filter_map(|volume| elsewhere(volume, instance)).collect())
}

/// Other instances that a volume is attached to.
fn elsewhere(volume: &Volume, instance: &InstanceId) -> Option<(VolumeId, BTreeSet<InstanceId>)> {
    let attached = volume.attachments().iter().filter_map(|attached| id::<InstanceId>(attached.instance_id()));
    let others: BTreeSet<InstanceId> = attached.filter(|other| other != instance).collect();
    Some((id(volume.volume_id())?, others)).filter(|(_, others)| !others.is_empty())
}

async fn serial_console(session: &Session) -> Result<bool, Fault> {
    let answer = session.ask(CONSOLE, session.ec2.get_serial_console_access_status().send()).await?;
    Ok(answer.serial_console_access_enabled() == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::{RouteTableAssociation, VolumeAttachment};

    fn table(subnet: Option<&str>, routes: Vec<Route>) -> RouteTable {
        let of = RouteTableAssociation::builder().main(subnet.is_none()).set_subnet_id(subnet.map(ToOwned::to_owned));
        RouteTable::builder().associations(of.build()).set_routes(Some(routes)).build()
    }

    fn to(
        set: impl Fn(aws_sdk_ec2::types::builders::RouteBuilder) -> aws_sdk_ec2::types::builders::RouteBuilder,
    ) -> Route {
        set(Route::builder().state(RouteState::Active)).build()
    }

    #[test]
    fn a_subnet_has_its_own_routes_or_the_main_ones() {
        let tables = [
            table(None, vec![to(|r| r.nat_gateway_id("nat-main")), to(|r| r.gateway_id("local"))]),
            table(
                Some("subnet-a"),
                vec![
                    to(|r| r.nat_gateway_id("nat-a")),
                    to(|r| r.nat_gateway_id("nat-gone").state(RouteState::Blackhole)),
                    to(|r| r.gateway_id("igw-a")),
                    to(|r| r.gateway_id("vpce-a")),
                    to(|r| r.transit_gateway_id("tgw-a")),
                    to(|r| r.egress_only_internet_gateway_id("eigw-a")),
                ],
            ),
            table(Some("subnet-b"), vec![to(|r| r.nat_gateway_id("nat-b"))]),
        ];
        let own: BTreeSet<String> = ["nat-a", "vpce-a", "tgw-a", "eigw-a"].map(ToOwned::to_owned).into();
        assert_eq!(targets(&tables, &BTreeSet::from(["subnet-a"])), own);
        assert_eq!(targets(&tables, &BTreeSet::from(["subnet-c"])), BTreeSet::from(["nat-main".to_owned()]));
        assert_eq!(targets(&tables, &BTreeSet::from(["subnet-b", "subnet-c"])).len(), 2);
    }

    #[test]
    fn a_volume_is_shared_where_another_instance_has_it() {
        let host: InstanceId = "i-0123456789abcdef0".parse().unwrap();
        let volume = |instances: &[&str]| {
            let to = |instance: &&str| VolumeAttachment::builder().instance_id(*instance).build();
            let attached = instances.iter().map(to).collect();
            Volume::builder().volume_id("vol-0123456789abcdef0").set_attachments(Some(attached)).build()
        };
        assert_eq!(elsewhere(&volume(&[host.as_str()]), &host), None);
        let (_, others) = elsewhere(&volume(&[host.as_str(), "i-0123456789abcdef1"]), &host).unwrap();
        assert_eq!(others.iter().map(InstanceId::as_str).collect::<Vec<_>>(), ["i-0123456789abcdef1"]);
    }
}
