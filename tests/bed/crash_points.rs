//! A process is killed exactly where the test says, and the world is as the mode says.

use super::scene::{NEW_VOLUME, Scene};
use crate::support::aws::{Aws, ok};
use crate::support::process::{Process, Program};
use crate::support::proxy::{Call, CrashMode, Fault, Late, Outcome, When};
use std::time::Duration;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);

/// A process that takes three snapshots of one volume, one after the other.
struct Stage {
    scene: Scene,
    volume: String,
    folder: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let volume = scene.behind.new_volume().await;
        Self { scene, volume, folder: tempfile::tempdir().expect("make a folder") }
    }

    fn start(&self) -> Process {
        let script = format!(
            "
ec2 = client('ec2')
for number in [1, 2, 3]:
    ec2.describe_snapshots(Filters=[dict(Name='volume-id', Values=['{volume}'])])
    ec2.create_snapshot(VolumeId='{volume}', Description=str(number))
    print('made', number, flush=True)
",
            volume = self.volume
        );
        let python = self.scene.bed.emulator.python();
        Program::new(python, self.folder.path().join("log")).args(["-c", &self.scene.boto(&script)]).start()
    }

    async fn snapshots(&self) -> usize {
        self.scene.behind.count_snapshots(&self.volume).await
    }

    /// Starts the process and kills it at its second snapshot.
    async fn kill_at_second(&self, mode: CrashMode) -> Process {
        let crash = self.scene.proxy.crash_at(2, mode);
        let process = self.start();
        let victim = tokio::time::timeout(LIMIT, crash.reached()).await.expect("the crash point is reached");
        assert_eq!(victim.parameter("Description"), Some("2"));
        assert!(process.log().contains("made 1") && process.exited().is_none(), "{}", process.log());
        process.kill();
        crash.killed();
        assert!(!process.log().contains("made 2"), "it learned of it: {}", process.log());
        process
    }

    async fn second_call(&self, is: impl Fn(&Call) -> bool) -> Call {
        let found = self.scene.proxy.wait_for(|call| call.parameter("Description") == Some("2") && is(call), LIMIT);
        found.await.unwrap_or_else(|why| panic!("{why:?}"))
    }
}

#[tokio::test]
async fn killed_before_it_was_applied() {
    let stage = Stage::new().await;
    stage.kill_at_second(CrashMode::BeforeApplied).await;
    let call = stage.second_call(|call| call.ended.is_some()).await;
    assert_eq!((call.outcome, call.applied), (Outcome::Dropped, None));
    assert_eq!(stage.snapshots().await, 1);
    // The proxy goes on: the process, started again, makes its three.
    let again = stage.start();
    assert!(again.wait_exit(LIMIT).await.success(), "{}", again.log());
    assert_eq!(stage.snapshots().await, 4);
}

#[tokio::test]
async fn killed_after_it_was_applied_and_before_the_reply() {
    let stage = Stage::new().await;
    stage.kill_at_second(CrashMode::AfterApplied).await;
    let call = stage.second_call(|call| call.ended.is_some()).await;
    assert!(call.took_effect() && call.outcome == Outcome::Dropped, "{call:?}");
    assert_eq!(stage.snapshots().await, 2);
}

#[tokio::test]
async fn killed_and_applied_after_the_first_read_of_the_next_process() {
    let stage = Stage::new().await;
    stage.kill_at_second(CrashMode::Late(Late::AfterAnyRead)).await;
    assert_eq!(stage.snapshots().await, 1);
    // The next process asks first who it is: that shows nothing and brings nothing.
    ok(stage.scene.through.query("sts", "2011-06-15", "GetCallerIdentity", &[]).await);
    assert_eq!(stage.snapshots().await, 1);
    let read = stage.scene.through.count_snapshots(&stage.volume).await;
    assert_eq!((read, stage.snapshots().await), (1, 2));
}

#[tokio::test]
async fn at_a_crash_point_all_calls_stand_still_and_may_go_on() {
    let stage = Stage::new().await;
    let crash = stage.scene.proxy.crash_at(2, CrashMode::AfterApplied);
    let process = stage.start();
    tokio::time::timeout(LIMIT, crash.reached()).await.expect("the crash point is reached");
    assert!(crash.is_reached());
    process.pause().await;
    let client = stage.scene.through.clone();
    let other = tokio::spawn(async move { client.ec2("DescribeVolumes", &[]).await });
    let is_other = |call: &Call| call.operation == "DescribeVolumes";
    stage.scene.proxy.wait_for(is_other, LIMIT).await.expect("the other call arrives");
    // A call without the proxy has gone there and back meanwhile.
    assert_eq!(stage.snapshots().await, 2);
    let held = stage.scene.proxy.calls().into_iter().find(is_other).expect("the other call");
    assert_eq!((held.applied, held.outcome), (None, Outcome::InFlight));

    crash.pass();
    ok(other.await.expect("the other client ends"));
    let call = stage.second_call(|call| call.ended.is_some()).await;
    assert_eq!(call.outcome, Outcome::Replied { status: 200, code: None });
    assert!(!process.log().contains("made 2"), "it is still stopped");
    process.unpause();
    assert!(process.wait_exit(LIMIT).await.success(), "{}", process.log());
    assert_eq!(stage.snapshots().await, 3);
}

/// What the dead process had under way beside the chosen call is lost with it, late or not.
#[tokio::test]
async fn other_calls_of_the_killed_process_are_lost() {
    let scene = Scene::new().await;
    let volume = scene.behind.new_volume().await;
    let late = CrashMode::Late(Late::AfterRead("DescribeSnapshots".into()));
    let crash = scene.proxy.crash_when(When::operation("DeleteVolume"), late);
    let (client, unknown) = (scene.through.clone(), [("VolumeId", "vol-0123456789abcdef0")]);
    let victim = tokio::spawn(async move { client.ec2("DeleteVolume", &unknown).await });
    tokio::time::timeout(LIMIT, crash.reached()).await.expect("the crash point is reached");
    let (client, of) = (scene.through.clone(), volume.clone());
    let beside = tokio::spawn(async move { client.snapshot(&of).await });
    scene.proxy.wait_for(|call| call.operation == "CreateSnapshot", LIMIT).await.expect("the call beside it arrives");
    crash.killed();
    victim.await.expect("the client ends").expect_err("no reply to a dead process");
    beside.await.expect("the client ends").expect_err("no reply to a dead process");
    assert_eq!(scene.through.count_snapshots(&volume).await, 0);
    let calls = scene.proxy.calls();
    assert!(calls[0].applied.is_some(), "the chosen call came late: {:?}", calls[0]);
    assert_eq!((calls[1].applied.clone(), calls[1].faults.clone()), (None, vec!["lost"]));
}

/// A read that the dead process had sent is not the first read of the next one.
#[tokio::test]
async fn an_old_read_does_not_bring_the_late_call() {
    let scene = Scene::new().await;
    let hold = scene.proxy.rule(When::operation("DescribeSnapshots"), Fault::HoldRequest);
    let old = scene.through.clone();
    let old = tokio::spawn(async move { old.describe_snapshots("vol-0123456789abcdef0").await });
    hold.wait_held(1, LIMIT).await;
    let crash = scene.proxy.crash_at(1, CrashMode::Late(Late::AfterAnyRead));
    let victim = scene.through.clone();
    let victim = tokio::spawn(async move { victim.ec2("CreateVolume", &NEW_VOLUME).await });
    tokio::time::timeout(LIMIT, crash.reached()).await.expect("the crash point is reached");
    crash.killed();
    victim.await.expect("the client ends").expect_err("no reply to a dead process");
    hold.release();
    old.await.expect("the client ends").expect_err("no reply to a dead process");
    let volumes = async |aws: &Aws| ok(aws.ec2("DescribeVolumes", &[]).await).matches("<volumeId>").count();
    assert_eq!(volumes(&scene.behind).await, 0);
    assert_eq!(volumes(&scene.through).await, 0);
    assert_eq!(volumes(&scene.behind).await, 1);
}

#[tokio::test]
async fn a_crash_point_that_is_dropped_holds_nothing() {
    let scene = Scene::new().await;
    let crash = scene.proxy.crash_at(1, CrashMode::BeforeApplied);
    scene.proxy.rule(When::operation("DescribeVolumes"), Fault::Delay(Duration::ZERO));
    ok(scene.through.ec2("DescribeVolumes", &[]).await);
    assert!(!crash.is_reached());
    drop(crash);
    scene.through.new_volume().await;
}
