//! The emulator is there, each account is by itself, and a real SDK can talk to it through the proxy.

use super::scene::Scene;
use crate::support::aws::{Aws, ok, tag};
use crate::support::bed::Bed;
use crate::support::emulator::Emulator;
use serde_json::json;

#[tokio::test]
async fn accounts_are_separate() {
    let bed = Bed::shared().await;
    let (one, other) = (bed.account().await, bed.account().await);
    assert_ne!(one.account, other.account);
    let (one, other) = (Aws::new(bed.emulator.url(), &one), Aws::new(bed.emulator.url(), &other));
    let volume = one.new_volume().await;
    assert!(ok(one.ec2("DescribeVolumes", &[]).await).contains(&volume));
    assert!(!ok(other.ec2("DescribeVolumes", &[]).await).contains(&volume));
}

#[tokio::test]
async fn settings_are_of_one_account() {
    let bed = Bed::shared().await;
    let (slow, quick) = (bed.account().await, bed.account().await);
    bed.emulator.settings(&json!({"account": slow.account, "snapshot_seconds": 3600.0})).await;
    for (credentials, state) in [(&slow, "pending"), (&quick, "completed")] {
        let aws = Aws::new(bed.emulator.url(), credentials);
        let volume = aws.new_volume().await;
        ok(aws.snapshot(&volume).await);
        assert_eq!(tag(&ok(aws.describe_snapshots(&volume).await), "status"), state);
    }
}

#[tokio::test]
async fn a_real_sdk_is_served_through_the_proxy() {
    let scene = Scene::new().await;
    let printed = scene
        .run_boto(
            r#"
print(client("sts").get_caller_identity()["Account"])
volume = client("ec2").create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]
print(volume)
s3 = client("s3")
s3.create_bucket(Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
s3.put_object(Bucket="evidence", Key="a/b", Body=b"12345")
print(s3.head_object(Bucket="evidence", Key="a/b")["ContentLength"], s3.get_object(Bucket="evidence", Key="a/b")["Body"].read())
"#,
        )
        .await;
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[0], scene.credentials.account);
    assert!(ok(scene.behind.ec2("DescribeVolumes", &[]).await).contains(lines[1]));
    assert_eq!(lines[2], "5 b'12345'");
}

#[tokio::test]
async fn the_emulator_ends_when_it_is_dropped() {
    let emulator = Emulator::start().await;
    let (url, pid) = (format!("{}/bed/health", emulator.url()), emulator.process().pid());
    crate::support::http::get(&url).await.expect("it answers");
    drop(emulator);
    crate::support::http::get(&url).await.expect_err("it is gone");
    assert!(super::orphans::is_gone(pid), "process {pid} is still there");
}
