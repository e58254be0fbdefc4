//! The model of an `EvidenceSnapshot`.

use std::collections::BTreeSet;

use sequester::api::exhibits::Verify;
use sequester::cloud::sim::{Exhibit, World};
use sequester::cloud::{AskCopies, AskDigests, AskEvidence};
use sequester::playbook::copies::standing;
use sequester::playbook::effect::Effect;
use sequester::playbook::record::{Fact, OutcomeKind, Record};
use sequester::playbook::seen::{Key, Lock, Read, Snapshot, SnapshotState};
use sequester::playbook::step::Account;
use sequester::playbook::{EvidenceSeen, EvidenceSnapshot, Time};

use super::kind::{Broken, Judged, Kind, Lies, Rested, changes, name};
use super::mutants::Mutation;
use super::stage;
use super::state::{TICK, W};

impl Kind for EvidenceSnapshot {
    const KIND: &'static str = "EvidenceSnapshot";

    fn look(world: &World, spec: &Self::Spec, account: &Account, record: &Record, asked: Time) -> EvidenceSeen {
        let mut seen = world.see_evidence(&AskEvidence::about(spec, account, record), asked);
        let wanted = AskCopies::about(spec, account, record, &seen);
        seen.copies = wanted.iter().map(|(at, ask)| (at.clone(), world.see_copies(at, ask, asked))).collect();
        seen.digests = world.see_digests(&AskDigests::about(spec, record), asked);
        seen
    }

    /// Of what the older answer does not show, only the first is shown.
    fn mix(mut fresh: EvidenceSeen, old: EvidenceSeen) -> EvidenceSeen {
        if let (Read::Found { value: new, .. }, Some(old)) = (&mut fresh.snapshots, old.snapshots.value()) {
            let mut shown = 0;
            new.retain(|snapshot| {
                let known = old.iter().any(|earlier| earlier.id == snapshot.id);
                shown += usize::from(!known);
                known || shown == 1
            });
        }
        EvidenceSeen { locks: old.locks, permissions: old.permissions, copies: old.copies, ..fresh }
    }

    fn lie(mutation: Mutation, lies: &mut Lies<'_, Self>) {
        let set: Vec<_> = lies.record.set.iter().flat_map(|(_, set)| set.values().cloned()).collect();
        match mutation {
            Mutation::NoWait => lies.limits.settle_seconds = 0,
            Mutation::ShortWait => lies.limits.settle_seconds = 2 * TICK,
            Mutation::OldView => {
                if let Read::Found { asked_at, .. } = &mut lies.seen.snapshots {
                    *asked_at = lies.now;
                }
            }
            Mutation::CopyAtOnce if lies.record.set.is_some() => lies.limits.settle_seconds = 0,
            Mutation::CopyBeforeLock => {
                lies.record.locked.extend(set.iter().map(|id| (id.clone(), None)));
                let forensics = BTreeSet::from([stage::forensics()]);
                lies.record.shared.extend(set.iter().map(|id| (id.clone(), forensics.clone())));
            }
            Mutation::PolicyUnseen => {
                let stands = |of| standing(lies.record, &stage::vault(), of).is_some();
                if !set.is_empty() && set.iter().all(stands) {
                    lies.seen.keys.values_mut().for_each(|read| *read = Read::NotRead);
                }
            }
            Mutation::LookUpByName => {
                let wanted = lies.record.operations.iter().find(|(_, operation)| operation.outcome.is_none());
                let Some((id, _)) = wanted else { return };
                let Read::Found { value, .. } = &mut lies.seen.snapshots else { return };
                *value = lies.world.snapshots.values().map(|exhibit| exhibit.snapshot.clone()).collect();
                for snapshot in value {
                    snapshot.operation = Some(id.0.clone());
                }
            }
            Mutation::AdoptPartial => {
                for operation in lies.record.operations.values_mut().filter(|o| o.outcome.is_none()) {
                    if let Effect::CreateSnapshots { volumes, .. } = &mut operation.effect {
                        volumes.clear();
                    }
                }
            }
            Mutation::ShareBeforeLock => {
                lies.record.locked.extend(set.iter().map(|id| (id.clone(), None)));
                pretend_locked(lies.seen, |snapshot| set.contains(&snapshot.id));
            }
            Mutation::LockLater => pretend_locked(lies.seen, |snapshot| snapshot.state == SnapshotState::Pending),
            Mutation::ShorterLock if !lies.record.locked.is_empty() => {
                lies.account.lock_days = 1;
                if let Read::Found { value, .. } = &mut lies.seen.locks {
                    value.clear();
                }
            }
            Mutation::AnyDestination => {
                lies.account.destinations.insert("forensics".to_owned(), stage::stranger());
            }
            _ => {}
        }
    }

    fn judge(judged: &Judged<'_, Self>) -> Broken {
        takes_again(judged).or_else(|| says_locked(judged))
    }

    fn rest(rested: &Rested<'_, Self>) -> Broken {
        if !rested.ready {
            return None;
        }
        let Some((_, set)) = &rested.record.set else { return Some(name::L1) };
        let kept = || set.values().filter_map(|id| rested.world.snapshots.get(id));
        let whole = || kept().filter(|exhibit| exhibit.snapshot.state == SnapshotState::Completed);
        // What somebody deleted before it was locked, or before it was found, is no part of a preserved set.
        let all = whole().count() == 2;
        if whole().any(|exhibit| exhibit.lock.is_none()) || all && rested.record.preserved_at.is_none() {
            return Some(name::L1);
        }
        let read = |exhibit: &&Exhibit| rested.record.exhibits.digested.contains_key(&exhibit.snapshot.id);
        if rested.spec.verify == Verify::Digest && !whole().all(|exhibit| read(&exhibit)) {
            return Some(name::L1);
        }
        let declared: BTreeSet<String> = rested
            .spec
            .share
            .iter()
            .filter_map(|share| rested.account.destinations.get(&share.account_ref))
            .chain((!rested.spec.copies.is_empty()).then_some(&rested.account.destinations["forensics"]))
            .map(ToString::to_string)
            .collect();
        if !rested.spec.copies.is_empty() && !copies_stand(rested, whole().map(|exhibit| &exhibit.snapshot.id)) {
            return Some(name::L1);
        }
        let wrong = whole().any(|exhibit| exhibit.permissions != declared);
        wrong.then_some(name::S6)
    }
}

/// Each has its copy, complete and locked, the chain says so, and nobody else's key is open to the forensic account.
fn copies_stand<'a>(
    rested: &Rested<'_, EvidenceSnapshot>,
    mut kept: impl Iterator<Item = &'a sequester::api::ids::SnapshotId>,
) -> bool {
    let at = stage::vault();
    let stands = |of| {
        let copy = standing(rested.record, &at, of).and_then(|copy| rested.world.copies.get(&at)?.get(copy));
        copy.is_some_and(|copy| copy.snapshot.state == SnapshotState::Completed && copy.lock.is_some())
    };
    let lent = |key: &Key| key.policy.as_ref().is_some_and(|policy| policy.0.contains(stage::forensics().as_str()));
    let given_back = rested.world.keys.values().all(|key| key.grants.is_empty() && !lent(key));
    kept.all(stands) && given_back && rested.record.preserved_at.is_some()
}

fn pretend_locked(seen: &mut EvidenceSeen, which: impl Fn(&Snapshot) -> bool) {
    let Some(snapshots) = seen.snapshots.value() else { return };
    let ids: Vec<_> = snapshots.iter().filter(|snapshot| which(snapshot)).map(|snapshot| snapshot.id.clone()).collect();
    if let Read::Found { value, .. } = &mut seen.locks {
        let lock = Lock { mode: sequester::api::aws_account::LockMode::Compliance, until: None };
        value.extend(ids.into_iter().map(|id| (id, lock.clone())));
    }
}

/// A set is asked for again only where a look that is late enough shows none of it.
fn takes_again(judged: &Judged<'_, EvidenceSnapshot>) -> Broken {
    let again = changes(judged.plan).any(|effect| matches!(effect, Effect::CreateSnapshots { .. }));
    let asked = judged.seen.snapshots.asked_at().map_or(i64::MIN, Time::as_second);
    let early = judged
        .record
        .operations
        .values()
        .filter(|operation| !operation.effect.is_idempotent())
        .filter(|operation| matches!(operation.outcome, None | Some(OutcomeKind::Unknown)))
        .any(|operation| asked < operation.at.as_second() + W);
    let shown = judged.seen.snapshots.value().is_some_and(|snapshots| !snapshots.is_empty());
    (again && (early || shown)).then_some(name::S21)
}

/// Nothing is called locked that this look does not show locked, and long enough.
fn says_locked(judged: &Judged<'_, EvidenceSnapshot>) -> Broken {
    let locks = judged.seen.locks.value();
    let untrue = judged.plan.facts.iter().any(|fact| match fact {
        Fact::Locked { snapshot, .. } => {
            let copies = judged.seen.copies.values().filter_map(|copies| copies.locks.value());
            !locks.into_iter().chain(copies).any(|locks| locks.contains_key(snapshot))
        }
        _ => false,
    });
    untrue.then_some(name::S5)
}
