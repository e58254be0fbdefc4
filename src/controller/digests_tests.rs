//! Given what is to be read and what goes wrong with it, expect how far it is said to be.

use std::time::Duration;

use super::*;
use crate::cloud::sim::{Fault, Faults, SimCloud, When};
use crate::playbook::exhibit::Digesting::{Contradicted, Done, Going, Waiting};
use crate::playbook::image::BLOCK;
use crate::playbook::sample::{self, Bench, at};

/// Two snapshots of five blocks and a bit, complete and locked, of which nothing is read yet.
struct Desk {
    cloud: Arc<SimCloud>,
    digests: Digests,
    settings: Settings,
    ids: Vec<SnapshotId>,
}

impl Desk {
    fn new(digests: u16) -> Self {
        let mut bench = Bench::evidence(sample::world(1, 2));
        bench.spec.verify = crate::api::exhibits::Verify::None;
        bench.turn();
        bench.world.complete_snapshots();
        bench.settle();
        bench.world.image_bytes = Some(5 * BLOCK + 64);
        let ids = bench.world.snapshots.keys().cloned().collect();
        let settings = Settings { digests, backoff: Duration::from_millis(1), ..Settings::default() };
        let cloud = Arc::new(SimCloud::new(bench.world, || at(0)));
        Self { cloud, digests: Digests::new(&settings), settings, ids }
    }

    fn ask(&self, from: Option<&Part>) -> AskDigests {
        ask(self.ids.iter().map(|id| (id.clone(), from.cloned())).collect())
    }

    fn look(&self, uid: &str, ask: &AskDigests) -> Vec<Read<Digesting>> {
        self.digests.keep(uid, ask);
        self.digests.look(&self.cloud, &self.settings, uid, &way(), &ask.own).into_values().collect()
    }

    /// Looks until what is seen is as it should be.
    async fn until(&self, ask: &AskDigests, meets: impl Fn(&[Read<Digesting>]) -> bool) -> Vec<Read<Digesting>> {
        let looking = async {
            loop {
                let seen = self.look("uid", ask);
                if meets(&seen) {
                    return seen;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looking).await.expect("it comes to be so")
    }
}

fn ask(own: BTreeMap<SnapshotId, Option<Part>>) -> AskDigests {
    AskDigests { own, ..AskDigests::default() }
}

fn way() -> Way {
    Way { place: sample::place(), reading: Reading::default() }
}

fn value(read: &Read<Digesting>) -> Option<&Digesting> {
    read.value()
}

fn is_done(read: &Read<Digesting>) -> bool {
    matches!(value(read), Some(Done(_)))
}

#[tokio::test]
async fn all_that_is_asked_for_is_read_and_only_so_much_at_a_time() {
    let desk = Desk::new(1);
    // The first call hangs after its first block.
    desk.cloud.plan(Faults::none().at(When::Digest(1), Fault::CrashBefore));
    let both = desk.ask(None);
    let seen = desk.until(&both, |seen| seen.iter().any(|read| matches!(value(read), Some(Going { .. })))).await;
    let waits = seen.iter().filter(|read| matches!(value(read), Some(Waiting))).count();
    assert_eq!(waits, 1, "{seen:?}");
    // What is not asked for any more gives its place to the next.
    let going = seen.iter().position(|read| matches!(value(read), Some(Going { .. }))).unwrap();
    let other = ask(BTreeMap::from([(desk.ids[1 - going].clone(), None)]));
    desk.until(&other, |seen| seen.iter().all(is_done)).await;
    // And what an object asks for that is gone is read for nobody.
    desk.digests.forget("uid");
    assert!(desk.digests.works().is_empty());
}

#[tokio::test]
async fn what_stops_is_told_and_goes_on_from_where_it_stopped() {
    let desk = Desk::new(1);
    let one = ask(BTreeMap::from([(desk.ids[0].clone(), None)]));
    let faults = Faults::none().at(When::Digest(1), Fault::Throttle).at(When::Digest(2), Fault::Unavailable);
    desk.cloud.plan(faults.at(When::Digest(3), Fault::CrashBefore));
    let seen = desk.until(&one, |seen| matches!(&seen[0], Read::Failed(_))).await;
    let failure = seen[0].failure().unwrap();
    assert_eq!(failure.reason, Reason::Throttled);
    assert!(failure.message.contains(desk.ids[0].as_str()), "{}", failure.message);
    // Each call comes one block further; the third begins where the second stopped.
    let seen = desk.until(&one, |seen| matches!(value(&seen[0]), Some(Going { from: 2, .. }))).await;
    let Some(Going { part, .. }) = value(&seen[0]) else { unreachable!() };
    assert_eq!(part.next, 3);
    // A new process begins where the chain says, and comes to the same end.
    let again = ask(BTreeMap::from([(desk.ids[0].clone(), Some(Part::clone(part)))]));
    let fresh = Digests::new(&desk.settings);
    let whole =
        desk.cloud.digest(&sample::place(), &desk.ids[0], Reading::default(), None, &mut |_| Ok(())).await.unwrap();
    let ended = loop {
        let seen = fresh.look(&desk.cloud, &desk.settings, "uid", &way(), &again.own);
        if let Some(Done(digests)) = value(&seen[&desk.ids[0]]) {
            break digests.clone();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(ended, whole);
    let begun: Vec<u64> = desk.cloud.digests().iter().map(|(_, from)| *from).collect();
    assert_eq!(begun, [0, 1, 2, 0, 3], "blocks before it are not read again");
}

#[tokio::test]
async fn another_role_or_rate_goes_on_with_what_was_read() {
    let desk = Desk::new(1);
    let one = ask(BTreeMap::from([(desk.ids[0].clone(), None)]));
    desk.cloud.plan(Faults::none().at(When::Digest(1), Fault::CrashBefore));
    desk.until(&one, |seen| matches!(value(&seen[0]), Some(Going { .. }))).await;
    let mut other = way();
    other.place.access.account_ref = "renamed".to_owned();
    let ended = async {
        while !desk.digests.look(&desk.cloud, &desk.settings, "uid", &other, &one.own).values().all(is_done) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("the first one gives its place up");
    let begun: Vec<u64> = desk.cloud.digests().iter().map(|(_, from)| *from).collect();
    assert_eq!(begun, [0, 1]);
}

#[tokio::test]
async fn what_is_wrong_with_the_bytes_is_told_once_and_what_can_not_be_read_is_tried_again() {
    let desk = Desk::new(2);
    let (bad, archived) = (desk.ids[0].clone(), desk.ids[1].clone());
    desk.cloud.elsewhere(|world| {
        world.corrupt.insert(bad.clone());
        world.unreadable.insert(archived.clone());
    });
    let both = desk.ask(None);
    let seen = desk.until(&both, |seen| seen.iter().all(|read| !matches!(value(read), Some(Waiting)))).await;
    assert!(matches!(value(&seen[0]), Some(Contradicted(BlockFault::Checksum { block: 0, .. }))), "{seen:?}");
    let failure = seen[1].failure().unwrap();
    assert_eq!(failure.reason, Reason::Unreadable);
    assert!(failure.message.contains(archived.as_str()) && failure.message.contains("archived"), "{}", failure.message);
    desk.cloud.elsewhere(|world| {
        world.corrupt.clear();
        world.unreadable.clear();
    });
    let seen = desk.until(&both, |seen| is_done(&seen[1])).await;
    assert!(matches!(value(&seen[0]), Some(Contradicted(_))), "it is not asked again until it says what is wished for");
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named() {
    let desk = Desk::new(1);
    desk.cloud.plan(Faults::none().at(When::Digest(1), Fault::Deny("ebs:GetSnapshotBlock".to_owned())));
    let one = ask(BTreeMap::from([(desk.ids[0].clone(), None)]));
    let seen = desk.until(&one, |seen| matches!(&seen[0], Read::Failed(_))).await;
    let failure = seen[0].failure().unwrap();
    assert_eq!(failure.reason, Reason::PermissionMissing);
    assert!(failure.message.contains("grant ebs:GetSnapshotBlock"), "{}", failure.message);
}

#[test]
fn the_budget_of_an_account_lowers_the_rate_and_never_raises_it() {
    let account = |share: f64| {
        let spec =
            serde_json::json!({"accountId": "111122223333", "regions": ["eu-west-1"], "budget": {"share": share}});
        AwsAccount::new("prod", serde_json::from_value(spec).unwrap())
    };
    let settings = Settings::default();
    for (share, expected) in [(1.0, 500), (0.8, 500), (0.1, 100)] {
        assert_eq!(reading(&settings, Some(&account(share))).per_second, expected, "{share}");
    }
    assert_eq!(reading(&Settings { digest_rate: 5, ..settings }, Some(&account(0.8))).per_second, 5);
}
