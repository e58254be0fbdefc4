//! Faults on the way there: what the upstream never sees, sees late, or sees later than the client thinks.

use super::scene::Scene;
use crate::support::aws::{ok, refused};
use crate::support::proxy::{Bucket, Call, Fault, Late, Outcome, When};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_dropped_request_never_happened() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    let rule = scene.proxy.rule(When::operation("CreateSnapshot").once(), Fault::DropRequest);
    scene.through.snapshot(&volume).await.expect_err("there is no reply");
    assert_eq!(scene.behind.count_snapshots(&volume).await, 0);
    let call = scene.proxy.calls().remove(0);
    assert_eq!((call.outcome, call.applied), (Outcome::Dropped, None));
    ok(scene.through.snapshot(&volume).await);
    assert_eq!((scene.behind.count_snapshots(&volume).await, rule.hits()), (1, 1));
}

#[tokio::test]
async fn a_held_request_is_applied_when_it_is_released() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    let rule = scene.proxy.rule(When::operation("CreateSnapshot"), Fault::HoldRequest);
    let (client, of) = (scene.through.clone(), volume.clone());
    let asked = tokio::spawn(async move { client.snapshot(&of).await });
    rule.wait_held(1, LIMIT).await;
    assert_eq!(scene.behind.count_snapshots(&volume).await, 0);
    rule.release();
    ok(asked.await.expect("the client ends"));
    assert_eq!(scene.behind.count_snapshots(&volume).await, 1);
}

#[tokio::test]
async fn a_held_request_is_applied_though_its_client_gave_up() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    let rule = scene.proxy.rule(When::operation("CreateSnapshot"), Fault::HoldRequest);
    let (client, of) = (scene.through.clone(), volume.clone());
    let asked = tokio::spawn(async move { client.snapshot(&of).await });
    rule.wait_held(1, LIMIT).await;
    asked.abort();
    asked.await.expect_err("the client is gone");
    rule.release();
    scene.proxy.wait_for(Call::took_effect, LIMIT).await.expect("it is applied");
    assert_eq!(scene.behind.count_snapshots(&volume).await, 1);
}

#[tokio::test]
async fn a_late_call_is_applied_when_the_rule_is_released() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    let rule = scene.proxy.rule(When::operation("CreateSnapshot").once(), Fault::ApplyLate(Late::Released));
    scene.through.snapshot(&volume).await.expect_err("there is no reply");
    rule.wait_held(1, LIMIT).await;
    assert_eq!(scene.through.count_snapshots(&volume).await, 0);
    rule.release();
    scene.proxy.wait_for(Call::took_effect, LIMIT).await.expect("it is applied");
    assert_eq!(scene.behind.count_snapshots(&volume).await, 1);
}

#[tokio::test]
async fn a_late_call_is_applied_after_the_read_that_missed_it() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    let late = Fault::ApplyLate(Late::AfterRead("DescribeSnapshots".into()));
    scene.proxy.rule(When::operation("CreateSnapshot").once(), late);
    scene.through.snapshot(&volume).await.expect_err("there is no reply");
    ok(scene.through.ec2("DescribeVolumes", &[]).await);
    assert_eq!(scene.behind.count_snapshots(&volume).await, 0, "another read does not bring it");
    assert_eq!(scene.through.count_snapshots(&volume).await, 0, "the read misses it");
    let call = scene.proxy.mutations().remove(0);
    assert_eq!((call.outcome.clone(), call.took_effect()), (Outcome::Dropped, true), "not by then: {call:?}");
    assert_eq!(scene.behind.count_snapshots(&volume).await, 1, "and is out of date as it arrives");
}

#[tokio::test]
async fn a_delayed_request_is_applied_after_the_delay() {
    let scene = Scene::new().await;
    let delay = Duration::from_millis(200);
    scene.proxy.rule(When::operation("CreateVolume"), Fault::Delay(delay));
    scene.through.new_volume().await;
    let call = scene.proxy.calls().remove(0);
    let applied = call.applied.expect("it was applied").at - call.started;
    assert!(applied >= delay, "{applied:?}");
    ok(scene.through.ec2("DescribeVolumes", &[]).await);
    assert!(scene.proxy.calls()[1].faults.is_empty(), "the rule is about another operation");
}

/// What boto3 makes of each protocol's way to ask for less.
#[tokio::test]
async fn throttling_is_understood_by_a_real_sdk() {
    let scene = Scene::new().await;
    scene.proxy.rule(When::any(), Fault::Throttle);
    let printed = scene
        .run_boto(
            r#"
calls = [
    ("ec2", "describe_volumes", {}),
    ("autoscaling", "describe_auto_scaling_groups", {}),
    ("elb", "describe_load_balancers", {}),
    ("elbv2", "describe_load_balancers", {}),
    ("sts", "get_caller_identity", {}),
    ("iam", "list_roles", {}),
    ("kms", "list_keys", {}),
    ("s3", "list_buckets", {}),
    ("ebs", "list_snapshot_blocks", {"SnapshotId": "snap-0123456789abcdef0"}),
]
for service, method, parameters in calls:
    try:
        getattr(client(service), method)(**parameters)
    except botocore.exceptions.ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        print(service, status, error.response["Error"]["Code"])
"#,
        )
        .await;
    let expected = "ec2 503 RequestLimitExceeded
autoscaling 400 Throttling
elb 400 Throttling
elbv2 400 Throttling
sts 400 Throttling
iam 400 Throttling
kms 400 ThrottlingException
s3 503 SlowDown
ebs 400 RequestThrottledException
";
    assert_eq!(printed, expected);
    assert!(scene.proxy.calls().iter().all(|call| call.applied.is_none() && call.faults == ["throttled"]));
}

#[tokio::test]
async fn a_missing_permission_is_named_as_iam_names_it() {
    let scene = Scene::new().await;
    scene.proxy.rule(When::any(), Fault::Unauthorized);
    let (status, body) = refused(scene.through.snapshot("vol-0123456789abcdef0").await);
    assert_eq!(status, 403);
    assert!(body.contains("<Code>UnauthorizedOperation</Code>"), "{body}");
    let account = &scene.credentials.account;
    let words =
        format!("User: arn:aws:iam::{account}:user/bed-admin is not authorized to perform: ec2:CreateSnapshot ");
    assert!(body.contains(&words), "{body}");
    let printed = scene
        .run_boto(
            r#"
for service, method in [("kms", "list_keys"), ("autoscaling", "describe_auto_scaling_groups"), ("s3", "list_buckets")]:
    try:
        getattr(client(service), method)()
    except botocore.exceptions.ClientError as error:
        print(service, error.response["Error"]["Code"], error.response["Error"]["Message"])
"#,
        )
        .await;
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].starts_with("kms AccessDeniedException User: "), "{printed}");
    assert!(lines[0].contains("is not authorized to perform: kms:ListKeys"), "{printed}");
    assert!(lines[1].starts_with("autoscaling AccessDenied User: "), "{printed}");
    assert_eq!(lines[2], "s3 AccessDenied Access Denied");
}

#[tokio::test]
async fn an_error_has_the_code_and_the_message_that_were_asked_for() {
    let scene = Scene::new().await;
    let error = Fault::error(400, "SnapshotLimitExceeded", "no more than <5> & no less");
    scene.proxy.rule(When::operation("CreateSnapshot").parameter("VolumeId", "vol-1"), error);
    let printed = scene
        .run_boto(
            r#"
for volume in ["vol-1", "vol-2"]:
    try:
        client("ec2").create_snapshot(VolumeId=volume)
    except botocore.exceptions.ClientError as error:
        print(error.response["Error"]["Code"], error.response["Error"]["Message"])
"#,
        )
        .await;
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[0], "SnapshotLimitExceeded no more than <5> & no less");
    assert!(!lines[1].contains("SnapshotLimitExceeded"), "the other volume is not meant: {printed}");
}

#[tokio::test]
async fn a_bucket_throttles_when_it_is_empty_and_each_action_has_its_own() {
    let scene = Scene::new().await;
    scene.proxy.rule(When::reads(), Fault::Bucket(Bucket::per_operation(3, 0.000_1)));
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(scene.through.ec2("DescribeVolumes", &[]).await.expect("a reply").0.as_u16());
    }
    assert_eq!(codes, [200, 200, 200, 503, 503]);
    ok(scene.through.ec2("DescribeSnapshots", &[("Owner.1", "self")]).await);

    // At 1,000 tokens a second the next one is there as soon as the call is.
    scene.proxy.clear_rules();
    scene.proxy.rule(When::reads(), Fault::Bucket(Bucket::shared(1, 1_000.0)));
    for _ in 0..5 {
        ok(scene.through.ec2("DescribeVolumes", &[]).await);
    }
    scene.proxy.clear_rules();
    scene.proxy.rule(When::reads(), Fault::Bucket(Bucket::shared(1, 0.000_1)));
    ok(scene.through.ec2("DescribeVolumes", &[]).await);
    refused(scene.through.ec2("DescribeSnapshots", &[]).await);
}

#[tokio::test]
async fn rules_are_asked_in_order_and_count() {
    let scene = Scene::new().await;
    let account = scene.credentials.account.clone();
    let second = scene.proxy.rule(When::operation("DescribeVolumes").nth(2), Fault::error(400, "Second", ""));
    let all = scene.proxy.rule(
        When::reads().service("ec2").region("eu-west-1").account(&account).times(3),
        Fault::error(400, "Other", ""),
    );
    scene.proxy.rule(When::any().account("000000000000"), Fault::DropRequest);
    scene.proxy.rule(When::any().region("us-east-1"), Fault::DropRequest);
    for _ in 0..5 {
        scene.through.ec2("DescribeVolumes", &[]).await.expect("a reply");
    }
    let codes: Vec<_> = scene.proxy.calls().iter().map(|call| call.code().unwrap_or("none").to_owned()).collect();
    assert_eq!(codes, ["Other", "Second", "Other", "Other", "none"]);
    assert_eq!((second.hits(), all.hits()), (1, 3));

    let rule = scene.proxy.rule(When::any(), Fault::error(400, "Removed", ""));
    refused(scene.through.ec2("DescribeVolumes", &[]).await);
    rule.remove();
    ok(scene.through.ec2("DescribeVolumes", &[]).await);
    // A time that is over before the call comes.
    scene.proxy.rule(When::any().during(Duration::ZERO), Fault::DropRequest);
    ok(scene.through.ec2("DescribeVolumes", &[]).await);
}
