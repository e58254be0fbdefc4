//! Given replies and looks, expect what is held back and when the object is looked at again.

use super::*;
use crate::api::ids::SecurityGroupId;
use crate::cloud::error::ErrorClass;
use crate::playbook::ledger::Order;
use crate::playbook::sample;

fn settings() -> Settings {
    Settings { jitter_percent: 0, ..Settings::default() }
}

fn protect() -> Effect {
    Effect::SetStopProtection { instance: sample::instance_id(), enabled: true }
}

fn close() -> Effect {
    let closed: SecurityGroupId = sample::group(7);
    Effect::ReplaceSecurityGroups { interface: sample::interface(0), groups: [closed].into() }
}

fn again(change: &Effect) -> Sending<Effect> {
    Sending { track: 0, step: "s", order: Order { id: None, first: false, change: change.clone() } }
}

fn refuse(pace: &mut Pace<Effect>, change: &Effect, class: ErrorClass, times: usize, now: Instant) {
    for _ in 0..times {
        pace.replied(&settings(), change, &Err(sample::error(change, class)), now);
    }
}

fn seconds(pace: &Pace<Effect>, wish: Option<u32>, now: Instant) -> Option<u64> {
    pace.wait(&settings(), wish, now).map(|wait| wait.as_secs())
}

#[test]
fn the_wait_doubles_up_to_its_limit() {
    let waits: Vec<u64> = (1..9).map(|n| backoff(&settings(), n, Duration::from_mins(1)).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn what_is_refused_to_one_step_slows_down_no_other() {
    let now = Instant::now();
    let mut pace = Pace::default();
    refuse(&mut pace, &protect(), ErrorClass::Denied, 12, now);
    assert_eq!(seconds(&pace, None, now), Some(300));
    assert_eq!(seconds(&pace, Some(60), now), Some(60), "the host is looked at as often as the account says");
    assert_eq!(seconds(&pace, Some(1), now), Some(1), "and what was opened is closed at once");
    refuse(&mut pace, &close(), ErrorClass::Throttled, 2, now);
    assert_eq!(seconds(&pace, Some(60), now), Some(2), "each change has attempts of its own");

    assert!(pace.holds(&again(&protect()), now), "looking is not sending");
    assert!(!pace.holds(&again(&protect()), now + Duration::from_secs(301)));
    assert!(!pace.holds(&again(&close()), now), "what closes waits for nobody but a person");
    refuse(&mut pace, &close(), ErrorClass::Denied, 1, now);
    assert!(pace.holds(&again(&close()), now));
    let mut first = again(&protect());
    first.order.first = true;
    assert!(!pace.holds(&first, now), "an intent that was just written is not for nothing");
}

#[test]
fn what_is_accepted_or_not_wanted_any_more_is_forgotten() {
    let now = Instant::now();
    let mut pace = Pace::default();
    refuse(&mut pace, &protect(), ErrorClass::Throttled, 3, now);
    pace.replied(&settings(), &protect(), &Ok(Receipt::default()), now);
    assert_eq!(seconds(&pace, None, now), None);
    refuse(&mut pace, &protect(), ErrorClass::Throttled, 1, now);
    pace.rests(&[&close()], false, false);
    assert_eq!(seconds(&pace, None, now), None, "only an event can change anything");
}

#[test]
fn a_look_without_an_answer_and_a_repeat_are_tried_again_soon_and_then_more_slowly() {
    let now = Instant::now();
    for (unanswered, repeats) in [(true, false), (false, true)] {
        let mut pace: Pace<Effect> = Pace::default();
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                pace.rests(&[], unanswered, repeats);
                seconds(&pace, Some(40), now).unwrap()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 40, 40], "never longer than the account's recheck");
        pace.rests(&[], false, false);
        assert_eq!(seconds(&pace, Some(40), now), Some(40));
    }
}
