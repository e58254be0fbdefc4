//! Copies of evidence: where they lie, what the chain says of them, and what is seen there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Time;
use super::copy_change::{Copy, CopyChange};
use super::effect::Effect;
use super::evidence::EvidenceSnapshot;
use super::record::Record;
use super::seen::{Key, KeyManager, Lock, Read, ReadFailure, Snapshot};
use super::step::{Account, Jurisdiction, Refusal, View};
use super::tiers::Tier;
use crate::api::conditions::Reason;
use crate::api::copies::CopyTo;
use crate::api::evidence_snapshot::EvidenceSnapshotSpec;
use crate::api::exhibits::Verify;
use crate::api::ids::{AccountId, KeyArn, RegionName, SnapshotId};

/// Copies to one destination Region that AWS makes at a time (EBS guide, quotas).
pub const AT_ONCE: usize = 20;

/// Where copies lie. Written as `444455556666/eu-west-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Destination {
    /// The account that owns them.
    pub account: AccountId,
    /// The Region.
    pub region: RegionName,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.to_string()
    }
}

/// A text that names no destination.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no destination: an account and a Region are expected, such as 444455556666/eu-west-1")]
pub struct NoDestination(String);

impl FromStr for Destination {
    type Err = NoDestination;

    fn from_str(text: &str) -> Result<Self, NoDestination> {
        let parse = || {
            let (account, region) = text.split_once('/')?;
            Some(Self { account: AccountId::parse(account).ok()?, region: RegionName::parse(region).ok()? })
        };
        parse().ok_or_else(|| NoDestination(text.chars().take(128).collect()))
    }
}

impl TryFrom<String> for Destination {
    type Error = NoDestination;

    fn try_from(text: String) -> Result<Self, NoDestination> {
        text.parse()
    }
}

/// What the chain says of the copies at one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kept {
    /// The canonical copy of each snapshot of the set.
    pub made: BTreeMap<SnapshotId, SnapshotId>,
    /// Copies that failed and were made anew, by what they were to be copies of.
    pub failed: BTreeMap<SnapshotId, BTreeSet<SnapshotId>>,
    /// Copies beyond the canonical ones.
    pub surplus: BTreeSet<SnapshotId>,
}

impl Kept {
    /// All of them that may stand.
    pub fn all(&self) -> impl Iterator<Item = &SnapshotId> {
        self.made.values().chain(&self.surplus)
    }

    /// Whether it is known, whatever became of it.
    pub fn knows(&self, copy: &SnapshotId) -> bool {
        self.all().chain(self.failed.values().flatten()).any(|known| known == copy)
    }
}

impl Record {
    /// A copy came into being: it is the canonical one, unless one stands that has not failed.
    pub(super) fn take_copy(&mut self, copy: &Copy) {
        let kept = self.copies.entry(copy.destination.clone()).or_default();
        match kept.made.get(&copy.of).cloned() {
            Some(standing) if standing == copy.id => return,
            Some(standing) if !self.settled.get(&standing).is_some_and(|state| state.starts_with("error")) => {
                kept.surplus.insert(copy.id.clone());
                return;
            }
            Some(standing) => {
                kept.failed.entry(copy.of.clone()).or_default().insert(standing);
            }
            None => {}
        }
        kept.made.insert(copy.of.clone(), copy.id.clone());
    }
}

/// What is seen at one destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CopiesSeen {
    /// Why nobody may look there, where that is so.
    pub refused: Option<ReadFailure>,
    /// Snapshots born with the operation id of an intent of ours, and those that are known.
    pub snapshots: Read<Vec<Snapshot>>,
    /// Locks on them.
    pub locks: Read<BTreeMap<SnapshotId, Lock>>,
    /// In which tier they are, of those that are to be archived.
    pub tiers: BTreeMap<SnapshotId, Read<Tier>>,
    /// The keys of the copies that are still to be made.
    pub keys: BTreeMap<KeyArn, Read<Key>>,
    /// Whether that account may use the keys of the source.
    pub usable: BTreeMap<KeyArn, Read<bool>>,
    /// Copies of other objects that are on their way there.
    pub others: usize,
}

impl CopiesSeen {
    /// Nothing was asked.
    pub const fn nothing() -> Self {
        Self {
            refused: None,
            snapshots: Read::NotRead,
            locks: Read::NotRead,
            tiers: BTreeMap::new(),
            keys: BTreeMap::new(),
            usable: BTreeMap::new(),
            others: 0,
        }
    }

    /// Nobody may look.
    pub fn refused(refusal: Refusal) -> Self {
        let Refusal { reason, message } = refusal;
        Self { refused: Some(ReadFailure { reason, message }), ..Self::nothing() }
    }
}

/// Where the set lies. The account's first Region stands for one that the API server does not let be missing.
pub fn own(spec: &EvidenceSnapshotSpec, account: &Account) -> Destination {
    let region = spec.source.region().or(account.regions.first()).cloned().unwrap_or_else(RegionName::none);
    Destination { account: account.id.clone(), region }
}

/// Where a declared copy goes, if the account lets it. The account of the destination reads the snapshot where it is, so
/// that the jurisdiction must hold both Regions.
pub fn destination(spec: &EvidenceSnapshotSpec, account: &Account, copy: &CopyTo) -> Result<Destination, Refusal> {
    let name = &copy.account_ref;
    let (source, region) = (spec.source.account_ref(), &own(spec, account).region);
    let not_allowed = |what: String| {
        Err(Refusal::new(
            Reason::DestinationNotAllowed,
            format!(
                "spec.copies names {name} in {}, and spec.evidence.destinations of AwsAccount {} does not list {what}; add it \
                 there, or take the copy out of spec.copies",
                copy.region, source
            ),
        ))
    };
    let Some(Jurisdiction { account: owner, regions, .. }) = account.allowed.get(name) else {
        return not_allowed(name.clone());
    };
    if !regions.contains(&copy.region) {
        return not_allowed(format!("{name} with Region {}", copy.region));
    }
    if !regions.contains(region) {
        return not_allowed(format!("{name} with Region {region}, where the snapshot is and is read from"));
    }
    let key = &copy.kms_key_arn;
    if key.account() != owner.as_str() || key.region() != copy.region.as_str() {
        return Err(Refusal::new(
            Reason::KeyUnusable,
            format!(
                "spec.copies.kmsKeyArn {key} is not a key of account {owner} in {}, where the copy for {name} lies: name one",
                copy.region
            ),
        ));
    }
    Ok(Destination { account: owner.clone(), region: copy.region.clone() })
}

/// Where the declared copies go that the account allows.
pub fn destinations<'a>(view: &View<'a, EvidenceSnapshot>) -> BTreeMap<Destination, &'a CopyTo> {
    let allowed = |copy: &'a CopyTo| Some((destination(view.spec, view.account, copy).ok()?, copy));
    view.spec.copies.iter().filter_map(allowed).collect()
}

/// Accounts that are to read the snapshots: those that are declared, and those that copy them.
pub fn readers(view: &View<'_, EvidenceSnapshot>) -> BTreeSet<AccountId> {
    let shared = view.spec.share.iter().filter_map(|share| view.account.destinations.get(&share.account_ref).cloned());
    shared.chain(destinations(view).into_keys().map(|destination| destination.account)).collect()
}

/// Accounts that are declared to read the snapshots, and that the account of the host does not list (any more).
pub fn not_allowed<'a>(view: &View<'a, EvidenceSnapshot>) -> Vec<&'a str> {
    let names = view.spec.share.iter().map(|share| share.account_ref.as_str());
    names.filter(|name| !view.account.destinations.contains_key(*name)).collect()
}

/// Where what can't be shared is copied first: in its own account and Region, under the transfer key.
pub fn transfer_to(view: &View<'_, EvidenceSnapshot>) -> Option<Destination> {
    let own = own(view.spec, view.account);
    let key = view.account.transfer_key.as_ref()?;
    (key.region() == own.region.as_str()).then_some(own)
}

/// Snapshots of the set under the default aws/ebs key, where somebody is to read them and there is a transfer key.
pub fn transfers(view: &View<'_, EvidenceSnapshot>) -> BTreeSet<SnapshotId> {
    let Some(own) = transfer_to(view).filter(|_| !readers(view).is_empty()) else { return BTreeSet::new() };
    let begun = view.record.copies.get(&own).map(|kept| kept.made.keys().cloned()).into_iter().flatten();
    let is_default =
        |key: &KeyArn| view.seen.keys.get(key).and_then(Read::value).is_some_and(|key| key.manager == KeyManager::Aws);
    let set: BTreeSet<&SnapshotId> = view.record.set.iter().flat_map(|(_, set)| set.values()).collect();
    let shown = view.seen.snapshots.value().into_iter().flatten().filter(|snapshot| set.contains(&snapshot.id));
    let under = shown.filter(|snapshot| snapshot.key.as_ref().is_some_and(is_default));
    begun.chain(under.map(|snapshot| snapshot.id.clone())).collect()
}

/// Copies that AWS may still be making for one object, by where they are to lie: requests without an outcome, by the
/// operation, and copies that have not reached their end.
pub fn in_flight(record: &Record) -> BTreeMap<Destination, BTreeSet<String>> {
    let mut all: BTreeMap<Destination, BTreeSet<String>> = BTreeMap::new();
    for (id, operation) in record.operations.iter().filter(|(_, operation)| operation.outcome.is_none()) {
        if let Effect::Copying(CopyChange::CopySnapshot { destination, .. }) = &operation.effect {
            all.entry(destination.clone()).or_default().insert(id.0.clone());
        }
    }
    for (at, kept) in &record.copies {
        let pending = kept.all().filter(|copy| !record.settled.contains_key(*copy)).map(ToString::to_string);
        all.entry(at.clone()).or_default().extend(pending);
    }
    all.retain(|_, slots| !slots.is_empty());
    all
}

/// What stands, wherever it is: what is safe whatever becomes of the account of the source.
pub fn safe(record: &Record, now: Time) -> Option<String> {
    let set: Vec<&SnapshotId> = record.set.iter().flat_map(|(_, set)| set.values()).collect();
    let told = record.copies.keys().map(|at| {
        let copies: Vec<_> = set.iter().filter_map(|of| standing(record, at, of)).collect();
        let over = copies.iter().filter(|copy| lock_over(record, copy, now).is_some()).count();
        let more = if over > 0 { format!(" ({over} whose lock has ended)") } else { String::new() };
        format!("{} of {} in {at}{more}", copies.len() - over, set.len())
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| format!("copies complete and locked: {}", told.join(", ")))
}

/// Whether a snapshot failed for good.
pub fn is_failed(record: &Record, snapshot: &SnapshotId) -> bool {
    record.settled.get(snapshot).is_some_and(|state| state.starts_with("error"))
}

/// When the lock of a snapshot ended, where its day has come: it protects nothing any more.
pub fn lock_over(record: &Record, snapshot: &SnapshotId, now: Time) -> Option<Time> {
    record.locked.get(snapshot).copied().flatten().filter(|ends| *ends <= now)
}

/// The copy of a snapshot at a destination that is complete and was locked, as the chain says.
pub fn standing<'a>(record: &'a Record, at: &Destination, of: &SnapshotId) -> Option<&'a SnapshotId> {
    let copy = record.copies.get(at)?.made.get(of)?;
    let whole = record.settled.get(copy).is_some_and(|state| state == "completed") && record.locked.contains_key(copy);
    whole.then_some(copy)
}

/// Whether an account needs the key of a snapshot: for as long as it has no copy of its own, or where none is declared.
pub fn needs_key(view: &View<'_, EvidenceSnapshot>, account: &AccountId, of: &SnapshotId) -> bool {
    let mut copies = destinations(view).into_keys().filter(|destination| destination.account == *account).peekable();
    copies.peek().is_none() || copies.any(|destination| !is_done(view, &destination, of))
}

/// Whether nothing of the source is needed any more for a copy. Where its bytes are compared with the source's, that comes
/// first.
fn is_done(view: &View<'_, EvidenceSnapshot>, at: &Destination, of: &SnapshotId) -> bool {
    let Some(copy) = standing(view.record, at, of) else { return false };
    view.spec.verify == Verify::None || view.record.exhibits.agree(of, copy)
}

#[cfg(test)]
#[path = "copies_tests.rs"]
mod tests;
