//! Faults on the way back: the upstream did its part, and the client learns nothing, late, or something else.

use super::scene::Scene;
use crate::support::aws::{ok, refused, tag};
use crate::support::proxy::{Call, Fault, Outcome, When};
use crate::support::wait;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_dropped_reply_leaves_the_change_in_place() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    scene.proxy.rule(When::operation("CreateSnapshot").nth(2), Fault::DropReply);
    ok(scene.through.snapshot(&volume).await);
    scene.through.snapshot(&volume).await.expect_err("there is no reply");
    assert_eq!(scene.behind.count_snapshots(&volume).await, 2);
    let call = scene.proxy.calls().remove(1);
    assert_eq!(call.outcome, Outcome::Dropped);
    assert!(call.took_effect());
}

/// One lost reply, and an SDK that is allowed to try again makes two of it: the proxy sees each attempt.
#[tokio::test]
async fn attempts_of_an_sdk_are_calls_of_their_own() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    scene.proxy.rule(When::operation("CreateSnapshot").once(), Fault::DropReply);
    scene.run_boto(&format!("client('ec2', attempts=3).create_snapshot(VolumeId='{volume}')")).await;
    assert_eq!(scene.proxy.mutations().len(), 2);
    assert_eq!(scene.behind.count_snapshots(&volume).await, 2);
}

#[tokio::test]
async fn a_held_reply_comes_when_it_is_released() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    let rule = scene.proxy.rule(When::operation("CreateSnapshot"), Fault::HoldReply);
    let (client, of) = (scene.through.clone(), volume.clone());
    let asked = tokio::spawn(async move { client.snapshot(&of).await });
    rule.wait_held(1, LIMIT).await;
    assert_eq!(scene.behind.count_snapshots(&volume).await, 1);
    assert!(!asked.is_finished());
    rule.release();
    ok(asked.await.expect("the client ends"));
}

#[tokio::test]
async fn a_reply_that_nobody_waits_for_is_marked() {
    let scene = Scene::new().await;
    let rule = scene.proxy.rule(When::operation("CreateVolume"), Fault::HoldReply);
    let client = scene.through.clone();
    let asked = tokio::spawn(async move { client.new_volume().await });
    rule.wait_held(1, LIMIT).await;
    asked.abort();
    asked.await.expect_err("the client is gone");
    // The end of a connection takes its way too; another call through the proxy comes after it.
    ok(scene.through.ec2("DescribeVolumes", &[]).await);
    rule.release();
    let ended = |call: &Call| call.operation == "CreateVolume" && call.ended.is_some();
    let call = scene.proxy.wait_for(ended, LIMIT).await.expect("it ends");
    assert!(call.took_effect() && !call.delivered, "{call:?}");
}

#[tokio::test]
async fn a_frozen_read_shows_what_it_showed() {
    let scene = Scene::new().await;
    let (volume, other) = (scene.behind.new_volume().await, scene.behind.new_volume().await);
    assert_eq!(scene.through.count_snapshots(&volume).await, 0);
    let rule = scene.proxy.rule(When::operation("DescribeSnapshots").times(2), Fault::frozen());
    ok(scene.through.snapshot(&volume).await);
    ok(scene.through.snapshot(&other).await);
    assert_eq!(scene.through.count_snapshots(&volume).await, 0, "as before");
    assert_eq!(scene.through.count_snapshots(&other).await, 1, "another request, never asked before");
    assert_eq!(scene.through.count_snapshots(&volume).await, 1, "two calls were meant");
    assert_eq!(rule.hits(), 2);
    let stale: Vec<_> = scene.proxy.calls().iter().map(|call| call.faults == ["stale"]).collect();
    assert_eq!(stale, [false, false, false, true, true, false]);
}

#[tokio::test]
async fn a_read_that_lags_shows_the_past_and_catches_up() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    let lag = Duration::from_millis(700);
    scene.proxy.rule(When::operation("DescribeSnapshots"), Fault::lag(lag));
    assert_eq!(scene.through.count_snapshots(&volume).await, 0);
    ok(scene.through.snapshot(&volume).await);
    let made = Instant::now();
    let caught_up =
        wait::until("view that caught up", LIMIT, async || match scene.through.count_snapshots(&volume).await {
            0 => Err("not yet".into()),
            _ => Ok(made.elapsed()),
        });
    let caught_up = caught_up.await;
    assert!(caught_up >= lag, "{caught_up:?}");
    assert_eq!(scene.through.count_snapshots(&volume).await, 1, "and does not fall back");
}

#[tokio::test]
async fn what_was_just_made_can_be_unseen() {
    let scene = Scene::new().await;
    let volume = scene.through.new_volume().await;
    let snapshot = tag(&ok(scene.through.snapshot(&volume).await), "snapshotId").to_owned();
    scene.proxy.rule(When::any(), Fault::Unseen);
    assert_eq!(scene.through.count_snapshots(&volume).await, 0);
    let (status, body) = refused(scene.through.ec2("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]).await);
    assert_eq!((status, tag(&body, "Code")), (400, "InvalidSnapshot.NotFound"));
    let printed = scene.run_boto("print(client('ec2').describe_volumes()['Volumes'])").await;
    assert_eq!(printed.trim(), "[]", "an empty list is still a whole reply");
    ok(scene.through.snapshot(&volume).await);
    assert_eq!(scene.behind.count_snapshots(&volume).await, 2, "changes pass");
}

#[tokio::test]
async fn a_rewritten_reply_says_something_else() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    ok(scene.behind.snapshot(&volume).await);
    let error = Fault::rewrite(|_, reply| reply.replace("<status>completed</status>", "<status>error</status>"));
    scene.proxy.rule(When::operation("DescribeSnapshots").once(), error);
    assert_eq!(tag(&ok(scene.through.describe_snapshots(&volume).await), "status"), "error");
    assert_eq!(tag(&ok(scene.through.describe_snapshots(&volume).await), "status"), "completed");
}

/// A test whose rewrite finds nothing is told so, and the proxy goes on.
#[tokio::test]
async fn a_rewrite_that_panics_costs_one_reply() {
    let scene = Scene::new().await;
    let nothing = Fault::rewrite(|_, reply| reply.replace("not in there", ""));
    scene.proxy.rule(When::operation("DescribeVolumes").once(), nothing);
    scene.through.ec2("DescribeVolumes", &[]).await.expect_err("there is no reply");
    ok(scene.through.ec2("DescribeVolumes", &[]).await);
    assert_eq!(scene.proxy.calls()[0].outcome, Outcome::Dropped);
}

#[tokio::test]
async fn a_cut_reply_ends_in_the_middle() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    scene.proxy.rule(When::operation("CreateSnapshot").once(), Fault::CutReply(20));
    let why = scene.through.snapshot(&volume).await.expect_err("it is not whole");
    assert!(!why.contains("SendRequest"), "the head of the reply came: {why}");
    assert_eq!(scene.behind.count_snapshots(&volume).await, 1);
}
