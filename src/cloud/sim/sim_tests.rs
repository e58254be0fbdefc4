//! Given faults, expect what a caller is told and what stands in AWS.

use std::task::{Context, Poll, Waker};

use super::*;
use crate::cloud::error::ErrorClass;
use crate::playbook::sample;

fn cloud(faults: Faults) -> SimCloud {
    let cloud = SimCloud::new(sample::world(1, 1), || sample::at(7));
    cloud.plan(faults);
    cloud
}

fn protect(cloud: &SimCloud) -> Option<Result<Receipt, CloudError>> {
    let effect = Effect::SetTerminationProtection { instance: sample::instance_id(), enabled: true };
    let id = OperationId("one".to_owned());
    let (place, witness) = (sample::place(), sample::witness());
    let future = std::pin::pin!(cloud.perform(&place, &id, &effect, &witness));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reply) => Some(reply),
        Poll::Pending => None,
    }
}

fn protected(cloud: &SimCloud) -> bool {
    cloud.world().instances[&sample::instance_id()].protections.termination
}

#[test]
fn each_fault_is_told_and_applied_as_it_says() {
    let told = |class| Some(Some(class));
    // Fault; what the caller is told (none where it is dead); applied at once; applied once delivered.
    let table = [
        (Fault::CrashBefore, None, false, false),
        (Fault::CrashAfter, None, true, true),
        (Fault::CrashLate, None, false, true),
        (Fault::LoseReply, told(ErrorClass::Ambiguous), true, true),
        (Fault::LoseRequest, told(ErrorClass::Ambiguous), false, false),
        (Fault::Late, told(ErrorClass::Ambiguous), false, true),
        (Fault::Throttle, told(ErrorClass::Throttled), false, false),
        (Fault::Unavailable, told(ErrorClass::Unavailable), false, false),
        (Fault::Deny("ec2:ModifyInstanceAttribute".to_owned()), told(ErrorClass::Denied), false, false),
    ];
    for (fault, expected, at_once, in_the_end) in table {
        let cloud = cloud(Faults::none().at(When::Change(1), fault.clone()));
        let reply = protect(&cloud).map(|reply| reply.err().map(|error| error.class));
        assert_eq!(reply, expected, "{fault:?}");
        assert_eq!(cloud.crashed(), expected.is_none(), "{fault:?}");
        assert_eq!(protected(&cloud), at_once, "{fault:?}");
        cloud.deliver();
        assert_eq!(protected(&cloud), in_the_end, "{fault:?}");
        assert_eq!(cloud.journal()[0].applied, in_the_end, "{fault:?}");
        cloud.restarted();
        assert!(protect(&cloud).unwrap().is_ok(), "only the first call met {fault:?}");
    }
}

#[test]
fn an_operation_can_fail_until_it_is_mended() {
    let cloud = cloud(Faults::none().each("ModifyInstanceAttribute", Fault::Throttle));
    for _ in 0..3 {
        assert!(protect(&cloud).unwrap().is_err());
    }
    cloud.mend("ModifyInstanceAttribute");
    assert!(protect(&cloud).unwrap().is_ok());
}

#[test]
fn a_stale_look_shows_an_older_world_under_the_new_time() {
    let cloud = cloud(Faults::none().at(When::Look(1), Fault::Stale(1)));
    protect(&cloud).unwrap().unwrap();
    let place = sample::place();
    let ask = sample::ask_quarantine();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let future = std::pin::pin!(cloud.observe_quarantine(&place, &ask));
        let Poll::Ready(look) = future.poll(&mut Context::from_waker(Waker::noop())) else { panic!("a look waits") };
        assert_eq!(look.protections.asked_at(), Some(sample::at(7)));
        seen.push(look.protections.value().unwrap().termination);
    }
    assert_eq!(seen, [false, true]);
}

#[test]
fn the_journal_names_the_link_that_each_change_went_out_under() {
    let cloud = cloud(Faults::none());
    protect(&cloud).unwrap().unwrap();
    let journal = cloud.journal();
    assert_eq!((journal.len(), journal[0].witness.clone(), journal[0].at), (1, sample::witness(), sample::at(7)));
}
