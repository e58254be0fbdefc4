//! What is around a host, put together: one read of the playbook, many calls.

use std::sync::Arc;

use super::errors::Fault;
use super::sessions::Session;
use super::words::read;
use super::{autoscaling, balancers, ec2_console, ec2_network};
use crate::api::ids::InstanceId;
use crate::clock::now;
use crate::cloud::AskBalancers;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::playbook::balancers::Balancers;
use crate::playbook::seen::{Interface, Read, Surroundings};

/// The interfaces, the load balancers that have the host, and what else is around it, each where it is asked for. Targets of
/// load balancers can be addresses, so they wait for the interfaces; all else goes out at once.
pub(super) async fn look(
    session: &Arc<Session>,
    instance: &InstanceId,
    ask: Option<&AskBalancers>,
    wanted: bool,
) -> (Read<Vec<Interface>>, Read<Balancers>, Read<Surroundings>) {
    let asked_at = now();
    let balancers = async {
        let interfaces = ec2_network::interfaces(session, instance).await;
        let balancers = match (ask, &interfaces) {
            (None, _) => Ok(None),
            (Some(ask), Ok(interfaces)) => balancers::look(session, instance, interfaces, ask, asked_at).await,
            (Some(_), Err(fault)) => Err(fault.clone()),
        };
        (interfaces, balancers)
    };
    let around = async {
        let both =
            async || tokio::join!(autoscaling::membership(session, instance), ec2_console::blobs(session, instance));
        if wanted { Some(both().await) } else { None }
    };
    let ((interfaces, balancers), around) = tokio::join!(balancers, around);
    let surroundings = match (around, &balancers) {
        (None, _) => Read::NotRead,
        (Some((Ok(auto_scaling), Ok(blobs))), Ok(found)) => match found.as_ref().filter(|found| found.whole) {
            Some(found) => {
                let classic_load_balancers = found.classic_names();
                let target_groups = found.registrations();
                let value = Surroundings { auto_scaling, classic_load_balancers, target_groups, blobs };
                Read::Found { asked_at, value }
            }
            // All load balancers are being looked at.
            None => Read::NotRead,
        },
        (Some((membership, blobs)), balancers) => {
            let faults = [membership.err(), balancers.as_ref().err().cloned(), blobs.err()];
            read(asked_at, Err(gravest(faults)))
        }
    };
    let balancers = balancers.transpose().map_or(Read::NotRead, |balancers| read(asked_at, balancers));
    (read(asked_at, interfaces), balancers, surroundings)
}

/// What a person must grant comes first: all that is missing, so that it is granted once.
pub(super) fn gravest(faults: impl IntoIterator<Item = Option<Fault>>) -> Fault {
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
