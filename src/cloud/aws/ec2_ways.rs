//! Ways around the closed groups of a host: routes, endpoints, shared volumes, the serial console. They change seldom, and no
//! decision waits for them, so that one answer serves for a while, and what could not be answered is kept with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::types::builders::FilterBuilder;
use aws_sdk_ec2::types::{Filter, Route, RouteState, RouteTable, Volume, VpcEndpointType};
use tokio::task::JoinHandle;

use super::calls::Question;
use super::errors::Fault;
use super::sessions::Session;
use super::words::{id, text};
use crate::api::ids::{InstanceId, SubnetId, VolumeId};
use crate::clock::now;
use crate::playbook::Time;
use crate::playbook::seen::{Instance, Interface, Read, ReadFailure};
use crate::playbook::ways::{Asked, Ways};

const ROUTES: Question = ("DescribeRouteTables", "ec2:DescribeRouteTables");
const ENDPOINTS: Question = ("DescribeVpcEndpoints", "ec2:DescribeVpcEndpoints");
const VOLUMES: Question = ("DescribeVolumes", "ec2:DescribeVolumes");
const CONSOLE: Question = ("GetSerialConsoleAccessStatus", "ec2:GetSerialConsoleAccessStatus");

/// Longest id or name of a service.
const NAME: usize = 128;

/// Prefixes of what leads out of a network but for internet gateways: NAT, transit, virtual private, egress-only internet, local
/// and carrier gateways, endpoints, peerings, instances and interfaces, core networks.
const BEYOND: [&str; 11] = ["nat-", "tgw-", "vgw-", "eigw-", "lgw-", "cagw-", "vpce-", "pcx-", "i-", "eni-", "arn:"];

/// What failed is asked again so many times as often: a permission may be granted, and a throttle ends.
const SOONER: i64 = 5;

/// Answers that nobody asks for any more are dropped after so many times the time that one serves.
const DROPPED: i64 = 4;

/// The last answer about a host, and the task that asks anew.
#[derive(Debug, Default)]
struct Known {
    last: Option<(Time, Ways)>,
    asking: Option<JoinHandle<()>>,
}

/// The last answers of a session, by host.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<HashMap<InstanceId, Known>>);

impl Kept {
    fn put(&self, instance: &InstanceId, asked_at: Time, ways: Ways) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entry(instance.clone()).or_default().last = Some((asked_at, ways));
    }

    /// The last answer, whatever its age; `renew` makes the task where it is old and none is under way.
    fn last(
        &self,
        instance: &InstanceId,
        keep_seconds: u32,
        renew: impl FnOnce() -> JoinHandle<()>,
    ) -> Option<(Time, Ways)> {
        let (now, keep) = (now().as_second(), i64::from(keep_seconds));
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|of, known| {
            let recent = |(asked_at, _): &(Time, Ways)| now - asked_at.as_second() <= keep.saturating_mul(DROPPED);
            of == instance || known.last.as_ref().is_none_or(recent)
        });
        let known = kept.get_mut(instance)?;
        let (asked_at, ways) = known.last.clone()?;
        let serves = if ways.failures().next().is_some() { keep / SOONER } else { keep };
        let idle = known.asking.as_ref().is_none_or(JoinHandle::is_finished);
        if idle && now - asked_at.as_second() >= serves {
            known.asking = Some(renew());
        }
        Some((asked_at, ways))
    }
}

/// What there is around a host; not read where it is not asked for, or where the host could not be read. Only the first answer
/// is waited for: what comes next renews it beside the looks, so that no repair waits for it.
pub(super) async fn look(
    session: &Arc<Session>,
    ask: Option<u32>,
    instance: &Read<Instance>,
    interfaces: &Read<Vec<Interface>>,
) -> Read<Ways> {
    let (Some(keep_seconds), Some(instance), Some(interfaces)) = (ask, instance.value(), interfaces.value()) else {
        return Read::NotRead;
    };
    let renew = || {
        let (session, instance, interfaces) = (Arc::clone(session), instance.clone(), interfaces.clone());
        tokio::spawn(async move {
            let asked_at = now();
            let ways = ways(&session, &instance, &interfaces).await;
            session.ways.put(&instance.id, asked_at, ways);
        })
    };
    if let Some((asked_at, value)) = session.ways.last(&instance.id, keep_seconds, renew) {
        return Read::Found { asked_at, value };
    }
    let asked_at = now();
    let value = Box::pin(ways(session, instance, interfaces)).await;
    session.ways.put(&instance.id, asked_at, value.clone());
    Read::Found { asked_at, value }
}

async fn ways(session: &Session, instance: &Instance, interfaces: &[Interface]) -> Ways {
    let vpcs: BTreeSet<&str> = interfaces.iter().map(|interface| interface.vpc.as_str()).collect();
    let subnets: BTreeSet<&str> = interfaces.iter().filter_map(|i| i.subnet.as_ref()).map(SubnetId::as_str).collect();
    let volumes = instance.volumes.iter().map(|attached| &attached.volume);
    let (routes, endpoints, shared_volumes, serial_console) = tokio::join!(
        routes(session, &vpcs, &subnets),
        endpoints(session, &vpcs),
        shared(session, &instance.id, volumes.collect()),
        serial_console(session),
    );
    // Where it passes traffic of others on itself, that is no way of its own.
    let own = |id: &String| *id == instance.id.as_str() || interfaces.iter().any(|one| *id == one.id.as_str());
    Ways {
        routes: asked(routes).map(|all| all.into_iter().filter(|id| !own(id)).collect()),
        endpoints: asked(endpoints),
        shared_volumes: asked(shared_volumes),
        serial_console: asked(serial_console),
    }
}

/// What is not there is none.
fn asked<T: Default>(answer: Result<T, Fault>) -> Asked<T> {
    match answer {
        Ok(value) => Ok(value),
        Err(Fault::Absent) => Ok(T::default()),
        Err(Fault::Failed(error)) => Err(ReadFailure { reason: error.reason(), message: error.advice() }),
    }
}

fn filter<'v>(name: &str, values: impl IntoIterator<Item = &'v str>) -> Filter {
    values.into_iter().fold(Filter::builder().name(name), FilterBuilder::values).build()
}

async fn routes(session: &Session, vpcs: &BTreeSet<&str>, subnets: &BTreeSet<&str>) -> Result<BTreeSet<String>, Fault> {
    let of = filter("vpc-id", vpcs.iter().copied());
    let request = session.ec2.describe_route_tables().filters(of).into_paginator().items().send();
    Ok(targets(&session.ask(ROUTES, request.try_collect()).await?, subnets))
}

/// What leads out among the targets of the routes of these subnets: a subnet without a table of its own has the
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
    stands.filter_map(target).filter(|id| BEYOND.iter().any(|prefix| id.starts_with(prefix))).collect()
}

fn target(route: &Route) -> Option<String> {
    let all = [
        route.nat_gateway_id(),
        route.egress_only_internet_gateway_id(),
        route.transit_gateway_id(),
        route.core_network_arn(),
        route.vpc_peering_connection_id(),
        route.local_gateway_id(),
        route.carrier_gateway_id(),
        route.instance_id(),
        route.network_interface_id(),
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
                    to(|r| r.instance_id("i-a").network_interface_id("eni-a")),
                    to(|r| r.gateway_id("vgw-a")),
                    to(|r| r.core_network_arn("arn:aws:networkmanager::111122223333:core-network/a")),
                ],
            ),
            table(Some("subnet-b"), vec![to(|r| r.nat_gateway_id("nat-b"))]),
        ];
        let core = "arn:aws:networkmanager::111122223333:core-network/a";
        let own: BTreeSet<String> =
            ["nat-a", "vpce-a", "tgw-a", "eigw-a", "i-a", "vgw-a", core].map(ToOwned::to_owned).into();
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
