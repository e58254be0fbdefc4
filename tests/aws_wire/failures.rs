//! What is said about a change that did not go well, and how often it was sent.

use crate::scene::{Scene, id, impatient, witness};
use crate::support::proxy::{Fault, When};
use crate::support::world::{Network, run_instance};
use sequester::api::ids::InstanceId;
use sequester::cloud::error::CloudError;
use sequester::cloud::error::ErrorClass::{self, Ambiguous, Conflict, Denied, Invalid, Throttled, Unavailable};
use sequester::cloud::{Cloud, Place};
use sequester::playbook::effect::Effect;
use sequester::playbook::record::OperationId;
use std::collections::{BTreeMap, BTreeSet};
use tokio::net::TcpListener;

const OPERATION: &str = "CreateSnapshots";

fn effect(instance: &str) -> Effect {
    Effect::CreateSnapshots {
        instance: id::<InstanceId>(instance),
        volumes: BTreeSet::new(),
        exclude: BTreeSet::new(),
        exclude_root: false,
        description: "d".to_owned(),
        tags: BTreeMap::new(),
        tag_prefix: "ops".to_owned(),
    }
}

#[tokio::test]
async fn every_fault_has_its_class_and_nothing_is_sent_twice() {
    let scene = Scene::with(impatient()).await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let error = |status, code| Fault::error(status, code, "as told (RequestId: 0a1b2c3d-0000-1111-2222-333344445555)");
    // The fault, the class, and whether AWS did it nevertheless.
    let table: Vec<(&str, Fault, ErrorClass, bool)> = vec![
        ("reply lost", Fault::DropReply, Ambiguous, true),
        ("reply cut", Fault::CutReply(40), Ambiguous, true),
        ("reply late", Fault::HoldReply, Ambiguous, true),
        ("closed before", Fault::DropRequest, Ambiguous, false),
        ("500", error(500, "InternalError"), Ambiguous, false),
        ("503", error(503, "ServiceUnavailable"), Ambiguous, false),
        ("throttled", Fault::Throttle, Throttled, false),
        ("per volume", error(400, "SnapshotCreationPerVolumeRateExceeded"), Throttled, false),
        ("denied", Fault::Unauthorized, Denied, false),
        ("state", error(400, "IncorrectInstanceState"), Conflict, false),
        ("value", error(400, "InvalidParameterValue"), Invalid, false),
        ("expired", error(400, "RequestExpired"), Unavailable, false),
    ];
    for (name, fault, class, applied) in table {
        scene.proxy.clear();
        let rule = scene.proxy.rule(When::operation(OPERATION), fault);
        let operation = OperationId(format!("op-{name}"));
        let told = scene.aws.perform(&scene.place, &operation, &effect(&instance), &witness()).await.unwrap_err();
        rule.remove();
        assert_eq!(told.class, class, "{name}: {told}");
        assert_eq!(told.operation, OPERATION, "{name}");
        assert!(!told.message.contains("0a1b2c3d"), "{name}: {told}");
        let sent = scene.proxy.calls();
        assert_eq!(sent.len(), 1, "{name}: sent once");
        assert_eq!(sent[0].took_effect(), applied, "{name}");
        assert_eq!(told.action.is_some(), class == Denied, "{name}: {:?}", told.action);
        if class == Denied {
            assert_eq!(told.action.as_deref(), Some("ec2:CreateSnapshots"));
        }
    }
}

async fn told_by(scene: &Scene, endpoint: String) -> CloudError {
    let mut access = scene.place.access.clone();
    access.endpoint = Some(endpoint);
    let place = Place { access, ..scene.place.clone() };
    let operation = OperationId("op".to_owned());
    scene.aws.perform(&place, &operation, &effect("i-0123456789abcdef0"), &witness()).await.unwrap_err()
}

#[tokio::test]
async fn where_there_is_no_connection_nothing_was_sent() {
    let scene = Scene::with(impatient()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let told = told_by(&scene, format!("http://{address}")).await;
    assert_eq!((told.class, told.code.as_str()), (Unavailable, "NoConnection"), "nobody listens: {told}");
    let told = told_by(&scene, "http://nowhere.invalid".to_owned()).await;
    assert_eq!(told.class, Unavailable, "no such name: {told}");
}

#[tokio::test]
async fn before_tls_stands_nothing_was_sent() {
    let scene = Scene::with(impatient()).await;
    for hangs_up in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                if !hangs_up {
                    kept.push(stream);
                }
            }
        });
        let told = told_by(&scene, format!("https://{address}")).await;
        assert_eq!(told.class, Unavailable, "{told}");
    }
}
