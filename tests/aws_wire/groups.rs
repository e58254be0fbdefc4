//! Auto Scaling: what is seen of a group, and each change of it, one call with its witness.

use crate::changes::{attempt, look, perform};
use crate::scene::{Scene, id};
use crate::support::fleet::{Fleet, Sizes, autoscaling, place};
use crate::support::world::Network;
use sequester::cloud::error::ErrorClass;
use sequester::cloud::{AskQuarantine, Cloud};
use sequester::playbook::auto_scaling::AutoScaling;
use sequester::playbook::effect::Effect;
use sequester::playbook::group_change::GroupChange;
use sequester::playbook::seen::Read;

async fn fleet(scene: &Scene, sizes: (i32, i32, i32)) -> (Fleet, String) {
    let network = Network::new(&scene.admin).await;
    let (fleet, instances) = Fleet::new(&scene.admin, &network, "fleet", sizes).await;
    (fleet, instances[0].clone())
}

async fn seen(scene: &Scene, instance: &str) -> AutoScaling {
    look(scene, instance).await.auto_scaling.value().unwrap().clone()
}

#[tokio::test]
async fn a_group_and_the_place_in_it() {
    let scene = Scene::new().await;
    let (fleet, instance) = fleet(&scene, (1, 2, 4)).await;
    let found = seen(&scene, &instance).await;
    let member = found.membership.unwrap();
    assert_eq!((member.group.as_str(), member.lifecycle_state.as_str()), ("fleet", "InService"));
    assert!(!member.protected_from_scale_in);
    let group = found.group.unwrap();
    let sizes = (group.minimum, group.desired, group.maximum, group.in_service);
    assert_eq!((group.name.as_str(), sizes), ("fleet", (1, 2, 4, 2)));
    assert_eq!(group.launch_source, "fleet-launch");
    assert_eq!(found.hooks, []);

    // Out of its group the sizes are still to be had, for who knows its name.
    let detach = [("AutoScalingGroupName", "fleet"), ("InstanceIds.member.1", &instance)];
    autoscaling(
        &scene.admin,
        "DetachInstances",
        &[&detach[..], &[("ShouldDecrementDesiredCapacity", "true")]].concat(),
    )
    .await;
    let found = seen(&scene, &instance).await;
    assert_eq!((found.membership, found.group), (None, None));
    let ask = AskQuarantine { auto_scaling_group: Some(fleet.name), ..crate::scene::ask(&instance) };
    let Read::Found { value, .. } = scene.aws.observe_quarantine(&scene.place, &ask).await.auto_scaling else {
        panic!("not found")
    };
    assert_eq!((value.membership, value.group.map(|group| group.desired)), (None, Some(1)));
}

#[tokio::test]
async fn every_change_is_one_call() {
    let scene = Scene::new().await;
    let (fleet, instance) = fleet(&scene, (1, 2, 4)).await;
    let group = || "fleet".to_owned();
    let host = || id(&instance);
    let sizes =
        |minimum, desired| Sizes { minimum, desired, maximum: 4, in_service: usize::try_from(desired).unwrap() };
    let table = [
        (
            GroupChange::SetInstanceProtection { group: group(), instance: host(), enabled: true },
            Some(("InService", true)),
            sizes(1, 2),
        ),
        (
            GroupChange::EnterStandby { group: group(), instance: host(), decrement: false },
            Some(("Standby", true)),
            sizes(1, 2),
        ),
        (GroupChange::ExitStandby { group: group(), instance: host() }, Some(("InService", true)), sizes(1, 3)),
        (GroupChange::SetDesiredCapacity { group: group(), desired: 2 }, Some(("InService", true)), sizes(1, 2)),
        (
            GroupChange::EnterStandby { group: group(), instance: host(), decrement: true },
            Some(("Standby", true)),
            sizes(1, 1),
        ),
        (GroupChange::DetachInstances { group: group(), instance: host(), decrement: false }, None, sizes(1, 1)),
        (GroupChange::UpdateAutoScalingGroup { group: group(), min_size: 0 }, None, sizes(0, 1)),
        (GroupChange::AttachInstances { group: group(), instance: host() }, Some(("InService", false)), sizes(0, 2)),
        (GroupChange::DetachInstances { group: group(), instance: host(), decrement: true }, None, sizes(0, 1)),
    ];
    for (change, standing, expected) in table {
        let effect = Effect::AutoScaling(change.clone());
        perform(&scene, "op", &effect, &[change.operation()]).await;
        let found = place(&scene.admin, &instance).await;
        let found = found.as_ref().map(|(state, spared)| (state.as_str(), *spared));
        assert_eq!(found, standing, "{change:?}");
        assert_eq!(fleet.sizes(&scene.admin).await, expected, "{change:?}");
    }
}

#[tokio::test]
async fn a_repeat_is_met_by_the_state_and_told_from_a_mistake() {
    let scene = Scene::new().await;
    let (fleet, instance) = fleet(&scene, (2, 2, 2)).await;
    let (group, host) = (|| "fleet".to_owned(), || id(&instance));
    let refused = async |change: GroupChange| {
        let error = attempt(&scene, "op", &Effect::AutoScaling(change)).await.unwrap_err();
        (error.class, error.code, error.message)
    };
    // What only a person can mend names the sizes.
    let lower = GroupChange::EnterStandby { group: group(), instance: host(), decrement: true };
    let (class, code, message) = refused(lower).await;
    assert_eq!((class, code.as_str()), (ErrorClass::Invalid, "ValidationError"));
    assert!(message.contains("min-size=2"), "{message}");
    let enter = GroupChange::EnterStandby { group: group(), instance: host(), decrement: false };
    attempt(&scene, "op", &Effect::AutoScaling(enter.clone())).await.unwrap();
    assert_eq!(refused(enter).await.0, ErrorClass::Conflict, "in Standby already");
    let exit = GroupChange::ExitStandby { group: group(), instance: host() };
    assert_eq!(refused(exit).await.0, ErrorClass::Invalid, "no room under the maximum");
    let detach = GroupChange::DetachInstances { group: group(), instance: host(), decrement: false };
    attempt(&scene, "op", &Effect::AutoScaling(detach.clone())).await.unwrap();
    assert_eq!(refused(detach).await.0, ErrorClass::Conflict, "out of the group already");
    let gone = GroupChange::SetInstanceProtection { group: "none".to_owned(), instance: host(), enabled: true };
    assert_eq!(refused(gone).await.0, ErrorClass::Conflict, "a group that is not there");
    assert_eq!(fleet.sizes(&scene.admin).await.desired, 2);
}
