//! Each call is written down as what it was.

use super::scene::Scene;
use crate::support::aws::{REGION, ok, refused, tag};
use crate::support::proxy::{Call, Fault, Outcome, Protocol, When};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_call_of_the_ec2_protocol() {
    let scene = Scene::new().await;
    let volume = scene.through.new_volume().await;
    ok(scene.through.snapshot(&volume).await);
    let (status, _) = refused(scene.through.ec2("DeleteVolume", &[("VolumeId", "vol-0123456789abcdef0")]).await);
    ok(scene.through.describe_snapshots(&volume).await);
    refused(scene.through.ec2("DeleteVolume", &[("VolumeId", &volume), ("DryRun", "true")]).await);

    let calls = scene.proxy.calls();
    let names: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(names, ["CreateVolume", "CreateSnapshot", "DeleteVolume", "DescribeSnapshots", "DeleteVolume"]);
    assert_eq!(calls.iter().map(|call| call.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(calls.iter().map(|call| call.mutates).collect::<Vec<_>>(), [true, true, true, false, false]);
    assert_eq!(calls.iter().map(Call::took_effect).collect::<Vec<_>>(), [true, true, false, false, false]);

    let created = &calls[1];
    assert_eq!((created.service.as_str(), created.region.as_str(), created.protocol), ("ec2", REGION, Protocol::Ec2));
    assert_eq!(created.account(), Some(scene.credentials.account.as_str()));
    assert_eq!(created.principal.access_key, scene.credentials.access_key_id);
    assert_eq!(created.parameter("VolumeId"), Some(volume.as_str()));
    assert_eq!(created.user_agent, "bed-test/1 head#abc");
    assert_eq!(created.outcome, Outcome::Replied { status: 200, code: None });
    assert!(created.duration().is_some() && created.delivered && created.faults.is_empty());

    assert_eq!(status, 400);
    assert_eq!(calls[2].code(), Some("InvalidVolume.NotFound"));
    assert_eq!(calls[4].code(), Some("DryRunOperation"));

    let only_changes: Vec<_> = scene.proxy.mutations().into_iter().map(|call| call.sequence).collect();
    assert_eq!(only_changes, [1, 2, 3]);
    scene.proxy.clear();
    assert!(scene.proxy.calls().is_empty());
    ok(scene.through.describe_snapshots(&volume).await);
    assert_eq!(scene.proxy.calls()[0].sequence, 6);
}

#[tokio::test]
async fn calls_of_the_other_protocols() {
    let scene = Scene::new().await;
    ok(scene.through.json("kms", "TrentService.CreateKey", r#"{"Description": "d", "Tags": [{"TagKey": "k"}]}"#).await);
    refused(scene.through.json("kms", "TrentService.DescribeKey", r#"{"KeyId": "missing"}"#).await);
    ok(scene.through.query("autoscaling", "2011-01-01", "DescribeAutoScalingGroups", &[]).await);
    let region =
        "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    ok(scene.through.rest("s3", "PUT", "/a-bucket", region).await);
    refused(scene.through.rest("s3", "GET", "/a-bucket/none?versionId=1", "").await);

    let calls = scene.proxy.calls();
    let all: Vec<_> = calls
        .iter()
        .map(|call| (call.service.as_str(), call.operation.as_str(), call.protocol, call.mutates))
        .collect();
    let expected = [
        ("kms", "CreateKey", Protocol::Json, true),
        ("kms", "DescribeKey", Protocol::Json, false),
        ("autoscaling", "DescribeAutoScalingGroups", Protocol::Query, false),
        ("s3", "PUT /a-bucket", Protocol::S3, true),
        ("s3", "GET /a-bucket/none", Protocol::S3, false),
    ];
    assert_eq!(all, expected);
    assert_eq!(calls[0].parameter("Tags.1.TagKey"), Some("k"));
    assert_eq!(calls[1].code(), Some("NotFoundException"), "{:?}", calls[1]);
    assert_eq!(calls[4].parameter("versionId"), Some("1"));
    assert!(calls[4].code().is_some_and(|code| code.starts_with("NoSuch")), "{:?}", calls[4].code());
}

#[tokio::test]
async fn keys_of_a_role_are_known_by_role_and_session() {
    let scene = Scene::new().await;
    let other = scene.bed.account().await.account;
    let trust = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "*"}}]}"#;
    let owner = crate::support::aws::Aws::new(scene.bed.emulator.url(), &scene.bed.emulator.account(&other).await);
    ok(owner
        .query("iam", "2010-05-08", "CreateRole", &[("RoleName", "Responder"), ("AssumeRolePolicyDocument", trust)])
        .await);
    let role = format!("arn:aws:iam::{other}:role/Responder");
    let parameters = [("RoleArn", role.as_str()), ("RoleSessionName", "bed")];
    let reply = ok(scene.through.query("sts", "2011-06-15", "AssumeRole", &parameters).await);
    let mut assumed = scene.through.clone();
    assumed.access_key = tag(&reply, "AccessKeyId").trim().to_owned();
    assumed.token = Some(tag(&reply, "SessionToken").trim().to_owned());
    ok(assumed.ec2("DescribeVolumes", &[]).await);

    let calls = scene.proxy.calls();
    assert!(!calls[0].mutates, "AssumeRole changes nothing");
    assert_eq!(calls[0].account(), Some(scene.credentials.account.as_str()));
    assert_eq!(calls[1].account(), Some(other.as_str()));
    assert_eq!(calls[1].principal.role_arn.as_deref(), Some(role.as_str()));
    assert_eq!(calls[1].principal.arn(), format!("arn:aws:sts::{other}:assumed-role/Responder/bed"));
    // Another proxy knows them too.
    let second = scene.bed.proxy();
    assumed.url = second.url();
    ok(assumed.ec2("DescribeVolumes", &[]).await);
    assert_eq!(second.calls()[0].account(), Some(other.as_str()));
}

#[tokio::test]
async fn a_call_can_be_waited_for() {
    let scene = Scene::new().await;
    let missing = scene.proxy.wait_for(|call| call.operation == "CreateVolume", Duration::from_millis(1)).await;
    assert!(missing.is_err());
    let hold = scene.proxy.rule(When::operation("CreateVolume"), Fault::HoldRequest);
    let client = scene.through.clone();
    let volume = tokio::spawn(async move { client.new_volume().await });
    let arrived = scene.proxy.wait_for(|call| call.operation == "CreateVolume", LIMIT).await.expect("it arrives");
    assert_eq!(arrived.outcome, Outcome::InFlight);
    hold.release();
    let ended = scene.proxy.wait_for(|call| call.ended.is_some(), LIMIT).await.expect("it ends");
    assert_eq!(ended.outcome, Outcome::Replied { status: 200, code: None });
    volume.await.expect("a volume");
}

#[tokio::test]
async fn latency_is_the_time_from_request_to_reply() {
    let scene = Scene::new().await;
    let latency = Duration::from_millis(300);
    scene.proxy.latency(latency);
    ok(scene.through.ec2("DescribeVolumes", &[]).await);
    let call = scene.proxy.calls().remove(0);
    let took = call.duration().expect("it has ended");
    let applied = call.applied.as_ref().expect("it was applied").at - call.started;
    // Bounds that hold on a busy machine; on an idle one it is 301 ms.
    assert!(took >= latency, "{took:?}");
    assert!(applied >= latency / 2, "half of it lies before the call is applied: {applied:?}");
    assert!(took < latency * 3, "{took:?}: the upstream's own time is not on top");
}
