//! What to ask AWS about an object, given what its chain says. Pure: the controller and the model ask the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{AskBalancers, AskCopies, AskCredentials, AskDigests, AskEvidence, AskQuarantine, Survey};
use crate::api::approval::Action;
use crate::api::credentials::{InstanceProfile, Sessions};
use crate::api::evidence_snapshot::EvidenceSnapshotSpec;
use crate::api::exhibits::Verify;
use crate::api::ids::{AllocationId, InterfaceId, KeyArn, SecurityGroupId, SnapshotId};
use crate::api::quarantine::{Level, Pulse, QuarantineSpec};
use crate::playbook::attribute::{Attribute, Value};
use crate::playbook::auto_scaling::former_group;
use crate::playbook::copies::{Destination, Kept, destination, is_failed, own, standing};
use crate::playbook::copy_change::CopyChange;
use crate::playbook::credentials::denied_by;
use crate::playbook::effect::Effect;
use crate::playbook::own_groups::GroupRole;
use crate::playbook::preservation::verify_blocks::whole;
use crate::playbook::record::{OperationId, Record};
use crate::playbook::role_policy::policy_name;
use crate::playbook::seen::{KeyManager, Read};
use crate::playbook::step::Account;
use crate::playbook::{EvidenceSeen, group_name};

impl AskQuarantine {
    /// What a Quarantine needs to know now: what takes more calls only while it is still wanted.
    pub fn about(spec: &QuarantineSpec, account: &Account, record: &Record) -> Self {
        let pulses = spec.isolation.pulse == Pulse::Auto && record.contained_at.is_some();
        Self {
            instance: spec.target.instance_id.clone(),
            group_names: [GroupRole::Closed, GroupRole::Open]
                .map(|role| group_name(&account.group_prefix, role))
                .to_vec(),
            tag_prefix: account.tag_prefix.clone(),
            auto_scaling_group: former_group(record).map(ToOwned::to_owned),
            surroundings: record.metadata && !record.surroundings,
            protections: true,
            former_groups: if pulses { unpulsed(record) } else { BTreeSet::new() },
            held: if spec.level == Level::Released { held(record) } else { BTreeSet::new() },
            balancers: AskBalancers::about(spec, account, record),
            credentials: AskCredentials::about(spec, account, record),
            addresses: if spec.level == Level::Released { addresses(record) } else { BTreeSet::new() },
            ways: ways(spec, account, record),
        }
    }
}

/// Looks for which one answer about the ways around a closed host serves: what it takes four more calls for seldom changes.
const LOOKS: u32 = 5;

/// The ways around a host that is closed. The pulse comes first, and with it the description of what is around the host.
fn ways(spec: &QuarantineSpec, account: &Account, record: &Record) -> Option<u32> {
    // Who asks for a release has not got it yet: what is held stays enforced.
    let releasing = spec.level == Level::Released && record.decisions.contains_key(&Action::Release);
    let closed = record.contained_at.is_some() && record.surroundings && !record.released;
    // Nothing stands between an interface that is open and its closing.
    let open = record.operations.values().any(|made| made.effect.opens() && made.outcome.is_none());
    (closed && !open && !releasing).then(|| account.recheck_seconds.saturating_mul(LOOKS))
}

/// Interfaces that were changed and are not given back yet. One that was detached meanwhile keeps its groups (EC2 guide,
/// elastic network interfaces), its addresses and its timeouts, and is not listed with the instance any more.
fn held(record: &Record) -> BTreeSet<InterfaceId> {
    let applied = record.applied.keys().filter(|attribute| !record.given_back.contains_key(*attribute));
    let interfaces = applied.filter_map(|attribute| match attribute {
        Attribute::Groups(interface)
        | Attribute::ElasticAddress(interface, _)
        | Attribute::AutomaticAddress(interface)
        | Attribute::IdleTimeouts(interface) => Some(interface.clone()),
        _ => None,
    });
    interfaces.collect()
}

/// Elastic addresses that were taken and are not given back yet.
fn addresses(record: &Record) -> BTreeSet<AllocationId> {
    let taken = record.applied.keys().filter(|attribute| matches!(attribute, Attribute::ElasticAddress(..)));
    let owed = taken.filter(|attribute| !record.given_back.contains_key(*attribute));
    let values = owed.filter_map(|attribute| record.baseline.get(attribute));
    let ids = values.filter_map(|value| if let Value::Set(ids) = value { Some(ids) } else { None }).flatten();
    ids.filter_map(|id| AllocationId::parse(id).ok()).collect()
}

impl AskBalancers {
    /// Those that the chain knows, and all others as long as the host is to be registered with none. Until it was seen so
    /// once, what is found is what will be given back: then nothing older than the chain will do.
    fn about(spec: &QuarantineSpec, account: &Account, record: &Record) -> Option<Self> {
        let mut ask = Self::default();
        for attribute in record.baseline.keys() {
            match attribute {
                Attribute::Targets(group) => ask.groups.extend([group.clone()]),
                Attribute::ClassicRegistration(balancer) => ask.classic.extend([balancer.clone()]),
                _ => {}
            }
        }
        let described = record.metadata && !record.surroundings;
        // Who asks for a release has not got it yet: what is held stays enforced.
        let held = record.in_force.contains(&Action::Isolate) || record.applied.keys().any(Attribute::is_registration);
        // What a release gives back is known: a balancer that can't be read must not stand in its way.
        let releasing = spec.level == Level::Released && record.decisions.contains_key(&Action::Release);
        if (spec.level.asks_for(Level::Detached) || held || described) && !releasing {
            let not_before = record.opened.filter(|_| record.deregistered_at.is_none());
            ask.survey = Some(Survey { keep_seconds: account.recheck_seconds, not_before });
        }
        (ask != Self::default()).then_some(ask)
    }
}

impl AskCredentials {
    /// The role of the host, as long as it is to be cut off from it, and those that name it, until they do no more. Other
    /// instances only as long as a person may have to hear of them.
    fn about(spec: &QuarantineSpec, account: &Account, record: &Record) -> Option<Self> {
        let declared = spec.isolation.credentials;
        let wanted = declared.sessions != Sessions::Leave || declared.profile == InstanceProfile::Remove;
        // Who asks for a release has not got it yet: what is held stays enforced.
        let held = |attribute: &Attribute| {
            matches!(attribute, Attribute::Sessions(_) | Attribute::InstanceProfile)
                && !record.given_back.contains_key(attribute)
        };
        let held = record.applied.keys().any(held);
        let profile = Attribute::InstanceProfile;
        let revokes = declared.sessions == Sessions::RevokeRole && !record.released;
        let siblings =
            account.required.contains_key(&Action::Isolate) && (revokes || !record.in_force.contains(&Action::Isolate));
        (held || wanted && spec.level == Level::Isolated).then(|| Self {
            policy: policy_name(&account.group_prefix),
            known: denied_by(record).cloned().collect(),
            association: declared.profile == InstanceProfile::Remove || record.applied.contains_key(&profile),
            siblings,
        })
    }
}

/// Groups that interfaces had before, as long as a pulse may still be due on them.
fn unpulsed(record: &Record) -> BTreeSet<SecurityGroupId> {
    let groups = record.baseline.iter().filter_map(|(attribute, value)| match (attribute, value) {
        (Attribute::Groups(interface), Value::Set(groups)) if !record.pulsed.contains(interface) => Some(groups),
        _ => None,
    });
    groups.flatten().filter_map(|group| SecurityGroupId::parse(group).ok()).collect()
}

impl AskEvidence {
    /// What an `EvidenceSnapshot` needs to know now: the host until the set is taken, then the set.
    pub fn about(spec: &EvidenceSnapshotSpec, account: &Account, record: &Record) -> Self {
        let may_leave = |id: &&SnapshotId| record.may_leave(id);
        let failed = |id: &SnapshotId| record.settled.get(id).is_some_and(|state| state.starts_with("error"));
        let set = record.set.iter().flat_map(|(_, set)| set.values());
        let known: BTreeSet<SnapshotId> = set.chain(&record.surplus).filter(|id| !failed(id)).cloned().collect();
        let mut operations: BTreeMap<String, BTreeSet<OperationId>> = BTreeMap::new();
        for (id, operation) in &record.operations {
            // The prefix of the account may be another one by now.
            if let Effect::CreateSnapshots { tag_prefix, .. } = &operation.effect {
                operations.entry(tag_prefix.clone()).or_default().insert(id.clone());
            }
        }
        Self {
            instance: spec.source.instance_id().filter(|_| record.set.is_none()).cloned(),
            adopts: adoptable(spec, record),
            operations,
            permissions: known.iter().chain(transferred(spec, account, record)).filter(may_leave).cloned().collect(),
            tiers: to_archive(spec, record, known.iter()),
            locks: known,
            public_sharing: record.set.is_some(),
            keys: record.set.as_ref().map(|_| spec.key_access),
            owed: owed(record),
        }
    }
}

/// Keys that others were let use, as the chain says.
fn owed(record: &Record) -> BTreeSet<KeyArn> {
    let written = record.applied.keys().filter(|attribute| !record.given_back.contains_key(*attribute));
    let written = written.filter_map(|attribute| match attribute {
        Attribute::KeyPolicy(key) => Some(key),
        _ => None,
    });
    record.grants.keys().chain(written).cloned().collect()
}

impl AskDigests {
    /// Once the whole set has ended, what of it is complete and locked and was not read to its end yet; and of the copies
    /// likewise.
    pub fn about(spec: &EvidenceSnapshotSpec, record: &Record) -> Self {
        let whole = whole(record);
        let set = || record.set.iter().flat_map(|(_, set)| set.values());
        let ended = set().all(|id| record.settled.contains_key(id));
        if spec.verify == Verify::None || !ended {
            return Self::default();
        }
        let exhibits = &record.exhibits;
        let part = |id: &SnapshotId| exhibits.parts.get(id).map(|noted| noted.part.clone());
        let open = |id: &&SnapshotId| !exhibits.has_ended(id);
        let copies = record.copies.keys().map(|at| {
            let stand = whole.iter().filter_map(|of| standing(record, at, of)).filter(open);
            (at.clone(), stand.map(|id| (id.clone(), part(id))).collect())
        });
        let copies = copies.filter(|(_, copies): &(_, BTreeMap<_, _>)| !copies.is_empty()).collect();
        Self { own: whole.iter().copied().filter(open).map(|id| (id.clone(), part(id))).collect(), copies }
    }

    /// Whether a snapshot is to be read, wherever it lies.
    pub fn names(&self, snapshot: &SnapshotId) -> bool {
        self.own.contains_key(snapshot) || self.copies.values().any(|copies| copies.contains_key(snapshot))
    }
}

/// What is to be adopted, until it is.
fn adoptable(spec: &EvidenceSnapshotSpec, record: &Record) -> BTreeSet<SnapshotId> {
    let source = spec.source.snapshots.as_ref().filter(|_| record.set.is_none());
    source.into_iter().flat_map(|source| source.snapshot_ids.iter().cloned()).collect()
}

/// Of these, those that go to the archive tier and are not known to be there.
fn to_archive<'a>(
    spec: &EvidenceSnapshotSpec,
    record: &Record,
    all: impl Iterator<Item = &'a SnapshotId>,
) -> BTreeSet<SnapshotId> {
    let goes = spec.archive_after_days.is_some() && record.keeping.archiving.is_some();
    all.filter(|id| goes && !record.keeping.archived.contains(*id)).cloned().collect()
}

/// Copies in the account and Region of the set.
fn transferred<'a>(
    spec: &EvidenceSnapshotSpec,
    account: &Account,
    record: &'a Record,
) -> impl Iterator<Item = &'a SnapshotId> {
    let own = own(spec, account);
    record.copies.get(&own).into_iter().flat_map(Kept::all)
}

impl AskCopies {
    /// What an `EvidenceSnapshot` needs to know of its copies now, by where they lie, once the set is taken; given what was
    /// seen of the set.
    pub fn about(
        spec: &EvidenceSnapshotSpec,
        account: &Account,
        record: &Record,
        seen: &EvidenceSeen,
    ) -> BTreeMap<Destination, Self> {
        let mut all: BTreeMap<Destination, Self> = BTreeMap::new();
        let Some((_, set)) = &record.set else { return all };
        let failed = |id: &SnapshotId| is_failed(record, id);
        let set: BTreeSet<&SnapshotId> = set.values().filter(|id| !failed(id)).collect();
        let own = own(spec, account);
        let shown = || seen.snapshots.value().into_iter().flatten().filter(|snapshot| set.contains(&snapshot.id));
        let of_aws =
            |key: &KeyArn| seen.keys.get(key).and_then(Read::value).is_some_and(|k| k.manager == KeyManager::Aws);
        let declared =
            spec.copies.iter().filter_map(|copy| Some((destination(spec, account, copy).ok()?, &copy.kms_key_arn)));
        let readers = !spec.share.is_empty() || !spec.copies.is_empty();
        let transfers = readers && shown().any(|snapshot| snapshot.key.as_ref().is_some_and(of_aws));
        let transfer = account.transfer_key.as_ref().filter(|_| transfers).map(|key| (own.clone(), key));
        for (at, key) in declared.chain(transfer) {
            let ask = all.entry(at.clone()).or_default();
            // Once all of them stand, nobody needs a key any more.
            let lacking = |id: &&SnapshotId| standing(record, &at, id).is_none();
            if set.iter().any(&lacking) {
                ask.keys.insert(key.clone());
            }
            let sources = shown().filter(|snapshot| at != own && lacking(&&snapshot.id));
            ask.usable.extend(sources.filter_map(|snapshot| snapshot.key.clone()).filter(|key| !of_aws(key)));
        }
        for (at, kept) in &record.copies {
            let ask = all.entry(at.clone()).or_default();
            ask.known.extend(kept.all().filter(|id| !failed(id)).cloned());
            ask.tiers = to_archive(spec, record, ask.known.iter());
        }
        for (id, operation) in &record.operations {
            if let Effect::Copying(CopyChange::CopySnapshot { destination, tag_prefix, .. }) = &operation.effect {
                let ask = all.entry(destination.clone()).or_default();
                ask.operations.entry(tag_prefix.clone()).or_default().insert(id.clone());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::sample::{self, Bench};

    #[test]
    fn what_was_taken_is_looked_for_by_the_prefix_it_was_taken_with() {
        let mut bench = Bench::evidence(sample::world(1, 2));
        bench.turn();
        bench.account.tag_prefix = "other".to_owned();
        bench.world.complete_snapshots();
        bench.settle();
        let ask = AskEvidence::about(&bench.spec, &bench.account, &bench.record);
        assert_eq!(ask.operations.keys().collect::<Vec<_>>(), ["ops"]);
        assert_eq!((ask.locks.len(), ask.permissions.len(), ask.instance), (2, 2, None));
        assert!(bench.verdict().ready, "{:?}", bench.verdict());
    }

    #[test]
    fn what_is_owed_of_an_interface_is_looked_for_wherever_it_is() {
        let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
        bench.settle();
        let held = |bench: &Bench<_>| AskQuarantine::about(&bench.spec, &bench.account, &bench.record).held;
        bench.spec.level = Level::Released;
        assert_eq!(held(&bench), BTreeSet::from([sample::interface(0)]));
        // Groups that were ours before were not changed, and its timeouts were.
        let applied = bench.record.applied.remove(&Attribute::Groups(sample::interface(0))).unwrap();
        assert_eq!(held(&bench), BTreeSet::new());
        bench.record.applied.insert(Attribute::IdleTimeouts(sample::interface(0)), applied);
        assert_eq!(held(&bench), BTreeSet::from([sample::interface(0)]));
    }

    #[test]
    fn nothing_stands_between_an_open_interface_and_its_closing() {
        let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
        bench.settle();
        let asked = |bench: &Bench<_>| AskQuarantine::about(&bench.spec, &bench.account, &bench.record).ways.is_some();
        assert!(asked(&bench));
        let open = SecurityGroupId::parse("sg-00000009").unwrap();
        let pulse = bench.record.operations.values_mut().next().unwrap();
        pulse.effect = Effect::OpenForPulse { interface: sample::interface(0), open };
        pulse.outcome = None;
        assert!(!asked(&bench));
    }

    #[test]
    fn a_release_asks_for_no_balancer_but_those_that_it_gives_back() {
        let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
        bench.settle();
        let surveyed = |bench: &Bench<_>| {
            let ask = AskQuarantine::about(&bench.spec, &bench.account, &bench.record).balancers;
            ask.is_some_and(|ask| ask.survey.is_some())
        };
        bench.spec.level = Level::Released;
        bench.turn();
        assert!(surveyed(&bench), "until somebody has approved it the host is held");
        bench.approvals = vec![sample::yes(&bench.record, Action::Release)];
        bench.turn();
        assert!(!surveyed(&bench));
    }
}
