//! The model of a Quarantine.

use std::collections::BTreeSet;

use sequester::api::approval::Action;
use sequester::api::quarantine::Level;
use sequester::cloud::AskQuarantine;
use sequester::cloud::sim::World;
use sequester::playbook::attribute::{Attribute, Value};
use sequester::playbook::auto_scaling::{AutoScaling, membership_value, size_value};
use sequester::playbook::balancers;
use sequester::playbook::effect::Effect;
use sequester::playbook::own_groups::{GroupRole, group_key};
use sequester::playbook::record::Record;
use sequester::playbook::seen::{Read, SecurityGroup};
use sequester::playbook::step::Account;
use sequester::playbook::{Quarantine, QuarantineSeen, Time};

use super::kind::{Broken, Judged, Kind, Lies, Rested, changes, name};
use super::mutants::Mutation;
use super::stage;
use super::state::W;

impl Kind for Quarantine {
    const KIND: &'static str = "Quarantine";

    fn level(spec: &Self::Spec) -> Option<Level> {
        Some(spec.level)
    }

    fn look(world: &World, spec: &Self::Spec, account: &Account, record: &Record, asked: Time) -> QuarantineSeen {
        world.see_quarantine(&AskQuarantine::about(spec, account, record), asked)
    }

    /// The host is shown as it is, the groups as they were.
    fn mix(fresh: QuarantineSeen, old: QuarantineSeen) -> QuarantineSeen {
        QuarantineSeen { groups: old.groups, former_groups: old.former_groups, ..fresh }
    }

    fn lie(mutation: Mutation, lies: &mut Lies<'_, Self>) {
        let groups: Vec<SecurityGroup> = lies.seen.groups.value().cloned().unwrap_or_default();
        let closed = groups.iter().find(|group| group.name == "baseline-a").map(|group| group.id.clone());
        match mutation {
            Mutation::NotFoundIsGone | Mutation::ReleaseAtOnce => lies.limits.settle_seconds = 0,
            Mutation::ReleaseBlindly if lies.record.decisions.contains_key(&Action::Release) => {
                let Read::Found { value, .. } = &mut lies.seen.interfaces else { return };
                for interface in value {
                    interface.groups.extend(closed.clone());
                    interface.groups.retain(|group| Some(group) == closed.as_ref());
                }
            }
            Mutation::RulesUnseen => {
                let Read::Found { value, .. } = &mut lies.seen.groups else { return };
                value.iter_mut().filter(|group| group.name == "baseline-a").for_each(|group| group.rules.clear());
            }
            Mutation::DriftUnseen if lies.record.contained_at.is_some() => {
                let Read::Found { value, .. } = &mut lies.seen.interfaces else { return };
                for interface in value {
                    interface.groups = closed.clone().into_iter().collect();
                }
            }
            Mutation::PulseInPublic => {
                let Read::Found { value, .. } = &mut lies.seen.interfaces else { return };
                for interface in value {
                    interface.public_ips.clear();
                }
            }
            Mutation::RegistrationsUnseen if lies.record.deregistered_at.is_some() => {
                let Read::Found { value, .. } = &mut lies.seen.balancers else { return };
                value.groups.values_mut().flatten().for_each(|group| group.registered.clear());
                value.classic.values_mut().flatten().for_each(|balancer| balancer.registered = false);
            }
            Mutation::PulseTwice => lies.record.pulsed.clear(),
            Mutation::ForgetsReplacement if lies.record.decisions.contains_key(&Action::Release) => {
                lies.record.replaced = None;
            }
            Mutation::NoGate => lies.account.required.clear(),
            _ => {}
        }
    }

    fn judge(judged: &Judged<'_, Self>) -> Broken {
        found_open(judged).or_else(|| pulses(judged)).or_else(|| gives_back(judged)).or_else(|| makes_anew(judged))
    }

    /// What stands on an attribute that AWS has shown to be ours, and is not ours, is somebody else's.
    fn owes(world: &World, began_with: &Record, record: &Record) -> bool {
        let open = world.group_named(&stage::vpc(), "baseline-b").map(|group| group.id.clone());
        let Some(ours) = began_with.group(&stage::vpc(), GroupRole::Closed) else { return false };
        world.groups.contains_key(ours)
            && world.ports(&stage::instance()).into_iter().any(|interface| {
                let attribute = Attribute::Groups(interface.id.clone());
                let value = Value::Set(interface.groups.iter().map(ToString::to_string).collect());
                let is_ours = began_with.applied.get(&attribute).is_none_or(|applied| applied.value == value)
                    || interface.groups == BTreeSet::from([ours.clone()])
                    || interface.groups == open.iter().cloned().collect();
                let said = record.drift.get(&attribute).is_some_and(|drift| drift.foreign.contains(&value));
                began_with.verified.contains(&attribute) && !is_ours && !said
            })
    }

    fn rest(rested: &Rested<'_, Self>) -> Broken {
        if rested.record.released {
            return given_back(rested).or_else(|| as_large(rested));
        }
        if !rested.ready && rested.awaiting.is_none() {
            return None;
        }
        let host = &rested.world.instances[&stage::instance()];
        if host.instance.volumes.iter().any(|volume| volume.delete_on_termination) {
            return Some(name::S14);
        }
        let level = level(rested.spec.level, rested.awaiting, rested.record);
        if level.asks_for(Level::Detached) && is_registered(rested.world) {
            return Some(name::S14);
        }
        match level {
            Level::Isolated => closed(rested),
            // The place in the group is another one's.
            Level::Detached if rested.world.member(&stage::instance()).is_some() => Some(name::S14),
            _ => None,
        }
    }
}

/// What is to be enforced: who waits before a gate keeps what was there before it.
fn level(declared: Level, awaiting: Option<Action>, record: &Record) -> Level {
    match awaiting {
        Some(Action::Release) if isolates(record) => Level::Isolated,
        Some(Action::Release)
            if record.applied.keys().any(|of| *of == Attribute::AutoScalingGroup || of.is_registration()) =>
        {
            Level::Detached
        }
        Some(_) => Level::Protected,
        None => declared,
    }
}

fn isolates(record: &Record) -> bool {
    record.applied.keys().any(|attribute| matches!(attribute, Attribute::Groups(_)))
        || record.operations.values().any(|operation| operation.step == "Isolated")
}

fn is_registered(world: &World) -> bool {
    let by_id = |group: &sequester::cloud::sim::Registrations| {
        group.registered.keys().any(|target| target.id == stage::instance().as_str())
    };
    world.target_groups.values().any(by_id)
        || world.classic_load_balancers.values().any(|instances| instances.contains(&stage::instance()))
}

fn named<'a>(judged: &'a Judged<'_, Quarantine>, name: &str) -> Option<&'a SecurityGroup> {
    judged.seen.groups.value()?.iter().find(|group| group.name == name)
}

/// An interface that the pulse left open is closed before anything else.
fn found_open(judged: &Judged<'_, Quarantine>) -> Broken {
    let (Some(open), Some(closed)) = (named(judged, "baseline-b"), named(judged, "baseline-a")) else { return None };
    let level = level(judged.spec.level, judged.plan.awaiting, judged.record);
    if level != Level::Isolated || judged.plan.refused.is_some() {
        return None;
    }
    let left_open = judged.seen.interfaces.value()?.iter().filter(|i| i.groups == BTreeSet::from([open.id.clone()]));
    let firsts: Vec<&Effect> = judged.plan.tracks.iter().filter_map(|track| track.stages.first()).flatten().collect();
    let is_closed_first = |id: &_| {
        firsts.iter().any(|effect| {
            matches!(effect, Effect::ReplaceSecurityGroups { interface, groups }
                if interface == id && *groups == BTreeSet::from([closed.id.clone()]))
        })
    };
    left_open.map(|interface| &interface.id).any(|id| !is_closed_first(id)).then_some(name::S13)
}

/// The pulse opens what is seen closed and without a public address, once.
fn pulses(judged: &Judged<'_, Quarantine>) -> Broken {
    let closed = named(judged, "baseline-a").map(|group| BTreeSet::from([group.id.clone()]));
    let mut openings = changes(judged.plan).filter_map(|effect| match effect {
        Effect::OpenForPulse { interface, .. } => Some(interface),
        _ => None,
    });
    let interfaces = judged.seen.interfaces.value();
    let wrong = |id: &_| {
        let seen = interfaces.and_then(|all| all.iter().find(|interface| interface.id == *id));
        judged.record.pulsed.contains(id)
            || judged.record.contained_at.is_none()
            || seen.is_none_or(|interface| interface.has_public_address() || Some(&interface.groups) != closed.as_ref())
    };
    openings.any(wrong).then_some(name::S13)
}

/// What is given back had our value in this look, and gets the baseline.
fn gives_back(judged: &Judged<'_, Quarantine>) -> Broken {
    if level(judged.spec.level, judged.plan.awaiting, judged.record) != Level::Released {
        return None;
    }
    let open = named(judged, "baseline-b").map(|group| Value::Set(BTreeSet::from([group.id.to_string()])));
    let wrong = |(attribute, value): (Attribute, Value)| {
        let ours = judged.record.applied.get(&attribute).map(|applied| &applied.value);
        let seen = current(judged.seen, &attribute);
        // The capacity is not set by us but by the host that comes back, which is one more.
        let one_more = matches!(attribute, Attribute::DesiredCapacity(_))
            && seen == judged.record.baseline.get(&attribute).and_then(number).map(|size| size_value(size + 1));
        let is_ours = seen.is_some() && (seen.as_ref() == ours || seen == open || one_more);
        !is_ours || judged.record.baseline.get(&attribute) != Some(&value)
    };
    let twice = judged.record.released && changes(judged.plan).next().is_some();
    (twice || changes(judged.plan).filter_map(Effect::sets).any(wrong)).then_some(name::S15)
}

fn current(seen: &QuarantineSeen, attribute: &Attribute) -> Option<Value> {
    match attribute {
        Attribute::Groups(id) => {
            let interface = seen.interfaces.value()?.iter().find(|interface| interface.id == *id)?;
            Some(Value::Set(interface.groups.iter().map(ToString::to_string).collect()))
        }
        Attribute::DeleteOnTermination(id) => {
            let volumes = &seen.instance.value()?.volumes;
            Some(Value::Flag(volumes.iter().find(|volume| volume.volume == *id)?.delete_on_termination))
        }
        Attribute::Targets(arn) => {
            let group = seen.balancers.value()?.groups.get(arn)?.as_ref()?;
            Some(balancers::as_value(&group.registered))
        }
        Attribute::ClassicRegistration(name) => {
            Some(Value::Flag(seen.balancers.value()?.classic.get(name)?.as_ref()?.registered))
        }
        Attribute::TerminationProtection => Some(Value::Flag(seen.protections.value()?.termination)),
        Attribute::StopProtection => Some(Value::Flag(seen.protections.value()?.stop)),
        Attribute::ShutdownBehavior => Some(Value::shutdown(seen.protections.value()?.shutdown)),
        _ => of_group(seen.auto_scaling.value()?, attribute),
    }
}

fn of_group(seen: &AutoScaling, attribute: &Attribute) -> Option<Value> {
    let (member, group) = (seen.membership.as_ref(), seen.group.as_ref());
    match attribute {
        Attribute::AutoScalingGroup => Some(membership_value(member.map(|member| member.group.as_str()))),
        Attribute::LifecycleState => Some(Value::Text(member?.lifecycle_state.clone())),
        Attribute::ScaleInProtection => Some(Value::Flag(member?.protected_from_scale_in)),
        Attribute::MinSize(_) => Some(size_value(group?.minimum)),
        Attribute::DesiredCapacity(_) => Some(size_value(group?.desired)),
        _ => None,
    }
}

/// A group that was made is made again only where a look that is late enough does not show it.
fn makes_anew(judged: &Judged<'_, Quarantine>) -> Broken {
    let asked = judged.seen.groups.asked_at().map_or(i64::MIN, Time::as_second);
    let early = |effect: &Effect| {
        let Effect::CreateSecurityGroup { vpc, role, .. } = effect else { return false };
        judged.record.groups.contains_key(&group_key(vpc, *role))
            && judged.record.operations.values().any(|operation| {
                operation.effect == *effect && operation.outcome.is_some() && asked < operation.at.as_second() + W
            })
    };
    changes(judged.plan).any(early).then_some(name::S21)
}

fn closed(rested: &Rested<'_, Quarantine>) -> Broken {
    let Some(closed) = rested.world.group_named(&stage::vpc(), "baseline-a") else { return Some(name::S14) };
    let all = rested.world.ports(&stage::instance());
    let shut = closed.rules.is_empty() && all.iter().all(|i| i.groups == BTreeSet::from([closed.id.clone()]));
    (!shut).then_some(name::S14)
}

fn number(value: &Value) -> Option<i32> {
    match value {
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// A group is as large as it was, or somebody else changed it, which is said.
fn as_large(rested: &Rested<'_, Quarantine>) -> Broken {
    let sizes = rested.record.baseline.iter().filter(|(of, _)| matches!(of, Attribute::DesiredCapacity(_)));
    let differs = |(of, before): (&Attribute, &Value)| {
        let left = rested.record.given_back.get(of).is_some_and(Option::is_some);
        rested.world.value(&stage::instance(), of).as_ref() != Some(before) && !left
    };
    let fleet = rested.world.fleets.values().any(|fleet| fleet.others + 1 != fleet.desired);
    (sizes.into_iter().any(differs) || fleet).then_some(name::CAPACITY)
}

/// Each attribute that we set has its baseline, or was left because it was not ours any more, and says so.
fn given_back(rested: &Rested<'_, Quarantine>) -> Broken {
    let open = rested.world.group_named(&stage::vpc(), "baseline-b");
    let open = open.map(|group| Value::Set(BTreeSet::from([group.id.to_string()])));
    let wrong = rested.record.applied.iter().any(|(attribute, applied)| {
        let value = rested.world.value(&stage::instance(), attribute);
        let baseline = rested.record.baseline.get(attribute);
        // What was set last is either ours or what was given back.
        let ours = |value: &Value| match attribute {
            Attribute::Groups(_) => {
                let group = rested.record.group(&stage::vpc(), GroupRole::Closed);
                let closed = group.map(|id| Value::Set(BTreeSet::from([id.to_string()])));
                Some(value) == closed.as_ref() || Some(value) == open.as_ref()
            }
            _ => *value == applied.value && Some(value) != baseline,
        };
        value.as_ref() != baseline && value.as_ref().is_none_or(ours)
    });
    wrong.then_some(name::S15)
}
