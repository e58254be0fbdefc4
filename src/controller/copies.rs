//! Where copies are made: the AwsAccount of a destination, found and checked before anything is asked or changed there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use futures::future::join_all;

use super::accounts::access;
use super::context::Context;
use crate::api::AwsAccount;
use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::EvidenceSnapshotSpec;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::{AskCopies, Cloud, Place};
use crate::playbook::EvidenceSeen;
use crate::playbook::copies::{AT_ONCE, CopiesSeen, Destination, in_flight};
use crate::playbook::copy_change::CopyChange;
use crate::playbook::effect::Effect;
use crate::playbook::executor::Send as Sending;
use crate::playbook::record::{OperationId, Record};
use crate::playbook::step::{Account, Refusal};

/// What is on its way to a destination: requests without an outcome, and copies that AWS still makes.
type Slots = BTreeMap<Destination, BTreeSet<String>>;

/// Copies on their way, by the uid of the object that asked for them: AWS makes so many to a Region at a time, whoever
/// asks.
#[derive(Debug, Default)]
pub struct OnTheirWay(Mutex<HashMap<String, Slots>>);

impl OnTheirWay {
    fn change<T>(&self, change: impl FnOnce(&mut HashMap<String, Slots>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the chain of an object says; nothing once it is gone.
    pub fn note(&self, uid: &str, record: Option<&Record>) {
        let slots = record.map(in_flight).unwrap_or_default();
        self.change(|all| if slots.is_empty() { all.remove(uid) } else { all.insert(uid.to_owned(), slots) });
    }

    /// Those of other objects.
    pub fn of_others(&self, uid: &str, at: &Destination) -> usize {
        self.change(|all| {
            let others = all.iter().filter(|(other, _)| *other != uid).filter_map(|(_, slots)| slots.get(at));
            others.map(BTreeSet::len).sum()
        })
    }

    /// Takes a place for a request, unless it has one. Objects are decided on side by side, so that each may have seen room
    /// for the same one.
    pub fn begin(&self, uid: &str, at: &Destination, operation: &OperationId) -> bool {
        self.change(|all| {
            let taken: usize = all.values().filter_map(|slots| slots.get(at)).map(BTreeSet::len).sum();
            let own = all.entry(uid.to_owned()).or_default().entry(at.clone()).or_default();
            own.contains(&operation.0) || taken < AT_ONCE && own.insert(operation.0.clone())
        })
    }
}

impl<C: Cloud> Context<C> {
    /// The place of a destination, for what is kept of a host elsewhere: only what the host's AwsAccount lists, and only
    /// where STS says that we are in the account that is meant.
    pub async fn destination(&self, own: &Place, at: &Destination) -> Result<Place, Refusal> {
        if at.account == own.access.account && at.region == own.region {
            return Ok(own.clone());
        }
        let name = &own.access.account_ref;
        let unread = |name: &str, error| {
            Refusal::new(Reason::NotObserved, format!("AwsAccount {name} could not be read ({error}); tried again"))
        };
        let source = self.account(name).await.map_err(|error| unread(name, error))?;
        let listed = source.iter().flat_map(|source| &source.spec.evidence.destinations);
        for destination in listed.filter(|destination| destination.regions.contains(&at.region)) {
            let name = &destination.account_ref;
            let account = self.account(name).await.map_err(|error| unread(name, error))?;
            if let Some(account) = account.filter(|account| account.spec.account_id == at.account) {
                return self.checked(own, &account, at).await;
            }
        }
        Err(Refusal::new(
            Reason::DestinationNotAllowed,
            format!(
                "AwsAccount {name} lists no AwsAccount of {} with Region {} in spec.evidence.destinations (any more): nothing \
                 is done there, and the locks of copies there are not renewed",
                at.account, at.region
            ),
        ))
    }

    async fn checked(&self, own: &Place, account: &AwsAccount, at: &Destination) -> Result<Place, Refusal> {
        let access = access(account);
        if access.partition != own.access.partition {
            let other = format!("AwsAccount {} is in another AWS partition than the source", access.account_ref);
            return Err(Refusal::new(Reason::DestinationNotAllowed, other));
        }
        if !account.spec.allows_region(&at.region) {
            return Err(Refusal::new(
                Reason::RegionNotAllowed,
                format!(
                    "AwsAccount {} does not list Region {}; add it to spec.regions there",
                    access.account_ref, at.region
                ),
            ));
        }
        self.principal(&access).await?;
        Ok(Place { access, region: at.region.clone() })
    }

    /// The place of a change, which goes no farther where that is refused.
    pub async fn place_of(&self, uid: &str, own: &Place, sending: &Sending<Effect>) -> Result<Place, CloudError> {
        let effect = &sending.order.change;
        let Some(at) = effect.destination() else { return Ok(own.clone()) };
        let not_sent = |class, code: &str, message: String| CloudError {
            class,
            operation: effect.operation().to_owned(),
            code: code.to_owned(),
            message,
            action: None,
        };
        let place = self.destination(own, at).await.map_err(|refusal| {
            let class = if refusal.reason == Reason::NotObserved || refusal.reason.is_of_the_moment() {
                ErrorClass::Unavailable
            } else {
                ErrorClass::Invalid
            };
            not_sent(class, refusal.reason.as_str(), refusal.message)
        })?;
        let copies = matches!(effect, Effect::Copying(CopyChange::CopySnapshot { .. }));
        let operation = sending.order.id.as_ref().filter(|_| copies);
        if operation.is_some_and(|operation| !self.copying.begin(uid, at, operation)) {
            let full = format!("{AT_ONCE} copies to {at} are on their way");
            return Err(not_sent(ErrorClass::Throttled, "CopiesInFlight", full));
        }
        Ok(place)
    }

    /// Looks at copies wherever they lie.
    pub async fn observe_copies(
        &self,
        uid: &str,
        own: &Place,
        spec: &EvidenceSnapshotSpec,
        account: &Account,
        record: &Record,
        seen: &EvidenceSeen,
    ) -> BTreeMap<Destination, CopiesSeen> {
        let asked = AskCopies::about(spec, account, record, seen);
        let looks = asked.into_iter().map(async |(at, ask)| {
            let seen = match self.destination(own, &at).await {
                Ok(place) => {
                    let source = (at.account != own.access.account).then_some(&own.region);
                    self.cloud.observe_copies(&place, &ask, source).await
                }
                Err(refusal) => CopiesSeen::refused(refusal),
            };
            let others = self.copying.of_others(uid, &at);
            (at, CopiesSeen { others, ..seen })
        });
        join_all(looks).await.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::sample;

    #[test]
    fn twenty_are_on_their_way_to_a_place_whoever_asks_and_a_repeat_takes_no_other_place() {
        let all = OnTheirWay::default();
        let at: Destination = "444455556666/eu-west-1".parse().unwrap();
        let elsewhere = Destination { region: "eu-central-1".parse().unwrap(), ..at.clone() };
        let id = |n: usize| OperationId(format!("op-{n}"));
        for n in 0..AT_ONCE {
            assert!(all.begin(if n % 2 == 0 { "one" } else { "two" }, &at, &id(n)));
        }
        assert!(all.begin("one", &at, &id(0)), "it has its place");
        assert!(!all.begin("one", &at, &id(AT_ONCE)) && !all.begin("three", &at, &id(AT_ONCE)));
        assert!(all.begin("three", &elsewhere, &id(AT_ONCE)));
        assert_eq!((all.of_others("one", &at), all.of_others("three", &at)), (AT_ONCE / 2, AT_ONCE));
        let mut record = Record::default();
        record.copies.entry(at.clone()).or_default().surplus.insert(sample::snapshot(0));
        all.note("one", Some(&record));
        assert_eq!(all.of_others("two", &at), 1, "the chain says how many there are");
        assert!(all.begin("three", &at, &id(AT_ONCE)));
        all.note("two", None);
        assert_eq!(all.of_others("three", &at), 1);
    }
}
