//! What is around a host, put together: one read of the playbook, many calls.

use super::errors::Fault;
use super::sessions::Session;
use super::words::read;
use super::{autoscaling, ec2_console, ec2_network, elb_classic, elb_v2};
use crate::api::ids::InstanceId;
use crate::clock::now;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::playbook::seen::{Interface, Read, Surroundings};

/// The interfaces, and what is around them where it is asked for. Targets of load balancers can be addresses, so they
/// wait for the interfaces; all else goes out at once.
pub(super) async fn look(
    session: &Session,
    instance: &InstanceId,
    wanted: bool,
) -> (Read<Vec<Interface>>, Read<Surroundings>) {
    let asked_at = now();
    if !wanted {
        return (read(asked_at, ec2_network::interfaces(session, instance).await), Read::NotRead);
    }
    let targets = async {
        let interfaces = ec2_network::interfaces(session, instance).await;
        let targets = match &interfaces {
            Ok(interfaces) => elb_v2::registrations(session, instance, interfaces).await,
            Err(fault) => Err(fault.clone()),
        };
        (interfaces, targets)
    };
    let ((interfaces, targets), membership, classic, blobs) = tokio::join!(
        targets,
        autoscaling::membership(session, instance),
        elb_classic::with(session, instance),
        ec2_console::blobs(session, instance),
    );
    let surroundings = match (membership, classic, targets, blobs) {
        (Ok(auto_scaling), Ok(classic_load_balancers), Ok(target_groups), Ok(blobs)) => {
            Ok(Surroundings { auto_scaling, classic_load_balancers, target_groups, blobs })
        }
        (membership, classic, targets, blobs) => {
            Err(gravest([membership.err(), classic.err(), targets.err(), blobs.err()]))
        }
    };
    (read(asked_at, interfaces), read(asked_at, surroundings))
}

/// What a person must grant comes first: all that is missing, so that it is granted once.
fn gravest(faults: [Option<Fault>; 4]) -> Fault {
    let mut worst: Option<CloudError> = None;
    for fault in faults.into_iter().flatten() {
        let Fault::Failed(error) = fault else { continue };
        worst = Some(match worst {
            None => error,
            Some(first) if first.class == ErrorClass::Denied && error.class == ErrorClass::Denied => {
                together(first, error)
            }
            Some(first) if first.class == ErrorClass::Denied => first,
            Some(_) if error.class == ErrorClass::Denied => error,
            Some(first) => first,
        });
    }
    worst.map_or(Fault::Absent, Fault::Failed)
}

fn together(mut first: CloudError, other: CloudError) -> CloudError {
    if first.operation == other.operation {
        return first;
    }
    first.operation = format!("{}, {}", first.operation, other.operation);
    first.action = match (first.action, other.action) {
        (Some(one), Some(two)) if one != two => Some(format!("{one}, {two}")),
        (one, two) => one.or(two),
    };
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(class: ErrorClass, operation: &str) -> Option<Fault> {
        Some(Fault::Failed(CloudError {
            class,
            operation: operation.to_owned(),
            code: "C".to_owned(),
            message: String::new(),
            action: (class == ErrorClass::Denied).then(|| format!("x:{operation}")),
        }))
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let faults = [
            failed(ErrorClass::Throttled, "A"),
            failed(ErrorClass::Denied, "B"),
            failed(ErrorClass::Unavailable, "C"),
            failed(ErrorClass::Denied, "D"),
        ];
        let Fault::Failed(error) = gravest(faults) else { panic!("not failed") };
        assert_eq!((error.operation.as_str(), error.action.as_deref()), ("B, D", Some("x:B, x:D")));
        let Fault::Failed(error) = gravest([None, failed(ErrorClass::Throttled, "A"), None, None]) else { panic!() };
        assert_eq!(error.class, ErrorClass::Throttled);
        assert!(matches!(gravest([Some(Fault::Absent), None, None, None]), Fault::Absent));
    }
}
