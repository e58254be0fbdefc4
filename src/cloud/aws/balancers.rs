//! The load balancers that have a host. AWS can't be asked by target, so that all of an account and Region are looked at:
//! a survey. It has no host in it, and so all hosts share one; it is made beside the looks, which wait for it a short time
//! only: what holds a host together must not wait for calls that grow with the account. What a survey finds is then looked
//! at anew, unless the survey itself is of this look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

use super::ec2_network;
use super::elb_classic::{self, Classic};
use super::elb_v2::{self, Group, Registered, Standing};
use super::errors::Fault;
use super::sessions::Session;
use super::surroundings::gravest;
use super::words::side_by_side;
use crate::api::ids::{InstanceId, LoadBalancerName, TargetGroupArn};
use crate::clock::now;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::{AskBalancers, Survey};
use crate::playbook::Time;
use crate::playbook::balancers::{Balancers, ClassicLoadBalancer, Health, Target, TargetGroup};
use crate::playbook::seen::Interface;

/// Groups asked at the same time: the whole account has 40 calls and 10 a second (ELB, request throttling).
const AT_ONCE: usize = 4;

/// How long a look waits for a survey.
const PATIENCE: Duration = Duration::from_secs(3);

/// All load balancers of an account and Region, with who is registered.
#[derive(Debug)]
struct Surveyed {
    /// When it was begun.
    asked_at: Time,
    groups: Vec<(Group, Vec<Registered>)>,
    classic: Vec<Classic>,
}

type UnderWay = Shared<BoxFuture<'static, Result<Arc<Surveyed>, Fault>>>;

/// The last survey of a session, and the one that is being made.
#[derive(Debug, Default)]
pub(super) struct Surveys(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last: Option<Arc<Surveyed>>,
    under_way: Option<UnderWay>,
}

impl Surveyed {
    fn serves(&self, wanted: Survey, at: Time) -> bool {
        let age = at.as_second() - self.asked_at.as_second();
        // A call a second is a tenth of what the account has: the others are somebody else's.
        let keep = i64::from(wanted.keep_seconds).max(i64::try_from(self.groups.len()).unwrap_or(i64::MAX));
        age <= keep && wanted.not_before.is_none_or(|least| self.asked_at >= least)
    }
}

/// A survey that serves; none where it is still being made.
async fn survey(session: &Arc<Session>, wanted: Survey) -> Result<Option<Arc<Surveyed>>, Fault> {
    let at = now();
    let under_way = {
        let mut kept = session.surveys.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Ok(done)) = kept.under_way.as_ref().and_then(Shared::peek).cloned() {
            kept.last = Some(done);
        }
        if kept.under_way.as_ref().is_some_and(|making| making.peek().is_some()) {
            kept.under_way = None;
        }
        if let Some(last) = kept.last.as_ref().filter(|last| last.serves(wanted, at)) {
            return Ok(Some(Arc::clone(last)));
        }
        kept.under_way.get_or_insert_with(|| begin(session)).clone()
    };
    match tokio::time::timeout(PATIENCE, under_way).await {
        // It may have been begun for others, before this look could use it: the next one asks anew.
        Ok(made) => made.map(|made| made.serves(wanted, at).then_some(made)),
        Err(_) => Ok(None),
    }
}

/// A task of its own, so that it is made whether or not somebody waits for it.
fn begin(session: &Arc<Session>) -> UnderWay {
    let session = Arc::clone(session);
    let making = tokio::spawn(async move { make(&session).await.map(Arc::new) });
    let made = async move {
        making.await.unwrap_or_else(|_| {
            Err(Fault::Failed(CloudError {
                class: ErrorClass::Unavailable,
                operation: "DescribeTargetHealth".to_owned(),
                code: "NotMade".to_owned(),
                message: String::new(),
                action: None,
            }))
        })
    };
    made.boxed().shared()
}

async fn make(session: &Session) -> Result<Surveyed, Fault> {
    let asked_at = now();
    let groups = async {
        let groups = elb_v2::groups(session).await?;
        let arns: BTreeSet<TargetGroupArn> = groups.iter().map(|group| group.arn.clone()).collect();
        let mut targets = targets_of(session, &arns).await?;
        // One that was deleted between the two questions is left out.
        let still_there = groups.into_iter().filter_map(|group| {
            let targets = targets.remove(&group.arn)??;
            Some((group, targets))
        });
        Ok(still_there.collect())
    };
    let (groups, classic) = both(tokio::join!(groups, elb_classic::all(session)))?;
    Ok(Surveyed { asked_at, groups, classic })
}

/// Both answers, or all that a person must grant for them.
fn both<A, B>((one, other): (Result<A, Fault>, Result<B, Fault>)) -> Result<(A, B), Fault> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (one, other) => Err(gravest([one.err(), other.err()])),
    }
}

/// The targets of groups; none for a group that is not there.
async fn targets_of(
    session: &Session,
    groups: &BTreeSet<TargetGroupArn>,
) -> Result<BTreeMap<TargetGroupArn, Option<Vec<Registered>>>, Fault> {
    let asked = groups.iter().map(|group| elb_v2::targets(session, group)).collect();
    let answers = side_by_side(AT_ONCE, asked).await;
    let mut found = BTreeMap::new();
    for (group, answer) in groups.iter().zip(answers) {
        found.insert(
            group.clone(),
            match answer {
                Err(Fault::Absent) => None,
                other => Some(other?),
            },
        );
    }
    Ok(found)
}

/// What has the host, and what had it; none where the survey that would tell is still being made.
pub(super) async fn look(
    session: &Arc<Session>,
    instance: &InstanceId,
    interfaces: &[Interface],
    ask: &AskBalancers,
    asked_at: Time,
) -> Result<Option<Balancers>, Fault> {
    let surveyed = match ask.survey {
        Some(wanted) => survey(session, wanted).await?,
        None => None,
    };
    if ask.survey.is_some() && surveyed.is_none() && ask.groups.is_empty() && ask.classic.is_empty() {
        return Ok(None);
    }
    let host = Host::new(instance, interfaces);
    let (groups, classic) = both(tokio::join!(
        groups(session, &host, ask, surveyed.as_deref(), asked_at),
        classic(session, instance, ask, surveyed.as_deref(), asked_at),
    ))?;
    Ok(Some(Balancers { groups, classic, whole: surveyed.is_some() }))
}

/// Names by which target groups know the host, each with the network that it is of.
struct Host<'a> {
    instance: &'a InstanceId,
    interfaces: &'a [Interface],
    addresses: BTreeMap<&'a str, &'a str>,
}

impl<'a> Host<'a> {
    fn new(instance: &'a InstanceId, interfaces: &'a [Interface]) -> Self {
        let of = |interface: &'a Interface| {
            let all = interface.private_ips.iter().chain(&interface.ipv6);
            all.map(|address| (address.as_str(), interface.vpc.as_str()))
        };
        Self { instance, interfaces, addresses: interfaces.iter().flat_map(of).collect() }
    }

    fn is_named(&self, target: &Target) -> bool {
        target.id == self.instance.as_str() || self.addresses.contains_key(target.id.as_str())
    }

    /// Whether the name may be another host's: an IPv4 address in a group of another network.
    fn may_be_another(&self, group: &Group, target: &Target) -> bool {
        let of = self.addresses.get(target.id.as_str());
        !target.id.contains(':') && of.is_some_and(|vpc| *vpc != group.vpc)
    }
}

async fn groups(
    session: &Session,
    host: &Host<'_>,
    ask: &AskBalancers,
    surveyed: Option<&Surveyed>,
    asked_at: Time,
) -> Result<BTreeMap<TargetGroupArn, Option<TargetGroup>>, Fault> {
    let found: BTreeMap<&TargetGroupArn, (&Group, &[Registered])> = surveyed
        .into_iter()
        .flat_map(|surveyed| &surveyed.groups)
        .map(|(group, targets)| (&group.arn, (group, targets.as_slice())))
        .collect();
    let has = |targets: &[Registered]| targets.iter().any(|registered| host.is_named(&registered.target));
    let mut wanted: BTreeSet<TargetGroupArn> = ask.groups.clone();
    wanted.extend(found.iter().filter(|(_, (_, targets))| has(targets)).map(|(arn, _)| (*arn).clone()));
    let fresh = surveyed.is_some_and(|surveyed| surveyed.asked_at >= asked_at);
    let targets = if fresh {
        let of = |arn: &TargetGroupArn| (arn.clone(), found.get(arn).map(|(_, targets)| targets.to_vec()));
        wanted.iter().map(of).collect()
    } else {
        targets_of(session, &wanted).await?
    };
    // What is known to be the host's was judged when it was found.
    let doubtful: BTreeSet<&str> = targets
        .iter()
        .filter(|(arn, _)| !ask.groups.contains(*arn))
        .filter_map(|(arn, targets)| Some((found.get(arn)?.0, targets.as_ref()?)))
        .flat_map(|(group, targets)| targets.iter().filter(|known| host.may_be_another(group, &known.target)))
        .map(|known| known.target.id.as_str())
        .collect();
    let taken = ec2_network::addresses_of_others(session, host.interfaces, &doubtful).await?;
    let each = targets.iter().map(|(arn, targets)| {
        let group = found.get(arn).map(|(group, _)| *group);
        let strange = |target: &Target| {
            !ask.groups.contains(arn)
                && group.is_some_and(|group| host.may_be_another(group, target))
                && taken.contains(&target.id)
        };
        (arn.clone(), targets.as_ref().map(|targets| standing(host, group, targets, strange)))
    });
    Ok(each.collect())
}

fn standing(
    host: &Host<'_>,
    group: Option<&Group>,
    targets: &[Registered],
    strange: impl Fn(&Target) -> bool,
) -> TargetGroup {
    let mut seen = TargetGroup {
        load_balancers: group.map(|g| g.load_balancers.clone()).unwrap_or_default(),
        ..TargetGroup::default()
    };
    let mut health = Health::default();
    for Registered { target, state } in targets {
        let named = host.is_named(target);
        let unclear = named && strange(target);
        match (named && !unclear, state) {
            (true, Standing::Draining) => {
                seen.draining.insert(target.clone());
            }
            (true, _) => {
                seen.registered.insert(target.clone());
            }
            (false, _) if unclear => {
                seen.unclear.insert(target.id.clone());
            }
            (false, _) => health.healthy_left += usize::from(*state == Standing::Healthy),
        }
        health.all += usize::from(*state != Standing::Draining);
    }
    TargetGroup { health, ..seen }
}

async fn classic(
    session: &Session,
    instance: &InstanceId,
    ask: &AskBalancers,
    surveyed: Option<&Surveyed>,
    asked_at: Time,
) -> Result<BTreeMap<LoadBalancerName, Option<ClassicLoadBalancer>>, Fault> {
    let found: BTreeMap<&LoadBalancerName, &Classic> =
        surveyed.into_iter().flat_map(|surveyed| &surveyed.classic).map(|found| (&found.name, found)).collect();
    let mut wanted: BTreeSet<LoadBalancerName> = ask.classic.clone();
    let has = |found: &Classic| found.instances.contains(instance.as_str());
    wanted.extend(found.iter().filter(|(_, found)| has(found)).map(|(name, _)| (*name).clone()));
    let fresh = surveyed.is_some_and(|surveyed| surveyed.asked_at >= asked_at);
    let asked = wanted.iter().map(|name| async {
        let balancer = match found.get(name) {
            Some(found) if fresh => (*found).clone(),
            _ => elb_classic::one(session, name).await?,
        };
        elb_classic::standing(session, &balancer, instance).await
    });
    let answers = side_by_side(AT_ONCE, asked.collect()).await;
    let mut all = BTreeMap::new();
    for (name, answer) in wanted.iter().zip(answers) {
        all.insert(
            name.clone(),
            match answer {
                Err(Fault::Absent) => None,
                other => Some(other?),
            },
        );
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_serves_while_it_is_young_and_longer_the_more_it_cost() {
        let at = |second| Time::from_second(second).unwrap();
        let group = |n: u32| Group {
            arn: TargetGroupArn::parse(&format!(
                "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/{n:016x}"
            ))
            .unwrap(),
            vpc: String::new(),
            load_balancers: Vec::new(),
        };
        let table = [
            ("young", 1, 60, None, true),
            ("old", 1, 61, None, false),
            ("old, and it took two hundred calls", 200, 200, None, true),
            ("old, for two hundred calls", 200, 201, None, false),
            ("from before what it has to show", 200, 10, Some(at(1)), false),
            ("as young as it has to be", 1, 10, Some(at(0)), true),
        ];
        for (given, groups, age, not_before, serves) in table {
            let groups = (0..groups).map(|n| (group(n), Vec::new())).collect();
            let surveyed = Surveyed { asked_at: at(0), groups, classic: Vec::new() };
            assert_eq!(surveyed.serves(Survey { keep_seconds: 60, not_before }, at(age)), serves, "{given}");
        }
    }
}
